"""Merged runs: what their weights are, what becomes of the head, and what of it is measured, said and kept."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import config, rows, run, save_checkpoint, save_csv, save_vectors, sentiment, tokenizer
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli import commands
from nlp_transfer.config.load import load_config
from nlp_transfer.errors import CheckpointError, ConfigError, DataError, SourceError
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.merging import add_to_mean, find_misfit, move_towards_start
from nlp_transfer.runs.merging import merge as merging
from nlp_transfer.runs.merging.parts import read_parts
from nlp_transfer.sources import load_source
from nlp_transfer.training import last_layer
from nlp_transfer.training.last_layer import find_last_layer
from nlp_transfer.training.solver import Choice


def make_model(seed, family="bert", **changes):
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_config(config(family, num_labels=2, **changes)).eval()


def list_weights(model):
    return {name: one.detach().clone() for name, one in model.named_parameters()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a checkpoint, word vectors and data."""
    folder = tmp_path_factory.mktemp("merging")
    save_checkpoint(folder / "bert", num_hidden_layers=1)
    save_vectors(folder / "words.txt")
    save_csv(folder / "data.csv", 120)
    return folder


@pytest.fixture(scope="module")
def seeds(place):
    """A run of two seeds in full, whose answers differ."""
    return run(
        place / "seeds", place / "bert", {"kind": "full"}, str(place / "data.csv"), seeds=[0, 1], learning_rate=0.01
    )


@pytest.fixture(scope="module")
def frozen(place):
    """A frozen run on word vectors, whose head was solved."""
    source = {"kind": "vectors", "name": str(place / "words.txt")}
    return run(place / "frozen", source, {"kind": "frozen"}, str(place / "data.csv"))


@pytest.fixture(scope="module")
def merged(place, seeds):
    """Both seeds, merged."""
    return nlp_transfer.merge([seeds.folder], place / "merged")


def find_other(seeds):
    """The folder of the seed whose model was not kept, and therefore lies there."""
    return next(part.folder for part in seeds.parts if (part.folder / "model").is_dir())


def read_card(result):
    return (result.folder / "README.md").read_text()


def test_the_command_line_merges_and_the_weights_are_the_mean(seeds, tmp_path):
    said = CliRunner().invoke(commands.app, ["merge", str(seeds.folder), str(tmp_path / "out"), "--head", "average"])
    assert said.exit_code == 0
    assert f"run folder: {tmp_path / 'out'}" in said.output
    assert "test: the mean of its parts: accuracy" in said.output
    parts = [nlp_transfer.load(folder).model for folder in (seeds.folder, find_other(seeds))]
    one, two = map(list_weights, parts)
    for name, weights in list_weights(nlp_transfer.load(tmp_path / "out").model).items():
        assert torch.allclose(weights, (one[name] + two[name]) / 2, atol=1e-7)
        assert name not in {"classifier.weight"} or not torch.equal(one[name], two[name])


def test_what_is_equal_in_all_models_stays_as_it_is():
    mean, other = make_model(0), make_model(0)
    before = list_weights(mean)
    for count in (2, 3, 4):
        add_to_mean(mean, other, count)
    assert all(torch.equal(one, before[name]) for name, one in list_weights(mean).items())


def test_the_mean_of_three_weighs_each_alike():
    models = [make_model(seed) for seed in range(3)]
    each = [list_weights(model) for model in models]
    for count, model in enumerate(models[1:], 2):
        add_to_mean(models[0], model, count)
    for name, one in list_weights(models[0]).items():
        assert torch.allclose(one, torch.stack([weights[name] for weights in each]).mean(0), atol=1e-7)


def test_a_share_is_the_part_of_the_way_from_the_start_and_what_is_new_stays():
    start, mean = make_model(0), make_model(1)
    begun, before = list_weights(start), list_weights(mean)
    move_towards_start(mean, start, 0.25, {"classifier.weight"})
    for name, one in list_weights(mean).items():
        way = before[name] if name == "classifier.weight" else begun[name] + 0.25 * (before[name] - begun[name])
        assert torch.allclose(one, way, atol=1e-7)


def test_a_start_that_has_changed_its_shape_is_refused():
    with pytest.raises(SourceError, match=r"share: the source has changed since: bert\..* is .*bring it back"):
        move_towards_start(make_model(0), make_model(0, hidden_size=8), 0.5, set())


@pytest.mark.parametrize(("other", "said"), [({"hidden_size": 8}, "weight"), ({"num_hidden_layers": 1}, "none, not")])
def test_models_of_other_shapes_have_no_mean(other, said):
    assert said in find_misfit(make_model(0), make_model(0, **other))


def test_buffers_of_whole_numbers_have_to_be_equal():
    one, two = make_model(0), make_model(1)
    assert find_misfit(one, two) is None
    two.bert.embeddings.position_ids += 1
    assert find_misfit(one, two) == "bert.embeddings.position_ids: other whole numbers, which have no mean"


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_the_last_layer_of_a_head_is_found_and_its_solution_written(family):
    model, task, data = make_model(0, family), sentiment(), rows(24)
    units = TokenInputs(task.encode(data, Tokenizers(tokenizer()), training=True), 1)
    layer = find_last_layer(model, task)
    before = list_weights(model)
    solution = layer.solve(model, task, units, units, smoothing=0.0).solution
    assert all(torch.equal(one, before[name]) for name, one in list_weights(model).items())

    known = layer._collect_rows(model, task, units)
    layer.write(solution)
    said = model(**units.make_batch(torch.arange(24).numpy()).inputs).logits
    assert torch.allclose(said, torch.from_numpy(solution.predict(known.x)).float(), atol=1e-4)


@pytest.mark.parametrize(("judges", "folds"), [(99, 5), (100, 0)])
def test_few_rows_of_validation_do_not_choose_the_penalty_of_a_last_layer_alone(monkeypatch, judges, folds):
    model, task, given = make_model(0), sentiment(), []
    choose = last_layer.choose_solution
    monkeypatch.setattr(last_layer, "choose_solution", lambda *rows, **how: given.append(how) or choose(*rows, **how))
    train, validation = (
        TokenInputs(task.encode(rows(count), Tokenizers(tokenizer()), training=True), 1) for count in (24, judges)
    )
    find_last_layer(model, task).solve(model, task, train, validation, smoothing=0.0)
    assert (0 if given[0]["folds"] is None else len(set(given[0]["folds"]))) == folds


def test_a_task_that_says_no_way_to_solve_its_head_has_none_to_solve():
    task = sentiment()
    task.solved_as = None
    assert find_last_layer(make_model(0), task) is None


def test_a_run_of_several_seeds_stands_for_them(merged, seeds):
    told = merged.figures.merged
    assert [(part.name, part.strategy, part.seed) for part in told.parts] == [
        ("seeds/seed-0", "full", 0),
        ("seeds/seed-1", "full", 1),
    ]
    assert [part.test for part in told.parts] == [part.figures.test for part in seeds.parts]
    assert merged.figures.steps == sum(part.figures.steps for part in seeds.parts)
    assert merged.figures.seeds is None
    assert len(merged.parts) == 2


def test_a_merged_run_is_measured_beside_its_parts(merged):
    assert "test: bert, full, merged: accuracy" in merged.summary
    for name in ("the mean of its parts", "the best of its parts on validation"):
        assert any(name in line for line in merged.figures.verdict)
        assert f"{name}: accuracy" in merged.summary


def test_a_merged_run_is_a_run(merged, place):
    scores = nlp_transfer.load(merged.folder).evaluate(str(place / "data.csv"))
    assert scores["accuracy"] > 0
    assert set(scores["simple"]) == {"majority", "tfidf_logistic"}
    assert load_source("checkpoint", name=str(merged.folder)).encoder().new == frozenset()
    assert load_config(merged.folder / "config.yaml").training.seeds is None


def test_the_card_says_what_was_merged(merged):
    card = read_card(merged)
    assert (
        "Its weights are the mean of 2 runs, `seeds/seed-0` (`full`), `seeds/seed-1` (`full`); the last layer" in card
    )
    assert "| part `seeds/seed-0` |" in card
    assert "| seed | 0, 1 |" in card
    assert "- merge\n" in card


def test_a_merged_run_can_be_published(merged, tmp_path):
    nlp_transfer.publish(merged.folder, "me/merged", licence="mit", dry_run=True, output=tmp_path / "tree")
    texts = ["a good film", "an awful film"]
    assert nlp_transfer.predict(tmp_path / "tree", texts) == nlp_transfer.predict(merged.folder, texts)
    with pytest.raises(nlp_transfer.PublishError, match="the adapter alone would be of no use: there is none"):
        nlp_transfer.publish(merged.folder, "me/merged", licence="mit", dry_run=True, adapter_only=True)


def test_a_share_of_one_run_goes_from_the_weights_of_its_source(place, seeds, tmp_path):
    result = nlp_transfer.merge([find_other(seeds)], tmp_path / "half", share=0.5, head="average")
    name = "bert.encoder.layer.0.output.dense.weight"
    start = load_source("checkpoint", name=str(place / "bert")).encoder().model
    began = start.get_parameter(name.removeprefix("bert."))
    tuned, half = (nlp_transfer.load(folder).model.get_parameter(name) for folder in (find_other(seeds), result.folder))
    assert torch.allclose(half, (began + tuned) / 2, atol=1e-7)
    assert not torch.allclose(half, tuned, atol=1e-4)
    assert "Its weights are a point on the way from the source (0) to the run `seed-" in read_card(result)


def test_validation_chooses_between_the_two_heads(seeds, tmp_path, monkeypatch):
    def solve(layer, *_, **__):
        return Choice(1.0, 0.0, {}, layer.read()._replace(bias=-layer.read().bias))

    monkeypatch.setattr(merging.LastLayer, "solve", solve)
    scores = iter([0.5, 0.4])
    score = merging._Model.score
    monkeypatch.setattr(merging._Model, "score", lambda *given: {**score(*given), "accuracy": next(scores)})
    result = nlp_transfer.merge([seeds.folder], tmp_path / "merged")
    assert result.figures.merged.head == "averaged"


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ({"name": "sentiment"}, {}),
        ({"name": "multilabel"}, {"labels": "label"}),
        ({"name": "pairs", "target": "number"}, {"first": "text", "second": "label", "number": "size"}),
    ],
    ids=["label", "labels", "number"],
)
def test_where_nothing_moved_the_solved_head_is_solved_again_and_calibrated_again(place, tmp_path, task, columns):
    lines = Path(save_csv(tmp_path / "rows.csv", 240)).read_text().splitlines()
    table = "".join(f"{line},{'size' if not i else len(line)}\n" for i, line in enumerate(lines))
    (tmp_path / "data.csv").write_text(table)
    settings = {
        "task": task,
        "source": {"kind": "vectors", "name": str(place / "words.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": str(tmp_path / "data.csv"), "columns": columns, "validation_share": 0.45},
    }
    part = nlp_transfer.run(settings, output=tmp_path / "run", progress=False)
    result = nlp_transfer.merge([part.folder], tmp_path / "merged", share=0.5, head="solve")
    assert result.figures.merged.head == "solved"
    metric = part.figures.selection.metric
    assert result.metrics["test"][metric] == pytest.approx(part.metrics["test"][metric], abs=0.02)
    found, own = result.figures.confidence, part.figures.confidence
    assert (found is None) == (own is None) == (task["name"] == "pairs")
    if own:
        assert "of validation" in found.note
        assert found.temperature == pytest.approx(own.temperature, rel=0.1)
        assert "Expected calibration error on test" in read_card(result)


LOOK = {"phase": "a", "validation": {"accuracy": 0.5}, "step": 1, "seconds": 1.0}


@pytest.mark.parametrize(
    "line",
    [
        *(
            "{",
            "[]",
            "\udc80",
            *(json.dumps({name: one for name, one in LOOK.items() if name != left}) for left in LOOK),
        ),
        *(json.dumps({**LOOK, **odd}) for odd in ({"solver": 3}, {"validation": {"accuracy": "x"}}, {"seconds": "1"})),
    ],
)
def test_a_damaged_history_is_named(frozen, tmp_path, line):
    (part,) = read_parts([frozen.folder], None)
    (tmp_path / "history.jsonl").write_text(line, errors="surrogateescape")
    with pytest.raises(CheckpointError, match=r"history.jsonl: damaged \(line 1: "):
        _ = replace(part, folder=tmp_path).learned_validation


def test_heads_that_have_learned_from_validation_are_not_judged_on_it(place, frozen, tmp_path, caplog):
    assert read_parts([frozen.folder], None)[0].learned_validation
    solved = nlp_transfer.merge([frozen.folder], tmp_path / "auto", share=0.5)
    assert solved.figures.merged.head == "solved"
    assert solved.figures.validation == frozen.figures.validation  # of a head that was solved on train alone
    caplog.clear()
    mean = nlp_transfer.merge([frozen.folder], tmp_path / "mean", share=0.5, head="average")
    assert merging.SEEN in mean.figures.warnings
    assert merging.SEEN not in solved.figures.warnings
    assert merging.SEEN in caplog.text


def test_made_again_a_merge_says_that_it_is_there(merged, seeds):
    before = (merged.folder / "metrics.json").read_bytes()
    again = nlp_transfer.merge([seeds.folder], merged.folder)
    assert again.summary.startswith(f"{merged.folder} holds this merge already")
    assert (merged.folder / "metrics.json").read_bytes() == before
    with pytest.raises(ConfigError, match=r"holds a merge of other runs, or with other options; choose another folder"):
        nlp_transfer.merge([seeds.folder], merged.folder, share=0.5)


def test_a_merge_that_was_stopped_is_made_again_with_the_same_result(merged, seeds, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(merging, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            nlp_transfer.merge([seeds.folder], tmp_path / "merged")
    again = nlp_transfer.merge([seeds.folder], tmp_path / "merged")
    assert again.figures.weights == merged.figures.weights
    assert again.figures.test == merged.figures.test


@pytest.fixture(scope="module")
def others(place, seeds):
    """Runs that do not belong to those of `seeds`, by name."""
    found = {"split": shutil.copytree(find_other(seeds), place / "split")}
    figures = json.loads((place / "split" / "metrics.json").read_text())
    figures["data"]["splits"]["test"]["fingerprint"] = "0" * 32
    (place / "split" / "metrics.json").write_text(json.dumps(figures))
    found["task"] = shutil.copytree(find_other(seeds), place / "task")
    settings = (place / "task" / "config.yaml").read_text()
    (place / "task" / "config.yaml").write_text(settings.replace("max_length: 32", "max_length: 31"))
    found["published"] = shutil.copytree(find_other(seeds), place / "published")
    (place / "published" / "hits.json").unlink()
    found["unfinished"] = shutil.copytree(find_other(seeds), place / "unfinished")
    (place / "unfinished" / "metrics.json").unlink()
    found["model"] = shutil.copytree(find_other(seeds), place / "model")
    sized = json.loads((place / "model" / "model" / "config.json").read_text())
    (place / "model" / "model" / "config.json").write_text(json.dumps({**sized, "hidden_act": "relu"}))
    return found


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        ("split", DataError, "its test rows are others, so one of them may have learned from rows that the other is"),
        ("task", ConfigError, "task.max_length is 31, not 32; merge runs of one task and source"),
        ("published", CheckpointError, r"lacks hits.json, with the score of each test row"),
        ("unfinished", CheckpointError, "not a finished run: it lacks metrics.json"),
        ("model", CheckpointError, "model cannot be merged: hidden_act is relu, not gelu, of its model"),
        ("nowhere", CheckpointError, "nowhere: no such run folder"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused_in_a_line(seeds, others, tmp_path, other, error, said):
    with pytest.raises(error, match=said) as caught:
        nlp_transfer.merge([seeds.folder, others.get(other, other)], tmp_path / "merged")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "merged" / "metrics.json").exists()


def test_runs_of_other_sources_are_refused(seeds, frozen, tmp_path):
    said = r"frozen cannot be merged with seeds/seed-0: source\.kind is vectors, not checkpoint; "
    with pytest.raises(ConfigError, match=said):
        nlp_transfer.merge([seeds.folder, frozen.folder], tmp_path / "merged")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": 0}, "share: expected a number above 0 and up to 1, received 0"),
        ({"share": 1.5}, "received 1.5"),
        ({"head": "new"}, "head: expected 'auto', 'solve' or 'average', received 'new'"),
        ({"runs": 3}, "merge: expected the folder of a run, or a list of them; received an int"),
        ({"runs": []}, "merge: none is named; name the folder of a run"),
    ],
)
def test_what_cannot_be_merged_is_refused_before_anything_is_read(tmp_path, given, said):
    with pytest.raises(ConfigError, match=said):
        nlp_transfer.merge(**{"runs": ["nowhere"], "output": tmp_path / "merged", **given})


def test_a_run_alone_and_a_run_named_twice_are_refused(frozen, tmp_path):
    with pytest.raises(ConfigError, match=r"alone is its own mean: name more runs before the folder to write, or"):
        nlp_transfer.merge([frozen.folder], tmp_path / "merged")
    with pytest.raises(ConfigError, match=r"frozen is named twice"):
        nlp_transfer.merge([frozen.folder, frozen.folder], tmp_path / "merged")


@pytest.fixture
def scratch(seeds, tmp_path):
    """The folders of two runs that say that they began from scratch."""
    found = [shutil.copytree(folder, tmp_path / folder.name) for folder in (seeds.folder, find_other(seeds))]
    kept = seeds.figures.seed
    for folder, seed in zip(found, (kept, 1 - kept), strict=True):
        shutil.copy(seeds.parts[seed].folder / "metrics.json", folder)
        settings = (seeds.parts[seed].folder / "config.yaml").read_text()
        assert "scratch: false" in settings
        (folder / "config.yaml").write_text(settings.replace("scratch: false", "scratch: true"))
    return found


def test_runs_from_scratch_have_no_share_for_there_is_no_start_to_come_from(scratch, tmp_path):
    with pytest.raises(ConfigError, match=r"share: .* was trained from scratch \(source.scratch\), so there are no"):
        nlp_transfer.merge(scratch[1:], tmp_path / "merged", share=0.5)
    assert not (tmp_path / "merged").exists()


def test_all_weights_of_runs_from_scratch_are_new(scratch):
    _, (said,) = merging._merge_weights(merging.read_parts(scratch, None), 1.0, None)
    assert "did not come from the source: each seed (0, 1)" in said
    assert said.startswith(f"{len(list_weights(make_model(0, num_hidden_layers=1))) - 2} of the merged tensors")


def test_new_parts_of_several_seeds_are_warned_of(seeds):
    parts = merging.read_parts([seeds.folder], None)
    head = find_last_layer(make_model(0), sentiment())
    drawn = {"bert.pooler.dense.weight", "classifier.weight"}
    (said,) = merging._warn_of_new(parts, drawn, head)
    assert said.startswith("1 of the merged tensors, such as bert.pooler.dense.weight, did not come from the source")
    assert not [*merging._warn_of_new(parts, {"classifier.weight"}, head)]
    assert not [*merging._warn_of_new(parts[:1], drawn, head)]


def test_the_command_line_names_what_is_missing(frozen, seeds):
    shell = CliRunner()
    alone = shell.invoke(commands.app, ["merge", str(frozen.folder)])
    assert "write the runs, then the folder to write: RUN... OUT" in str(alone.exception)
    full = shell.invoke(commands.app, ["merge", str(seeds.folder), str(frozen.folder)])
    assert "holds a finished run; choose another folder as OUT" in str(full.exception)
