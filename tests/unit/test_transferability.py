"""H-score and LogME: by hand, against plain references, and what must not change them."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, ortho_group
from sklearn.covariance import LedoitWolf

from nlp_transfer.evaluation.transferability import h_score, log_me

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 3, 60)
FEATURES = RNG.normal(size=(60, 8)) + 2.0 * np.eye(3, 8)[CLASSES]
TARGETS = np.eye(3)[CLASSES]


def turn(features):
    """The same features, shifted, rotated and scaled."""
    return 300.0 * features @ ortho_group.rvs(features.shape[1], random_state=1)


@pytest.mark.parametrize(
    ("numbers", "score"),
    [([0, 0, 2, 2], 1.0), ([0, 2, 0, 2], 0.0), ([0, 1, 2, 3], 0.8)],  # variance of the class means / variance
)
def test_h_score_of_one_feature_is_the_share_of_variance_between_the_classes(numbers, score):
    assert h_score(np.array(numbers, float)[:, None], np.array([0, 0, 1, 1])) == pytest.approx(score)


def test_h_score_is_the_trace_that_its_authors_write():
    centred = FEATURES - FEATURES.mean(0)
    means = np.stack([centred[one == CLASSES].mean(0) for one in CLASSES])
    fitted = LedoitWolf().fit(centred)
    expected = np.trace(np.linalg.inv(fitted.covariance_) @ ((1 - fitted.shrinkage_) * np.cov(means.T, bias=True)))
    assert h_score(FEATURES, CLASSES) == pytest.approx(expected)


def test_h_score_ignores_shift_rotation_scale_and_the_names_of_the_classes():
    assert h_score(turn(FEATURES) + 7.0, 5 - CLASSES) == pytest.approx(h_score(FEATURES, CLASSES))


def test_h_score_ends_below_the_number_of_classes_less_one_and_at_nothing_without_a_difference():
    apart = h_score(FEATURES + 1e3 * TARGETS.repeat(3, 1)[:, :8], CLASSES)
    assert 1.5 < apart <= 2.0
    assert h_score(np.ones((60, 8)), CLASSES) == 0.0
    assert h_score(FEATURES, RNG.permutation(CLASSES)) < h_score(FEATURES, CLASSES) / 3


def test_h_score_stays_finite_and_low_where_there_are_more_features_than_rows():
    wide = RNG.normal(size=(30, 200))
    assert 0.0 <= h_score(wide, np.arange(30) % 2) < 0.3


def find_evidence(features, target):
    """The greatest log-density of a target under N(0, 1/b + F F' / a), found by trial; for each row."""

    def lose(logs):
        alpha, beta = np.exp(np.clip(logs, -15, 15))
        covariance = np.eye(len(target)) / beta + features @ features.T / alpha
        return -multivariate_normal.logpdf(target, cov=covariance, allow_singular=True) / len(target)

    starts = [(-2.0, 1.0), (2.0, 1.0), (6.0, 1.0)]
    return -min(minimize(lose, one, method="Nelder-Mead", options={"fatol": 1e-10}).fun for one in starts)


@pytest.mark.parametrize("width", [3, 8, 30], ids="{} features".format)
def test_log_me_is_the_greatest_evidence_of_a_linear_model(width):
    features, targets = np.concatenate([FEATURES, RNG.normal(size=(60, 90))], axis=1)[:20, :width], TARGETS[:20]
    expected = np.mean([find_evidence(features, one) for one in targets.T])
    assert log_me(features, targets) == pytest.approx(expected, abs=1e-5)


def test_log_me_of_features_that_say_nothing_is_that_of_noise_alone():
    noise = (math.log(2.0) - 1 - math.log(2 * math.pi)) / 2  # of four rows, two ones among them
    assert log_me(np.zeros((4, 3)), np.array([[1.0], [1.0], [0.0], [0.0]])) == pytest.approx(noise)


def test_log_me_ignores_rotation_and_scale_and_numbers_in_other_units_shift_it_for_all_alike():
    assert log_me(turn(FEATURES), TARGETS) == pytest.approx(log_me(FEATURES, TARGETS))
    assert log_me(FEATURES, 10 * TARGETS) == pytest.approx(log_me(FEATURES, TARGETS) - math.log(10))


def test_log_me_prefers_features_that_explain_the_targets():
    assert log_me(FEATURES, TARGETS) > log_me(FEATURES, RNG.permutation(TARGETS))
