"""Classification scores and the paired bootstrap."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest
import sklearn.metrics

from nlp_transfer.errors import DataError
from nlp_transfer.evaluation.metrics import bootstrap_difference, classification_metric, classification_scores

LABELS = ("bad", "good")


def test_scores_of_a_small_example_are_the_hand_computed_ones():
    scores = classification_scores([1, 1, 0, 1], [1, 1, 0, 0], LABELS)
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["mcc"] == pytest.approx(0.57735, abs=1e-5)
    assert scores["per_class"]["bad"] == pytest.approx({"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2})


def test_the_evaluate_metric_gives_the_same_scores_from_batches():
    generator = np.random.default_rng(0)
    predictions, references = generator.integers(0, 3, 50).tolist(), generator.integers(0, 3, 50).tolist()
    labels = ("a", "b", "c")
    metric = classification_metric(labels)
    for part in (slice(0, 20), slice(20, 50)):
        metric.add_batch(predictions=predictions[part], references=references[part])
    assert metric.compute() == classification_scores(predictions, references, labels)


def test_a_class_absent_from_the_references_is_null_and_out_of_the_average(caplog):
    with caplog.at_level(logging.WARNING):
        scores = classification_scores([0, 0, 1], [0, 0, 0], LABELS)
    assert scores["per_class"]["good"] == {"precision": 0.0, "recall": None, "f1": None, "support": 0}
    assert scores["macro_f1"] == scores["per_class"]["bad"]["f1"] == pytest.approx(0.8)
    assert "good" in caplog.text


def test_scores_are_always_strict_json():
    json.dumps(classification_scores([0], [0], LABELS), allow_nan=False)


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn's, of the class that no row has
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("skill", [0.0, 0.6, 1.0])
def test_scores_are_those_of_scikit_learn(classes, skill):
    draw, labels = np.random.default_rng(classes), tuple("abcdefg"[:classes])
    truth = draw.integers(0, classes - 1, 60)  # the last class has no row
    said = np.where(draw.random(60) < skill, truth, draw.integers(0, classes, 60))
    scores = classification_scores(said.tolist(), truth.tolist(), labels)
    assert scores["accuracy"] == sklearn.metrics.accuracy_score(truth, said)
    assert scores["mcc"] == pytest.approx(sklearn.metrics.matthews_corrcoef(truth, said), abs=1e-12)
    columns = sklearn.metrics.precision_recall_fscore_support(truth, said, labels=range(classes), zero_division=0.0)
    for row, label in enumerate(labels[:-1]):
        assert list(scores["per_class"][label].values()) == [column[row] for column in columns]
    assert scores["macro_f1"] == pytest.approx(columns[2][:-1].mean())


@pytest.mark.filterwarnings("error")
def test_one_class_everywhere_has_no_correlation_and_no_noise():
    assert classification_scores([1, 1], [1, 1], LABELS)["mcc"] == 0.0


def test_unequal_lengths_are_refused_with_both_numbers():
    with pytest.raises(DataError, match="2 predictions cannot be scored against 3"):
        classification_scores([0, 1], [0, 1, 1], LABELS)


def test_nothing_to_score_is_refused():
    with pytest.raises(DataError, match="Nothing to score"):
        classification_scores([], [], LABELS)


@pytest.mark.parametrize("wrong", [2, -1])
def test_an_id_that_is_no_label_is_refused(wrong):
    with pytest.raises(DataError, match=f"prediction {wrong} is not the id of a label"):
        classification_scores([wrong], [0], LABELS)


def test_scoring_imports_neither_evaluate_nor_scikit_learn_nor_torch():
    code = (
        "import sys; from nlp_transfer.evaluation.metrics import classification_scores;"
        "classification_scores([0, 1], [0, 1], ('a', 'b'));"
        "sys.exit(any(name in sys.modules for name in ('evaluate', 'sklearn', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_evaluate_metric_writes_nothing_to_the_cache():
    def list_files():
        return {path for path in Path(os.environ["HF_HOME"]).rglob("*") if path.is_file()}

    metric, before = classification_metric(("a", "b")), list_files()
    assert Path(evaluate.config.HF_METRICS_CACHE).is_relative_to(os.environ["HF_HOME"])
    assert metric.compute(predictions=[0, 1], references=[0, 1])["accuracy"] == 1.0
    assert list_files() == before


def test_equal_systems_differ_by_exactly_nothing():
    interval = bootstrap_difference([True, False, True], [True, False, True])
    assert (interval.difference, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_a_clear_difference_has_an_interval_above_zero():
    interval = bootstrap_difference([True] * 90 + [False] * 10, [True] * 60 + [False] * 40)
    assert interval.difference == pytest.approx(0.3)
    assert 0.0 < interval.low < 0.3 < interval.high


def test_the_interval_agrees_with_the_normal_approximation():
    generator = np.random.default_rng(1)
    first, second = generator.random(1000) < 0.8, generator.random(1000) < 0.75
    interval = bootstrap_difference(list(first), list(second))
    spread = 1.96 * (first.astype(float) - second.astype(float)).std() / np.sqrt(1000)
    assert interval.high - interval.low == pytest.approx(2 * spread, rel=0.1)


def test_the_bootstrap_is_the_same_for_the_same_seed():
    first, second = [True, False] * 20, [False, True, True, True] * 10
    assert bootstrap_difference(first, second, seed=3) == bootstrap_difference(first, second, seed=3)


def test_the_bootstrap_refuses_outcomes_of_different_examples():
    with pytest.raises(DataError):
        bootstrap_difference([True], [True, False])
