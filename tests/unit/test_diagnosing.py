"""`nlp-transfer doctor`: one screen that says what a bug report needs, and nothing that a stranger should not read."""

import os
import socket
from pathlib import Path

import pytest
from tiny import run_python

import nlp_transfer
from nlp_transfer.runs import doctor as diagnosing

TOKEN = "hf_" + "a1B2" * 9


@pytest.fixture(scope="module")
def found():
    return nlp_transfer.doctor()


def test_everything_that_is_promised_is_said_on_one_screen(found):
    names = [
        "python",
        "packages",
        "devices",
        "processors",
        "precision",
        "bundled",
        "cache",
        "hub cache",
        "hub",
        "free disk",
    ]
    assert list(found.facts) == names
    assert "unknown" not in found.facts.values()
    assert "torch 2." in found.facts["packages"]
    assert found.facts["hub"] == "switched off (HF_HUB_OFFLINE)"
    assert len(found.text.splitlines()) <= 24


def test_a_healthy_machine_has_no_problem_and_exit_code_0(command, found):
    assert found.problems == ()
    code, out, err = command("doctor")
    assert (code, err) == (0, "")
    assert out.endswith("no known problem\n")


def test_neither_token_nor_home_nor_user_is_shown(monkeypatch, tmp_path):
    home = tmp_path / "jane-doe"
    home.mkdir()
    for name, value in (("HOME", str(home)), ("USER", "jane-doe"), ("HF_TOKEN", TOKEN)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(home / "cache"))
    text = nlp_transfer.doctor().text
    assert "~/cache (not there yet)" in text
    assert "jane-doe" not in text
    assert TOKEN not in text


def test_a_home_that_is_the_root_leaves_other_folders_readable(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert diagnosing.Diagnosis({"cache": "/var/cache"}, ()).text.startswith("cache  /var/cache")


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"torch": "2.5.1+cu124"}, ["torch 2.5.1+cu124, but nlp-transfer needs torch>=2.6"]),
        ({"transformers": "4.57.0"}, ["nlp-transfer needs transformers>=5"]),
        ({"gensim": "4.3.3"}, ["gensim 4.3.3, but nlp-transfer needs gensim>=4.4"]),
        ({"peft": "none"}, ["peft none, but nlp-transfer needs peft>="]),
    ],
)
def test_versions_that_are_known_to_fail_are_said_with_what_is_needed_and_exit_code_5(
    command, monkeypatch, versions, words
):
    installed = diagnosing._read_version
    monkeypatch.setattr(diagnosing, "_read_version", lambda name: versions.get(name) or installed(name))
    code, out, _ = command("doctor")
    assert code == 5
    problems = "\n".join(line for line in out.splitlines() if line.startswith("PROBLEM: "))
    assert all(word in problems for word in words)


def test_a_look_that_fails_is_a_problem_and_the_others_are_still_answered():
    code = "import nlp_transfer; print(nlp_transfer.doctor().text)"
    text = run_python("import sys; sys.modules['torch'] = None\n" + code)
    assert "devices     unknown" in text
    assert "PROBLEM: devices: ModuleNotFoundError: import of torch halted" in text
    assert "free disk   " in text
    assert str(Path.home()) not in text or Path.home() == Path(os.sep)


def test_an_unreachable_hub_is_tried_once_for_a_second_and_said(monkeypatch):
    from huggingface_hub import constants

    from nlp_transfer.system import network

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    connect, tried = socket.create_connection, []
    monkeypatch.setattr(socket, "create_connection", lambda *place, **how: [tried.append(how), connect(*place, **how)])
    assert network.describe_hub() == "127.0.0.1 is out of reach"
    assert tried == [{"timeout": 1.0}]
