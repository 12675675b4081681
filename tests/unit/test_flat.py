"""Encoded splits are flat arrays: what they hold, what they weigh, and where they lie."""

import numpy as np
import pytest

from nlp_transfer import Encoded, encode_documents
from nlp_transfer.models.encoding import flat
from nlp_transfer.models.encoding.batches import pad_inputs
from nlp_transfer.models.encoding.flat import Ragged, UnitWriter, flatten_units
from tests.tiny import tokenizer

UNITS = [
    {"input_ids": [5, 6, 7]},
    {"input_ids": [8], "ngram_ids": [[1, 2]]},
    {"input_ids": [9, 4], "ngram_ids": [[3], [-1]], "token_type_ids": [0, 1]},
]


def test_units_come_back_as_they_were_given():
    flat_units = flatten_units(UNITS)
    assert list(flat_units) == UNITS
    assert flat_units[-1] == UNITS[-1]
    assert flatten_units(flat_units) is flat_units


def test_ids_lie_one_behind_another():
    units = flatten_units(UNITS)
    assert units.ids.tolist() == [5, 6, 7, 8, 9, 4]
    assert units.offsets.tolist() == [0, 3, 4, 6]
    assert units.lengths.tolist() == [3, 1, 2]


def test_a_token_takes_4_bytes_and_a_row_16():
    texts, own = ["good film ."] * 1000, tokenizer()
    encoded = encode_documents(texts, own, max_length=16, targets=[0, 1] * 500)
    assert encoded.inputs.ids.nbytes == 4 * encoded.lengths.sum()
    arrays = encoded.inputs.offsets, encoded.example, encoded.targets
    assert sum(one.nbytes for one in arrays) == 16 * len(texts) + 8


def test_units_that_a_task_gives_as_mappings_are_kept_flat():
    encoded = Encoded(UNITS, np.arange(3), None, 3)
    assert encoded.inputs.ids.dtype == np.int32
    assert encoded.lengths.tolist() == [3, 1, 2]


def test_what_no_unit_of_a_batch_has_is_not_in_the_batch():
    encoded = Encoded(UNITS, np.arange(3), None, 3)
    assert pad_inputs(encoded, np.array([0]), 1).keys() == {"input_ids"}
    both = pad_inputs(encoded, np.array([1, 2]), 1)
    assert both["ngram_ids"].tolist() == [[[1, 2], [-1, -1]], [[3, -1], [-1, -1]]]
    assert both["token_type_ids"].tolist() == [[0, 0], [0, 1]]


def test_beyond_a_size_the_ids_lie_in_a_file(monkeypatch):
    monkeypatch.setattr(flat, "LARGEST", 4)
    rows = [[1, 2, 3], [], [4, 5], [6]]
    ragged = Ragged.flatten(rows)
    assert [row.tolist() for row in ragged] == rows
    assert not ragged.values.flags.owndata  # mapped
    assert not ragged.values.flags.writeable


def test_rows_are_taken_in_the_order_in_which_they_are_named():
    ragged = Ragged.flatten([[1, 2, 3], [], [4, 5], [6]])
    some = ragged.take(np.array([3, 1, 0]))
    assert [row.tolist() for row in some] == [[6], [], [1, 2, 3]]
    with pytest.raises(IndexError):
        some[3]


def test_a_split_without_units_has_no_ids():
    units = UnitWriter().collect()
    assert (len(units), units.ids.tolist(), list(units)) == (0, [], [])
