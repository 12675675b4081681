"""Batches: planned by seed and epoch alone, every unit once, little padding; losses averaged over examples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import Training, checkpoint, rows, sentiment
from transformers import PretrainedConfig, PreTrainedModel

from nlp_transfer.inference.activations import CPU_BUDGET
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.batches import MEGABATCH, Encoded, collate, pad, plan_batches, sort_batches
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.training.optimizer import make_optimizer
from nlp_transfer.training.parameters import freeze
from nlp_transfer.training.step import Stepper

lengths_of = st.lists(st.integers(1, 300), min_size=1, max_size=400).map(np.array)


@given(lengths=lengths_of, batch_size=st.integers(1, 50), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_every_unit_is_in_exactly_one_batch_and_only_one_batch_is_short(lengths, batch_size, seed, epoch):
    batches = plan_batches(lengths, batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert sum(len(batch) != batch_size for batch in batches) <= 1
    assert lengths[batches[0]].max() == lengths.max()


@given(lengths=lengths_of, budget=st.integers(1, 2000))
def test_inference_sees_every_unit_once_longest_first_within_its_budget(lengths, budget):
    batches = list(sort_batches(lengths, budget))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)


def test_a_plan_depends_on_seed_and_epoch_and_on_nothing_else():
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    np.random.seed(1)
    torch.manual_seed(1)
    one = plan_batches(lengths, 16, seed=3, epoch=1)
    np.random.seed(2)
    again = plan_batches(lengths, 16, seed=3, epoch=1)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    for other in (plan_batches(lengths, 16, seed=4, epoch=1), plan_batches(lengths, 16, seed=3, epoch=2)):
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_buckets_pad_little_but_are_not_sorted_through():
    lengths = np.random.default_rng(0).geometric(0.04, 6400) + 2
    batches = plan_batches(lengths, 32, seed=0, epoch=0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded / lengths.sum() < 1.1
    unsorted = sum(len(b) * lengths[b].max() for b in np.array_split(np.arange(6400), 200))
    assert unsorted / lengths.sum() > 2
    means = [lengths[batch].mean() for batch in batches[1:]]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3
    assert len(batches) == 200 > MEGABATCH


def test_a_batch_is_padded_to_its_longest_unit_with_a_mask():
    units = [{"input_ids": [5, 6, 7]}, {"input_ids": [8]}]
    batch = collate(Encoded(units, np.arange(2), [1, 0], 2), np.array([1, 0]), 9)
    assert batch.inputs["input_ids"].tolist() == [[8, 9, 9], [5, 6, 7]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.targets.tolist() == [0, 1]


def test_token_targets_are_padded_with_the_label_that_is_ignored():
    units = [{"input_ids": [5]}, {"input_ids": [8]}]
    batch = collate(Encoded(units, np.arange(2), [[1, 2, 3], [4]], 2), np.arange(2), 9)
    assert batch.targets.tolist() == [[1, 2, 3], [4, -100, -100]]


def test_ngrams_are_padded_to_the_longest_unit_also_where_that_has_none():
    units = [{"input_ids": [5, 6], "ngram_ids": [[-1, -1], [3, 4]]}, {"input_ids": [8]}, {"input_ids": [8, 9, 7]}]
    encoded = Encoded(units, np.arange(3), None, 3)
    none = [-1, -1]
    assert collate(encoded, np.array([0, 1]), 0).inputs["ngram_ids"].tolist() == [[none, [3, 4]], [none, none]]
    batch = collate(encoded, np.array([2, 0]), 0)
    assert batch.inputs["ngram_ids"].tolist() == [[none, none, none], [none, [3, 4], none]]
    assert batch.targets is None


def test_rows_of_unequal_length_are_filled_up():
    assert pad([[1], [2, 3]], 0).tolist() == [[1, 0], [2, 3]]
    assert pad([np.ones((1, 2), np.float32), np.ones((2, 2), np.float32)], 0.0).dtype == torch.float32


def test_results_come_in_input_order_whatever_the_lengths():
    class Echo(PreTrainedModel):
        def __init__(self):
            super().__init__(PretrainedConfig())
            self.linear = torch.nn.Linear(1, 1)

    class Task:
        logits_only = False

        def infer(self, model, batch, *, quick=False):
            ids = batch.inputs["input_ids"]
            assert len(ids) == 1 or ids.numel() <= CPU_BUDGET
            return ids[:, 0].tolist()

    lengths = np.random.default_rng(0).integers(1, 4000, 60)
    units = [{"input_ids": [number, *[0] * (length - 1)]} for number, length in enumerate(lengths)]
    encoded = Encoded(units, np.arange(60) // 2, None, 30)
    results = infer(Echo(), Task(), TokenInputs(encoded, 0))
    assert results == [[2 * i, 2 * i + 1] for i in range(30)]


def gradient(source, accumulation, units):
    """The gradient that one batch of these units gives, and its loss."""
    training = Training(
        source,
        {"kind": "full"},
        accumulation=accumulation,
        batch_size=64,
        task=sentiment(head={"kind": "pooled", "dropout": 0.0}),
    )
    model = training.plan.model.eval()
    rates = training.plan.phases[0].rates
    freeze(model, rates)
    make_optimizer(model, rates, 0.0)
    trainer = training.trainer()
    stepper = Stepper(trainer.accelerator, trainer.task, accumulation, 0.0)
    loss = float(stepper.compute_gradients(model, TokenInputs(trainer.train, 1), units))
    return loss, torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("size", [48, 3])
def test_the_gradient_of_a_batch_does_not_depend_on_the_pieces_it_is_cut_in(tmp_path, size):
    source = checkpoint(tmp_path)
    units = np.arange(size)
    whole_loss, whole = gradient(source, 1, units)
    for accumulation in (2, 5):
        loss, pieces = gradient(source, accumulation, units)
        assert loss == pytest.approx(whole_loss, rel=1e-5)
        torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-3)
    assert whole.abs().max() > 1e-3


def test_the_loss_of_a_batch_is_the_mean_over_its_examples(tmp_path):
    source = checkpoint(tmp_path)
    alone = [gradient(source, 1, np.array([i]))[0] for i in range(5)]
    together, _ = gradient(source, 2, np.arange(5))
    assert together == pytest.approx(np.mean(alone), rel=1e-5)


def test_a_long_document_counts_once_in_the_loss(tmp_path):
    source = checkpoint(tmp_path)
    from nlp_transfer.models.classification import build_classifier, classification_loss
    from nlp_transfer.models.encoding.documents import encode_documents

    model = build_classifier(source, ("a", "b"), head="pooled").model.eval()
    text = " ".join(["good"] * 30)
    windows = encode_documents([text, "bad"], source.tokenizer, max_length=12, policy="window", targets=[1, 0])
    short = encode_documents(["good " * 10, "bad"], source.tokenizer, max_length=12, targets=[1, 0])
    many, once = (
        classification_loss(model, collate(one, np.arange(len(one.inputs)), 1)).item() for one in (windows, short)
    )
    assert many == pytest.approx(once, rel=1e-5)


def test_the_data_of_a_tiny_training_has_unequal_lengths():
    assert len(set(map(len, (text.split() for text in rows()["text"])))) > 5
