"""Two processes of one job; where one crashes, the stacks that it leaves are shown."""

import os
import subprocess
import sys

import pytest
from tiny import ROOT

CRASH = "Fatal Python error"  # opens what Python's fault handler writes
LONG, SHORT = 20_000, 3_000  # characters


def torchrun(root, code, *arguments, fails=False, **environment):
    """Run code in two processes and return what they printed; fail where they do not end as they are to.

    A crash is a failure in any case: it must not pass for the end of a process that was killed.
    """
    (root / "job.py").write_text(code)
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    given = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tasks")]),
        "PYTHONFAULTHANDLER": "1",
        "NLP_TRANSFER_CACHE": str(root / "cache"),
    }
    done = subprocess.run(
        [*launch, str(root / "job.py"), *map(str, arguments)],
        env={**os.environ, **given, **environment}, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    if CRASH in done.stderr:
        pytest.fail(f"a process crashed:\n{done.stderr[done.stderr.index(CRASH) :][:LONG]}")
    if fails != (done.returncode != 0):
        pytest.fail(f"the job ended with {done.returncode}:\n{done.stdout[-SHORT:]}\n{done.stderr[-SHORT:]}")
    return done
