"""Names and labels that a page, a picture or a terminal would obey: each is shown on every way out, and none acts."""

import csv
import io
import json
import logging
import re
import shutil

import pytest
import yaml
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from rich.console import Console
from tiny import save_vectors, texts

import nlp_transfer
from nlp_transfer.evaluation import plotting
from nlp_transfer.system.escaping import CONTROL, escape_line

NAMES = {
    "formula": "a$x^{$",
    "markup": "b[red]c[bold]:smile:",
    "escape": "d\x1b[31me\x9b2J",
    "html": "f<script>alert(1)<!--",
    "image": "![g](x.png)`h`",
    "lines": "i\n\n## j\n| k |",
    "bidi": "l\u202em",
    "long": "n" * 120,
}
LABELS = ("o[blue]<script>alert(2)</script>\x1b[31m", "![p](q.png)|`r`$s$")
HEADINGS = ["How to use it", "Scores", "Confidence", "Cost", "Data", "Training", "Limits", "Licence", "Citation"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A configuration for each name, whose source has it too; all names in one data file's, the labels and texts."""
    root = tmp_path_factory.mktemp("names")
    data = root / f"{''.join(name for kind, name in NAMES.items() if kind != 'long')}.csv"
    written, labels = texts(60)
    with data.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"{text} {NAMES['html']}", LABELS[label]) for text, label in zip(written, labels, strict=True)]
        csv.writer(file).writerows([("text", "label"), *rows, ("an odd one", LABELS[0]), ("an odd one", LABELS[1])])
    for name in NAMES.values():
        config = {
            "task": {"name": "sentiment", "max_length": 16},
            "source": {"kind": "vectors", "name": save_vectors(root / f"{name}.txt")},
            "strategy": {"kind": "frozen"},
            "data": {"train": str(data), "test_share": 0.4},
        }
        (root / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return root


@pytest.fixture(scope="module")
def compared(place):
    """All of them side by side, and the labels of the picture."""
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        save = Figure.savefig
        patch.setattr(
            Figure, "savefig", lambda self, *given, **named: drawn.append(self) or save(self, *given, **named)
        )
        found = nlp_transfer.compare([place / f"{name}.yaml" for name in NAMES.values()], output=place / "out",
                                     progress=False)  # fmt: skip
    (axes,) = drawn[0].axes
    return found, [label.get_text() for label in axes.get_yticklabels()]


EVERY = pytest.mark.parametrize("kind", NAMES)


@EVERY
def test_a_picture_is_drawn_with_the_name_as_it_is_written(compared, kind):
    found, labels = compared
    shown = escape_line(f"{NAMES[kind]}.txt, frozen")
    assert (shown if len(shown) <= plotting.LONGEST_LABEL else f"{shown[:28]}...{shown[-28:]}") in labels
    assert (found.folder / "plot.png").stat().st_size > 5000


@EVERY
def test_a_table_and_a_verdict_show_the_name(compared, kind):
    console = Console(width=400, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(compared[0].table)
    shown = escape_line(f"{NAMES[kind]}.txt")
    assert shown in console.file.getvalue()
    assert any(line.startswith(f"{shown}, frozen ") for line in compared[0].verdicts)
    assert not any(CONTROL.search(line) for line in compared[0].verdicts)


def blocks(card):
    """The headings of a rendered card, the kinds of all that is in it, its words and its images."""
    tokens = MarkdownIt().enable(["table", "strikethrough"]).parse(card.split("---\n", 2)[2])
    inline = [one for one in tokens if one.type == "inline"]
    headings = [tokens[i + 1].content for i, one in enumerate(tokens) if one.type == "heading_open" and one.tag == "h2"]
    kinds = {child.type for one in inline for child in one.children} | {one.type for one in tokens}
    words = " ".join("".join(child.content for child in one.children) for one in inline)
    images = [child.attrs["src"] for one in inline for child in one.children if child.type == "image"]
    return headings, kinds, words, images


def is_harmless(card, name):
    headings, kinds, words, images = blocks(card)
    assert headings == HEADINGS
    assert not kinds & {"html_block", "html_inline", "s_open", "em_open"}
    assert set(images) <= {"plot.png", "reliability.png"}
    for shown in (f"started from {escape_line(name)}.txt", *map(escape_line, LABELS)):
        assert shown in words
    assert not CONTROL.search(card)
    assert "<script" not in card


@EVERY
def test_a_card_shows_the_names_and_has_no_other_parts(compared, kind):
    is_harmless((compared[0].folder / NAMES[kind] / "README.md").read_text(), NAMES[kind])


@EVERY
def test_a_publication_shows_the_names_and_reads_them_back(compared, kind):
    done = nlp_transfer.publish(compared[0].folder / NAMES[kind], "me/x", dry_run=True, licence="mit")
    is_harmless((done.folder / "README.md").read_text(), NAMES[kind])
    assert yaml.safe_load((done.folder / "config.yaml").read_text())["source"]["name"] == f"{NAMES[kind]}.txt"
    labels = json.loads((done.folder / "metrics.json").read_text())["data"]["splits"]["train"]["labels"]
    assert set(labels) == set(LABELS)


def test_a_command_prints_no_control_character(command, place, compared, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = place / "out" / NAMES["escape"]
    config, data = place / f"{NAMES['escape']}.yaml", yaml.safe_load((run / "config.yaml").read_text())["data"]["train"]
    said = []
    for words in (
        ["check", config],
        ["run", config, "--output", tmp_path / NAMES["escape"]],
        ["compare", config, "--output", tmp_path / "compared"],
        ["evaluate", run, "--data", data],
        ["predict", run, data],
        ["predict", run, data, "--column", f"{NAMES['escape']}=x"],
        ["run", place / f"{NAMES['escape']}.no"],
    ):
        code, out, err = command(*words)
        assert (code == 0) == (words[-1] != f"{NAMES['escape']}=x" and not str(words[-1]).endswith(".no"))
        said += [out, err]
    assert not any(CONTROL.search(text) for text in said)
    assert r"d\x1b[31me" in "".join(said)


def test_a_picture_that_fails_is_a_warning_and_the_results_are_there(place, tmp_path, monkeypatch, caplog):
    def fail(*_, **__):
        raise ValueError("no such font")

    monkeypatch.setattr(Figure, "savefig", fail)
    found = nlp_transfer.compare([place / f"{NAMES['formula']}.yaml"], output=tmp_path / "out", progress=False)
    assert re.search(r"plot\.png could not be drawn: ValueError: no such font", caplog.text)
    assert {"comparison.json", "report.html", NAMES["formula"]} == {path.name for path in found.folder.iterdir()}
    again = nlp_transfer.compare([place / f"{NAMES['formula']}.yaml"], resume=found.folder, progress=False)
    assert again.verdicts == found.verdicts
    shutil.rmtree(found.folder / NAMES["formula"] / "publish", ignore_errors=True)
    done = nlp_transfer.publish(found.folder / NAMES["formula"], "me/x", dry_run=True, licence="mit")
    assert "plot.png" not in done.files
    assert "plot.png" not in (done.folder / "README.md").read_text()
