"""Shards of a file are dealt to the processes, kept when a job is killed, and joined to the bytes of one process."""

import json
import sys

import pytest
import tiny
from datasets import Dataset, DatasetDict
from tiny import save_csv, save_vectors, texts
from two_processes import job

import nlp_transfer
from nlp_transfer.runs.answering import shards
from nlp_transfer.runs.answering.predictor import Predictor

PLENTY = 700  # texts: three chunks


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A finished run, and a file to predict with an empty text in it."""
    root = tmp_path_factory.mktemp("shards")
    source = {"kind": "vectors", "name": save_vectors(root / "v.txt"), "width": 8}
    tiny.run(root / "run", source, {"kind": "frozen"}, save_csv(root / "data.csv"))
    lines = [json.dumps({"text": text}) for text in ["", *texts(PLENTY)[0]]]
    (root / "texts.jsonl").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def small(monkeypatch):
    """Shards of one chunk."""
    monkeypatch.setattr(shards, "CHUNKS", 1)


@pytest.fixture
def expected(place, command):
    """What one process writes to standard output."""
    return command("predict", place / "run", place / "texts.jsonl")[1]


def predict(command, place, output):
    return command("predict", place / "run", place / "texts.jsonl", "--output", output)


def test_shards_are_joined_in_input_order_and_their_counts_are_added(command, place, small, expected, tmp_path):
    code, _, err = predict(command, place, tmp_path / "said.jsonl")
    assert code == 0
    assert (tmp_path / "said.jsonl").read_text() == expected
    assert f"1 of {PLENTY + 1} texts are empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["said.jsonl"]


def kill(place, output, monkeypatch, after):
    """Predict until so many chunks are answered, then end as if killed."""
    answer, calls = Predictor.answer, []

    def die(self, chunk):
        calls.append(chunk)
        if len(calls) > after:
            raise KeyboardInterrupt
        return answer(self, chunk)

    given = arguments(place, output)
    monkeypatch.setattr(Predictor, "answer", die)
    with pytest.raises(KeyboardInterrupt):
        shards.predict_in_shards(*given, **job_of(place))
    monkeypatch.setattr(Predictor, "answer", answer)


def job_of(place):
    return {"run": place / "run", "file": place / "texts.jsonl", "settings": {}}


def arguments(place, output):
    predictor = nlp_transfer.load(place / "run")
    lines = (place / "texts.jsonl").read_text().splitlines()
    inputs = [json.loads(line)["text"] for line in lines]
    return predictor, inputs, output


def test_a_killed_prediction_goes_on_from_the_shards_that_are_whole(place, small, expected, tmp_path, monkeypatch):
    output = tmp_path / "said.jsonl"
    kill(place, output, monkeypatch, after=2)
    assert not output.exists()
    assert len(list((tmp_path / "said.jsonl.shards").glob("*.jsonl"))) == 2

    answered, answer = [], Predictor.answer
    monkeypatch.setattr(Predictor, "answer", lambda self, chunk: answered.append(chunk) or answer(self, chunk))
    seen = shards.predict_in_shards(*arguments(place, output), **job_of(place))
    assert len(answered) == 1
    assert (seen.texts, seen.empty) == (PLENTY + 1, 1)
    assert output.read_text() == expected


def test_the_shards_of_another_job_are_not_used(command, place, small, expected, tmp_path, monkeypatch):
    output = tmp_path / "said.jsonl"
    kill(place, output, monkeypatch, after=2)
    for shard in (tmp_path / "said.jsonl.shards").glob("*.jsonl"):
        shard.write_text('{"texts": 1, "empty": 0, "truncated": 0}\n"of another model"\n')
    assert predict(command, place, output)[0] == 0
    assert output.read_text() == expected


@pytest.mark.parametrize("name", ["said.jsonl.shards/mine.txt", "said.jsonl.shards"])
def test_what_stands_where_shards_would_be_gathered_is_left_alone(command, place, tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")
    code, _, err = predict(command, place, tmp_path / "said.jsonl")
    assert (code, mine.read_text()) == (2, "precious")
    assert err.count("\n") == 1
    assert "said.jsonl.shards: the answers are gathered there, but something else is; choose another --output" in err


def test_a_job_is_another_when_its_run_file_or_settings_are(place, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("good\n")
    first = shards.describe_job([place / "run"], texts, {"columns": "text"})
    assert shards.describe_job([place / "run"], texts, {"columns": "text"}) == first
    assert shards.describe_job([place / "run"], texts, {"columns": "review"}) != first
    texts.write_text("bad film\n")
    assert shards.describe_job([place / "run"], texts, {"columns": "text"}) != first


@pytest.fixture
def saved(tmp_path):
    """A folder that `datasets` saved, of two splits."""
    rows = Dataset.from_dict({"key": [7, 8, 9], "text": ["a good film", "", "an awful film"]})
    DatasetDict(train=rows, test=rows.select([2, 0])).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_folder_that_datasets_saved_is_answered_like_a_file(command, place, saved, tmp_path):
    (tmp_path / "file.jsonl").write_text('{"text": "an awful film"}\n{"text": "a good film"}\n')
    wanted = command("predict", place / "run", tmp_path / "file.jsonl")[1]
    assert command("predict", place / "run", saved / "test")[1] == wanted
    assert command("predict", place / "run", saved / "test", "--output", tmp_path / "said.jsonl")[0] == 0
    assert (tmp_path / "said.jsonl").read_text() == wanted
    assert command("predict", place / "run", saved / "train", "--keep", "--output", tmp_path / "said.csv")[0] == 0
    kept = [line.split(",")[:2] for line in (tmp_path / "said.csv").read_text().splitlines()]
    assert kept == [["key", "text"], ["7", "a good film"], ["8", ""], ["9", "an awful film"]]


def test_of_a_folder_with_several_splits_one_has_to_be_named(command, place, saved):
    code, _, err = command("predict", place / "run", saved)
    assert code == 3
    assert "saved: holds several splits (train, test); name the file or folder of one" in err


def test_the_job_of_a_folder_is_another_when_a_file_in_it_is(place, saved):
    first = shards.describe_job([place / "run"], saved, {})
    (saved / "train" / "more.arrow").touch()
    assert shards.describe_job([place / "run"], saved, {}) != first


def test_several_processes_without_a_file_to_write_are_refused(command, place, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = command("predict", place / "run", place / "texts.jsonl")
    assert code == 2
    assert "name a FILE and an --output" in err


def work(place):
    """Predict and evaluate as one of two processes, and say how many chunks this one has answered."""
    from nlp_transfer.cli import process

    answered, answer = [], Predictor.answer
    Predictor.answer = lambda self, chunk: answered.append(chunk) or answer(self, chunk)
    shards.CHUNKS = 1
    verbs = [
        ("predict", f"{place}/texts.jsonl", "--output", f"{place}/both.jsonl"),
        ("predict", f"{place}/texts.jsonl", "--output", f"{place}/both.csv", "--keep"),
        ("evaluate", "--data", f"{place}/data.csv"),
    ]
    for verb, *rest in verbs:
        sys.argv = ["nlp-transfer", verb, f"{place}/run", *rest]
        with pytest.raises(SystemExit, match=r"^0$"):
            process.main()
    sys.stderr.write(f"answered {len(answered)}\n")


def test_two_processes_share_the_work_and_one_of_them_writes_the_bytes_of_one(place, command, expected):
    done = job(place, work, place)
    assert (place / "both.jsonl").read_text() == expected
    assert sorted(line for line in done.stderr.splitlines() if line.startswith("answered")) == [
        "answered 2",
        "answered 4",
    ]
    one = place / "one.csv"
    assert command("predict", place / "run", place / "texts.jsonl", "--output", one, "--keep")[0] == 0
    assert (place / "both.csv").read_bytes() == one.read_bytes()
    alone = json.loads(command("evaluate", place / "run", "--data", place / "data.csv")[1])
    assert json.loads(done.stdout) == alone
    assert done.stderr.count("texts are empty") == 2
