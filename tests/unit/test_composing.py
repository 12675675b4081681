"""Composed and decomposed letters are one to every source, once it is saved too."""

import json
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import tiny
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import AutoModel, AutoTokenizer, BertTokenizer

from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.saving import save_model
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.sources import load_source
from nlp_transfer.sources.vectors.table import tokenize_words

WORDS = ["très", "déçu", "café", "việt", "영화", "film", "Ça"]
TEXT = " ".join(WORDS)
APART = normalize("NFD", TEXT)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_bert(folder, words, **settings):
    """A tiny BERT whose tokenizer class builds its own rules when it is loaded."""
    vocabulary = [*SPECIAL, *words]
    model = AutoModel.from_config(tiny.config(vocab_size=len(vocabulary), pad_token_id=0))
    model.save_pretrained(folder)
    Path(folder, "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    named = {"tokenizer_class": "BertTokenizer", "model_max_length": 70, **settings}
    Path(folder, "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    return load_source("checkpoint", name=str(folder))


def save_roberta(folder):
    """The same with bytes for letters."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=tiny.SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([TEXT] * 20, trainer)
    AutoModel.from_config(tiny.config("roberta", vocab_size=400)).save_pretrained(folder)
    backend.model.save(str(folder))
    Path(folder, "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}', encoding="utf-8")
    return load_source("checkpoint", name=str(folder))


SOURCES = {
    "bert": lambda folder: save_bert(folder, WORDS, do_lower_case=False),
    "bert, decomposed": lambda folder: save_bert(folder, [normalize("NFD", w) for w in WORDS], do_lower_case=False),
    "roberta": save_roberta,
    "vectors": lambda folder: tiny.vectors(folder / "v.txt", words=WORDS),
    "vectors, decomposed": lambda folder: tiny.vectors(folder / "v.txt", words=[normalize("NFD", w) for w in WORDS]),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_both_forms_have_the_same_known_tokens_also_once_saved(make, tmp_path):
    source = make(tmp_path)
    tokenizer = source.tokenizer
    wanted = dict(tokenizer(TEXT))
    assert tokenizer.unk_token_id not in wanted["input_ids"]
    assert dict(tokenizer(APART)) == wanted

    save_model(build_classifier(source, ("a", "b"), head="pooled").model, Tokenizers(tokenizer), tmp_path / "model")
    _, saved = load_model(tmp_path / "model", "AutoModelForSequenceClassification")
    for other in (saved.source, AutoTokenizer.from_pretrained(tmp_path / "model", trust_remote_code=False)):
        assert dict(other(APART)) == dict(other(TEXT)) == wanted
        assert other.decode(other(APART)["input_ids"]) == tokenizer.decode(wanted["input_ids"])
        assert other.model_max_length == tokenizer.model_max_length


def test_a_tokenizer_that_removes_accents_itself_is_left_alone(tmp_path):
    tokenizer = save_bert(tmp_path, ["tres", "decu", "é", "film"], do_lower_case=True).tokenizer
    assert type(tokenizer) is BertTokenizer
    assert tokenizer("très film")["input_ids"] == tokenizer(normalize("NFD", "très film"))["input_ids"]


def test_a_vocabulary_without_accents_is_left_alone(tmp_path):
    tokenizer = save_bert(tmp_path, ["film", "good"], do_lower_case=False).tokenizer
    assert type(tokenizer) is BertTokenizer


def test_special_tokens_and_the_side_of_the_padding_survive(tmp_path):
    tokenizer = save_bert(tmp_path, WORDS, do_lower_case=False, padding_side="left").tokenizer
    assert tokenizer.padding_side == "left"
    assert tokenizer.special_tokens_map == {
        f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")
    }
    assert tokenizer("film [MASK]", "film")["token_type_ids"] == [0, 0, 0, 0, 1, 1]


def test_of_a_word_that_a_table_has_in_both_forms_the_first_row_is_the_one(tmp_path):
    source = tiny.vectors(tmp_path / "v.txt", words=["café", "très", normalize("NFD", "café"), "film"])
    assert source.tokenizer(APART)["input_ids"] == source.tokenizer(TEXT)["input_ids"]
    assert source.tokenizer(normalize("NFD", "café"))["input_ids"] == [2]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", [TEXT, APART], ids=["composed", "decomposed"])
def test_a_vocabulary_of_the_data_is_found_in_the_form_of_the_table(tmp_path, form, text):
    name = tiny.save_vectors(tmp_path / "v.txt", [*(normalize(form, word) for word in WORDS), "other"])
    source = load_source("vectors", name=name, vocabulary="data", texts=[text])
    assert set(source.tokenizer.get_vocab()) == {"[PAD]", "[UNK]", *(normalize(form, word) for word in WORDS)}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_ngrams_of_an_unknown_word_are_those_of_the_tables_form(tmp_path, form):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    shape = {"vector_size": 6, "bucket": 50, "min_n": 2, "max_n": 4, "min_count": 1, "epochs": 2, "workers": 1}
    model = FastText([normalize(form, TEXT).split()] * 20, **shape)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    source = load_source("vectors", name=str(tmp_path / "model.bin"))
    for text in ("déçue", normalize("NFD", "déçue")):
        with torch.inference_mode():
            states = source.encoder().model(**source.tokenizer(text, return_tensors="pt")).last_hidden_state.numpy()
        np.testing.assert_allclose(states[0, 0], model.wv[normalize(form, "déçue")], atol=1e-5)


def test_words_that_vectors_are_trained_on_are_composed():
    assert tokenize_words(APART, lowercase=False) == WORDS
