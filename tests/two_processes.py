"""Two processes of one job; where one crashes, the stacks that it leaves are shown.

A process takes seconds to import what a training needs, so most jobs are forked from a server that has imported it and
has done nothing else (`job`). That the library does as well under the launcher of torch is seen by one test
(`torchrun`).
"""

import atexit
import contextlib
import faulthandler
import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait

import pytest
from tiny import ROOT
from torch.distributed import TCPStore

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "datasets", "matplotlib.pyplot", "nlp_transfer.cli.commands", "nlp_transfer.evaluation.tfidf",
        "nlp_transfer.runs.run", "pytest", "sklearn.linear_model", "torch.distributed.fsdp",
        "transformers.models.bert.modeling_bert",
    ]
)  # fmt: skip
CRASH = "Fatal Python error"  # opens what Python's fault handler writes
LONG, SHORT = 20_000, 3_000  # characters
MOST = 280  # seconds


@dataclass(frozen=True)
class Done:
    """What the two processes printed."""

    stdout: str
    stderr: str


def torchrun(root, code, *arguments):
    """Run code in two processes that torch launches; returns what they printed."""
    (root / "job.py").write_text(code)
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    given = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tasks")]),
        "PYTHONFAULTHANDLER": "1",
        "NLP_TRANSFER_CACHE": str(root / "cache"),
    }
    done = subprocess.run(
        [*launch, str(root / "job.py"), *map(str, arguments)],
        env={**os.environ, **given}, capture_output=True, text=True, check=False, timeout=MOST,
    )  # fmt: skip
    return _judged(Done(done.stdout, done.stderr), failed=done.returncode != 0, fails=False)


def job(root, work, *arguments, fails=False, **environment):
    """Call `work`, a function of a module, in two processes as a launcher would.

    Fail where they do not end as they are to. A crash is a failure in any case: it must not pass for the end of a
    process that was killed.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
        "TOKENIZERS_PARALLELISM": "false", "NLP_TRANSFER_CACHE": str(root / "cache"),
    }  # fmt: skip
    files = root / "stdout", root / "stderr"
    for file in files:
        file.write_bytes(b"")
    told = {**os.environ, **given, **environment}
    both = [SERVER.Process(target=_begin, args=(work, arguments, files, {**told, **_rank(rank)})) for rank in (0, 1)]
    for process in both:
        process.start()
    try:
        codes = _codes(both)
    finally:
        for process in both:
            process.kill()
    return _judged(Done(*(file.read_text() for file in files)), failed=any(codes), fails=fails)


def _rank(number):
    return {"RANK": str(number), "LOCAL_RANK": str(number)}


def _codes(both):
    """Wait until both have ended; where one fails the other is told to end, as launchers do."""
    deadline, running = time.monotonic() + MOST, {process.sentinel: process for process in both}
    while running:
        ended = wait(running, timeout=max(0.0, deadline - time.monotonic()))
        if not ended:
            pytest.fail("the job did not end")
        for sentinel in ended:
            process = running.pop(sentinel)
            process.join()
            if process.exitcode:
                for other in running.values():
                    other.terminate()
    return [process.exitcode for process in both]


def _judged(done, *, failed, fails):
    if CRASH in done.stderr:
        pytest.fail(f"a process crashed:\n{done.stderr[done.stderr.index(CRASH) :][:LONG]}")
    if failed != fails:
        pytest.fail(f"the job ended {'badly' if failed else 'well'}:\n{done.stdout[-SHORT:]}\n{done.stderr[-LONG:]}")
    return done


def _begin(work, arguments, files, environment):
    """Work as a process that has just been launched."""
    for file, descriptor in zip(files, (1, 2), strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = (open(descriptor, "w", closefd=False) for descriptor in (1, 2))  # noqa: SIM115
    faulthandler.enable(2)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        work(*arguments)
        code = 0
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is shown
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
