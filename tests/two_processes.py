"""Two processes of one job; where one crashes, the stacks that it leaves are shown.

Most jobs are started as `fresh` does; that the library does as well under the launcher of torch is seen by one test.
"""

import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import wait

import pytest
from fresh import end_with, start
from torch.distributed import TCPStore
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

CRASH = "Fatal Python error"  # opens what Python's fault handler writes
LONG, SHORT = 20_000, 3_000  # characters
MOST = 280  # seconds


@dataclass(frozen=True)
class Done:
    """What the two processes printed."""

    stdout: str
    stderr: str


def launch(root, work, *arguments):
    """Call `work` in two processes that the launcher of torch starts; returns what they printed."""
    files = _files(root)
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    numbers = {"min_nodes": 1, "max_nodes": 1, "nproc_per_node": 2, "max_restarts": 0}
    place = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}  # as `torchrun --standalone`
    config = LaunchConfig(**numbers, **place, start_method="forkserver")
    try:
        codes = elastic_launch(config, _work)(work, arguments, files)
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)
    return _judged(_read(files), failed=any(codes.values()), fails=False)


def _work(*given):
    """Work in a child, whose exit code is what the launcher is told: one that ends on its own would be waited for."""
    child = os.fork()
    if not child:
        end_with(*given)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def job(root, work, *arguments, fails=False, **environment):
    """Call `work`, a function of a module, in two processes as a launcher would.

    Fail where they do not end as they are to. A crash is a failure in any case: it must not pass for the end of a
    process that was killed.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
        "NLP_TRANSFER_CACHE": str(root / "cache"),
    }  # fmt: skip
    files = _files(root)
    both = [start(work, *arguments, files=files, **{**given, **environment, **_rank(rank)}) for rank in (0, 1)]
    try:
        codes = _codes(both)
    finally:
        for process in both:
            process.kill()
    return _judged(_read(files), failed=any(codes), fails=fails)


def _files(root):
    """Empty files for what the processes of a job print."""
    files = root / "stdout", root / "stderr"
    for file in files:
        file.write_bytes(b"")
    return files


def _read(files):
    return Done(*(file.read_text() for file in files))


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
