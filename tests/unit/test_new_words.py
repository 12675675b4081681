"""Words of a domain become tokens of a sub-word vocabulary, and rows of the model that start at their pieces' mean."""

import json
from string import ascii_lowercase

import pytest
import torch
from tiny import config
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertTokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.new_words import find_split_words
from nlp_transfer.models.vocabulary import add_new_words

GENERAL = ["the film was good", "a dull story told in a cold way", "some scenes were great fun to watch"] * 3
DOMAIN = ["myocardial infarction was seen, infarctions too", "the myocardial tissue showed infarction"] * 2
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def learn(model, trainer, split):
    """The model of a small tokenizer, as its file has it."""
    backend = Tokenizer(model)
    backend.pre_tokenizer = split
    backend.train_from_iterator(GENERAL, trainer)
    return json.loads(backend.to_str())["model"]


def make_word_piece():
    pieces = [*ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase), ",", "the", "film", "good", "was"]
    return BertTokenizer(
        vocab={one: row for row, one in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces])}
    )


def make_bpe():
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found = learn(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False))
    return RobertaTokenizer(vocab=found["vocab"], merges=[tuple(pair) for pair in found["merges"]])


def make_unigram(kind, special, **settings):
    trainer = trainers.UnigramTrainer(
        vocab_size=80,
        special_tokens=special,
        unk_token="<unk>",
        show_progress=False,
        initial_alphabet=[*ascii_lowercase, ",", "▁"],
    )
    found = learn(models.Unigram(), trainer, pre_tokenizers.Metaspace())
    return kind(vocab=[tuple(one) for one in found["vocab"]], **settings)


KINDS = {
    "WordPiece": make_word_piece,
    "BPE": make_bpe,
    "Unigram": lambda: make_unigram(XLMRobertaTokenizer, SPECIAL),
    "Unigram with tokens behind it": lambda: make_unigram(T5Tokenizer, ["<pad>", "</s>", "<unk>"], extra_ids=8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_word_is_one_token_and_texts_come_back_as_before(kind, tmp_path):
    tokenizer = KINDS[kind]()
    text = "the myocardial tissue showed infarction, the film was good"

    def read(one):
        ids = one(text, add_special_tokens=False)["input_ids"]
        return one.convert_ids_to_tokens(ids), one.decode(ids)

    _, decoded = read(tokenizer)
    pieces = tokenizer("myocardial", add_special_tokens=False)["input_ids"]
    torch.manual_seed(0)
    rows = max(tokenizer.get_vocab().values()) + 1
    model = AutoModelForMaskedLM.from_config(config(vocab_size=rows))
    before = model.get_input_embeddings().weight.detach().clone()
    words = add_new_words(model, tokenizer, DOMAIN, 2)
    assert {word.lstrip("Ġ▁") for word in words} == {"myocardial", "infarction"}

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    tokens, told = read(again)
    assert told == decoded
    assert set(words) <= set(tokens)
    assert tokens == read(tokenizer)[0]

    after = model.get_input_embeddings().weight
    assert torch.equal(after[:rows], before)
    assert after.shape[0] == model.get_output_embeddings().bias.shape[0] > max(again.get_vocab().values())
    if kind != "BPE":  # where a word within a text has other pieces than alone
        row = next(again.convert_tokens_to_ids(word) for word in words if "myocardial" in word)
        assert torch.allclose(after[row], before[pieces].mean(0), atol=1e-6)


def test_the_most_frequent_split_words_are_found_and_no_marks_or_unknown_ones():
    texts = ["infarction infarction tissue 10000 good ärzte"]
    assert list(find_split_words(make_word_piece(), texts, 9)) == ["infarction", "arzte", "tissue"]


def test_a_vocabulary_that_splits_no_word_is_refused():
    with pytest.raises(SourceError, match="holds every word"):
        add_new_words(AutoModelForMaskedLM.from_config(config()), make_word_piece(), ["the film was good"], 5)
