"""Run code in fresh processes that have met transformers only: what takes seconds to import is imported once."""

import json
import subprocess
import sys

APART = """
import json, os, sys
import torch
from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoTokenizer, BertModel, pipeline
torch.set_num_threads(1)
for number, (code, *arguments) in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if not child:
        sys.argv = ["-c", *arguments]
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{number}.{name}", os.O_CREAT | os.O_WRONLY), descriptor)
        exec(compile(code, "part", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        os.truncate(f"{number}.out", 0)  # what was said before a fault is no answer
"""


def run_apart(*parts, cwd, env):
    """Run each part, code with its arguments, in a process of its own.

    Returns:
        A function that gives the JSON that a part printed last, by its number, and fails where the part has failed.
    """
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", APART], input=json.dumps(parts), text=True,
        env=env, check=True, cwd=cwd, timeout=200,
    )  # fmt: skip

    def said(number):
        printed = (cwd / f"{number}.out").read_text().splitlines()
        assert printed, (cwd / f"{number}.err").read_text()[-3000:]
        return json.loads(printed[-1])

    return said
