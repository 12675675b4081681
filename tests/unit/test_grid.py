"""Every source by every strategy: trained, saved, reloaded, predicting the same, here and in a fresh process."""

import csv
import json
import sys
from functools import cache

import pytest
import torch
from fresh import run_fresh
from safetensors.torch import load_file
from tiny import save_checkpoint, save_csv, save_vectors, texts

import nlp_transfer
from nlp_transfer.errors import CheckpointError

SOURCES = ["checkpoint", "bag", "cnn", "bilstm", "transformer"]
STRATEGIES = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "rank": 2},
    "frozen": {"kind": "frozen"},
    "ulmfit": {"kind": "gradual"},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}
SCHEDULES = ["lp_ft", "lp_ft", "lp_ft", "ulmfit", "ulmfit"]  # the phases of each source
CELLS = [(source, kind) for source in SOURCES for kind in ("full", "lora", "frozen")]
CELLS += zip(SOURCES, SCHEDULES, strict=True)
PROBES = [*texts(12, seed=5)[0], "", "an unheard sentence", "good " * 100]
FEW = [("checkpoint", "full"), ("checkpoint", "frozen"), ("bag", "frozen"), ("cnn", "lora"), ("bilstm", "ulmfit")]

# On a GPU recurrent layers add up in another order where the batch has another shape.
CLOSE = 1e-4 if torch.cuda.is_available() else 1e-5


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A function that runs a cell of the grid, once."""
    root = tmp_path_factory.mktemp("grid")
    checkpoint, vectors = save_checkpoint(root / "bert"), save_vectors(root / "vectors.txt")
    data = save_csv(root / "reviews.csv", 40)

    @cache
    def cell(source, strategy):
        config = {
            "task": {"name": "sentiment", "max_length": 32},
            "source": {"kind": "checkpoint", "name": checkpoint}
            if source == "checkpoint"
            else {"kind": "vectors", "name": vectors, "contextualizer": source, "width": 8},
            "strategy": STRATEGIES[strategy],
            "data": {"train": data},
            "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.01, "precision": "fp32"},
        }
        return nlp_transfer.run(config, output=root / f"{source}-{strategy}", progress=False)

    return cell


@pytest.mark.parametrize(("source", "strategy"), CELLS)
def test_a_cell_of_the_grid_trains_saves_reloads_and_predicts_the_same(grid, source, strategy):
    result = grid(source, strategy)
    folder = result.folder
    assert json.loads((folder / "metrics.json").read_text()) == result.metrics
    assert result.metrics["validation"]["accuracy"] is not None
    assert result.metrics["parameters"]["trainable"] > 0
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    again = nlp_transfer.load(folder).predict(rows_of(folder, lines))
    data = list(csv.reader((folder.parent / "reviews.csv").open()))
    assert all([*line["input"].values(), *line["reference"].values()] == data[line["row"] - 1] for line in lines)
    assert {(*line["input"], *line["reference"]) for line in lines} == {("text", "label")}
    for before, after in zip(lines, again, strict=True):
        assert after["probabilities"] == pytest.approx(before["probabilities"], abs=CLOSE)
    assert (folder / "adapter").exists() == (strategy == "lora")
    weights = load_file(folder / "model" / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert not any("lora" in name for name in weights)


def rows_of(folder, lines):
    """The texts that predictions were made for, by their lines in the data file."""
    data = (folder.parent / "reviews.csv").read_text().splitlines()
    return [data[line["row"] - 1].rsplit(",", 1)[0] for line in lines]


def answer(folders):
    """Print what each run says to `PROBES`."""
    sys.stdout.write(json.dumps([nlp_transfer.load(folder).predict(PROBES) for folder in folders]))


def test_a_run_predicts_the_same_in_a_fresh_process(grid, tmp_path):
    folders = [grid(*cell).folder for cell in FEW]
    told = run_fresh(tmp_path, answer, folders)
    for folder, answers in zip(folders, json.loads(told.stdout), strict=True):
        assert answers == nlp_transfer.load(folder).predict(PROBES), folder.name


def test_a_run_leaves_no_local_path_in_what_it_would_publish(grid):
    for cell in (*FEW, ("checkpoint", "lora")):
        folder = grid(*cell).folder
        files = [*(folder / "model").glob("*.json"), *(folder / "adapter").glob("*.json")]
        assert files
        assert not [file.name for file in files if str(folder.parent) in file.read_text()]


def test_a_frozen_run_leaves_the_weights_of_its_source_byte_identical_on_disk(grid):
    folder = grid("checkpoint", "frozen").folder
    before = load_file(folder.parent / "bert" / "model.safetensors")
    after = load_file(folder / "model" / "model.safetensors")
    encoder = {name.removeprefix("encoder."): tensor for name, tensor in after.items() if name.startswith("encoder.")}
    assert set(before) - set(encoder) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(torch.equal(encoder[name], before[name]) for name in encoder)


def test_the_same_configuration_twice_gives_the_same_files(grid, tmp_path):
    for cell in (("checkpoint", "full"), ("bilstm", "ulmfit")):
        first = grid(*cell).folder
        second = nlp_transfer.run(first / "config.yaml", output=tmp_path / cell[0], progress=False).folder
        for name in ("model/model.safetensors", "predictions.jsonl", "config.yaml"):
            assert (first / name).read_bytes() == (second / name).read_bytes(), name
        histories = [[json.loads(line) for line in (f / "history.jsonl").open()] for f in (first, second)]
        for history in histories:
            for record in history:
                record.pop("seconds")
        assert histories[0] == histories[1]


def test_several_seeds_give_a_mean_and_a_deviation_and_the_best_model(grid, tmp_path):
    first = grid("bag", "full").folder
    result = nlp_transfer.run(
        first / "config.yaml", ["training.seeds=[0,1]"], output=tmp_path / "seeds", progress=False
    )
    spread = result.metrics["seeds"]["test"]["accuracy"]
    assert set(spread) == {"mean", "standard_deviation"}
    answers = {json.loads(line)["label"] for line in (result.folder / "predictions.jsonl").open()}
    assert result.metrics["answers"] == len(answers)
    assert nlp_transfer.load(result.folder).predict(["good"])
    folders = sorted(result.folder.glob("seed-*"))
    assert [folder.name for folder in folders] == ["seed-0", "seed-1"]
    (best,) = [folder for folder in folders if not (folder / "model").exists()]
    with pytest.raises(CheckpointError, match=rf"lacks model; this seed was the best, .* stands in {result.folder}$"):
        nlp_transfer.load(best)


def test_the_threads_of_a_run_are_its_own(grid, tmp_path):
    before = torch.get_num_threads()
    overrides = [f"training.threads={before + 1}"]
    result = nlp_transfer.run(grid("bag", "full").folder / "config.yaml", overrides, output=tmp_path, progress=False)
    assert json.loads((result.folder / "environment.json").read_text())["threads"] == before + 1
    assert torch.get_num_threads() == before
