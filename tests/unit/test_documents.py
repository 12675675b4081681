"""Texts become units of bounded length, whatever their size, by three policies."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import checkpoint, note_what_is_tokenized, save_vectors, sentiment, tokenizer

from nlp_transfer.data.rows import TaskRows
from nlp_transfer.models.classification import build_classifier, mean_probabilities
from nlp_transfer.models.encoding.documents import encode_documents, make_unit
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.sources import load_source

START, END, UNKNOWN = 0, 2, 3
LONG = " ".join(["good"] * 5 + ["film"] * 20 + ["bad"] * 5)  # 30 tokens
TOKENIZER = tokenizer()
GOOD, FILM, BAD = TOKENIZER("good film bad", add_special_tokens=False)["input_ids"]


def ids(text, policy, **settings):
    encoded = encode_documents([text], TOKENIZER, **{"max_length": 12, **settings}, policy=policy)
    return [unit["input_ids"] for unit in encoded.inputs]


@pytest.mark.parametrize("policy", ["head", "head_tail", "window"])
def test_a_text_that_fits_is_one_unit_as_the_tokenizer_makes_it(policy):
    assert ids("good film .", policy) == [TOKENIZER("good film .")["input_ids"]]


def test_head_keeps_the_beginning():
    assert ids(LONG, "head") == [[START, *[GOOD] * 5, *[FILM] * 5, END]]


def test_head_tail_keeps_a_quarter_of_the_beginning_and_the_end():
    assert ids(LONG, "head_tail") == [[START, *[GOOD] * 2, *[FILM] * 3, *[BAD] * 5, END]]


def test_windows_overlap_by_half_and_cover_every_token():
    units = ids(LONG, "window")
    assert [len(unit) for unit in units] == [12, 12, 12, 12, 12]
    inner = [unit[1:-1] for unit in units]
    assert all(one[5:] == other[:5] for one, other in pairwise(inner))
    assert [*inner[0], *(token for unit in inner[1:] for token in unit[5:])] == TOKENIZER(
        LONG, add_special_tokens=False
    )["input_ids"]


def test_every_window_begins_with_the_prefix():
    encoded = encode_documents([f"bad {LONG}"], TOKENIZER, max_length=12, policy="window", prefix="bad ")
    assert len(encoded.inputs) > 2
    assert {tuple(unit["input_ids"][:2]) for unit in encoded.inputs} == {(START, BAD)}
    assert max(encoded.lengths) <= 12


def test_a_text_that_fits_with_its_prefix_is_one_unit():
    text = f"bad {' '.join(['good'] * 9)}"
    encoded = encode_documents([text], TOKENIZER, max_length=12, policy="window", prefix="bad ")
    assert [unit["input_ids"] for unit in encoded.inputs] == [TOKENIZER(text)["input_ids"]]


def test_what_a_unit_says_of_n_grams_does_not_depend_on_its_neighbours():
    ids = np.array([5, 6])
    wide = make_unit(ids, [[3, -1, -1], [-1, -1, -1]], [0, 1], [0], [])
    assert wide["ngram_ids"] == make_unit(ids, [[3], [-1]], [0, 1], [0], [])["ngram_ids"]
    assert make_unit(ids, [[-1, -1], [-1, -1]], [0], [], []).keys() == make_unit(ids, None, [0], [], []).keys()


@given(length=st.integers(1, 90), size=st.integers(8, 20))
def test_windows_cover_every_position_and_no_part_is_left_out(length, size):
    text = " ".join(["good"] * length)
    encoded = encode_documents([text], TOKENIZER, max_length=size, policy="window", max_windows=100)
    total = int(encoded.lengths.sum()) - 2 * len(encoded.inputs)
    assert length <= total <= 3 * length
    assert encoded.truncated == 0


@pytest.mark.parametrize(
    ("policy", "windows", "truncated"), [("head", 8, 1), ("head_tail", 8, 1), ("window", 8, 0), ("window", 2, 1)]
)
def test_a_document_of_which_a_part_is_not_seen_counts_as_truncated(policy, windows, truncated):
    encoded = encode_documents(["good", LONG], TOKENIZER, max_length=12, policy=policy, max_windows=windows)
    assert encoded.truncated == truncated
    assert encoded.examples == 2


@pytest.mark.parametrize("policy", ["head", "head_tail", "window"])
@pytest.mark.parametrize("text", ["good " * 2_000_000, "x" * 10_000_000, "." * 10_000_000])
def test_of_ten_megabytes_the_tokenizer_reads_no_more_than_can_be_kept(policy, text, monkeypatch):
    read = note_what_is_tokenized(monkeypatch)
    encoded = encode_documents([text], TOKENIZER, max_length=256, policy=policy)
    assert max(read) <= 16 * 256 * (8 if policy == "window" else 1) + 1
    assert encoded.truncated == 1
    assert encoded.lengths.max() <= 256


def test_words_behind_megabytes_of_blank_lines_are_seen():
    assert ids("\n" * 10_000_000 + "good", "head") == [[START, GOOD, END]]


@pytest.mark.parametrize("policy", ["head", "head_tail", "window"])
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_is_one_unknown_token(policy, text):
    assert ids(text, policy) == [[START, UNKNOWN, END]]


def test_an_empty_text_among_static_vectors_is_one_unknown_word(tmp_path):
    source = load_source("vectors", name=save_vectors(tmp_path / "v.txt"))
    encoded = encode_documents(["", "good"], source.tokenizer, max_length=8)
    assert encoded.inputs[0]["input_ids"] == [source.tokenizer.unk_token_id]


def test_targets_and_examples_follow_the_windows():
    encoded = encode_documents([LONG, "bad"], TOKENIZER, max_length=12, policy="window", targets=[1, 0])
    assert list(encoded.example) == [0] * 5 + [1]
    assert list(encoded.targets) == [1] * 5 + [0]


def test_the_windows_of_a_document_weigh_as_much_as_one_short_text():
    encoded = encode_documents([LONG, "bad", LONG], TOKENIZER, max_length=12, policy="window")
    sums = np.bincount(encoded.example, weights=encoded.weights)
    np.testing.assert_allclose(sums, [1, 1, 1], rtol=1e-6)


def test_the_importance_of_an_example_is_shared_by_its_windows():
    encoded = encode_documents(
        [LONG, "bad"], TOKENIZER, max_length=12, policy="window", importance=np.array([3.0, 0.5])
    )
    np.testing.assert_allclose(np.bincount(encoded.example, weights=encoded.weights), [3.0, 0.5], rtol=1e-6)


def test_the_logits_of_windows_are_averaged(tmp_path):
    source = checkpoint(tmp_path)
    model = build_classifier(source, ("a", "b"), head="native").model.eval()
    encoded = encode_documents([LONG], source.tokenizer, max_length=12, policy="window")
    logits = model(**TokenInputs(encoded, 1).make_batch(np.arange(5)).inputs).logits.detach()
    found = mean_probabilities([list(logits.numpy()), [logits[0].numpy()]], ("a", "b"))
    for said, expected in zip(found, (logits.mean(0), logits[0]), strict=True):
        np.testing.assert_allclose(list(said.values()), expected.softmax(-1), rtol=1e-5)


def test_balanced_classes_count_alike_in_the_loss_of_training_only():
    uneven = TaskRows({"text": ["good"] * 3 + ["bad"], "label": [1, 1, 1, 0]})
    task = sentiment(class_weights="balanced")
    encoded = task.encode(uneven, Tokenizers(TOKENIZER), training=True)
    np.testing.assert_allclose(encoded.weights, [2 / 3, 2 / 3, 2 / 3, 2])
    np.testing.assert_allclose(task.encode(uneven, Tokenizers(TOKENIZER)).weights, 1)


def test_units_hold_no_more_than_the_tokens_asked_for_special_ones_included():
    for policy in ("head", "head_tail", "window"):
        assert max(map(len, ids(LONG, policy, max_length=9))) == 9
