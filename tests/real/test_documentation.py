"""The blocks of the documentation's pages do what they show, one after the other, on the bundled models."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app

pytestmark = [pytest.mark.real, pytest.mark.pages]
ROOT = Path(__file__).parents[2]
SMALLER = {  # what a page computes in minutes, in seconds
    "[16, 32, 64, 128, 256], seeds=3": "[16, 32], seeds=1",
    '["sentiment/minilm_frozen", "sentiment/glove_frozen"]': '["sentiment/glove_frozen"]',
}


def blocks(page, *languages):
    text = (ROOT / page).read_text(encoding="utf-8")
    for shown, small in SMALLER.items():
        text = text.replace(shown, small)
    return [(kind, code) for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S) if kind in languages]


def run_line(line):
    """Run a command, in this process where it is ours; `echo TEXT |` before it, or `< FILE` behind it, is its stdin."""
    first, _, last = line.rpartition(" | ")
    last, _, file = last.partition(" < ")
    given = shlex.split(first)[1] + "\n" if first else None
    given = Path(shlex.split(file, comments=True)[0]).read_text(encoding="utf-8") if file else given
    program, *arguments = shlex.split(last, comments=True)
    if program == "nlp-transfer":
        answer = CliRunner().invoke(app, arguments, input=given, catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.output
    assert program == "python"
    done = subprocess.run([sys.executable, *arguments], input=given, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_tutorial_leads_from_a_csv_to_a_model_that_answers_without_torch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {}
    for kind, code in blocks("docs/tutorial.md", "python", "sh"):
        if kind == "python":
            exec(compile(code, "docs/tutorial.md", "exec"), {})  # noqa: S102 - the page's own
        else:
            said |= {line: run_line(line) for line in code.splitlines()}
    assert len(Path("answers.csv").read_text().splitlines()) >= 301
    assert next(text for line, text in said.items() if "exported/predict.py" in line).startswith('{"negative"')
    assert "would be published to your-name/reviews" in list(said.values())[-1]


@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md", "docs/evidence.md"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _, code in blocks(page, "python"):
        exec(compile(code, page, "exec"), {})  # noqa: S102 - the page's own
    assert capsys.readouterr().out


def test_the_lines_of_the_export_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("a warm film\na dull film\n", encoding="utf-8")
    pairs = [json.dumps({"source": text, "target": " ".join(text.split()[:3])}) for text in tiny.texts(60)[0]]
    Path("pairs.jsonl").write_text("\n".join(pairs), encoding="utf-8")
    tiny.run(
        Path("runs/reviews"), {"kind": "vectors", "name": "glove-50d"}, {"kind": "frozen"}, tiny.save_csv("data.csv")
    )
    tiny.save_writer("t5", "t5")
    config = {
        "task": {"name": "translation", "max_length": 24, "max_target_length": 8},
        "source": {"kind": "checkpoint", "name": "t5"},
        "strategy": {"kind": "full"},
        "data": {"train": "pairs.jsonl"},
        "training": {"epochs": 1, "precision": "fp32"},
    }
    nlp_transfer.run(config, output="runs/translator", progress=False)

    ((_, code),) = blocks("docs/export.md", "sh")[:1]
    said = {line: run_line(line) for line in code.splitlines() if not line.startswith("pip ")}
    assert [text.count("\n") for line, text in said.items() if line.startswith("python")] == [2]
    assert Path("exported/translator/ctranslate2/model.bin").is_file()
