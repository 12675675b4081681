"""Rows with equal keys are found without sorting all rows by their keys."""

import numpy as np
import pytest

from nlp_transfer.data.labels import find_labels
from nlp_transfer.data.repeats import find_repeated
from nlp_transfer.data.splitting import cut


@pytest.mark.parametrize(
    ("keys", "expected"),
    [([], []), ([3], []), ([3, 1, 2], []), ([7, -1, 7, 2, -1, 7], [0, 1, 2, 4, 5]), ([9, 9], [0, 1])],
)
def test_rows_whose_key_another_row_has_are_found(keys, expected):
    assert find_repeated(np.array(keys, np.int64)).tolist() == expected


def test_a_cut_of_different_texts_does_not_depend_on_what_their_keys_are():
    generator, strata = np.random.default_rng(0), np.arange(200) % 2
    first, second = (cut(generator.permutation(10**6)[:200], strata, {"test": 0.2}, seed=1) for _ in range(2))
    assert first["test"].tolist() == second["test"].tolist()
    assert len(first["test"]) == 40


def test_counted_spellings_are_labels_as_listed_ones_are():
    listed = ["Good", "good", "bad", "good"]
    assert find_labels({"Good": 1, "good": 2, "bad": 1}, "a.csv") == find_labels(listed, "a.csv")
