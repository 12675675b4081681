"""Promise 24: in a fresh environment, with an empty HF_HOME and the Hub not switched off, no connection is opened.

An audit hook sees every attempt of the process, whoever makes it and whatever becomes of it.
"""

import json
import os
import subprocess
import sys

import pytest
from faults import TASKS, save_data
from tiny import ROOT

WATCHED = """
import json, sys
attempts = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        attempts.append(f"{event} {arguments[1:] if event == 'socket.connect' else arguments}")
sys.addaudithook(hook)
from nlp_transfer.cli import process as cli
results = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["nlp-transfer", *arguments]
    code = 0
    try:
        cli.main()
    except SystemExit as leaving:
        code = leaving.code or 0
    results.append([code, attempts[:]])
    attempts.clear()
with open("attempts.json", "w") as file:
    json.dump(results, file)
"""


def attempts_of(commands, folder):
    """Run command lines one after another in a fresh process.

    Returns:
        The exit code of each, and what it tried to reach.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    fresh = {"HOME": str(folder / "home"), "HF_HOME": str(folder / "hf")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "tasks")])
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(commands)], cwd=folder, capture_output=True, text=True, check=False,
        env={**kept, **fresh, "PYTHONPATH": path}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "attempts.json").read_text())


@pytest.fixture(scope="module")
def watched(configs, tmp_path_factory):
    """What `attempts_of` says of every verb on local sources, and of a last command that asks for the Hub."""
    folder = tmp_path_factory.mktemp("watched")
    data = save_data(folder)
    commands = []
    for task in TASKS:
        keys = [str(configs / f"{task}.yaml"), f"data.train={data[task]}"]
        if task == "translation":
            keys.append(f"source={{kind: checkpoint, name: {configs / 'bert'}}}")
        commands += [["check", *keys], ["run", *keys, "--output", f"run-{task}"]]
        commands += [["predict", f"run-{task}", data[task], "--output", f"{task}.jsonl"]]
        commands += [["evaluate", f"run-{task}", "--data", data[task]]]
    reviews = f"data.train={data['sentiment']}"
    commands += [["compare", str(configs / "sentiment.yaml"), "--set", reviews, "--output", "both"]]
    commands += [["publish", "run-sentiment", "someone/reviews", "--dry-run", "--license", "mit"]]
    (folder / "texts.txt").write_text("a good film\na bad film\n" * 50)
    commands += [["vectors", "import", str(configs / "vectors.txt"), "table"], ["vectors", "train", "texts.txt", "own"]]
    commands += [["sources"], ["schema"]]
    away = "source={kind: checkpoint, name: some/model}"
    return attempts_of([*commands, ["check", str(configs / "sentiment.yaml"), reviews, away]], folder)


@pytest.mark.slow
def test_no_verb_of_any_task_opens_a_connection_on_local_sources(watched):
    assert watched[:-1] == [[0, []]] * (len(watched) - 1)


@pytest.mark.slow
def test_the_watch_sees_a_connection_that_is_tried(watched):
    code, attempts = watched[-1]
    assert code == 4
    assert any("huggingface.co" in attempt for attempt in attempts)


@pytest.mark.real
def test_the_configurations_of_the_readme_open_no_connection_on_bundled_sources(here):
    files = [ROOT / f"configs/quickstart/{name}_frozen.yaml" for name in ("glove", "minilm")]
    files.append(ROOT / "configs/translation/ui_strings_fr_minilm_frozen.yaml")
    files.append(ROOT / "configs/summarization/docstrings_extractive_glove_frozen.yaml")
    commands = [["check", str(file), "data.limit=50"] for file in files]
    assert attempts_of(commands, here) == [[0, []]] * len(commands)
