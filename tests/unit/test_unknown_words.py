"""Texts of which a vocabulary knows no word are found, whatever the model makes of them."""

import pytest
import tiny

from nlp_transfer.models.encoding.documents import encode_documents
from nlp_transfer.models.encoding.prompts import settle_prompt
from nlp_transfer.models.encoding.text_pairs import encode_text_pairs
from nlp_transfer.models.extractive import encode_sentences
from nlp_transfer.runs.answering.predictor import NO_WORD
from nlp_transfer.runs.demo import split_answer

NOTHING = ["zzzqqq", "zzzqqq . zzz.", "qqq ."]
SOMETHING = ["zzzqqq good", "good.", ".", "the zzzqqq"]


@pytest.fixture(params=["table", "checkpoint"])
def tokenizer(request, tmp_path):
    if request.param == "checkpoint":
        return tiny.tokenizer()
    return tiny.vectors(tmp_path / "v.txt").tokenizer


def test_a_text_is_unknown_if_none_of_its_words_is_known_and_marks_are_no_words(tokenizer):
    encoded = encode_documents([*SOMETHING, *NOTHING], tokenizer, max_length=16)
    assert encoded.unknown_examples == [4, 5, 6]


@pytest.mark.parametrize("policy", ["head", "window"])
def test_the_words_of_a_prompt_are_none_of_the_text(policy):
    tokenizer = tiny.tokenizer()
    settle_prompt(tokenizer, "the story is ")
    encoded = encode_documents(["zzzqqq", "good"], tokenizer, max_length=16, policy=policy)
    assert encoded.unknown_examples == [0]
    assert encode_text_pairs(["zzzqqq", "good"], ["film", "film"], tokenizer, max_length=16).unknown_examples == [0]


def test_a_pair_is_unknown_if_one_of_its_texts_is_and_a_document_if_all_its_sentences_are(tokenizer):
    first, second = ["good", "zzzqqq", "good"], ["zzzqqq", "bad", "bad ."]
    assert encode_text_pairs(first, second, tokenizer, max_length=16).unknown_examples == [0, 1]
    documents = [["zzzqqq .", "good"], ["zzzqqq .", "qqq"], ["zzzqqq " * 20, "good"]]
    assert encode_sentences(documents, tokenizer, max_length=8, max_sentences=4).unknown_examples == [1]


def test_a_picture_that_is_known_says_something(tmp_path):
    tokenizer = tiny.vectors(tmp_path / "v.txt", words=[*tiny.WORDS, "🙂"]).tokenizer
    assert encode_documents(["🙂 zzzqqq", "🙃 zzzqqq"], tokenizer, max_length=8).unknown_examples == [1]


@pytest.mark.parametrize("said", [{"label": "good", "probabilities": {"good": 0.9}}, {"labels": ["a", "b"]}])
def test_the_page_says_that_no_word_was_known(said):
    text, likely = split_answer(said)
    assert split_answer({**said, "reason": NO_WORD}) == (f"{text} ({NO_WORD})", likely)
