"""Clients of the loopback Hub: this process, or a fresh one with an empty cache."""

import os
import subprocess
import sys
import time

from apart import run_apart
from hub_server import WRITER
from tiny import ROOT

import nlp_transfer

TRAINING = {"epochs": 1, "precision": "fp32", "learning_rate": 0.01}
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tasks")])
SHORT = 0.1  # seconds; subprocess pauses no longer between two looks at a child, and without that it would spin


def connect(server, monkeypatch, cache):
    from huggingface_hub import constants
    from transformers.utils import hub

    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    values = {"ENDPOINT": server.url, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_OFFLINE": False}
    values |= {"HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(cache)}
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hub, "_hf_api", None)  # the client that transformers keeps is bound to the Hub it was made for
    monkeypatch.setenv("HF_TOKEN", WRITER)
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(seconds / 200 if seconds > SHORT else seconds))


def outside(server, home, **changes):
    """The environment of a stranger: an empty cache, and nothing but the Hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHONPATH"))}
    given = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    return {**kept, **given, **changes}


def strangers(*parts, server, home, **changes):
    """Run parts as `run_apart` does, each as a client of this Hub."""
    return run_apart(*parts, cwd=home, env=outside(server, home, **changes))


LIGHT = "import sys; sys.modules['torch'] = None; from nlp_transfer.__main__ import main; main()"


def light_command(*words, server, home, **changes):
    """Run nlp-transfer in a fresh process that cannot load torch."""
    settings = outside(server, home, **{"PYTHONPATH": PATHS, "HF_TOKEN": WRITER, **changes})
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIGHT, *map(str, words)],
        capture_output=True, text=True, env=settings, check=False, cwd=home, timeout=200, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def run_of(folder, **sections):
    """A tiny run."""
    sections = {"training": TRAINING, **sections}
    return nlp_transfer.run(sections, output=folder, progress=False).folder
