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
from nlp_transfer.data import kept_pairs
from nlp_transfer.runs import costs
costs.BUDGET = 0.0  # no answer is timed for long
kept_pairs.DOCUMENTED.update(dict.fromkeys(kept_pairs.DOCUMENTED, 8))  # and a few files of each package are parsed,
kept_pairs.KEPT = "few.json"  # whose pairs are not those of other tests
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


def on_local_sources(configs, folder):
    """Every verb of every task: a comparison trains too, and what is trained on bundled sources is checked there."""
    data = save_data(folder, 16)
    keys = {task: [str(configs / f"{task}.yaml"), f"data.train={data[task]}"] for task in TASKS}
    keys["translation"].append(f"source={{kind: checkpoint, name: {configs / 'bert'}}}")
    runs = {task: f"run-{task}" for task in TASKS} | {"sentiment": "both/sentiment"}

    config, reviews = keys.pop("sentiment")
    commands = [["compare", config, "--set", reviews, "--output", "both"]]
    commands += [["run", *given, "--output", runs[task]] for task, given in keys.items()]
    for task, run in runs.items():
        commands += [["predict", run, data[task], "--output", f"{task}.jsonl"], ["evaluate", run, "--data", data[task]]]
    commands += [["check", *keys["abstractive"]]]
    commands += [["publish", runs["sentiment"], "someone/reviews", "--dry-run", "--license", "mit"]]
    (folder / "texts.txt").write_text("a good film\na bad film\n" * 50)
    commands += [["vectors", "import", str(configs / "vectors.txt"), "table"], ["vectors", "train", "texts.txt", "own"]]
    return [*commands, ["sources"], ["schema"]]


def on_bundled_sources():
    """Each model and each data set of the README; GloVe, which takes long to read, once."""
    files = {f"quickstart/{name}_frozen": [] for name in ("glove", "minilm")}
    files["translation/ui_strings_fr_minilm_frozen"] = []
    files["summarization/docstrings_extractive_glove_frozen"] = ["source={kind: checkpoint, name: minilm}"]
    return [["check", str(ROOT / f"configs/{name}.yaml"), "data.limit=50", *keys] for name, keys in files.items()]


@pytest.mark.slow
@pytest.mark.real
def test_no_verb_opens_a_connection_on_local_and_bundled_sources_and_one_that_asks_for_the_hub_does(configs, here):
    commands = [*on_local_sources(configs, here), *on_bundled_sources()]
    away = ["check", str(configs / "sentiment.yaml"), f"data.train={here / 'reviews.csv'}"]
    away.append("source={kind: checkpoint, name: some/model}")

    *found, (code, attempts) = attempts_of([*commands, away], here)
    assert dict(zip(map(" ".join, commands), found, strict=True)) == {" ".join(one): [0, []] for one in commands}
    assert code == 4
    assert any("huggingface.co" in attempt for attempt in attempts)
