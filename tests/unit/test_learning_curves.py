"""What scores at growing sizes say: intervals, labels saved, and what more labels would bring."""

import numpy as np
import pytest

from nlp_transfer.evaluation.curves.growth import find_rows_needed, fit_power_law
from nlp_transfer.evaluation.curves.learning_curves import (
    Measured,
    find_lead,
    list_points,
    list_steps,
    measure_worth,
    predict_gains,
    resample,
)
from nlp_transfer.evaluation.metrics import Interval

SIZES = (16, 64, 256, 1024)


def make(name, shares, *, sizes=SIZES, rows=1000, seeds=3, control="", first=0):
    """A method that has these shares of the rows right, each seed other rows."""
    hits = np.zeros((len(sizes), seeds, rows))
    for place, share in enumerate(shares):
        for seed in range(seeds):
            hits[place, seed, np.random.default_rng(first + seed).permutation(rows)[: round(share * rows)]] = 1.0
    return Measured(name, name, "run", control, tuple(sizes), hits)


def test_rows_needed_are_read_off_between_the_sizes_and_never_beyond_them():
    found = find_rows_needed(SIZES, [0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.6, 0.65, 0.8, 0.81])
    assert found[[0, 1, 2, 4, 5]].tolist() == pytest.approx([16, 16, 64, 1024, np.inf])
    assert 64 < found[3] < 256
    assert find_rows_needed([16, 64], [0.5, 0.7], [0.6, 0.8]).tolist() == pytest.approx([32, np.inf])


def test_rows_needed_rise_with_the_score_even_where_the_curve_falls():
    found = find_rows_needed(SIZES, [0.5, 0.7, 0.6, 0.8], np.linspace(0.5, 0.8, 50))
    assert (np.diff(found) >= 0).all()
    assert find_rows_needed(SIZES, [0.5] * 4, [0.4, 0.5, 0.6]).tolist() == pytest.approx([16, 16, np.inf])


def test_pretraining_is_worth_the_rows_that_the_control_needs_beside():
    control = make("scratch", [0.5, 0.6, 0.7, 0.8], first=7)
    method = make("minilm", [0.7, 0.8, 0.9, 0.95], control="scratch")
    worth = measure_worth(method, control, resample([method, control], samples=200))
    assert [one.rows for one in worth[:2]] == [256 - 16, 1024 - 64]
    assert worth[0].low < worth[0].rows < worth[0].high
    assert not worth[0].most
    assert [one.rows for one in worth[2:]] == [None, None]  # the control never gets there
    assert (worth[2].low, worth[2].high, worth[2].reached) == (None, None, 0.0)
    assert 0 < worth[1].reached < 1


def test_pretraining_that_hurts_costs_rows_and_at_the_fewest_rows_only_a_bound_is_known():
    control = make("scratch", [0.6, 0.7, 0.8, 0.9])
    method = make("minilm", [0.5, 0.6, 0.7, 0.8], control="scratch")
    worth = measure_worth(method, control, resample([method, control], samples=200))
    assert [one.most for one in worth] == [True, True, False, False]
    assert [one.rows for one in worth] == [0, 16 - 64, 64 - 256, 256 - 1024]
    assert worth[3].high < 0


def test_an_interval_is_over_seeds_as_well_as_over_test_rows():
    alike = make("alike", [0.7] * 4)
    apart = Measured("apart", "apart", "run", "", SIZES, alike.hits.copy())
    apart.hits[:, 0], apart.hits[:, 1] = 1.0, np.where(np.arange(1000) < 400, 1.0, 0.0)
    resampled = resample([alike, apart], samples=300)
    close, wide = (list_points(one, resampled)[0] for one in (alike, apart))
    assert close.mean.difference == wide.mean.difference == pytest.approx(0.7)
    assert wide.mean.high - wide.mean.low > 3 * (close.mean.high - close.mean.low)
    assert wide.scores == pytest.approx((1.0, 0.4, 0.7))
    assert (close.deviation, wide.deviation) == pytest.approx((0.0, 0.3))


def test_methods_are_compared_on_the_same_rows_and_seeds():
    better, worse = make("better", [0.7] * 4), make("worse", [0.68] * 4)
    found = resample([better, worse], samples=300).compare(better, worse)[0]
    assert found.difference == pytest.approx(0.02)
    assert 0 < found.low < found.high < 0.04  # unpaired it would reach below zero


def test_a_power_law_is_found_again_and_tells_what_more_rows_bring():
    sizes = (16, 64, 256, 1024, 4096)
    law = fit_power_law(sizes, 0.9 - 0.8 * np.array(sizes) ** -0.4, highest=1.0)
    assert (law.ceiling, law.scale, law.exponent) == pytest.approx((0.9, 0.8, -0.4), rel=1e-3)

    method = make("m", 0.9 - 0.8 * np.array(sizes) ** -0.4, sizes=sizes)
    outlook = predict_gains(method, resample([method], samples=40), highest=1.0)
    assert list(outlook.gains) == [2000, 6000]
    gain = outlook.gains[2000]
    assert gain.low < gain.difference < gain.high
    assert gain.difference == pytest.approx(0.8 * (4096**-0.4 - 6096**-0.4), abs=1e-3)
    assert outlook.residual < 0.001


def test_the_largest_sizes_count_most_in_a_power_law():
    sizes, odd = (16, 64, 256, 1024, 4096), 0.9 - 0.8 * np.array([16, 64, 256, 1024, 4096]) ** -0.4
    errors = []
    for place in (0, 4):
        means = odd.copy()
        means[place] -= 0.05
        errors.append(abs(fit_power_law(sizes, means, highest=1.0).predict(4096) - means[4]))
    assert errors[0] < 0.01
    assert errors[1] < 0.04  # without weights it would miss it by more


def test_four_sizes_are_too_few_for_a_power_law():
    method = make("m", [0.5, 0.6, 0.7, 0.8])
    assert predict_gains(method, resample([method], samples=10), highest=1.0) is None


@pytest.mark.parametrize("largest", [9, 10, 999, 1024, 5000, 80_000])
def test_no_extrapolation_goes_beyond_four_times_the_largest_size(largest):
    steps = list_steps(largest)
    assert 0 < steps[0] < steps[1] <= 3 * largest


def test_a_lead_begins_where_it_is_not_lost_again():
    ahead, level = Interval(0.1, 0.05, 0.2), Interval(0.1, -0.05, 0.2)
    assert find_lead([ahead, level, ahead, ahead], SIZES) == 256
    assert find_lead([ahead, ahead, ahead, level], SIZES) is None
    assert find_lead([ahead] * 4, SIZES) == 16
