"""Tasks that write or pick text, run from files by every source and strategy, and the same in a fresh process."""

import json
import sys
from functools import cache

import numpy as np
import pytest
from fresh import run_fresh
from tiny import WORDS, save_checkpoint, save_vectors

import nlp_transfer

SMALL = {"decoder": {"layers": 1, "width": 64, "vocabulary": 320}, "max_length": 32, "max_target_length": 16}
TASKS = {
    "translation": {"name": "translation", **SMALL},
    "abstractive": {"name": "summarization", "style": "abstractive", **SMALL},
    "extractive": {"name": "summarization", "style": "extractive", "max_length": 64, "scorer": {"width": 16}},
}
SOURCES = ["checkpoint", "bag", "transformer"]
STRATEGIES = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "rank": 2},
    "frozen": {"kind": "frozen", "cache": "memory"},
    "gradual": {"kind": "gradual"},
}
LIGHT = ("full", "lora", "frozen")  # what is saved after the phases of `gradual` is what `full` saves
SAVED_ALIKE = [
    (task, source, LIGHT[(i + j) % 3]) for i, task in enumerate(TASKS) for j, source in enumerate(SOURCES)
]  # every pair of task, source and strategy
GRADUAL = [(task, source, "gradual") for task, source in zip(TASKS, ("transformer", "bag", "checkpoint"), strict=True)]
PROBES = ["the film is good .", "a very bad plot . a great story !", "日本 film"]
ANSWERS = {
    "translation": {"translation"},
    "abstractive": {"summary", "sentences"},
    "extractive": {"summary", "sentences"},
}


def answer(folders):
    """Print what each run says to `PROBES`."""
    sys.stdout.write(json.dumps([nlp_transfer.load(folder).predict(PROBES) for folder in folders]))


def documents(count=30):
    """Two to five sentences; the summary is the longest of them."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        sentences = [" ".join(rng.choice(WORDS[:-1], rng.integers(3, 8))) + " ." for _ in range(rng.integers(2, 6))]
        rows.append(
            {"text": sentences, "summary": max(sentences, key=len), "words": " ".join(sentences[0].split()[::-1])}
        )
    return rows


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A function that runs a cell of the grid, once."""
    root = tmp_path_factory.mktemp("grid")
    checkpoint, vectors = save_checkpoint(root / "bert"), save_vectors(root / "vectors.txt")
    data = root / "documents.jsonl"
    lines = [json.dumps({**row, "en": row["text"][0]}) + "\n" for row in documents()]
    data.write_text("".join(lines), encoding="utf-8")

    @cache
    def cell(task, source, strategy):
        config = {
            "task": TASKS[task],
            "source": {"kind": "checkpoint", "name": checkpoint}
            if source == "checkpoint"
            else {"kind": "vectors", "name": vectors, "contextualizer": source, "width": 8},
            "strategy": STRATEGIES[strategy],
            "data": {
                "train": str(data),
                "columns": {"source": "en", "target": "words"} if task == "translation" else {},
            },
            "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.01, "precision": "fp32"},
        }
        return nlp_transfer.run(config, output=root / f"{task}-{source}-{strategy}", progress=False)

    return cell


@pytest.mark.parametrize(("task", "source", "strategy"), [*SAVED_ALIKE, *GRADUAL])
def test_a_cell_of_the_grid_leaves_scores_and_predictions(grid, task, source, strategy):
    result = grid(task, source, strategy)
    chosen = "chrf" if task == "translation" else "rouge1"
    assert 0.0 <= result.metrics["test"][chosen] <= 100.0
    assert result.metrics["parameters"]["trainable"] > 0
    assert result.metrics["baselines"]
    lines = [json.loads(line) for line in (result.folder / "predictions.jsonl").read_text().splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset({"row", "input", "reference", *ANSWERS[task]})}
    rows = [json.loads(line) for line in (result.folder.parent / "documents.jsonl").read_text().splitlines()]
    for line in lines:
        row = rows[line["row"] - 1]
        read, right = ("source", row["en"]), ("target", row["words"])
        if task != "translation":
            read, right = ("text", row["text"]), ("summary", [row["summary"]])
        assert (line["input"], line["reference"]) == (dict([read]), dict([right]))


def test_every_pair_of_task_source_and_strategy_answers_the_same_in_a_fresh_process(grid, tmp_path):
    folders = [grid(*cell).folder for cell in SAVED_ALIKE]
    told = run_fresh(tmp_path, answer, folders)
    for folder, answers in zip(folders, json.loads(told.stdout), strict=True):
        assert answers == nlp_transfer.load(folder).predict(PROBES), folder.name


@pytest.mark.parametrize(("task", "source", "strategy"), [cell for cell in SAVED_ALIKE if cell[1] == "checkpoint"])
def test_a_run_is_scored_on_another_file_as_on_its_own(grid, task, source, strategy):
    result = grid(task, source, strategy)
    folder = result.folder
    lines = (folder.parent / "documents.jsonl").read_text().splitlines()
    tested = [json.loads(line)["row"] for line in (folder / "predictions.jsonl").read_text().splitlines()]
    (folder.parent / "again.jsonl").write_text("\n".join(lines[row - 1] for row in tested))
    scores = nlp_transfer.evaluate(folder, str(folder.parent / "again.jsonl"))
    chosen, simple = ("chrf", "copy_source") if task == "translation" else ("rouge1", "lead")
    assert scores[chosen] == pytest.approx(result.metrics["test"][chosen])
    assert scores["rows"] == len(tested)
    assert 0.0 < scores["simple"][simple][chosen] < 100.0


@pytest.mark.parametrize("empty", ["", "  ", [], ["", " \u200b"]])
def test_an_empty_document_has_no_extract(grid, empty):
    said = nlp_transfer.load(grid("extractive", "bag", "full").folder).predict([empty, "a film ."])
    nothing = {"summary": None, "sentences": None, "reason": "the text is empty"}
    assert said == [nothing, {"summary": "a film .", "sentences": [0]}]
