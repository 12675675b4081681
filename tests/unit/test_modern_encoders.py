"""The encoders of 2025 and later: each is trained, frozen, saved, packed and replayed, from a configuration alone."""

import contextlib

import numpy as np
import pytest
import torch
from tiny import MODERN, Training, checkpoint, config, rows, sentiment, texts
from transformers import AutoModel

from nlp_transfer.inference.activations import compute, find_boundary
from nlp_transfer.models.anatomy import count_positions, list_blocks
from nlp_transfer.models.encoding.padding import read_padding_trouble, try_padding
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.saving import save_model
from nlp_transfer.models.surgery.entry import check_replay
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.models.surgery.packed import NOTED, try_packing, use_packing
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer_tasks.sentiment import HeadOptions


@pytest.fixture(scope="module", params=MODERN)
def source(request, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(source):
    return sentiment().build(source, rows(), frozen=False).model.eval()


@pytest.mark.parametrize(
    ("strategy", "head"),
    [({"kind": "full"}, {"kind": "pooled", "layers": "last_four"}), ({"kind": "lora", "rank": 2}, {"kind": "native"})],
    ids=["full-pooled", "lora-native"],
)
def test_a_trained_one_answers_the_same_after_reloading(source, strategy, head, tmp_path):
    training = Training(source, strategy, task=sentiment(head=head), train=rows(8))
    before = {name: one.clone() for name, one in training.plan.model.named_parameters()}
    training.fit()
    moved = {name for name, one in training.plan.model.named_parameters() if not torch.equal(one, before[name])}
    assert moved
    assert moved <= training.plan.moving

    model = training.plan.finish(training.plan.model)
    save_model(model, Tokenizers(source.tokenizer), tmp_path / "model")
    reloaded, again = load_model(tmp_path / "model", "AutoModelForSequenceClassification")
    said = Predictor(training.task, model, Tokenizers(source.tokenizer), {}).predict(texts(16)[0])
    assert Predictor(training.task, reloaded, again, {}).predict(texts(16)[0]) == said
    assert len({one["probabilities"]["positive"] for one in said}) > 10


def test_padding_leaves_it_alone_and_it_is_packed(source, model):
    try_padding(model, source.tokenizer)
    try_packing(model, source.tokenizer)
    assert read_padding_trouble(model) is None
    assert model.__dict__[NOTED]


def test_with_one_token_in_the_last_layer_it_answers_the_same_packed_and_padded(source, model):
    units = TokenInputs(sentiment().encode(rows(12), Tokenizers(source.tokenizer)), 1)
    try_padding(model, source.tokenizer)
    try_packing(model, source.tokenizer)
    batch = units.make_batch(np.arange(12)).inputs
    with torch.inference_mode():
        expected = model(**batch).logits
        for packing in (contextlib.nullcontext(), use_packing(model, on_gpu=True)):
            with use_first_token(model, logits_only=True), packing:
                torch.testing.assert_close(model(**batch).logits, expected)
    assert expected.std(0).max() > 1e-3


def test_it_goes_on_from_stored_activations_of_every_layer(source, model):
    units = TokenInputs(sentiment().encode(rows(12), Tokenizers(source.tokenizer)), 1)
    names = {name for name, _ in model.named_parameters()}
    head = frozenset(list_blocks(model)[-1])
    assert find_boundary(model, head) == Boundary("layer", 2)
    assert find_boundary(model, frozenset(names)) is None
    for layer in (1, 2):
        stored = compute(model, units, Boundary("layer", layer), np.arange(12), progress=False)
        assert check_replay(model, units, stored, Boundary("layer", layer))


def test_the_norm_behind_the_layers_is_no_part_of_the_embeddings(model):
    lowest, *_, highest = list_blocks(model)
    assert all("embed" in name for name in lowest)
    assert any(name.startswith(("classifier", "head", "dense")) for name in highest)
    assert all("layers." not in name for name in highest)


@pytest.mark.parametrize("family", MODERN)
def test_no_more_tokens_are_read_than_the_configuration_has_positions_for(family):
    with torch.device("meta"):
        assert count_positions(AutoModel.from_config(config(family))) == 80
        assert count_positions(AutoModel.from_config(config("deberta-v2"))) == 80


@pytest.mark.parametrize(
    ("family", "said", "read"),
    [
        ("modernbert", "mean", "mean"),
        ("modernbert", "cls", "cls"),
        ("ultrabert", "cls", "cls"),
        ("eurobert", "late", "mean"),
        ("eurobert", "bos", "cls"),
        ("gte", None, "mean"),
    ],
)
def test_a_classifier_pools_as_the_configuration_says(tmp_path, family, said, read):
    source = checkpoint(tmp_path, family, **({"classifier_pooling": said} if said else {}))
    native = sentiment().build(source, rows(), frozen=False).model
    assert getattr(native.config, "classifier_pooling", None) == said
    pooled = HeadOptions(kind="pooled").build(source, ("a", "b"), frozen=False).model
    assert pooled.config.pooling == [read]
