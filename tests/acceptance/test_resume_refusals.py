"""What a run may not be resumed with: promise 9 of docs/reliability.md."""

import json
import signal

import pytest
from survival import command, config, forked, run, send, wait_for
from tiny import save_vectors

import nlp_transfer
from nlp_transfer.errors import ConfigError, StoppedError

# Promise 9


@pytest.fixture
def stopped(place, tmp_path, during):
    """A run of its own data that was stopped after two steps."""
    for name in ("data.csv", "v.txt"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    during(2, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(
            config(tmp_path, "partly", "table") | {"strategy": {"kind": "frozen", "solver": "gradient"}},
            tmp_path / "run",
        )
    during(-1, None)
    return tmp_path


def resume(stopped, *overrides):
    wanted = config(stopped, "partly", "table") | {"strategy": {"kind": "frozen", "solver": "gradient"}}
    return nlp_transfer.run(wanted, overrides, resume=stopped / "run", progress=False)


def test_another_configuration_is_refused_with_the_keys_that_differ(stopped):
    with pytest.raises(ConfigError) as caught:
        resume(stopped, "training.epochs=9", "training.warmup=0.2", "strategy.cache=memory")
    assert str(caught.value).splitlines()[1:] == [
        "  strategy.cache: disk before, memory now",
        "  training.epochs: 2 before, 9 now",
        "  training.warmup: 0.1 before, 0.2 now",
    ]


def interrupted(_):
    raise KeyboardInterrupt


def test_another_configuration_is_refused_before_there_is_a_checkpoint(place, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nlp_transfer.runs.measure.measure_baselines", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(config(place), tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"training\.epochs: 2 before, 9 now"):
        run(config(place, epochs=9), tmp_path / "run", resume="auto")
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_other_data_under_the_same_name_are_refused(stopped):
    text = (stopped / "data.csv").read_text()
    (stopped / "data.csv").write_text(text.replace("film", "movie"))
    with pytest.raises(ConfigError, match=r"data\.train \(contents\): \w{32} before, \w{32} now"):
        resume(stopped)


def test_other_weights_under_the_same_name_are_refused(stopped):
    save_vectors(stopped / "v.txt", dim=8)
    text = (stopped / "v.txt").read_text()
    (stopped / "v.txt").write_text(text.replace("0.1", "0.2"))
    with pytest.raises(ConfigError, match=r"source\.name \(weights\)"):
        resume(stopped)


def test_how_a_batch_is_cut_and_when_it_is_saved_may_change(stopped):
    resume(stopped, "training.accumulation=3", "training.checkpoint.steps=2", "training.threads=1")
    assert (stopped / "run" / "metrics.json").exists()


def test_resuming_a_finished_run_says_so(place, tmp_path, capfd):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place, "solved")))
    done = run(config(place, "solved"), tmp_path / "run")
    assert wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--resume", tmp_path / "run"))) == 0
    assert capfd.readouterr().out.startswith(f"{tmp_path / 'run'} holds a finished run; there is nothing to resume\n")
    assert run(config(place, "solved"), tmp_path / "run", resume="auto").metrics == json.loads(json.dumps(done.metrics))
    with pytest.raises(ConfigError, match=r"training\.epochs: 2 before, 5 now"):
        run(config(place, "solved", epochs=5), tmp_path / "run", resume="auto")
