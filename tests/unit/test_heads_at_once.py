"""Several runs that share an encoder answer together: it computes each text once, and every answer is as alone."""

import csv
import json

import pytest
import tiny
import torch
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import find_encoder, find_layers
from nlp_transfer.models.surgery.remembering import remember_last
from nlp_transfer.runs.several_tasks.run_several import run_tasks

TEXTS = ["a good film", "", "the plot was dull and very sad", "fresh"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two heads on the states of one frozen checkpoint, and one that trained the whole model."""
    root = tmp_path_factory.mktemp("heads")
    tiny.save_checkpoint(root / "bert")
    for seed, name in enumerate(("a", "b")):
        tiny.save_csv(root / f"{name}.csv", 40, seed)
    source = {"kind": "checkpoint", "name": str(root / "bert")}
    entries = [
        {
            "name": name,
            "task": {"name": "sentiment", "max_length": length},
            "data": {"train": str(root / f"{file}.csv")},
        }
        for name, file, length in (("a", "a", 16), ("b", "b", 16), ("short", "b", 8))
    ]
    wanted = {"source": source, "strategy": {"kind": "frozen"}, "tasks": entries}
    run_tasks(wanted, output=root / "both", progress=False)
    return root / "both"


@pytest.fixture(scope="module")
def predictor(folder):
    return nlp_transfer.load_tasks(folder)


def count_passes(predictor, work):
    """How often the layers of an encoder run."""
    encoders = {id(found): found for one in predictor.predictors.values() if (found := find_encoder(one.model).module)}
    calls = []
    hooks = [find_layers(one).modules[0].register_forward_hook(lambda *_: calls.append(1)) for one in encoders.values()]
    work()
    for hook in hooks:
        hook.remove()
    return len(calls)


def test_every_answer_is_the_one_that_the_run_gives_alone(predictor, folder):
    together = predictor.predict(TEXTS)
    for name in ("a", "b", "short"):
        alone = nlp_transfer.load(folder / name).predict(TEXTS)
        for said, one in zip(together, alone, strict=True):
            assert said[name]["label"] == one["label"]
            assert said[name]["confidence"] == (one["confidence"] and pytest.approx(one["confidence"], abs=1e-5))
    assert (predictor.seen.texts, predictor.seen.empty) == (4, 1)


def test_each_run_says_that_it_knows_no_word_and_the_text_counts_once(folder):
    predictor = nlp_transfer.load_tasks(folder)
    (said,) = predictor.predict(["zzzqqq"])
    assert {one["reason"] for one in said.values()} == {"the model knows no word of the text"}
    assert predictor.seen.unknown == 1


def test_heads_that_read_the_same_tokens_cost_one_pass_of_the_encoder(folder):
    two = nlp_transfer.load_tasks([folder / "a", folder / "b"])
    one = nlp_transfer.load_tasks([folder / "a"])
    full = [text for text in TEXTS if text]  # for an empty one every run looks up the keys of its answers
    passes = count_passes(one, lambda: one.predict(full))
    assert count_passes(two, lambda: two.predict(full)) == passes > 0
    other = nlp_transfer.load_tasks([folder / "a", folder / "short"])
    long = ["the plot was dull and very sad and it was cold"]  # more than one of them reads
    assert count_passes(other, lambda: other.predict(long)) == 2


def test_an_encoder_that_is_asked_something_else_computes_it():
    layer = torch.nn.Linear(2, 2)
    with remember_last(layer):
        first = layer(torch.ones(1, 2))
        assert layer(torch.ones(1, 2)) is first
        assert layer(torch.zeros(1, 2)) is not first
    assert layer(torch.ones(1, 2)) is not layer(torch.ones(1, 2))


def test_what_another_thread_asks_meanwhile_is_not_answered_here():
    class Copying(torch.nn.Module):
        def forward(self, states, note=None):
            return states.clone()

    class Meanwhile:
        """Asks for something else while it is compared."""

        __hash__ = None

        def __eq__(self, other):
            layer(torch.zeros(1, 2))
            return True

    layer = Copying()
    with remember_last(layer):
        first = layer(torch.ones(1, 2), note=Meanwhile())
        assert layer(torch.ones(1, 2), note=Meanwhile()) is first


def test_the_command_answers_by_the_folder_of_the_tasks_or_by_runs(folder, tmp_path):
    (tmp_path / "t.txt").write_text("a good film\n")
    for words in ([folder], [folder / "a", folder / "b", folder / "short"]):
        done = CliRunner().invoke(app, ["predict", *map(str, words), str(tmp_path / "t.txt")])
        assert list(json.loads(done.stdout)) == ["a", "b", "short"]


def test_a_table_is_read_as_the_options_say(folder, tmp_path):
    (tmp_path / "t.csv").write_text("id;review\n1;a good film\n")
    options = ["--column", "review", "--delimiter", ";", "--output", str(tmp_path / "out.jsonl")]
    done = CliRunner().invoke(app, ["predict", str(folder), str(tmp_path / "t.csv"), *options])
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "out.jsonl").read_text())
    assert said["a"]["label"] == nlp_transfer.load(folder / "a").predict(["a good film"])[0]["label"]


@pytest.fixture
def table(tmp_path):
    """Rows with a column that is called like a run, and one without a text."""
    path = tmp_path / "t.csv"
    path.write_text("a,text\n1,a good film\n2,\n")
    return path


def test_columns_are_kept_beside_the_answers_of_each_run(command, folder, table):
    code, said, err = command("predict", folder / "a", folder / "b", table, "--keep")
    assert code == 0
    first, second = map(json.loads, said.splitlines())
    assert [*first] == ["input_a", "text", "a", "b"]
    assert (first["input_a"], second["b"]["label"], second["b"]["reason"]) == ("1", None, "the text is empty")
    assert "the column 'a' is kept as 'input_a'" in err


@pytest.mark.parametrize("options", [[], ["--keep"]])
def test_several_runs_answer_in_a_table_too(command, folder, table, tmp_path, options):
    code, *_ = command("predict", folder / "a", folder / "b", table, "--output", tmp_path / "said.csv", *options)
    assert code == 0
    with (tmp_path / "said.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    parts = [f"{name}.{key}" for name in "ab" for key in ("label", "confidence", "probabilities", "reason")]
    assert [*first] == (["a", "text"] if options else []) + parts
    assert first["b.label"] == nlp_transfer.load(folder / "b").predict(["a good film"])[0]["label"]
    assert (second["a.label"], second["a.reason"]) == ("", "the text is empty")


def test_a_file_of_lines_holds_what_would_be_printed(command, folder, table, tmp_path):
    printed = command("predict", folder, table)[1]
    assert command("predict", folder, table, "--output", tmp_path / "said.jsonl")[0] == 0
    assert (tmp_path / "said.jsonl").read_text() == printed


def test_answers_of_each_run_are_withheld_below_a_confidence(command, folder, table):
    code, said, err = command("predict", folder / "a", folder / "b", table, "--least", "1")
    assert code == 0
    assert [one["label"] for one in json.loads(said.splitlines()[0]).values()] == [None, None]
    assert "2 of 2 answers (100.0%) of 2 runs are null, for their confidence is below 1" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "auto"], "--precision: is for a single run"),
        (["--revision", "main"], "--revision: is for a single run"),
        (["--least", "0.5", "--task", "sentiment"], "--task: is for a single run"),
        (["--column", "txet=review"], "--column txet: unknown role. .*Did you mean 'text'"),
    ],
)
def test_what_is_for_a_single_run_is_refused(folder, options, said):
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, ["predict", str(folder), *options], catch_exceptions=False)


def test_no_run_is_refused():
    with pytest.raises(ConfigError, match="load_tasks: none is named; name the folder of a run"):
        nlp_transfer.load_tasks([])


def test_a_run_that_is_named_twice_is_refused(folder):
    with pytest.raises(ConfigError, match="a: is named twice"):
        nlp_transfer.load_tasks([folder / "a", folder, folder.parent / folder.name / "a"])
