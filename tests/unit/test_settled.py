"""What a task leaves to the data is decided by train, saved with the run, and the same ever after."""

import json
import logging
import textwrap

import pytest
import yaml
from tiny import GOOD, PLAIN, save_vectors

import nlp_transfer as nt
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError, TransferError
from nlp_transfer_tasks.summarization import Summarization, SummarizationOptions

DIALOGUE = "ann: the film\nbob: a {} story\nann: and the plot\nbob: it was"
WRAPPED = textwrap.fill(
    "It was a very {} film and some of the plot is the story. The film is it, and it was a plot.", 40
)
GERMAN = "„Das ist es.“ Am 3. Mai war der Film {} und gut. Danach war am Sonntag eine Pause."


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("settled")
    save_vectors(root / "v.txt")
    for name, text in (("dialogues", DIALOGUE), ("wrapped", WRAPPED), ("german", GERMAN)):
        rows = [{"text": text.format(word), "summary": f"a {word} story"} for word in (*GOOD, *PLAIN)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


def config(place, data="dialogues", seeds=None, **task):
    return {
        "task": {"name": "summarization", "max_length": 32, "scorer": {"width": 8}, **task},
        "source": {"kind": "vectors", "name": str(place / "v.txt")},
        "strategy": {"kind": "frozen", "cache": "memory"},
        "data": {"train": str(place / f"{data}.jsonl")},
        "training": {"epochs": 1, "precision": "fp32", "seeds": seeds},
    }


def run(wanted, folder, **settings):
    return nt.run(wanted, output=folder, progress=False, **settings)


def saved(folder):
    task = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["task"]
    return task["language"], task["line_breaks"]


@pytest.mark.parametrize(
    ("data", "language", "line_breaks", "sentences"),
    [("dialogues", "en", "sentence", 4), ("wrapped", "en", "space", 2), ("german", "de", "space", 3)],
)
def test_language_and_line_breaks_of_train_are_said_and_saved(
    place, tmp_path, caplog, data, language, line_breaks, sentences
):
    caplog.set_level(logging.INFO)
    result = run(config(place, data, sentences=9), tmp_path / "run")
    assert saved(tmp_path / "run") == (language, line_breaks)
    assert f"task.language: {language}, chosen by the rows of train" in caplog.text
    assert f"task.line_breaks: {line_breaks}, chosen by the rows of train" in caplog.text
    text = {"dialogues": DIALOGUE, "wrapped": WRAPPED, "german": GERMAN}[data].format("warm")
    assert nt.load(tmp_path / "run").predict([text])[0]["sentences"] == list(range(sentences))
    scores = nt.evaluate(tmp_path / "run", str(place / f"{data}.jsonl"))
    assert scores["simple"]["lead"]["rouge1"] == pytest.approx(
        result.metrics["baselines"]["lead"]["test"]["rouge1"], abs=5
    )


def test_prediction_does_as_training_did_whatever_the_new_texts_are(place, tmp_path):
    run(config(place, sentences=9), tmp_path / "run")
    predictor = nt.load(tmp_path / "run")
    assert predictor.predict([WRAPPED])[0]["sentences"] == [0, 1, 2, 3]  # two sentences on three lines
    assert predictor.predict(["Am 3. Mai kam er."])[0]["sentences"] == [0, 1]


def test_what_is_set_is_not_looked_for(place, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run(config(place, line_breaks="space", language=None), tmp_path / "run")
    assert saved(tmp_path / "run") == (None, "space")
    assert "chosen by the rows" not in caplog.text


def test_a_run_goes_on_with_what_was_found_and_not_with_something_else(place, tmp_path):
    wanted = config(place)
    done = run(wanted, tmp_path / "run")
    assert run(wanted, tmp_path / "run", resume="auto").metrics["test"] == done.metrics["test"]
    (tmp_path / "run" / "metrics.json").unlink()  # as if it had been stopped
    assert run(wanted, tmp_path / "run", resume="auto").metrics["test"] == done.metrics["test"]
    with pytest.raises(ConfigError, match=r"task\.line_breaks: sentence before, space now"):
        run(config(place, line_breaks="space"), tmp_path / "run", resume="auto")


def test_of_several_seeds_the_folder_that_is_shipped_says_what_was_found(place, tmp_path):
    run(config(place, seeds=[0, 1]), tmp_path / "run")
    assert saved(tmp_path / "run") == saved(tmp_path / "run" / "seed-1") == ("en", "sentence")
    assert nt.load(tmp_path / "run").task.options.line_breaks == "sentence"


def test_check_shows_what_a_run_would_find(place):
    assert "line_breaks: sentence" in nt.check(config(place)).text


def test_a_run_saved_before_there_was_a_choice_cuts_as_it_did(place, tmp_path):
    run(config(place, sentences=9, line_breaks="space", language=None), tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = nt.load(tmp_path / "run").predict([DIALOGUE, GERMAN])
    del values["task"]["language"], values["task"]["line_breaks"]
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert nt.load(tmp_path / "run").predict([DIALOGUE, GERMAN]) == before
    assert before[0]["sentences"] == [0]


def test_lists_of_sentences_tell_their_language_and_are_not_cut():
    task = Summarization(SummarizationOptions(name="summarization"))
    rows = TaskRows({"text": [["Das ist das Haus am See.\nEs ist alt", "Am 3. Mai brannte es."]] * 3})
    assert task.settle(rows) == SummarizationOptions(name="summarization", language="de", line_breaks="space")


@pytest.mark.parametrize(("line_breaks", "read"), [("space", "one two\n\nthree"), ("sentence", "one\ntwo\n\nthree")])
def test_a_writer_reads_wrapped_lines_joined_and_turns_apart(line_breaks, read, monkeypatch):
    seen = []
    monkeypatch.setattr(nt, "encode_pairs", lambda texts, *_, **__: seen.extend(texts), raising=False)
    monkeypatch.setattr(nt, "set_languages", lambda *_: None, raising=False)
    task = Summarization(SummarizationOptions(name="summarization", style="abstractive", line_breaks=line_breaks))
    task.encode({"text": [["one\ntwo\n\nthree"]]}, nt.Tokenizers(None))
    assert seen == [read]


@pytest.mark.parametrize("language", ["german", "deu", "d", "de-", ""])
def test_a_language_that_is_no_tag_is_refused(place, language):
    with pytest.raises(TransferError, match=r"task\.language: expected a tag"):
        nt.load_config(config(place, language=language))
