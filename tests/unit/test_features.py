"""Frozen activations are computed once, kept under a key of all they depend on, and never where they would be wrong."""

import contextlib
import logging
import os

import numpy as np
import pytest
import torch
from tiny import LABELS, Training, checkpoint, rows, save_checkpoint, save_csv, sentiment, vectors

import nlp_transfer
from nlp_transfer.inference import activations as features
from nlp_transfer.inference.activations import compute, find_boundary, replay
from nlp_transfer.inference.store import Store
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, TokenInputs

POOLED = Boundary("pooled")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("bert"), num_hidden_layers=3)


def pooled(source, **settings):
    return build_classifier(source, LABELS, head="pooled", **settings).model.eval()


@pytest.fixture
def units(source):
    return TokenInputs(sentiment().encode(rows(24), Tokenizers(source.tokenizer)), 1)


def filled(folder, model, units, boundary):
    """The rows of all units, from a store and added to it."""
    return Store(folder).fill(
        units.encoded.inputs, lambda missing: compute(model, units, boundary, missing, progress=False)
    )


def count_forwards(model):
    """Count the examples that pass through the encoder from now on."""
    seen = []
    model.base_model.register_forward_pre_hook(
        lambda _, args, inputs: seen.append(len(inputs["input_ids"])), with_kwargs=True
    )
    return seen


@pytest.mark.parametrize("head", [{}, {"hidden": [8]}, {"layers": "mix"}], ids=["linear", "hidden", "mix"])
def test_a_frozen_encoder_sees_every_example_exactly_once_whatever_the_epochs(source, head):
    training = Training(source, {"kind": "frozen", "cache": "memory"}, task=sentiment(head=head), epochs=5)
    seen = count_forwards(training.plan.model)
    training.fit()
    assert sum(seen) == len(training.train) + len(training.validation)


def test_a_partly_frozen_training_runs_its_frozen_layers_once(source):
    training = Training(source, {"kind": "full", "freeze_below": 2}, epochs=4)
    lower, upper = [], []
    layers = training.plan.model.bert.encoder.layer
    layers[1].register_forward_pre_hook(lambda *_: lower.append(1))
    layers[2].register_forward_pre_hook(lambda *_: upper.append(1))
    training.fit()
    assert len(upper) > 4 * len(lower)


def test_a_second_run_on_a_warm_cache_sees_no_example_at_all(source, tmp_path):
    for expected in (64, 0):
        training = Training(source, {"kind": "frozen"}, cache=tmp_path)
        seen = count_forwards(training.plan.model)
        training.fit()
        assert sum(seen) == expected


def test_a_warm_cache_gives_the_same_head_as_a_cold_one(source, tmp_path):
    heads = []
    for _ in range(2):
        training = Training(source, {"kind": "frozen"}, cache=tmp_path)
        training.fit()
        heads.append(training.plan.model.head.output.weight)
    assert torch.equal(*heads)


def test_only_examples_that_the_cache_lacks_are_computed(source, tmp_path):
    for data, expected in ((rows(8), 8), (rows(20), 12), (rows(20).select(range(19, -1, -1)), 0)):
        model = pooled(source)
        seen = count_forwards(model)
        filled(tmp_path / "k", model, TokenInputs(sentiment().encode(data, Tokenizers(source.tokenizer)), 1), POOLED)
        assert sum(seen) == expected


def test_rows_from_the_cache_follow_the_order_of_the_units(source, units, tmp_path):
    model = pooled(source)
    direct = compute(model, units, POOLED, np.arange(24), progress=False)
    filled(tmp_path, model, units, POOLED)
    shuffled = rows(24).select(np.random.default_rng(1).permutation(24))
    again = filled(tmp_path, model, TokenInputs(sentiment().encode(shuffled, Tokenizers(source.tokenizer)), 1), POOLED)
    for row, position in zip(again, np.random.default_rng(1).permutation(24), strict=True):
        assert np.array_equal(row, direct[position])


def test_the_key_changes_with_weights_layers_and_boundary_and_with_nothing_else(source):
    keys = {"as it is": features._hash_model(pooled(source), POOLED)}
    keys["other layers"] = features._hash_model(pooled(source, layers=[0, -1]), POOLED)
    keys["layer 1"] = features._hash_model(pooled(source), Boundary("layer", 1))
    keys["layer 2"] = features._hash_model(pooled(source), Boundary("layer", 2))
    changed = pooled(source)
    with torch.no_grad():
        changed.encoder.encoder.layer[0].attention.self.query.bias[0] += 1e-6
    keys["one weight"] = features._hash_model(changed, POOLED)
    settled = pooled(source)
    settled.encoder.config.layer_norm_eps *= 2
    keys["one setting"] = features._hash_model(settled, POOLED)
    with torch.autocast("cpu", torch.bfloat16):
        keys["bf16"] = features._hash_model(pooled(source), POOLED)
    assert len(set(keys.values())) == len(keys)
    assert features._hash_model(pooled(source), POOLED) == keys["as it is"]
    other_head = build_classifier(source, ("a", "b", "c"), head="pooled", hidden=[4], dropout=0.5).model
    assert features._hash_model(other_head, POOLED) == keys["as it is"]


@pytest.mark.parametrize("name", ["values.npy", "offsets.npy", "digests.npy"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "garbage", "open header"])
def test_a_damaged_shard_is_left_out_with_a_warning_and_written_again(source, units, tmp_path, caplog, name, damage):
    model = pooled(source)
    expected = filled(tmp_path, model, units, POOLED)
    expected = [np.array(row) for row in expected]
    (shard,) = tmp_path.glob("shard-*")
    content = (shard / name).read_bytes()
    match damage:
        case "truncated":
            (shard / name).write_bytes(content[:-8])
        case "empty":
            (shard / name).write_bytes(b"")
        case "missing":
            (shard / name).unlink()
        case "garbage":
            (shard / name).write_bytes(content[:12] + b"\x00{[(" + content[16:])
        case "open header":  # which Python's tokenizer reads to its end
            (shard / name).write_bytes(content.replace(b")", b" ", 1))
    with caplog.at_level(logging.WARNING, "nlp_transfer"):
        again = filled(tmp_path, model, units, POOLED)
    assert "damaged" in caplog.text
    assert all(np.array_equal(one, other) for one, other in zip(expected, again, strict=True))
    seen = count_forwards(model)
    filled(tmp_path, model, units, POOLED)
    assert not seen


def test_a_shard_that_cannot_be_read_just_now_is_left_out_and_kept(source, units, tmp_path, caplog, monkeypatch):
    model = pooled(source)
    filled(tmp_path, model, units, POOLED)

    def busy(path):
        raise OSError(24, "Too many open files", str(path))

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "nlp_transfer"):
        patched.setattr("nlp_transfer.inference.store.map_array", busy)
        filled(tmp_path, model, units, POOLED)
    assert "Too many open files" in caplog.text
    seen = count_forwards(model)
    filled(tmp_path, model, units, POOLED)
    assert not seen


def test_what_a_killed_write_left_goes_after_a_day(source, units, tmp_path):
    old, new = tmp_path / ".tmp-old", tmp_path / ".tmp-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    filled(tmp_path, pooled(source), units, POOLED)
    assert new.is_dir()
    assert not old.exists()


def test_a_cache_that_cannot_be_written_costs_time_and_not_the_run(source, units, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING, "nlp_transfer"):
        found = filled(tmp_path / "file" / "k", pooled(source), units, POOLED)
    assert len(found) == 24
    assert "features are not kept" in caplog.text


def test_activations_of_a_layer_are_kept_without_their_padding(source, units, tmp_path):
    found = filled(tmp_path, pooled(source), units, Boundary("layer", 1))
    again = filled(tmp_path, pooled(source), units, Boundary("layer", 1))
    assert [row.shape for row in found] == [(length, 16) for length in units.encoded.lengths]
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))


@pytest.mark.parametrize(
    ("moving", "expected"),
    [
        (["classifier.weight"], Boundary("layer", 3)),
        (["bert.pooler.dense.weight"], Boundary("layer", 3)),
        (["bert.encoder.layer.2.output.dense.bias", "classifier.weight"], Boundary("layer", 2)),
        (["bert.encoder.layer.2.output.dense.bias", "bert.encoder.layer.1.output.dense.bias"], Boundary("layer", 1)),
        (["bert.encoder.layer.0.output.dense.bias"], Boundary("layer", 0)),
        (["bert.embeddings.LayerNorm.bias", "bert.encoder.layer.2.output.dense.bias"], None),
    ],
)
def test_a_boundary_lies_below_everything_that_moves(source, moving, expected):
    model = build_classifier(source, LABELS, head="native").model
    assert set(moving) <= {name for name, _ in model.named_parameters()}
    assert find_boundary(model, frozenset(moving)) == expected


def test_a_pooled_boundary_needs_an_encoder_that_rests_as_a_whole(source, tmp_path):
    model = pooled(source)
    assert find_boundary(model, frozenset(["head.output.weight"])) == POOLED
    assert find_boundary(model, frozenset(["encoder.embeddings.LayerNorm.bias"])) is None
    contextual = pooled(vectors(tmp_path / "v.txt", "cnn"))
    assert find_boundary(contextual, frozenset(["encoder.contextualizer.filters.0.bias"])) is None


def test_a_model_wrapped_by_adapters_has_no_boundary(source):
    training = Training(source, {"kind": "lora"})
    assert find_boundary(training.plan.model, training.plan.moving) is None


def test_a_replay_that_answers_otherwise_is_not_used(source, units, monkeypatch):
    model = build_classifier(source, LABELS, head="native").model.eval()
    honest = replay(model, units, Boundary("layer", 1), None, progress=False)
    assert isinstance(honest, CachedInputs)
    monkeypatch.setattr(features, "compute", lambda *_, **__: [row + 0.1 for row in honest.rows])
    assert replay(model, units, Boundary("layer", 1), None, progress=False) is None


def test_activations_that_would_fill_the_memory_are_not_kept(source, units, monkeypatch):
    monkeypatch.setattr(features, "MEMORY_SHARE", 0.0)
    assert replay(pooled(source), units, POOLED, None, progress=False) is None


def test_the_weights_of_the_model_are_not_touched_by_a_replay(source, units):
    model = build_classifier(source, LABELS, head="native").model.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    replay(model, units, Boundary("layer", 2), None, progress=False)
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_bags_of_vectors_pool_to_what_the_model_itself_answers(tmp_path, pooling):
    source = vectors(tmp_path / "v.txt")
    model = pooled(source, pooling=[pooling])
    units = TokenInputs(sentiment().encode(rows(24), Tokenizers(source.tokenizer)), 0)
    with torch.inference_mode():
        expected = model(**units.make_batch(np.arange(24)).inputs).logits
        stored = replay(model, units, POOLED, None, progress=False)
        replayed = model(**stored.make_batch(np.arange(24)).inputs).logits
    torch.testing.assert_close(replayed, expected, atol=1e-6, rtol=1e-5)


def test_a_pooled_head_on_partly_frozen_layers_is_standardised_and_trains(source):
    task = sentiment(head={"kind": "pooled"})
    training = Training(source, {"kind": "full", "freeze_below": 2}, task=task, epochs=2)
    training.fit()
    assert training.plan.model.head.shift.any()


@pytest.mark.parametrize("progress", [False, True])
def test_no_bar_is_drawn_where_none_is_wanted(tmp_path, monkeypatch, progress):
    drawn = []
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(features, "make_bar", lambda *_, shown: drawn.append(shown) or contextlib.nullcontext(Bar()))
    config = {"task": {"name": "sentiment", "max_length": 16}, "strategy": {"kind": "frozen"}}
    config["source"] = {"kind": "checkpoint", "name": save_checkpoint(tmp_path / "bert")}
    config["data"] = {"train": save_csv(tmp_path / "a.csv", 40)}
    nlp_transfer.run(config, output=tmp_path / "out", progress=progress)
    assert {*drawn} == {progress}


class Bar:
    """Counts nothing."""

    def update(self, _):
        pass
