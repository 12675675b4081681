"""`epochs: auto`: enough steps for few rows, more epochs for what is new, the last state where validation is small.

Of few rows a new head is solved first, and then everything moves.
"""

import json
from dataclasses import replace

import pytest
from tiny import Training, checkpoint, plan_for, rows, save_csv, save_sentence_folder, sentiment

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.runs.prepare import keep_decided
from nlp_transfer.sources import load_source
from nlp_transfer.strategies.few_rows import FEW, SOLVED_STEPS
from nlp_transfer.strategies.length import LOOKS, PATIENCE, PRETRAINED, STEPS, UNTRAINED
from nlp_transfer.training.judge import Judge


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("length"))


def plan(source, strategy, **settings):
    loaded = Training(source, strategy, train=rows(4)).loaded
    return plan_for(loaded, strategy, epochs="auto", **settings).phases


def look_every(judged, source, **settings):
    training = Training(source, {"kind": "full"}, **settings)
    phases = tuple(replace(phase, judged=judged) for phase in training.plan.phases)
    training.plan = replace(training.plan, phases=phases)
    return training


def test_few_rows_are_passed_over_until_the_steps_are_enough(source):
    (phase,) = plan(source, {"kind": "full"}, units=40)
    assert 2 * phase.epochs >= STEPS > 2 * (phase.epochs - PRETRAINED)
    looks = [epoch for epoch in range(1, phase.epochs + 1) if phase.is_judged(epoch)]
    assert LOOKS / 2 < len(looks) <= LOOKS
    assert looks[-1] == phase.epochs


def test_many_rows_are_passed_over_as_often_as_what_learns_from_them_needs(source):
    (phase,) = plan(source, {"kind": "full"}, units=10_000)
    assert (phase.epochs, phase.judged) == (PRETRAINED, 1)
    (phase,) = plan(source, {"kind": "full"}, units=10_000, scratch=True)
    assert phase.epochs == UNTRAINED
    (phase,) = plan(source, {"kind": "full"}, units=10_000, has_layers=False)
    assert phase.epochs == UNTRAINED


def test_the_phases_before_the_last_one_are_stretched_as_it_is(source):
    *before, last = plan(source, {"kind": "gradual", "phase_epochs": 2}, units=32)
    assert {phase.epochs for phase in before} == {2 * last.epochs // PRETRAINED}
    few = plan(source, {"kind": "gradual", "phase_epochs": 2}, units=10_000)
    assert few[0].epochs == 2


def test_the_default_is_automatic_and_a_run_that_was_begun_with_a_number_keeps_it():
    assert TrainingConfig().epochs == "auto"
    values = {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    wanted, before = (load_config({**values, "training": one}) for one in ({}, {"epochs": 3}))
    assert keep_decided(wanted, before, ()).training.epochs == 3
    told = load_config(values, ["training.epochs=4"])
    assert keep_decided(told, before, ()).training.epochs == 4


def test_a_solved_head_has_no_length_and_its_one_state_is_not_the_last_of_many(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": folder},
        "strategy": {"kind": "frozen", "cache": "memory"},
        "data": {"train": save_csv(tmp_path / "a.csv", 40)},
    }
    found = nlp_transfer.run(config, output=tmp_path / "run", progress=False).metrics
    assert (found["selection"]["kept"], found["epochs"]) == ("best", 1)
    assert "training.epochs" not in caplog.text
    assert "last state" not in caplog.text


def test_a_check_of_some_rows_tells_the_length_for_all(source, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("nlp_transfer.runs.check.SAMPLED", 30)
    config = {"task": {"name": "sentiment", "max_length": 32}, "source": {"kind": "checkpoint", "name": source.name}}
    data = {"data": {"train": save_csv(tmp_path / "a.csv", 200)}, "strategy": {"kind": "full"}}
    nlp_transfer.check({**config, **data})
    assert "training.epochs: 42, chosen for 160 rows: at most 210 steps" in caplog.text


def test_epochs_between_two_looks_are_trained_and_not_judged(source):
    training = look_every(3, source, train=rows(20), epochs=7)
    history = training.fit()
    assert [one["epoch"] for one in training.records] == [3, 6, 7]
    assert (history.trained, len(history.epochs)) == (7, 3)


def test_rows_come_in_another_order_in_each_epoch_also_between_two_looks(source):
    losses = []
    for judged in (1, 4):
        training = Training(source, {"kind": "full"}, train=rows(40), epochs=4)
        training.plan = replace(
            training.plan, phases=tuple(replace(one, judged=judged) for one in training.plan.phases)
        )
        losses.append(training.fit().epochs[-1]["loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("validation", "kept"), [(40, "last"), (100, "best")])
def test_validation_of_few_rows_chooses_no_state(source, tmp_path, monkeypatch, validation, kept, caplog):
    values = iter([0.5, 0.9, 0.7, 0.6] + 99 * [0.4])
    validate = Judge.validate

    def judged(self, model, inputs):
        return {**validate(self, model, inputs), "accuracy": next(values)}

    monkeypatch.setattr(Judge, "validate", judged)
    monkeypatch.setattr("nlp_transfer.strategies.length.STEPS", 14)
    caplog.set_level("INFO")
    data = {"train": save_csv(tmp_path / "a.csv", 60), "validation": save_csv(tmp_path / "b.csv", validation, seed=1)}
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": source.name},
        "data": {**data, "test": save_csv(tmp_path / "c.csv", 40, seed=2)},
        "training": {"epochs": "auto", "learning_rate": 1e-4},
    }
    result = nlp_transfer.run(config, output=tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["selection"]["kept"] == kept
    assert figures["selection"]["best"] == (0.9 if kept == "best" else 0.4)
    assert figures["epochs"] == (2 + PATIENCE if kept == "best" else 9)
    assert "training.epochs: 9, chosen for 60 rows: at most 18 steps" in caplog.text
    assert ("last state was kept" in (result.folder / "README.md").read_text()) == (kept == "last")


def plan_pooled(source, strategy, *, units, epochs="auto"):
    loaded = replace(build_classifier(source, ("a", "b"), head="pooled"), solvable=True)
    return plan_for(loaded, strategy, units=units, epochs=epochs, learning_rate="auto").phases


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_new_head_is_solved_before_the_rest_moves_gently_where_rows_are_few(source, kind):
    first, last = plan_pooled(source, {"kind": kind}, units=FEW - 1)
    assert (first.solver, first.epochs, last.solver) == ("lbfgs", 1, "gradient")
    assert {name.rpartition(".")[2] for name in first.rates} == {"weight", "bias"}
    assert set(first.rates) < set(last.rates)
    assert 16 * last.epochs >= SOLVED_STEPS
    (many,) = plan_pooled(source, {"kind": kind}, units=FEW)
    assert max(last.rates.values()) < max(many.rates.values())
    (told,) = plan_pooled(source, {"kind": kind}, units=FEW - 1, epochs=3)  # who names the epochs gets these alone
    assert told.epochs == 3


@pytest.fixture
def folder(tmp_path):
    """A sentence-transformers folder, whose own head nothing has trained."""
    return save_sentence_folder(tmp_path / "model", [("Pooling", {"pooling_mode": "mean"})])


def test_few_rows_keep_the_head_of_the_architecture_and_are_told_of_a_better_one(folder, caplog):
    caplog.set_level("INFO")
    source = load_source("checkpoint", name=folder)
    few, many = (rows(4).select([0] * count) for count in (FEW - 1, FEW))
    assert sentiment().build(source, many, frozen=False).model.config.model_type == "bert"
    sentiment(head={"kind": "native"}).build(source, few, frozen=False)
    sentiment().build(source, few, frozen=True)
    assert "task.head.kind=pooled" not in caplog.text
    assert sentiment().build(source, few, frozen=False).model.config.model_type == "bert"
    assert "task.head.kind=pooled" in caplog.text


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_run_of_few_rows_solves_its_pooled_head_first_and_is_resumed_and_read(folder, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("nlp_transfer.strategies.SOLVED_STEPS", 2)
    config = {
        "task": {"name": "sentiment", "max_length": 32, "head": {"kind": "pooled"}},
        "source": {"kind": "checkpoint", "name": folder},
        "strategy": {"kind": kind},
        "data": {"train": save_csv(tmp_path / "a.csv", 40)},
        "training": {"epochs": "auto", "precision": "fp32"},
    }
    result = nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    first, *_ = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    assert (first["phase"], "solver" in first) == ("linear probe", True)
    again = nlp_transfer.run(config, output=tmp_path / "run", resume="auto", progress=False)
    assert again.metrics["weights"] == result.metrics["weights"]
    assert nlp_transfer.load(result.folder).predict(["good film"])[0]["label"] in ("negative", "positive")


def test_the_head_beside_adapters_is_the_one_that_is_solved_without_them(folder):
    source, heads = load_source("checkpoint", name=folder), []
    for kind in ("frozen", "lora"):
        task = sentiment(head={"kind": "pooled", "pooling": "mean", "layers": "last"})
        training = Training(source, {"kind": kind}, task=task, train=rows(20))
        loaded = training.loaded
        if kind == "lora":
            training.loaded = replace(task.build(source, training.train, frozen=False), solvable=True)
            training.plan = plan_for(training.loaded, {"kind": kind}, units=20, epochs="auto")
            training.plan = replace(training.plan, phases=training.plan.phases[:1])
        training.fit()
        model = training.plan.finish(training.plan.model) if kind == "lora" else loaded.model
        heads.append(model.head.output.weight.detach())
    assert (heads[0] - heads[1]).abs().max() < 1e-5
