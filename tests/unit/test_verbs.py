"""Every verb of the command line is a function of the library that says what it returns."""

import inspect
from pathlib import Path

import pytest
from tiny import save_csv, save_vectors
from typer.main import get_command

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.errors import TransferError

OTHER_NAMES = {  # `sources` and `vectors` are packages of the library
    "sources": "list_sources",
    "schema": "config_schema",
    "vectors import": "import_vectors",
    "vectors train": "train_vectors",
}


def list_verbs(group, before=""):
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        yield from list_verbs(command, f"{before}{name} ") if inner else [before + name]


@pytest.mark.parametrize("verb", [*list_verbs(get_command(app))])
def test_a_verb_is_a_public_function_that_says_what_it_returns(verb):
    function = getattr(nlp_transfer, OTHER_NAMES.get(verb, verb))
    assert function.__name__ in nlp_transfer.__all__
    assert inspect.signature(function).return_annotation not in (inspect.Signature.empty, None)


def test_texts_are_answered_by_a_run_in_one_call(tmp_path):
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "vectors.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": save_csv(tmp_path / "data.csv")},
    }
    folder = nlp_transfer.run(config, output=tmp_path / "run", progress=False).folder
    texts = ["a good film", "an awful film"]
    assert nlp_transfer.predict(folder, texts) == nlp_transfer.load(folder).predict(texts)


@pytest.mark.parametrize(
    ("verb", "whole", "options"),
    [
        (nlp_transfer.compare, "a comparison", {}),
        (nlp_transfer.rank, "a ranking", {"sources": ["words.txt"]}),
        (nlp_transfer.search, "a search", {"space": {"training.epochs": [1, 2]}, "trials": 1}),
    ],
)
def test_the_output_of_a_configuration_is_that_of_a_run_of_its_own_and_others_say_so(
    verb, whole, options, tmp_path, monkeypatch, caplog
):
    if whole == "a search":
        pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    save_csv(tmp_path / "data.csv")
    Path("words.txt").write_text("no numbers\n")
    Path("run.yaml").write_text(
        "task: {name: sentiment}\nsource: {kind: vectors, name: words.txt}\ndata: {train: data.csv, split_seed: 0}\n"
        "strategy: {kind: full}\noutput: runs/mine\n"
    )
    for named in ({}, {"output": "elsewhere"}):
        with pytest.raises(TransferError):  # those are no vectors
            verb("run.yaml", **options, **named)
    said = [line for line in caplog.messages if line.startswith("output: ")]
    assert said == [
        f"output: runs/mine is the place of a run of its own, and not used here; --output names the folder of {whole}"
    ]
