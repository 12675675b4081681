"""The JavaScript on the card of an export, run by node with transformers.js from `make test-javascript`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

import nlp_transfer

pytestmark = pytest.mark.javascript
PACKAGES = Path(os.environ.get("NODE_PACKAGES", Path(__file__).parents[2] / "build" / "javascript" / "node_modules"))
HEARD = "console.log = (...said) => process.stdout.write(JSON.stringify(said.at(-1)));\n"
TEXTS = ["a good film", "the plot is dull and cold", "a GOOD Film", "zwölf", "x"]
SECOND = ["some story", "dark film", "it is", "new", "y"]


@pytest.fixture(autouse=True)
def node():
    if shutil.which("node") is None or not (PACKAGES / "@huggingface" / "transformers").is_dir():
        pytest.skip("there is no node, or no transformers.js; `make test-javascript` installs it")


def run_card(folder, texts, second=None):
    """Run what the card shows, first as it is, then on other texts; returns what it prints last."""
    page = (folder / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^```js\n(.*?)^```", page, re.M | re.S)[1]
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(PACKAGES)
    said, warned = run_file(folder, shown)
    assert said
    assert ("Unknown" in warned) == ("It warns" in page)
    (line,) = re.findall(r"^const inputs = .*$", shown, re.M)
    other = shown.replace(line, f"const inputs = tokenizer({json.dumps(texts)}, options);")
    other = re.sub(r"text_pair: \[.*?\]", f"text_pair: {json.dumps(second)}", other)
    return json.loads(run_file(folder, HEARD + other)[0])


def run_file(folder, code):
    (folder / "use.mjs").write_text(code, encoding="utf-8")
    done = subprocess.run(["node", "use.mjs"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def export(folder, task, source, row, kind="full", **options):
    """Export a run on sixty rows made from a text and its number; returns the run and the folder."""
    given = {"task": {**task, "max_length": 48}, "source": source, "strategy": {"kind": kind}}
    rows = [row(text, at) for at, text in enumerate(tiny.texts(60)[0])]
    training = {"epochs": 1, "precision": "fp32"}
    nlp_transfer.run({**given, "training": training}, data=rows, output=folder / "run", progress=False)
    return nlp_transfer.load(folder / "run"), nlp_transfer.export(folder / "run", folder / "out", **options).folder


def label(text, at):
    return {"text": text, "label": ["bad", "good"][at % 2]}


def labels(text, at):
    return {"text": text, "labels": [["dull"], ["new", "fun"], []][at % 3]}


def pair(text, at):
    return {"first": text, "second": text[::-1], "label": ["no", "yes"][at % 2]}


def number(text, at):
    return {"first": text, "second": text[::-1], "number": 3.0 + at % 7}


@pytest.mark.parametrize(
    ("task", "row", "kind", "vectors"),
    [
        ({"name": "sentiment"}, label, "full", None),
        ({"name": "sentiment"}, label, "frozen", None),
        ({"name": "sentiment"}, label, "frozen", "bag"),
        ({"name": "sentiment"}, label, "full", "cnn"),
        ({"name": "multilabel"}, labels, "full", None),
        ({"name": "pairs"}, pair, "full", None),
        ({"name": "pairs", "target": "number"}, number, "full", None),
    ],
    ids=["native head", "pooled states", "table of vectors", "vectors under a CNN", "labels", "pairs", "number"],
)
def test_the_card_of_a_classifier_answers_in_javascript_as_the_run(tmp_path, task, row, kind, vectors):
    source = {"kind": "checkpoint", "name": tiny.save_word_pieces(tmp_path / "source")}
    if vectors:
        source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
        source |= {} if vectors == "bag" else {"contextualizer": vectors}
    run, folder = export(tmp_path, task, source, row, kind)
    pairs = row in {pair, number}
    said = run.predict(list(zip(TEXTS, SECOND, strict=True)) if pairs else TEXTS)
    expected = [[one["number"]] if row is number else [*one["probabilities"].values()] for one in said]
    for found, wanted in zip(run_card(folder, TEXTS, SECOND), expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)


def test_the_card_of_weights_in_int8_answers_as_its_script(tmp_path):
    source = {"kind": "checkpoint", "name": tiny.save_word_pieces(tmp_path / "source")}
    _, folder = export(tmp_path, {"name": "sentiment"}, source, label, format="onnx-int8", any_loss=True)
    done = subprocess.run(
        [sys.executable, "predict.py"], cwd=folder, input="\n".join(TEXTS), capture_output=True, text=True, check=True
    )
    for found, line in zip(run_card(folder, TEXTS), done.stdout.splitlines(), strict=True):
        assert found == pytest.approx([*json.loads(line).values()], abs=0.02)  # other kernels round otherwise


@pytest.mark.parametrize("family", ["t5", "bart", "mbart", "m2m_100"])
def test_the_card_of_a_model_that_writes_writes_greedily_in_javascript(tmp_path, family):
    tiny.save_writer(tmp_path / "source", family)
    task = {"name": "translation", "max_target_length": 10, "generation": {"beams": 1, "no_repeat_ngram": 2}}
    source = {"kind": "checkpoint", "name": str(tmp_path / "source")}
    run, folder = export(tmp_path, task, source, lambda text, _: {"source": text, "target": text[:9]})
    assert [run_card(folder, [text]) for text in TEXTS[:2]] == [[one["translation"]] for one in run.predict(TEXTS[:2])]
