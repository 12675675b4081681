"""One run a folder, and signals: promises 7 and 8 of docs/reliability.md."""

import fcntl
import json
import os
import platform
import re
import signal
import socket
import sys
import termios
import time

import pytest
from survival import command, config, forked, outcome, run, send, wait_for

from nlp_transfer.errors import ConfigError
from nlp_transfer.runs.folder import hold_lock, make_folder

# Promise 7


def test_a_second_run_on_a_folder_in_use_is_refused_by_process_and_host(place, tmp_path, monkeypatch):
    ours, theirs = socket.socketpair()

    def hold():
        with hold_lock(tmp_path):
            theirs.send(b"!")
            time.sleep(60)

    child = forked(hold)
    try:
        assert ours.recv(1) == b"!"
        monkeypatch.setattr("nlp_transfer.runs.one_run.prepare", lambda *_: pytest.fail("something was loaded"))
        for resume in (None, "auto"):
            with pytest.raises(ConfigError, match=f"in use by process {child} on {re.escape(platform.node())}"):
                run(config(place, source="bag"), tmp_path, resume=resume)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    monkeypatch.undo()
    assert (tmp_path / ".lock").exists()
    run(config(place, source="bag", epochs=1), tmp_path)  # what a dead process left does not count
    assert not (tmp_path / ".lock").exists()


def test_two_runs_that_start_together_take_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.time() + 0.1

    def take():
        time.sleep(max(0, start - time.time()))
        for _ in range(30):
            with make_folder(None, "run") as folder:
                (folder / str(os.getpid())).touch()

    assert [wait_for(child) for child in [forked(take) for _ in range(4)]] == [0] * 4
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 120
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


def test_a_run_holds_its_folder_from_the_moment_it_is_made(tmp_path):
    with (
        make_folder(tmp_path / "run", "run"),
        pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"),
        make_folder(tmp_path / "run", "run"),
    ):
        pass


# Promise 8


def test_a_signal_during_a_step_ends_the_run_after_it_and_says_how_to_go_on(
    place, undisturbed, tmp_path, during, capfd
):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place, source="bag")))
    whole = undisturbed(config(place, source="bag"))  # first, so that the forked ones find the simple methods fitted
    words = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted", signal.SIGHUP: "hung up"}
    way = ["--output", tmp_path / "run"]
    for count, (number, word) in enumerate(words.items(), 1):
        during(2, send(number))
        code = wait_for(forked(lambda: command("run", tmp_path / "run.yaml", *way)))  # noqa: B023
        assert code == 128 + number
        error = capfd.readouterr().err.splitlines()[-1]
        step, how = 2 * count, f"the same command and --resume {tmp_path / 'run'}"
        assert error == f"error: {word} after step {step}; go on with {how}"
        way = ["--resume", tmp_path / "run"]
    during(-1, None)
    assert wait_for(forked(lambda: command("run", tmp_path / "run.yaml", *way))) == 0
    assert outcome(tmp_path / "run") == outcome(whole)


def test_a_hang_up_that_is_ignored_from_the_start_stays_so(place, tmp_path, during):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place, source="bag", epochs=1)))
    during(4, send(signal.SIGHUP))

    def as_under_nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        command("run", tmp_path / "run.yaml", "--output", tmp_path / "run")

    assert wait_for(forked(as_under_nohup)) == 0
    assert (tmp_path / "run" / "metrics.json").exists()


def test_a_terminal_that_is_closed_during_a_step_leaves_a_checkpoint(place, tmp_path, during):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place, source="bag")))
    ours, theirs = os.openpty()
    during(4, lambda _: os.close(ours))  # by the last who held it: a hang-up, and whatever is written fails

    def in_a_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        for descriptor in (0, 1, 2):
            os.dup2(theirs, descriptor)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - with bars, as a terminal has them
        command("run", tmp_path / "run.yaml", "--output", tmp_path / "run")

    child = forked(in_a_terminal)
    os.close(ours)
    os.close(theirs)
    assert wait_for(child) == 129
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000004"]


def test_a_second_signal_ends_the_run_at_once(place, tmp_path, during, capfd):
    def twice(_):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    (tmp_path / "run.yaml").write_text(json.dumps(config(place, source="bag")))
    during(4, twice)
    code = wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--output", tmp_path / "run")), 20)
    assert code == 143
    assert capfd.readouterr().err.splitlines()[-1] == "error: terminated"
    assert not (tmp_path / "run" / "checkpoints").exists()
