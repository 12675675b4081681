"""An answer depends on its text alone: what padding changes is found by a probe, and batches then hold none."""

import json
import logging

import numpy as np
import pytest
import torch
from test_translation import NATIVE, ONE_LAYER, native
from tiny import (
    FAMILIES,
    LABELS,
    MIXING,
    Training,
    checkpoint,
    make_accelerator,
    rows,
    save_checkpoint,
    save_csv,
    sentiment,
    texts,
    tokenizer,
    vectors,
)
from transformers import AutoModelForSequenceClassification

import nlp_transfer
from nlp_transfer import Predictor
from nlp_transfer.config.generation import DecoderOptions, GenerationOptions
from nlp_transfer.inference.activations import _hash_model, compute, find_boundary, replay
from nlp_transfer.models.classification import build_classifier, classification_loss
from nlp_transfer.models.encoding import padding
from nlp_transfer.models.encoding.batches import sort_batches
from nlp_transfer.models.encoding.padding import read_padding_trouble, try_padding
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.extractive import build_extractive
from nlp_transfer.models.seq2seq import build_seq2seq
from nlp_transfer.training.step import Stepper
from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions
from nlp_transfer_tasks.summarization import Summarization, SummarizationOptions
from nlp_transfer_tasks.translation import Translation, TranslationOptions

CONTEXTUALIZERS = ["bag", "cnn", "bilstm", "transformer"]
DECODER = DecoderOptions(layers=1, width=64, vocabulary=300)
UNEVEN = [" ".join(text.split()[: 1 + 3 * (i % 5)]) for i, text in enumerate(texts(12, seed=2)[0])]


def classifier(folder, family, head="native"):
    """A source and a random classifier on it, tried."""
    source = checkpoint(folder, family)
    model = build_classifier(source, LABELS, head=head).model
    try_padding(model, source.tokenizer)
    return source, model


def alone_and_together(predictor, inputs=UNEVEN):
    """What is answered to each text by itself, and to all at once."""
    return [predictor.predict([text])[0] for text in inputs], predictor.predict(inputs)


def near(one, other):
    """Whether two answers are equal but for rounding."""
    measured = ("probabilities", "confidence")
    assert one.keys() == other.keys()
    assert all(one[key] == other[key] for key in one.keys() - measured)
    return all(one[key] == pytest.approx(other[key], abs=1e-5) for key in one.keys() & measured)


@pytest.mark.parametrize("family", MIXING)
def test_a_family_in_which_padding_reaches_the_text_is_found(tmp_path, family):
    _, model = classifier(tmp_path, family)
    assert read_padding_trouble(model).startswith(
        f"the architecture {family} reads the padding beside a longer text, so a batch holds"
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_model_that_is_tried_is_left_in_its_mode(tmp_path, training):
    source = checkpoint(tmp_path, "bert")
    model = build_classifier(source, LABELS, head="native").model.train(training)
    try_padding(model, source.tokenizer)
    assert {module.training for module in model.modules()} == {training}


@pytest.mark.parametrize(("family", "head"), [*((family, "native") for family in FAMILIES), ("bert", "pooled")])
def test_a_family_that_masks_its_padding_is_left_as_it_is(tmp_path, family, head):
    assert read_padding_trouble(classifier(tmp_path, family, head)[1]) is None


@pytest.mark.parametrize("family", NATIVE)
def test_a_checkpoint_that_writes_is_tried_with_its_decoder(tmp_path, family):
    source = native(tmp_path, family, **ONE_LAYER[family])
    model = build_seq2seq(
        source, [], decoder=DecoderOptions(), generation=GenerationOptions(), max_target_length=8
    ).model
    try_padding(model, source.tokenizer)
    assert read_padding_trouble(model) is None


@pytest.mark.parametrize("contextualizer", CONTEXTUALIZERS)
def test_word_vectors_mask_their_padding(tmp_path, contextualizer):
    source = vectors(tmp_path / "v.txt", contextualizer)
    model = build_classifier(source, LABELS, head="pooled").model
    try_padding(model, source.tokenizer)
    assert read_padding_trouble(model) is None


def test_a_head_that_reads_the_last_place_is_found_though_its_encoder_masks(tmp_path):
    assert read_padding_trouble(classifier(tmp_path / "native", "xlnet", "native")[1])
    assert not read_padding_trouble(classifier(tmp_path / "pooled", "xlnet", "pooled")[1])


def test_a_model_is_tried_once(tmp_path, monkeypatch):
    source, model = classifier(tmp_path, "fnet")
    monkeypatch.setattr(padding, "_try", lambda *_: pytest.fail("it was tried again"))
    try_padding(model, source.tokenizer)
    Predictor(sentiment(), model, Tokenizers(source.tokenizer), {})


def test_a_model_that_cannot_be_tried_is_batched_by_length_and_said(tmp_path, monkeypatch):
    def fail(_):
        raise TypeError

    monkeypatch.setattr(padding, "make_two_texts", fail)
    assert read_padding_trouble(classifier(tmp_path, "bert")[1]).startswith(
        "it could not be found out whether the architecture bert reads the padding beside a longer text"
    )


@pytest.mark.parametrize(
    ("family", "head"), [*((family, "native") for family in (*MIXING, "bert")), ("fnet", "pooled"), ("xlnet", "pooled")]
)
def test_a_label_does_not_depend_on_the_texts_beside_it(tmp_path, family, head):
    source, model = classifier(tmp_path, family, head)
    alone, together = alone_and_together(Predictor(sentiment(), model, Tokenizers(source.tokenizer), {}))
    assert all(map(near, alone, together))
    assert len({round(one["probabilities"]["positive"], 5) for one in alone}) > 5


@pytest.mark.parametrize("family", ["fnet", "convbert"])
def test_a_sentence_picked_does_not_depend_on_the_documents_beside_it(tmp_path, family):
    source = checkpoint(tmp_path, family)
    model = build_extractive(source, width=16).model
    task = Summarization(SummarizationOptions(name="summarization", max_length=64))
    predictor = Predictor(task, model, Tokenizers(source.tokenizer), {})
    documents = [UNEVEN[start : start + 2 + start % 3] for start in range(0, 10, 2)]
    alone, together = alone_and_together(predictor, documents)
    assert alone == together


@pytest.mark.parametrize("beams", [1, 3])
def test_a_translation_does_not_depend_on_the_texts_beside_it(tmp_path, beams):
    source = checkpoint(tmp_path, "fnet")
    generation = GenerationOptions(beams=beams)
    loaded = build_seq2seq(source, UNEVEN, decoder=DECODER, generation=generation, max_target_length=8)
    for parameter in loaded.model.decoder.parameters():  # so that it writes of what it reads
        torch.nn.init.normal_(parameter)
    options = TranslationOptions(name="translation", max_length=32, max_target_length=8)
    tokenizers = Tokenizers(source.tokenizer, loaded.target_tokenizer)
    alone, together = alone_and_together(Predictor(Translation(options), loaded.model, tokenizers, {}))
    assert alone == together
    assert len({one["translation"] for one in alone}) > 1


def test_long_texts_are_read_in_one_way_whatever_came_before(tmp_path):
    settings = {"block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 300}
    source = checkpoint(tmp_path, "big_bird", **settings)
    model = build_classifier(source, LABELS, head="native").model
    task = Sentiment(SentimentOptions(name="sentiment", max_length=200), LABELS)
    predictor = Predictor(task, model, Tokenizers(source.tokenizer), {})
    long = [" ".join(UNEVEN[:12])]
    before = predictor.predict(long)
    predictor.predict(["good"])  # too short for sparse attention, which the model then leaves for good
    assert near(before[0], predictor.predict(long)[0])


def test_batches_of_one_length_hold_every_unit_once_and_keep_their_limits():
    lengths = np.array([3, 5, 3, 4, 5, 3, 3, 9])
    batches = list(sort_batches(lengths, 9, most=3, alike=True))
    assert [lengths[batch].tolist() for batch in batches] == [[9], [5], [5], [4], [3, 3, 3], [3]]
    assert sorted(np.concatenate(batches)) == list(range(8))


def test_a_batch_in_passes_of_one_length_has_the_gradient_of_its_texts_one_by_one(tmp_path):
    source, model = classifier(tmp_path, "fnet")
    model.eval()  # dropout would draw other numbers
    task = sentiment()
    units = TokenInputs(task.encode(rows(12), Tokenizers(source.tokenizer), training=True), 1)
    stepper = Stepper(make_accelerator(), task, 1, 0.0, alike=True)
    device = stepper.accelerator.device
    stepper.compute_gradients(model.to(device), units, np.arange(12))
    found = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    for unit in range(12):
        (classification_loss(model, units.make_batch(np.array([unit])).to(device)) / 12).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, msg=name)


@pytest.mark.parametrize("pieces", [1, 2, 8])
def test_all_processes_make_as_many_passes_of_one_length(pieces, monkeypatch):
    encoded = sentiment().encode(rows(48), Tokenizers(tokenizer()))
    units, chosen = TokenInputs(encoded, 1), np.arange(5, 40)
    made = []
    for index in range(3):
        stepper = Stepper(Processes(3, index), sentiment(), pieces, 0.0, alike=True)
        made.append(stepper._cut_passes(units, chosen))
    assert len({len(passes) for passes in made}) == 1
    assert sorted(np.concatenate([one for passes in made for one in passes])) == chosen.tolist()
    for one in (one for passes in made for one in passes if len(one)):
        assert len(set(encoded.lengths[one])) == 1
        assert len(one) <= -(-12 // pieces)


class Processes:
    """What a stepper asks of an accelerator."""

    def __init__(self, count, index):
        self.num_processes, self.process_index = count, index


@pytest.mark.parametrize("family", ["fnet", "bert"])
def test_features_are_those_of_each_text_alone_under_a_key_of_their_own(tmp_path, family):
    source, model = classifier(tmp_path, family, "pooled")
    units = TokenInputs(sentiment().encode(rows(24), Tokenizers(source.tokenizer)), 1)
    boundary = find_boundary(model, frozenset())
    found = compute(model, units, boundary, np.arange(24), progress=False)
    for unit in range(24):
        (alone,) = compute(model, units, boundary, np.array([unit]), progress=False)
        np.testing.assert_allclose(found[unit], alone, atol=1e-5)
    key = _hash_model(model, boundary)
    model.__dict__.pop(padding.NOTED)  # as before it was looked for
    assert (key == _hash_model(model, boundary)) == (family == "bert")


def test_stored_activations_are_replayed_among_texts_of_one_length(tmp_path):
    source, model = classifier(tmp_path, "fnet")
    units = TokenInputs(sentiment().encode(rows(24), Tokenizers(source.tokenizer)), 1)
    stored = replay(model, units, Boundary("layer", 1), None, progress=False)
    assert stored is not None, "a replay was found to answer otherwise than the model"


def test_a_training_does_not_depend_on_what_its_batches_are_cut_in(tmp_path):
    weights = []
    for accumulation in (1, 8):
        source = checkpoint(tmp_path / str(accumulation), "fnet", hidden_dropout_prob=0.0)
        training = Training(source, {"kind": "full"}, train=rows(24), accumulation=accumulation)
        try_padding(training.plan.model, source.tokenizer)
        training.fit()
        weights.append(training.plan.model.state_dict())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("strategy", [{"kind": "frozen"}, {"kind": "lora", "rank": 2}], ids=str)
def test_a_run_says_it_once_and_its_scores_are_those_of_each_text_alone(tmp_path, caplog, strategy):
    caplog.set_level(logging.WARNING)
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": save_checkpoint(tmp_path / "fnet", "fnet")},
        "strategy": strategy,
        "data": {"train": save_csv(tmp_path / "data.csv")},
        "training": {"epochs": 1, "batch_size": 16, "precision": "fp32"},
    }
    result = nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    said = "the architecture fnet reads the padding beside a longer text"
    assert caplog.text.count(said) == 1
    assert [said in one for one in result.metrics["warnings"]] == [True]
    caplog.clear()
    predictor = nlp_transfer.load(result.folder)
    assert caplog.text.count(said) == 1
    data = (tmp_path / "data.csv").read_text().splitlines()
    for line in (result.folder / "predictions.jsonl").read_text().splitlines():
        before = json.loads(line)
        (alone,) = predictor.predict([data[before["row"] - 1].rsplit(",", 1)[0]])
        assert near({key: before[key] for key in alone}, alone)


def test_check_says_it(tmp_path):
    values = {"task": {"name": "sentiment"}, "data": {"train": save_csv(tmp_path / "data.csv")}}
    for family in ("convbert", "bert"):
        source = {"kind": "checkpoint", "name": save_checkpoint(tmp_path / family, family)}
        found = [one for one in nlp_transfer.check({**values, "source": source}).warnings if "padding" in one]
        assert len(found) == (family == "convbert")


def test_the_probe_costs_little_beside_a_loading(tmp_path):
    made = AutoModelForSequenceClassification.from_pretrained(save_checkpoint(tmp_path, "bert"))
    seen = []
    made.bert.embeddings.word_embeddings.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    try_padding(made, tokenizer())
    assert seen == [(1, 7), (2, 12)]
