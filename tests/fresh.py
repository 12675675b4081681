"""Processes that have imported what a training needs and have done nothing else: a server forks them in no time.

A new interpreter takes seconds to import as much, so one is started only where that is what a test is about.
"""

import atexit
import contextlib
import faulthandler
import gc
import multiprocessing
import os
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "datasets", "matplotlib.pyplot", "nlp_transfer.cli.commands", "nlp_transfer.evaluation.tfidf",
        "nlp_transfer.runs.run", "pytest", "sklearn.linear_model", "torch.distributed.fsdp",
        "transformers.models.bert.modeling_bert",
    ]
)  # fmt: skip
MOST = 120  # seconds


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


def start(work, *arguments, files, cwd=None, **environment):
    """Call `work`, a function of a module, in a process of its own that writes to two files.

    It ends as an interpreter does: with the code that it leaves with, after what libraries do at exit.
    """
    told = {**os.environ, "TOKENIZERS_PARALLELISM": "false", **environment}
    for file in files:
        Path(file).touch()  # or it is a pipe
    process = SERVER.Process(target=_begin, args=(work, arguments, files, told, cwd))
    process.start()
    return process


def _begin(work, arguments, files, environment, cwd):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd or ".")
    end_with(work, arguments, files)


def end_with(work, arguments, files):
    """Call `work` as the last thing that this process does, which writes to two files from now on."""
    for file, descriptor in zip(files, (1, 2), strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = (open(descriptor, "w", closefd=False) for descriptor in (1, 2))  # noqa: SIM115
    faulthandler.enable(2)
    _wait_for_nothing()
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


def _wait_for_nothing():
    """Leave out what `conftest` leaves out in the process of the tests: disk, long timing, looking for garbage."""
    from accelerate.utils import memory

    from nlp_transfer.runs import costs

    gc.freeze()
    clear = memory.clear_device_cache
    os.fsync, costs.BUDGET, memory.clear_device_cache = lambda _: None, 0.0, lambda garbage_collection: clear()


def execute(code, *arguments):
    """Do as `python -c CODE ARGUMENTS` does."""
    sys.argv = ["-c", *map(str, arguments)]
    exec(compile(code, "fresh", "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own


def command(*arguments):
    """Do as the command line does."""
    from nlp_transfer.__main__ import main

    sys.argv = ["nlp-transfer", *map(str, arguments)]
    main()


def run_fresh(folder, work, *arguments, **settings):
    """Call `work` as `start` does and wait; what it wrote stays in `folder`."""
    files = folder / "stdout", folder / "stderr"
    for file in files:
        file.unlink(missing_ok=True)
    process = start(work, *arguments, files=files, **settings)
    process.join(MOST)
    if process.exitcode is None:
        process.kill()
        pytest.fail("the process did not end")
    return Ended(process.exitcode, *(file.read_text() for file in files))
