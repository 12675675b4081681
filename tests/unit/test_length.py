"""`epochs: auto`: enough steps for few rows, more epochs for what is new, the last state where validation is small."""

import json
from dataclasses import replace

import pytest
from tiny import Training, checkpoint, plan_for, rows, save_csv

import nlp_transfer
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


@pytest.mark.parametrize(("validation", "kept"), [(40, "last"), (160, "best")])
def test_validation_of_few_rows_chooses_no_state(source, tmp_path, monkeypatch, validation, kept, caplog):
    values = iter([0.5, 0.9, 0.7, 0.6] + 99 * [0.4])
    validate = Judge.validate

    def judged(self, model, inputs):
        return {**validate(self, model, inputs), "accuracy": next(values)}

    monkeypatch.setattr(Judge, "validate", judged)
    monkeypatch.setattr("nlp_transfer.strategies.length.STEPS", 16)
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
