"""A run that is stopped goes on as if it had not been: promises 1 and 2 of docs/reliability.md."""

import dataclasses
import json
import logging
import os
import re
import shutil
import signal
import time

import accelerate
import pytest
from survival import STRATEGIES, command, config, forked, outcome, run, send, wait_for
from tiny import save_csv

import nlp_transfer
from nlp_transfer.errors import ConfigError, DataError, DiskError, StoppedError
from nlp_transfer.inference import activations as features
from nlp_transfer.runs import conclude
from nlp_transfer.runs import train as fitting
from nlp_transfer.training import checkpoints as resuming
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.phase_inputs import PhaseInputs
from nlp_transfer.training.step import Stepper

FEW = {"batch_size": 16}  # three steps an epoch, not four

# Promise 1


def test_the_same_configuration_twice_leaves_the_same_bytes(place, undisturbed, tmp_path):
    run(config(place, **FEW), tmp_path / "again")
    assert outcome(tmp_path / "again") == outcome(undisturbed(config(place, **FEW)))


# Promise 2


@pytest.mark.parametrize(
    ("strategy", "source"),  # a head that is solved takes no steps; `full` on bert is stopped after every one, below
    [
        *((name, "bert") for name in STRATEGIES if name not in ("full", "solved")),
        ("full", "table"),
        ("full", "bag"),
    ],
)
def test_a_run_that_is_stopped_and_resumed_equals_one_that_is_not(
    place, undisturbed, tmp_path, during, strategy, source
):
    wanted = config(place, strategy, source, **FEW)
    whole = undisturbed(wanted)
    steps = [4, 4] if strategy == "ulmfit" else [4]  # in the second epoch, and in the second phase
    for count, step in enumerate(steps):
        during(step, send(signal.SIGTERM))
        with pytest.raises(StoppedError, match="terminated after step"):
            run(wanted, tmp_path / "parts", **({"resume": "auto"} if count else {}))
    during(-1, None)
    run(wanted, tmp_path / "parts", resume="auto")
    assert outcome(tmp_path / "parts") == outcome(whole)


@pytest.mark.parametrize(
    ("strategy", "part", "method", "call"),
    [
        ("full", Judge, "validate", 1),
        ("full", Judge, "validate", 2),  # after the last step of all
        ("solved", Judge, "validate", 1),  # the only step
        ("lp_ft", Judge, "validate", 1),  # solved, then trained
        ("ulmfit", PhaseInputs, "open", 2),  # activations for the second phase
        ("frozen", PhaseInputs, "open", 1),
    ],
)
def test_a_run_that_is_stopped_between_two_steps_goes_on_from_there(
    place, undisturbed, tmp_path, monkeypatch, caplog, strategy, part, method, call
):
    wanted = config(place, strategy, **FEW)
    whole = undisturbed(wanted)
    original, count = getattr(part, method), iter(range(1, 100))

    def struck(self, *arguments):
        if next(count) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(part, method, struck)
    with pytest.raises(StoppedError, match=r"terminated after step \d+; go on with"):
        run(wanted, tmp_path / "parts")
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert "resumed at step" in caplog.text
    assert outcome(tmp_path / "parts") == outcome(whole)


@pytest.fixture
def in_features(monkeypatch):
    """Send a signal in the second batch of the passes that compute activations; returns the batches of the last."""
    original = features._yield_activations
    monkeypatch.setattr(features, "CPU_BUDGET", 128)

    def arrange(number):
        count = []

        def activations(*arguments):
            count.append(1)
            if len(count) == 2:
                os.kill(os.getpid(), number)
            return original(*arguments)

        monkeypatch.setattr(features, "_yield_activations", activations)
        return count

    return arrange


@pytest.mark.parametrize(("strategy", "cached"), [("solved", True), ("solved", False), ("ulmfit", False)])
def test_a_signal_ends_the_pass_over_frozen_layers_after_a_batch_and_what_it_found_is_kept(
    place, tmp_path, monkeypatch, in_features, caplog, strategy, cached
):
    wanted = config(place, strategy, epochs=1, **FEW)
    if strategy == "solved":
        wanted["strategy"] = {"kind": "frozen", "cache": "disk" if cached else "memory"}
    else:
        wanted["strategy"] = {**wanted["strategy"], "phase_epochs": 1}
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "one"))
    count = in_features(signal.SIGTERM)
    with pytest.raises(StoppedError, match=r"terminated after step \d+; go on with"):
        run(wanted, tmp_path / "parts")
    assert len(count) == 2
    count[:] = [1, 1]
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert ("from the cache" in caplog.text) == cached
    assert "resumed at step" in caplog.text
    again = len(count)
    count[:] = [1, 1]
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "two"))
    run(wanted, tmp_path / "whole")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    assert again == len(count) - (2 if cached else 0)


def test_a_signal_in_the_features_of_a_resumed_run_leaves_what_it_went_on_from(
    place, tmp_path, monkeypatch, during, in_features
):
    wanted = config(place, "frozen", epochs=1)
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))
    run(wanted, tmp_path / "whole")
    during(3, send(signal.SIGTERM))
    with pytest.raises(StoppedError, match="after step 3"):
        run(wanted, tmp_path / "parts")
    during(-1, None)
    for number in (signal.SIGINT, signal.SIGTERM):
        in_features(number)
        monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / str(number)))
        with pytest.raises(StoppedError, match="after step 3"):
            run(wanted, tmp_path / "parts", resume="auto")
    run(wanted, tmp_path / "parts", resume="auto")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_the_seconds_of_a_run_are_those_of_all_its_attempts(place, tmp_path, during, monkeypatch):
    wanted, clock = config(place, source="bag", epochs=1), time.perf_counter
    with monkeypatch.context() as patch:

        def slowly(_):
            patch.setattr(time, "perf_counter", lambda: clock() + 300)  # as if the step had taken so long
            signal.raise_signal(signal.SIGTERM)

        during(2, slowly)
        with pytest.raises(StoppedError):
            run(wanted, tmp_path / "run")
    during(1, send(signal.SIGTERM))  # once more, so that earlier attempts are added up and kept
    with pytest.raises(StoppedError):
        run(wanted, tmp_path / "run", resume="auto")
    during(-1, None)
    seconds = run(wanted, tmp_path / "run", resume="auto").metrics["seconds"]
    assert 300 < seconds["training"] < seconds["total"] < 400


def test_trackers_are_closed_when_a_training_is_stopped(place, tmp_path, during, monkeypatch):
    closed = []
    tracker = pytest.importorskip("tensorboard") and accelerate.tracking.TensorBoardTracker
    finish = tracker.finish
    monkeypatch.setattr(tracker, "finish", lambda self: closed.append(finish(self)))
    during(2, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(config(place, source="bag", epochs=1, tracker="tensorboard"), tmp_path / "run")
    assert len(closed) == 1


def test_a_run_may_be_stopped_after_every_single_step(place, undisturbed, tmp_path, during):
    wanted = config(place, patience=1, batch_size=23)  # four steps
    whole = undisturbed(wanted)
    during(1, send(signal.SIGINT))
    count = 0
    while count < 60:
        try:
            run(wanted, tmp_path / "parts", resume="auto")
            break
        except StoppedError:
            count += 1
            during(1, send(signal.SIGINT))
    assert count == json.loads((whole / "metrics.json").read_text())["steps"]
    assert outcome(tmp_path / "parts") == outcome(whole)


def test_runs_of_several_seeds_go_on_with_the_seed_that_was_stopped(place, undisturbed, tmp_path, during, caplog):
    wanted = config(place, source="bag", epochs=1, seeds=[0, 1])
    whole = undisturbed(wanted)
    during(6, send(signal.SIGTERM))  # the second seed
    with pytest.raises(StoppedError, match=re.escape(f"--resume {tmp_path / 'parts'}")):
        run(wanted, tmp_path / "parts")
    during(-1, None)
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert "resumed at step 2" in caplog.text
    assert outcome(tmp_path / "parts") == outcome(whole)
    seeds = [json.loads((run / "metrics.json").read_text())["seeds"] for run in (whole, tmp_path / "parts")]
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_finished_run_says_later_what_it_said_then(place, tmp_path, seeds):
    wanted = config(place, "full", "table", epochs=1, seeds=seeds)
    done = run(wanted, tmp_path / "run")
    again = run(wanted, tmp_path / "run", resume="auto")
    assert again.summary.splitlines()[1:] == done.summary.splitlines()
    assert again.row == dataclasses.replace(done.row, source="v.txt + cnn")
    assert again.baselines == done.baselines
    if seeds:
        spread = done.metrics["seeds"]["test"]["accuracy"]
        mean = f"accuracy {spread['mean']:.4f} ± {spread['standard_deviation']:.4f}"
        assert f"test: v.txt + cnn, full (2 seeds): {mean}" in done.summary


def test_runs_of_several_seeds_do_not_go_on_from_a_checkpoint_of_one(place, tmp_path, during):
    wanted = config(place, source="bag", epochs=1, seeds=[0, 1])
    during(6, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(wanted, tmp_path / "run")
    before = (tmp_path / "run" / "seed-1" / "config.yaml").read_bytes()
    named = tmp_path / "run" / "seed-1" / "checkpoints" / "step-00000002"
    with pytest.raises(ConfigError, match=f"--resume {re.escape(str(named))}: a run of several seeds"):
        nlp_transfer.run(wanted, resume=named, progress=False)
    assert (tmp_path / "run" / "seed-1" / "config.yaml").read_bytes() == before


def test_a_comparison_goes_on_where_it_was_stopped(place, tmp_path, during, capfd, caplog):
    configs = []
    for name, changes in {"one": {}, "two": {"scratch": True}, "three": {}}.items():
        wanted = config(place, "full", "table", epochs=1, learning_rate=0.001 if name == "three" else 0.01)
        save_csv(tmp_path / "data.csv", 57)
        wanted |= {"data": {"train": str(tmp_path / "data.csv")}, "source": wanted["source"] | changes}
        configs.append(tmp_path / f"{name}.yaml")
        configs[-1].write_text(json.dumps(wanted))
    whole = nlp_transfer.compare(configs, output=tmp_path / "whole", progress=False)
    steps = json.loads((tmp_path / "whole" / "one" / "metrics.json").read_text())["steps"]
    during(steps + 2, send(signal.SIGTERM))  # in the second run
    parts = tmp_path / "parts"
    assert wait_for(forked(lambda: command("compare", *configs, "--output", parts))) == 143
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == f"error: two: terminated after step 2; go on with the same command and --resume {parts}"
    during(-1, None)
    kept = (parts / "one" / "model" / "model.safetensors").stat().st_mtime_ns
    caplog.set_level(logging.INFO)
    resumed = nlp_transfer.compare(configs, resume=parts, progress=False)
    assert caplog.text.count("resumed at step 2") == 1
    assert (parts / "one" / "model" / "model.safetensors").stat().st_mtime_ns == kept
    assert resumed.verdicts == whole.verdicts
    timeless = [[dataclasses.replace(row, seconds=0, cost=None) for row in one.rows] for one in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert wait_for(forked(lambda: command("compare", *configs, "--output", parts, "--resume", "auto"))) == 0
    metrics = [json.loads((one / "one" / "metrics.json").read_text()) for one in (tmp_path / "whole", parts)]
    assert metrics[0]["verdict"] == metrics[1]["verdict"]
    assert "controls" in metrics[1]


def test_checkpoints_come_every_so_many_steps_and_a_finished_run_keeps_none(place, tmp_path, during):
    seen = []
    folder = tmp_path / "run" / "checkpoints"
    during(7, lambda _: seen.extend(sorted(path.name for path in folder.iterdir())))
    run(config(place, source="bag", checkpoint={"steps": 2, "keep_last": 2}), tmp_path / "run")
    assert seen == ["step-00000004", "step-00000006"]
    assert not folder.exists()


def test_checkpoints_come_every_so_many_minutes(place, tmp_path, during):
    seen = []
    folder = tmp_path / "run" / "checkpoints"
    during(5, lambda _: seen.extend(sorted(path.name for path in folder.iterdir())))
    run(config(place, source="bag", checkpoint={"minutes": 1e-9}), tmp_path / "run")
    assert seen == ["step-00000003", "step-00000004"]


def test_a_comparison_of_runs_on_other_rows_is_refused(place, tmp_path, during, capfd):
    configs = []
    for name in ("one", "two"):
        save_csv(tmp_path / "data.csv", 57)
        wanted = config(place, "full", "table", epochs=1) | {"data": {"train": str(tmp_path / "data.csv")}}
        configs.append(tmp_path / f"{name}.yaml")
        configs[-1].write_text(json.dumps(wanted))
    parts = tmp_path / "parts"
    during(4 + 1, send(signal.SIGTERM))  # in the second run, before its first checkpoint by time
    assert wait_for(forked(lambda: command("compare", *configs, "--output", parts))) == 143
    during(-1, None)
    shutil.rmtree(parts / "two")
    lines = (tmp_path / "data.csv").read_text().splitlines()
    (tmp_path / "data.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    with pytest.raises(DataError, match=r"two: its train rows are not those of .*one: the data changed"):
        nlp_transfer.compare(configs, resume=parts, progress=False)


@pytest.mark.parametrize("worth", [0.0, 60.0])
def test_a_long_training_is_saved_before_what_follows_it(place, undisturbed, tmp_path, monkeypatch, worth):
    monkeypatch.setattr(resuming, "WORTH_SAVING", worth)
    predict = conclude.infer_split

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    wanted = config(place, source="bag")
    whole = undisturbed(wanted)
    monkeypatch.setattr(conclude, "infer_split", full)
    with pytest.raises(DiskError, match=f"; make room; go on with the same command and --resume {tmp_path / 'parts'}$"):
        run(wanted, tmp_path / "parts")
    monkeypatch.setattr(conclude, "infer_split", predict)
    assert (tmp_path / "parts" / "checkpoints").is_dir() == (worth == 0)
    steps = []
    gradients = Stepper.compute_gradients
    monkeypatch.setattr(Stepper, "compute_gradients", lambda *given: steps.append(1) or gradients(*given))
    run(wanted, tmp_path / "parts", resume="auto")
    assert bool(steps) == (worth > 0)
    assert outcome(tmp_path / "parts") == outcome(whole)


def test_a_run_goes_on_in_the_number_format_that_it_chose(place, tmp_path, during, monkeypatch):
    monkeypatch.setattr(fitting, "choose_precision", lambda wanted: "bf16" if wanted == "auto" else wanted)
    wanted = config(place, source="bag", precision="auto", epochs=1)
    during(3, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(wanted, tmp_path / "run")
    during(-1, None)
    monkeypatch.setattr(fitting, "choose_precision", lambda wanted: "fp32" if wanted == "auto" else wanted)
    again = run(wanted, tmp_path / "run", resume="auto")
    assert again.metrics["precision"] == "bf16"


@pytest.mark.parametrize(("passes", "halvings"), [(1, 0), (4, 1)])
def test_a_resume_cuts_batches_as_it_is_told_and_as_memory_has_asked(place, tmp_path, monkeypatch, passes, halvings):
    original, seen = Stepper.compute_gradients, []

    def gradients(self, *arguments):
        if not seen:
            self.pieces *= 2**halvings
            os.kill(os.getpid(), signal.SIGTERM)
        seen.append(self.pieces)
        return original(self, *arguments)

    monkeypatch.setattr(Stepper, "compute_gradients", gradients)
    with pytest.raises(StoppedError):
        run(config(place, source="bag", epochs=1, accumulation=2), tmp_path)
    run(config(place, source="bag", epochs=1, accumulation=passes), tmp_path, resume="auto")
    assert seen[0] == 2 * 2**halvings
    assert set(seen[1:]) == {passes * 2**halvings}
