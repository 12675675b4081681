"""When a pretrained run gets to where its scratch control ends."""

import json
from types import SimpleNamespace

import pytest
import tiny
import yaml

import nlp_transfer
from nlp_transfer.errors import CheckpointError
from nlp_transfer.evaluation.convergence import Course, describe_convergence, measure_convergence
from nlp_transfer.runs.courses import find_convergence


def follow(*scores, seconds=1.0, before=0.0):
    """A course with ten steps and a second before each look at validation."""
    looks = [
        {"step": 10 * number, "seconds": seconds, "validation": {"accuracy": score}}
        for number, score in enumerate(scores, 1)
    ]
    return Course(looks, before + seconds * len(scores))


def test_the_first_look_that_is_as_good_as_the_controls_best_counts():
    found = measure_convergence([follow(0.6, 0.7, 0.9, before=2.0)], [follow(0.5, 0.7, 0.6)], "accuracy")
    assert (found.steps, found.seconds) == (20, 4.0)  # with what came before the first step
    assert (found.wanted, found.control_steps, found.control_seconds) == (0.7, 20, 2.0)


def test_a_look_without_the_score_that_is_compared_is_named_with_its_file_and_line(tmp_path):
    looks = [{"phase": "a", "step": at, "seconds": 1.0, "validation": {"accuracy": 0.5}} for at in (1, 2)]
    looks[1]["validation"] = {"macro_f1": 0.5}
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(look) + "\n" for look in looks))
    run = SimpleNamespace(folder=tmp_path, parts=(), figures=SimpleNamespace(seconds=SimpleNamespace(training=2.0)))
    with pytest.raises(CheckpointError) as told:
        find_convergence(run, run, "accuracy")
    said = "damaged (line 2: KeyError: 'validation.accuracy'); bring the file back, or train again"
    assert str(told.value) == f"{tmp_path / 'history.jsonl'}: {said}"


def test_seeds_are_held_against_their_own_controls_and_those_that_get_there_are_counted():
    runs, controls = [follow(0.6, 0.8), follow(0.6, 0.65)], [follow(0.6), follow(0.7)]
    found = measure_convergence(runs, controls, "accuracy")
    assert (found.reached, found.seeds, found.steps) == (1, 2, 10)
    assert describe_convergence(found, "minilm, full", "minilm from scratch, full") == (
        "minilm, full reaches the best validation accuracy of minilm from scratch, full (0.65) with 1 of 2 seeds "
        "after 10 steps and 1.0 s; it takes minilm from scratch, full 10 steps and 1.0 s."
    )


def test_a_run_that_never_gets_there_is_said_to_fail():
    found = measure_convergence([follow(0.5)], [follow(0.7)], "accuracy")
    assert (found.steps, found.seconds, found.reached) == (None, None, 0)
    assert describe_convergence(found, "a", "b").startswith("a does not reach the best validation accuracy of b (0.7);")


@pytest.mark.parametrize("controls", [[], [Course([], 3.0)]])
def test_what_was_not_followed_is_not_compared(controls):
    assert measure_convergence([follow(0.5)], controls, "accuracy") is None


def test_a_comparison_says_when_a_run_gets_to_where_its_control_ends(tmp_path):
    tiny.save_csv(tmp_path / "reviews.csv", 120)
    source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    for name, changes in {"words": {}, "control": {"scratch": True}}.items():
        config = {
            "task": {"name": "sentiment", "max_length": 32},
            "source": source | changes,
            "strategy": {"kind": "full" if changes else "frozen"},
            "data": {"train": str(tmp_path / "reviews.csv"), "test_share": 0.3},
            "training": {"epochs": 1, "precision": "fp32"},
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(config))
    files = [tmp_path / "words.yaml", tmp_path / "control.yaml"]
    found = nlp_transfer.compare(files, output=tmp_path / "both", progress=False)

    (sentence,) = found.timing
    assert sentence.startswith("words.txt, frozen reaches the best validation accuracy of words.txt from scratch, full")
    assert " after no step and " in sentence
    figures = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert figures["timing"] == [sentence]
    assert figures["runs"]["words"]["convergence"]["control"]["steps"] == 0
    assert "convergence" not in figures["runs"]["control"]
