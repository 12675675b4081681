"""Several seeds as one row: what is averaged, what is spread, and what a verdict resamples."""

from dataclasses import replace

import numpy as np
import pytest

from nlp_transfer.evaluation.averaging import average, collect_figures, is_unmoved, read_figures
from nlp_transfer.evaluation.metrics import bootstrap_difference
from nlp_transfer.evaluation.verdicts import Comparand, write_verdicts
from nlp_transfer_tasks.sentiment import Sentiment

RNG = np.random.default_rng(0)
PLACES = range(1, 81)


def row(correct, tested=(), **scores):
    """A run with these outcomes."""
    test = {"accuracy": float(np.mean(correct)), **scores}
    validation = {"accuracy": 0.5}
    return Comparand("run", "minilm", "full", False, 1, 2, 3.0, validation, test, list(correct), (2,), tested=tested)


def outcomes(share, size=80):
    return [float(one) for one in RNG.random(size) < share]


def test_scores_are_means_with_the_deviation_of_a_sample():
    one = average([row([1, 1, 0, 0]), row([1, 1, 1, 0]), row([1, 1, 1, 1])], seeds=[3, 5, 7])
    assert one.test["accuracy"] == pytest.approx(0.75)
    assert one.test["standard_deviation"]["accuracy"] == pytest.approx(np.std([0.5, 0.75, 1.0], ddof=1))
    assert one.format_score("test", "accuracy") == "0.7500 ± 0.2500"
    assert one.label == "minilm, full (3 seeds)"


def test_what_is_no_number_is_kept_and_what_was_not_measured_is_left_out():
    details = [{"per_class": {"a": {"f1": f1, "support": 4}}, "signature": "13a"} for f1 in (None, 0.5, 1.0)]
    found = average([row([1, 0], **one) for one in details], seeds=[0, 1, 2]).test
    assert found["per_class"]["a"] == {"f1": 0.75, "support": 4}
    assert found["signature"] == "13a"
    assert found["standard_deviation"].keys() == {"accuracy"}


def test_the_outcome_of_a_test_row_is_its_mean_over_the_seeds():
    one = average([row([1, 0, 0], tested=[4, 5, 9]), row([1, 1, 0], tested=[4, 5, 9])], seeds=[0, 1])
    assert (one.correct, one.tested, one.counts) == ([1.0, 0.5, 0.0], [4, 5, 9], ())


def test_a_row_that_some_seeds_tested_counts_as_often_as_it_was_tested():
    one = average([row([1, 0], tested=[4, 5]), row([1, 1], tested=[5, 9])], seeds=[0, 1])
    assert (one.correct, one.tested, one.counts) == ([1.0, 0.5, 1.0], [4, 5, 9], [1, 2, 1])


def cuts(share, seeds=3, size=80):
    """One run a seed, each tested on a half of the rows of its own."""
    draws = [sorted(np.random.default_rng(seed).permutation(PLACES)[: size // 2].tolist()) for seed in range(seeds)]
    return [row(outcomes(share, size // 2), tested=draw) for draw in draws]


def test_the_difference_of_two_runs_over_cuts_is_that_of_each_seed_with_the_same_seed():
    mine, other = cuts(0.8), cuts(0.6)
    one, two = average(mine, seeds=[0, 1, 2]), average(other, seeds=[0, 1, 2])
    found = bootstrap_difference(one.correct, two.correct, counts=one.counts)
    each = [np.mean(a.correct) - np.mean(b.correct) for a, b in zip(mine, other, strict=True)]
    assert found.difference == pytest.approx(np.mean(each))
    assert found.low < found.difference < found.high


def test_an_interval_weighs_rows_as_often_as_they_were_tested():
    found = bootstrap_difference([1.0] * 10 + [0.0] * 90, [0.0] * 100, counts=[20] * 10 + [1] * 90)
    assert found.difference == pytest.approx(200 / 290)
    assert 0.4 < found.low < found.difference < found.high


def test_measurements_of_one_row_are_drawn_together():
    apart = row(outcomes(0.5), tested=[*PLACES])
    copies = average([apart, replace(apart, tested=[*PLACES])], seeds=[0, 1])
    again = average([apart, replace(apart, tested=[place + 1000 for place in PLACES])], seeds=[0, 1])
    widths = []
    for one in (copies, again):
        found = bootstrap_difference(one.correct, [0.4] * len(one.correct), counts=one.counts)
        widths.append(found.high - found.low)
    assert widths[0] > 1.2 * widths[1]  # the same rows tested twice tell no more than once; other rows do


def test_a_verdict_rests_on_all_seeds_and_not_on_the_best():
    lucky, usual = outcomes(0.95), outcomes(0.6)
    seeds = [row(lucky), row(usual), row(usual)]
    simple = replace(row(outcomes(0.7)), name="tfidf", source="", strategy="")
    (best,) = write_verdicts(seeds[:1], [simple], task=Sentiment)
    (all_three,) = write_verdicts([average(seeds, seeds=[0, 1, 2])], [simple], task=Sentiment)
    assert "beats tfidf" in best
    assert all_three.startswith("minilm, full (3 seeds) does not beat tfidf")


def test_seeds_that_answer_all_alike_are_counted():
    rows = [replace(row(outcomes(0.5)), answers=(count,)) for count in (1, 2, 1)]
    first, *_ = write_verdicts([average(rows, seeds=[0, 1, 2])], [], task=Sentiment)
    assert first == (
        "minilm, full (3 seeds) gives one and the same answer to all 80 test rows with 2 of the seeds."
    )  # fmt: skip


def test_only_what_could_not_differ_is_unmoved():
    one = row([1, 0, 1], tested=[1, 2, 3])
    assert is_unmoved([one, replace(one, seconds=9.0)])
    assert not is_unmoved([one, row([0, 1, 1], tested=[1, 2, 3])])
    assert not is_unmoved([one, replace(one, tested=[4, 5, 6])])


def test_figures_of_a_file_are_read_back_as_scores():
    scores = average([row([1, 0]), row([1, 1])], seeds=[0, 1]).test
    assert read_figures(collect_figures(scores)) == scores
