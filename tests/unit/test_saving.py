"""What a run leaves behind: complete, private, loadable, or refused in one line."""

import contextlib
import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import LABELS, Training, checkpoint, save_csv, vectors
from transformers.models.auto import modeling_auto, tokenization_auto

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.errors import CheckpointError, ConfigError, LostError, StoppedError, TrainingError
from nlp_transfer.models import saving
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.saving import describe_environment, save_model, write_json
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.folder import find_place, make_folder
from nlp_transfer.runs.probes import are_alike
from nlp_transfer.runs.run import advise
from nlp_transfer.sources import load_source
from nlp_transfer.system.layout import BYTEWISE, TOKENIZER, VOCABULARY


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run: frozen vectors."""
    root = tmp_path_factory.mktemp("run")
    source = vectors(root / "v.txt")
    config = {
        "task": {"name": "sentiment"},
        "source": {"kind": "vectors", "name": source.name},
        "strategy": {"kind": "frozen"},
        "data": {"train": save_csv(root / "data.csv")},
        "training": {"precision": "fp32"},
    }
    return nlp_transfer.run(config, output=root / "run", progress=False).folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of it to be damaged."""
    import shutil

    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_folder_holds_what_it_promises(finished):
    assert {path.name for path in finished.iterdir()} == {
        "config.yaml",
        "environment.json",
        "history.jsonl",
        "hits.json",
        "metrics.json",
        "model",
        "predictions.jsonl",
        "probes.jsonl",
        "README.md",
        "report.html",
    }
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= {
        path.name for path in (finished / "model").iterdir()
    }


def test_weights_may_be_read_by_whom_their_neighbours_may(finished):
    modes = {path.name: path.stat().st_mode for path in (finished / "model").iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_label_names_are_kept_in_the_configuration_of_the_model(finished):
    values = json.loads((finished / "model" / "config.json").read_text())
    assert values["id2label"] == {str(i): label for i, label in enumerate(LABELS)}
    assert values["label2id"] == {label: i for i, label in enumerate(LABELS)}


def poison(folder):
    path = folder / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors["head.output.weight"][0, 0] = torch.nan
    save_file(tensors, path, metadata={"format": "pt"})


def lose_a_weight(folder):
    path = folder / "model" / "model.safetensors"
    tensors = load_file(path)
    del tensors["head.output.bias"]
    save_file(tensors, path, metadata={"format": "pt"})


def cut(name, size=-20):
    def damage(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:size])

    damage.__name__ = f"cut {name}"
    return damage


def remove(name):
    def damage(folder):
        (folder / name).unlink()

    damage.__name__ = f"remove {name}"
    return damage


DAMAGES = [
    poison,
    lose_a_weight,
    cut("model/model.safetensors"),
    cut("model/model.safetensors", 0),
    cut("model/config.json"),
    cut("model/tokenizer.json"),
    cut("model/tokenizer_config.json"),
    remove("model/model.safetensors"),
    remove("model/config.json"),
    remove("model/tokenizer.json"),
    remove("model/tokenizer_config.json"),
    remove("config.yaml"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_run_is_refused_in_one_line_that_names_the_folder(folder, damage):
    assert nlp_transfer.load(folder).predict(["good"])
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        nlp_transfer.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_which_one_bit_is_another_are_refused_by_file(folder):
    path = folder / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged or exchanged: its digest is not"):
        nlp_transfer.load(folder)


def test_a_damaged_configuration_is_refused_with_its_line(folder):
    (folder / "config.yaml").write_text("task: [")
    with pytest.raises(CheckpointError, match=r"config\.yaml, line 1: .*; no run wrote this file, or it was cut"):
        nlp_transfer.load(folder)


@pytest.mark.parametrize("name", ["nowhere", "data.csv", ""])
def test_what_is_no_run_folder_is_refused(finished, name):
    place = finished.parent / name if name else finished.parent
    with pytest.raises(CheckpointError, match=r"no such run folder|is a file|not a finished run"):
        nlp_transfer.load(place)


def test_loading_a_saved_model_never_runs_the_code_beside_it(folder):
    for file in ("pooled.py", "static.py"):
        (folder / "model" / file).write_text("raise SystemExit('their code ran')")
    assert nlp_transfer.load(folder).predict(["good"])


def test_the_modelling_files_beside_a_model_are_those_of_this_package(finished):
    from nlp_transfer.models import portable as modeling

    for file in ("pooled.py", "static.py"):
        with open(os.path.join(modeling.__path__[0], file)) as ours:  # noqa: PTH118, PTH123 - a namespace's path
            assert (finished / "model" / file).read_text() == ours.read()


@pytest.mark.parametrize("auto", ["MODEL_MAPPING", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING"])
def test_what_tokenizers_keep_is_on_the_list_of_what_is_published_and_looked_for(auto):
    kinds = getattr(modeling_auto, f"{auto}_NAMES").keys() & tokenization_auto.TOKENIZER_MAPPING_NAMES.keys()
    names = {tokenization_auto.TOKENIZER_MAPPING_NAMES[kind] for kind in kinds} - {None}
    classes = [kind for name in names if (kind := tokenization_auto.tokenizer_class_from_name(name))]
    assert len(classes) > 5
    for kind in classes:
        kept = set(kind.vocab_files_names.values())
        assert kept <= set(TOKENIZER), kind
        assert kept & {*VOCABULARY} or kind.__name__ in {*BYTEWISE, "DiaTokenizer"}, kind


def test_a_native_model_needs_no_modelling_files(tmp_path):
    source = checkpoint(tmp_path / "bert")
    save_model(build_classifier(source, LABELS, head="native").model, Tokenizers(source.tokenizer), tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.py"))
    assert "auto_map" not in json.loads((tmp_path / "model" / "config.json").read_text())


def test_saving_twice_writes_the_same_bytes(tmp_path):
    source = checkpoint(tmp_path / "bert")
    model = build_classifier(source, LABELS, head="pooled").model
    for name in ("one", "two"):
        save_model(model, Tokenizers(source.tokenizer), tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_a_reloaded_model_can_be_saved_and_loaded_again(finished, tmp_path):
    model, tokenizers = load_model(finished / "model", "AutoModelForSequenceClassification")
    save_model(model, tokenizers, tmp_path / "again")
    again, _ = load_model(tmp_path / "again", "AutoModelForSequenceClassification")
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


def test_a_trained_checkpoint_serves_as_the_source_of_the_next_run(tmp_path):
    first = Training(checkpoint(tmp_path / "bert"), {"kind": "full"})
    first.fit()
    save_model(first.plan.model, Tokenizers(first.source.tokenizer), tmp_path / "model")
    second = load_source("checkpoint", name=str(tmp_path / "model"))
    encoder = second.encoder().model
    assert torch.equal(
        encoder.embeddings.word_embeddings.weight, first.plan.model.bert.embeddings.word_embeddings.weight
    )
    assert Training(second, {"kind": "frozen"}).fit().best > 0.3


def test_scores_that_are_not_finite_are_never_written(tmp_path):
    with pytest.raises(TrainingError, match=r"metrics\.json: a score is not a finite number: test\.accuracy"):
        write_json(tmp_path / "metrics.json", {"test": {"f1": 0.5, "accuracy": float("nan")}})
    assert not list(tmp_path.iterdir())


def test_a_run_takes_the_first_free_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        made = [str(stack.enter_context(make_folder(None, "bert"))) for _ in range(3)]
    assert made == ["runs/bert", "runs/bert-2", "runs/bert-3"]


def test_an_output_that_holds_something_is_not_written_to(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds files already; choose another with --output"):
        make_folder(tmp_path, "x").__enter__()
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match=r"not its config\.yaml; put that back to go on with --resume"):
        make_folder(tmp_path, "x").__enter__()
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds a finished run"):
        make_folder(tmp_path, "x").__enter__()
    with pytest.raises(ConfigError, match=r"cannot be written"):
        make_folder(tmp_path / "notes.txt", "x").__enter__()


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("one/config.yaml", r"holds runs; name a new folder in it, or go on with a comparison by --resume .*out"),
        ("comparison.json", "holds a finished comparison; choose another"),
    ],
)
def test_a_comparison_in_the_way_is_called_that(tmp_path, left, said):
    path = tmp_path / "out" / left
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(ConfigError, match=said), make_folder(tmp_path / "out", "run"):
        pass


@pytest.mark.parametrize(
    ("before", "made", "left"),
    [
        ([], ["config.yaml", "one/config.yaml", "one/environment.json"], []),
        ([], ["config.yaml", "checkpoints/step-1/state"], ["checkpoints/step-1/state", "config.yaml"]),
        (["one/config.yaml"], ["two/config.yaml"], ["one/config.yaml", "two/config.yaml"]),
    ],
)
def test_a_run_that_fails_before_its_training_leaves_the_folder_as_it_was(tmp_path, before, made, left):
    def write(names):
        for path in (tmp_path / name for name in names):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")

    def fail():
        write(made)
        raise TrainingError

    write(before)
    with pytest.raises(TrainingError), make_folder(tmp_path, "run", left=["one"]):
        fail()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == left
    assert bool(left) == any(tmp_path.iterdir())


SOURCE = {"kind": "checkpoint", "name": "~/bert"}


def test_a_home_that_is_named_by_a_tilde_is_found(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with make_folder("~/runs/x", "run") as folder:
        assert folder == tmp_path / "runs" / "x"
    (tmp_path / "run").symlink_to(finished)
    assert nlp_transfer.load("~/run").predict(["good film"])
    assert find_place("~/run", None) == (tmp_path / "run", None)
    name = load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv"}, "source": SOURCE}).source.name
    assert name == str(tmp_path / "bert")
    with pytest.raises(ConfigError, match="no such run folder"):
        find_place("~nobody-of-this-name/x", None)
    assert not (tmp_path / "~").exists()


def test_the_folder_of_the_checkpoints_means_its_run(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert find_place(tmp_path / "run" / "checkpoints", None) == (tmp_path / "run", None)


@pytest.mark.parametrize("error", [StoppedError("terminated after step 3", 15), LostError("another process has ended")])
def test_what_ends_a_training_is_told_with_the_folder_to_go_on_in(tmp_path, error):
    code, said = error.exit_code, str(error)
    way_out = f"{said}; go on with the same command and --resume {tmp_path}$"
    with pytest.raises(type(error), match=way_out) as told, advise(tmp_path):
        raise error
    assert told.value.exit_code == code


def test_an_output_that_not_even_root_may_write_is_refused():
    with pytest.raises(ConfigError, match=r"/proc/run cannot be written"):
        make_folder("/proc/run", "x").__enter__()


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp_transfer.runs.one_run.prepare", lambda *_: pytest.fail("something was loaded"))
    (tmp_path / "file").write_text("")
    config = {"task": {"name": "sentiment"}, "data": {"train": "nowhere.csv"}}
    with pytest.raises(ConfigError, match="cannot be written"):
        nlp_transfer.run(config, output=tmp_path / "file" / "run")


def test_answers_are_alike_within_rounding_however_deep_the_numbers_stand():
    said = {"scores": [0.5, {"a": [0.25]}], "words": ["a"]}
    assert are_alike(said, {"scores": [0.50001, {"a": [0.25001]}], "words": ["a"]})
    assert not are_alike(said, {"scores": [0.5, {"a": [0.26]}], "words": ["a"]})
    assert not are_alike([0.5], [0.5, 0.5])


def test_a_package_that_is_not_installed_is_left_out_of_the_environment(monkeypatch):
    monkeypatch.setattr(saving, "REPORTED_PACKAGES", ("numpy", "no-such-package"))
    assert describe_environment()["packages"].keys() == {"nlp-transfer", "numpy"}
