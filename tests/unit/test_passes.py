"""The passes that a batch is cut in: few tokens in each where memory counts, and gradients as of one pass."""

import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from test_grid_text import TASKS, documents
from tiny import Training, checkpoint, rows, save_checkpoint, save_csv, save_vectors, sentiment, vectors

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.errors import StoppedError
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.prepare import keep_decided, prepare
from nlp_transfer.training import memory
from nlp_transfer.training.memory import choose_budget
from nlp_transfer.training.parameters import freeze, set_train_mode
from nlp_transfer.training.step import Stepper

UNDROPPED = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def prepare_task(root, name):
    """A task prepared on a tiny encoder, everything without dropout."""
    task = {
        "sentiment": {"name": "sentiment", "max_length": 32, "head": {"dropout": 0.0}},
        "extractive": {**TASKS["extractive"], "scorer": {"width": 16, "dropout": 0.0}},
        "translation": {
            **TASKS["translation"],
            "decoder": {"layers": 1, "width": 64, "vocabulary": 320, "dropout": 0.0},
        },
    }[name]
    data = root / "documents.jsonl"
    data.write_text("".join(json.dumps({**row, "en": row["text"][0]}) + "\n" for row in documents()), encoding="utf-8")
    columns = {"source": "en", "target": "words"} if name == "translation" else {}
    return prepare(
        load_config(
            {
                "task": task,
                "source": {"kind": "checkpoint", "name": save_checkpoint(root / "bert", **UNDROPPED)},
                "data": {
                    "train": save_csv(root / "data.csv") if name == "sentiment" else str(data),
                    "columns": columns,
                },
            }
        )
    )


@pytest.mark.parametrize("name", ["sentiment", "extractive", "translation"])
def test_a_step_within_a_budget_of_tokens_has_the_gradients_of_one_pass(tmp_path, name):
    prepared = prepare_task(tmp_path, name)
    plan = prepared.adapt()
    train = TokenInputs(prepared.encoded["train"], prepared.tokenizers.source.pad_token_id)
    units = np.arange(20)
    found = []

    for budget in (None, 64):
        stepper = Stepper(Accelerator(cpu=True), prepared.task, 1, 0.0, budget=budget)
        passes = stepper._cut_passes(train, units)
        assert len(passes) == 1 if budget is None else 2 < len(passes) < len(units)
        plan.model.zero_grad()
        freeze(plan.model, plan.phases[0].rates)
        set_train_mode(plan.model)
        loss = stepper.compute_gradients(plan.model, train, units)
        found.append((loss, {n: p.grad.clone() for n, p in plan.model.named_parameters() if p.grad is not None}))

    (whole_loss, whole), (loss, pieces) = found
    torch.testing.assert_close(loss, whole_loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(pieces, whole, rtol=1e-3, atol=1e-5)
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 1e-3


def test_a_pass_holds_no_more_tokens_than_its_budget_unless_it_is_one_unit(tmp_path):
    training = Training(checkpoint(tmp_path), {"kind": "full"})
    train = TokenInputs(training.trainer().train, 1)
    lengths = train.encoded.lengths
    stepper = Stepper(Accelerator(cpu=True), training.task, 1, 0.0, budget=16)
    passes = stepper._cut_passes(train, np.arange(40))
    assert sorted(np.concatenate(passes)) == list(range(40))
    assert all(len(one) == 1 or len(one) * lengths[one].max() <= 16 for one in passes)
    assert {len(one) for one in passes} > {1}


def test_passes_get_smaller_when_memory_runs_out_of_a_budget(tmp_path, monkeypatch):
    training = Training(checkpoint(tmp_path), {"kind": "full"})
    train = TokenInputs(training.trainer().train, 1)
    stepper = Stepper(Accelerator(cpu=True), training.task, 1, 0.0, budget=64)
    before = max(map(len, stepper._cut_passes(train, np.arange(40))))
    attempt, failures = Stepper._attempt, iter([True, False])

    def fail_once(self, *arguments):
        if next(failures):
            raise MemoryError
        return attempt(self, *arguments)

    monkeypatch.setattr(Stepper, "_attempt", fail_once)
    stepper.compute_gradients(training.plan.model, train, np.arange(40))
    assert max(map(len, stepper._cut_passes(train, np.arange(40)))) <= before // 2 + 1


def open_phase(training):
    """Model and inputs of a training's first phase."""
    model, rates = training.plan.model, training.plan.phases[0].rates
    freeze(model, rates)
    return model, training.task, TokenInputs(training.trainer().train, 1)


def test_a_budget_on_a_cpu_follows_from_what_the_longest_unit_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CPU_TOKENS", 64)
    monkeypatch.setattr(memory, "CPU_ROOM", 1 << 17)
    deep = choose_budget(*open_phase(Training(checkpoint(tmp_path / "bert"), {"kind": "full"})), 0)
    flat = choose_budget(*open_phase(Training(vectors(tmp_path / "v.txt"), {"kind": "full"})), 0)
    assert deep == 64, "a pass over layers is cut as soon as it gains nothing by being larger"
    assert flat > 4 * deep, "a pass over a table of vectors keeps next to nothing, and is not cut"


def test_a_budget_on_a_gpu_follows_from_its_free_memory(monkeypatch):
    monkeypatch.setattr(memory.torch.cuda, "is_available", lambda: True)
    assert memory._limit_tokens(100, 512, 1000) == 7 * 512
    assert memory._limit_tokens(100, 512, 50) == 512, "one unit at a time, whatever is free"


def test_an_automatic_budget_draws_no_random_numbers_that_a_training_would_miss(tmp_path):
    weights = []
    for accumulation in (None, 1):
        source = checkpoint(tmp_path / str(accumulation))
        training = Training(source, {"kind": "gradual"}, train=rows(16), accumulation=accumulation)
        training.fit()
        weights.append(training.plan.model.state_dict())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_automatic_passes_learn_what_one_pass_does(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CPU_TOKENS", 16)
    monkeypatch.setattr(memory, "CPU_ROOM", 1)
    passes, cut = [], Stepper._cut_passes

    def count(self, *arguments):
        found = cut(self, *arguments)
        passes.append(len(found))
        return found

    monkeypatch.setattr(Stepper, "_cut_passes", count)
    losses = []
    for accumulation in (None, 1):
        source = checkpoint(tmp_path / str(accumulation), **UNDROPPED)
        task = sentiment(head={"kind": "pooled", "dropout": 0.0})
        training = Training(source, {"kind": "full"}, task=task, accumulation=accumulation)
        training.fit()
        losses.append([one["loss"] for one in training.records])
    assert max(passes[:6]) > 1 == max(passes[6:])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def config(root, **training):
    """A configuration of a tiny run."""
    source = {"kind": "vectors", "name": save_vectors(root / "v.txt"), "width": 8}
    data = {"train": save_csv(root / "data.csv")}
    return {"task": {"name": "sentiment"}, "source": source, "data": data, "training": training}


def test_a_run_that_was_begun_with_a_number_of_passes_keeps_it(tmp_path):
    before = load_config(config(tmp_path, accumulation=3))
    assert keep_decided(load_config(config(tmp_path)), before, ()).training.accumulation == 3
    assert keep_decided(load_config(config(tmp_path, accumulation=2)), before, ()).training.accumulation == 2


def test_the_default_is_automatic_and_a_number_is_taken_as_it_is(tmp_path):
    assert TrainingConfig().accumulation == "auto"
    assert load_config(config(tmp_path), ["training.accumulation=4"]).training.accumulation == 4


@pytest.mark.parametrize(("given", "units"), [("auto", 2), (1, 32), (4, 8)])
def test_check_counts_the_units_that_a_pass_will_hold(tmp_path, monkeypatch, given, units):
    monkeypatch.setattr(memory, "CPU_TOKENS", 40)
    monkeypatch.setattr(memory, "CPU_ROOM", 1)
    said = nlp_transfer.check({**config(tmp_path, accumulation=given), "strategy": {"kind": "full"}}).text
    assert f"activations of {units} of the longest units" in said


@pytest.mark.parametrize("size", [40, 7, 3])
def test_all_processes_make_as_many_passes_and_every_unit_is_in_one(tmp_path, size):
    train = TokenInputs(Training(checkpoint(tmp_path), {"kind": "full"}).trainer().train, 1)
    found = []
    for index in range(4):
        accelerator = SimpleNamespace(process_index=index, num_processes=4)
        found.append(Stepper(accelerator, None, 1, 0.0, budget=30)._cut_passes(train, np.arange(size)))
    assert len({len(passes) for passes in found}) == 1
    assert sorted(np.concatenate([one for passes in found for one in passes])) == list(range(size))


def test_a_resumed_run_keeps_the_budget_of_its_checkpoint_whatever_memory_is_free(tmp_path, monkeypatch):
    begun = {**config(tmp_path, epochs=2), "strategy": {"kind": "full"}}
    original, seen = Stepper.compute_gradients, []

    def watch(self, *arguments):
        if not seen:
            os.kill(os.getpid(), signal.SIGTERM)
        seen.append(self.budget)
        return original(self, *arguments)

    monkeypatch.setattr(Stepper, "compute_gradients", watch)
    monkeypatch.setattr(memory, "CPU_ROOM", 1)
    monkeypatch.setattr(memory, "CPU_TOKENS", 50)
    with pytest.raises(StoppedError):
        nlp_transfer.run(begun, output=tmp_path / "run", progress=False)
    monkeypatch.setattr(memory, "CPU_TOKENS", 70)
    nlp_transfer.run(begun, output=tmp_path / "run", resume="auto", progress=False)
    assert len(seen) > 2
    assert set(seen) == {50}


@pytest.mark.parametrize("name", ["sentiment", "translation"])
def test_what_is_kept_is_measured_without_being_kept_alive(tmp_path, monkeypatch, name):
    prepared = prepare_task(tmp_path, name)
    plan = prepared.adapt()
    freeze(plan.model, plan.phases[0].rates)
    train = TokenInputs(prepared.encoded["train"], prepared.tokenizers.source.pad_token_id)

    def list_starts():
        moving = [one for one in plan.model.parameters() if one.requires_grad]
        return [one.expand_as(one).grad_fn.next_functions[0][0] for one in moving]

    def loss(*given, **settings):
        found = type(prepared.task).loss(prepared.task, *given, **settings)
        for start in list_starts():
            start.metadata["of this pass"] = True
        return found

    task = SimpleNamespace(loss=loss)
    choose_budget(plan.model, task, train, 0)
    assert not any(start.metadata for start in list_starts())
