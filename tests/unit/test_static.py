"""Word vectors as a transformers model: looked up, rescued when unknown, saved."""

import json

import numpy as np
import pytest
import torch
from tiny import WORDS, Training, rows, save_vectors, sentiment, vectors
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.batches import pad
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.saving import save_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.sources import load_source, reading

MIXED = ["Paris", "paris", "apple", "##.##", "0000", "model-#", "end"]
UNKNOWN = 1


def tokens_of(source, text):
    tokenizer = source.tokenizer
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


def test_a_table_opens_without_a_copy_of_its_tokenizer(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(reading, "Tokenizer", lambda model: made.append(Tokenizer(model)) or made[-1])
    assert vectors(tmp_path / "words.txt").tokenizer.backend_tokenizer is made[0]


@pytest.fixture
def mixed(tmp_path):
    """A table with upper case, as word2vec's news vectors have it."""
    return load_source("vectors", name=save_vectors(tmp_path / "mixed.txt", MIXED))


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("Paris", "Paris"),
        ("paris", "paris"),
        ("Apple", "apple"),
        ("APPLE", "apple"),
        ("1987", "0000"),
        ("pear", "[UNK]"),
        ("12345", "[UNK]"),
    ],
)
def test_a_word_is_tried_as_written_then_in_lower_case_then_with_digits_masked(mixed, word, found):
    assert tokens_of(mixed, word) == [found]


def test_digits_are_masked_as_hashes_before_they_are_masked_as_zeros(tmp_path):
    source = load_source("vectors", name=save_vectors(tmp_path / "hash.txt", ["0000", "####", "Upper"]))
    assert tokens_of(source, "1987") == ["####"]


def test_a_table_without_upper_case_reads_text_in_lower_case(tmp_path):
    source = vectors(tmp_path / "v.txt")
    assert tokens_of(source, "GOOD Film, bad.") == ["good", "film", "[UNK]", "bad", "."]


def test_one_text_and_a_batch_are_rescued_alike(mixed):
    one = mixed.tokenizer("Apple 1987 pear")["input_ids"]
    assert mixed.tokenizer(["Apple 1987 pear", "end"])["input_ids"] == [one, mixed.tokenizer("end")["input_ids"]]
    assert mixed.tokenizer("Apple 1987 pear", return_tensors="pt")["input_ids"].tolist() == [one]
    padded = mixed.tokenizer(["Apple 1987", "end"], padding=True, return_tensors="pt")
    assert padded["input_ids"].tolist()[0] == one[:2]
    assert padded["attention_mask"].tolist() == [[1, 1], [1, 0]]


def test_the_vector_of_a_word_is_the_row_of_its_file_and_unknown_is_their_mean(tmp_path):
    path = tmp_path / "v.txt"
    source = vectors(path)
    lines = dict(line.split(" ", 1) for line in path.read_text().splitlines())
    weights = source.encoder().model.embeddings.weight.detach().numpy()
    for word in WORDS:
        (row,) = source.tokenizer(word)["input_ids"]
        np.testing.assert_allclose(weights[row], np.array(lines[word].split(), dtype=np.float32), atol=1e-6)
    np.testing.assert_allclose(weights[UNKNOWN], weights[2:].mean(0), atol=1e-6)
    assert not weights[0].any()


def test_the_tokenizer_keeps_its_ids_and_its_chain_when_reloaded(mixed, tmp_path):
    save_model(mixed.encoder().model, Tokenizers(mixed.tokenizer), tmp_path / "model")
    again = AutoTokenizer.from_pretrained(tmp_path / "model", trust_remote_code=False)
    text = "Paris paris APPLE 1987 pear end"
    assert again(text)["input_ids"] == mixed.tokenizer(text)["input_ids"]
    assert again.get_vocab() == mixed.tokenizer.get_vocab()
    assert type(again) is type(mixed.tokenizer)
    again.save_pretrained(tmp_path / "twice")
    twice = AutoTokenizer.from_pretrained(tmp_path / "twice", trust_remote_code=False)
    assert twice(text)["input_ids"] == mixed.tokenizer(text)["input_ids"]


@pytest.mark.parametrize("contextualizer", ["bag", "cnn", "bilstm", "transformer"])
def test_the_encoder_reloads_through_auto_model_with_equal_states(tmp_path, contextualizer):
    source = vectors(tmp_path / "v.txt", contextualizer)
    model = source.encoder().model.eval()
    save_model(model, Tokenizers(source.tokenizer), tmp_path / "model")
    again = AutoModel.from_pretrained(tmp_path / "model", trust_remote_code=False).eval()
    inputs = source.tokenizer(["the film was great", "bad"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(model(**inputs).last_hidden_state, again(**inputs).last_hidden_state)


@pytest.mark.parametrize("contextualizer", ["bag", "cnn", "bilstm", "transformer"])
def test_padding_changes_no_state(tmp_path, contextualizer):
    source = vectors(tmp_path / "v.txt", contextualizer)
    model = source.encoder().model.eval()
    alone = source.tokenizer(["the film"], return_tensors="pt")
    beside = source.tokenizer(["the film", "a very very very good story"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**alone).last_hidden_state[0]
        padded = model(**beside).last_hidden_state[0, :2]
    torch.testing.assert_close(states, padded, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("contextualizer", ["bag", "cnn", "bilstm", "transformer"])
def test_what_stands_above_the_table_is_new_and_the_table_is_not(tmp_path, contextualizer):
    loaded = build_classifier(vectors(tmp_path / "v.txt", contextualizer), ("a", "b"), head="pooled")
    names = {name for name, _ in loaded.model.named_parameters()}
    assert names - loaded.new == {"encoder.embeddings.weight"}


@pytest.mark.parametrize("strategy", ["full", "frozen", "lora"])
def test_a_word_that_training_never_saw_gets_its_own_vector_at_prediction(tmp_path, strategy):
    known = ["great" not in text and "stale" not in text for text in rows()["text"]]
    seen = rows().select(np.flatnonzero(known))
    source = vectors(tmp_path / "v.txt")
    training = Training(source, {"kind": strategy}, train=seen, validation=seen, epochs=6, learning_rate=0.01)
    before = source.encoder().model.embeddings.weight.detach().clone()
    training.fit()
    model = training.plan.finish(training.plan.model)
    after = model.encoder.embeddings.weight.detach()
    for word in ("great", "stale"):
        row = source.tokenizer(word)["input_ids"]
        assert torch.equal(after[row], before[row])
    said = Predictor(training.task, model, Tokenizers(source.tokenizer), {}).predict(["great", "zzz", "stale"])
    great, unheard, stale = (one["probabilities"]["positive"] for one in said)
    assert great > stale + 0.02
    assert unheard not in {great, stale}


def test_a_vocabulary_of_the_data_keeps_the_words_of_the_data_only(tmp_path):
    name = save_vectors(tmp_path / "v.txt")
    source = load_source("vectors", name=name, vocabulary="data", texts=["A GOOD film", "film unheard"])
    assert sorted(source.tokenizer.get_vocab()) == ["[PAD]", "[UNK]", "a", "film", "good"]
    assert source.encoder().model.embeddings.weight.shape == (5, 8)


def test_a_vocabulary_of_the_data_keeps_what_stands_in_for_its_missing_words(tmp_path):
    name = save_vectors(tmp_path / "v.txt", ["Film", "story", "####", "2015x"])
    source = load_source("vectors", name=name, vocabulary="data", texts=["Film STORY 2015"])
    assert sorted(source.tokenizer.get_vocab()) == ["####", "Film", "[PAD]", "[UNK]", "story"]
    assert source.tokenizer.unk_token_id not in source.tokenizer("Film STORY 2015")["input_ids"]


def test_a_vocabulary_of_n_keeps_the_first_n_words_of_the_file(tmp_path):
    source = load_source("vectors", name=save_vectors(tmp_path / "v.txt"), vocabulary=4)
    assert list(source.tokenizer.get_vocab())[:2] == ["[PAD]", "[UNK]"] or len(source.tokenizer.get_vocab()) == 6
    assert set(WORDS[:4]) < set(source.tokenizer.get_vocab())
    assert WORDS[4] not in source.tokenizer.get_vocab()


def test_the_share_of_unknown_words_is_counted(tmp_path):
    source = vectors(tmp_path / "v.txt")
    encoded = sentiment().encode(
        TaskRows({"text": ["good zzz film yyy"] * 2, "label": [0, 1]}), Tokenizers(source.tokenizer)
    )
    assert encoded.unknown == 0.5


def test_scratch_keeps_the_vocabulary_and_draws_other_vectors(tmp_path):
    kept, drawn = vectors(tmp_path / "v.txt"), vectors(tmp_path / "v.txt", scratch=True)
    assert kept.tokenizer.get_vocab() == drawn.tokenizer.get_vocab()
    assert not torch.equal(kept.encoder().model.embeddings.weight[2:], drawn.encoder().model.embeddings.weight[2:])


def test_vectors_have_no_layers_to_choose(tmp_path):
    with pytest.raises(ConfigError, match=r"task\.head\.layers"):
        build_classifier(vectors(tmp_path / "v.txt", "cnn"), ("a", "b"), head="pooled", layers="mix")


def test_a_transformer_whose_width_its_heads_do_not_divide_is_refused(tmp_path):
    source = load_source("vectors", name=save_vectors(tmp_path / "v.txt"), contextualizer="transformer", width=10)
    with pytest.raises(SourceError, match="multiple of 4"):
        source.encoder()


def train_fasttext(path, *sentences):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    shape = {"vector_size": 6, "bucket": 50, "min_n": 2, "max_n": 4}
    model = FastText(list(sentences) * 20, **shape, min_count=1, epochs=2, workers=1, seed=3)
    save_facebook_model(model, str(path))
    return model.wv, str(path)


@pytest.fixture(scope="module")
def fasttext(tmp_path_factory):
    sentences = ["The", "Good", "film", "was", "naïve"], ["bad", "story", "was", "dull"]
    return train_fasttext(tmp_path_factory.mktemp("fasttext") / "model.bin", *sentences)


@pytest.mark.parametrize("word", ["Goodness", "filmic", "naïveté", "日本語", "x"])
def test_an_unknown_word_gets_the_fasttext_vector_of_gensim_from_end_to_end(fasttext, tmp_path, word):
    keyed, path = fasttext
    source = load_source("vectors", name=path)
    save_model(source.encoder().model, Tokenizers(source.tokenizer), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model", trust_remote_code=False)
    model = AutoModel.from_pretrained(tmp_path / "model", trust_remote_code=False)
    inputs = tokenizer(["bad film", f"The {word}"], return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state.numpy()
    np.testing.assert_allclose(states[1, 1], keyed[word], atol=1e-5)
    np.testing.assert_allclose(states[0, 0], keyed["bad"], atol=1e-5)


def test_an_unknown_word_is_read_in_lower_case_where_the_table_was(tmp_path):
    keyed, path = train_fasttext(tmp_path / "lower.bin", ["film", "story"], ["bad", "film"])
    source = load_source("vectors", name=path)
    with torch.inference_mode():
        states = source.encoder().model(**source.tokenizer("FILMIC", return_tensors="pt")).last_hidden_state
    np.testing.assert_allclose(states[0, 0], keyed["filmic"], atol=1e-5)


@pytest.mark.parametrize("kind", ["full", "lora", "frozen", "gradual"])
def test_fasttext_vectors_train_by_every_strategy_with_and_without_unknown_words(fasttext, kind):
    source = load_source("vectors", name=fasttext[1])
    labels = rows()["label"]
    known = TaskRows({"text": ["bad story" if label else "The Good film" for label in labels], "label": labels})
    for data in (rows(), known):
        history = Training(source, {"kind": kind}, train=data, validation=data).fit()
        assert history.best > 0.4


def test_a_text_without_unknown_words_beside_one_with_some_gets_no_ngrams(fasttext):
    source = load_source("vectors", name=fasttext[1])
    encoded = sentiment().encode(rows().select(range(2)), Tokenizers(source.tokenizer))
    ragged = pad([unit["ngram_ids"] for unit in encoded.inputs], -1)
    assert ragged.ndim == 3


def test_the_saved_settings_of_a_tokenizer_name_its_own_class_and_no_local_path(mixed, tmp_path):
    save_model(mixed.encoder().model, Tokenizers(mixed.tokenizer), tmp_path / "model")
    settings = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())
    assert settings["auto_map"]["AutoTokenizer"] == [None, "static.StaticTokenizer"]
    for file in (tmp_path / "model").glob("*.json"):
        assert str(tmp_path) not in file.read_text(), file.name
