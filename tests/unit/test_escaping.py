"""What a text of anybody's may do at a border: nothing but be read."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nlp_transfer.cli import process as cli
from nlp_transfer.config.yaml_file import dump_yaml, parse_yaml
from nlp_transfer.system.escaping import CONTROL, dump_json, escape_line, escape_markdown, escape_terminal, format_code

MARKS = st.text(st.sampled_from("ab1 \n\t\r\x1b\x85\u2028\u202e\ud800\\`*_[]()<>&;#+-=.!|~$:/{}\"'"), max_size=12)
PAGE = MarkdownIt().enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\ud800", r"\ud800"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("日本 café", "日本 café"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert escape_terminal(text) == shown


def test_a_name_stays_on_its_line():
    assert escape_line("a\n## b\tc") == r"a\n## b\tc"


@given(MARKS)
def test_json_holds_no_control_character_and_is_read_back_as_it_was(text):
    said = dump_json({"text": text})
    assert not CONTROL.search(said)
    assert json.loads(said) == {"text": text}


@given(MARKS)
def test_yaml_is_read_back_as_it_was(text):
    said = dump_yaml({"name": text})
    said.encode()
    assert parse_yaml(said) == {"name": text}


@given(MARKS)
def test_a_markdown_page_shows_the_text_and_nothing_else(text):
    """In a paragraph, a list and a table: one run of plain text, which is the one that went in."""
    cell = escape_markdown(f"x{text}x")
    for page in (f"# {cell}", f"- {cell}", f"| a | b |\n|---|---|\n| {cell} | 2 |"):
        inline = next(one for one in PAGE.parse(page) if one.type == "inline" and "x" in one.content)
        assert {child.type for child in inline.children} <= {"text"}, page
        assert "".join(child.content for child in inline.children) == escape_line(f"x{text}x"), page


@pytest.mark.parametrize("text", ["# a", "- a", "1. a", "+ a", "---", "===", "    a", "## a ##", "12) a"])
def test_a_text_opens_no_block_of_markdown(text):
    kinds = [one.type for one in PAGE.parse(f"- {escape_markdown(text)}")]
    assert kinds == ["bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close",
                     "list_item_close", "bullet_list_close"]  # fmt: skip


@pytest.mark.parametrize("text", ["negative", "tfidf_logistic", "+4.3 points (+1.2 to +7.7)", "a.csv; 10 %", "R&D"])
def test_ordinary_texts_stay_as_they_are(text):
    assert escape_markdown(text) == text
    assert format_code(text) == f"`{text}`"


def test_a_name_with_marks_of_its_own_is_no_code():
    assert format_code("a`b") == r"a\`b"


def test_the_log_of_a_command_shows_control_characters(monkeypatch, capsys):
    monkeypatch.setattr(logging.root, "handlers", [])
    cli._set_up_log(debug=False)
    logging.getLogger("nlp_transfer").warning("%s: odd", "\x1b[31m.csv")
    assert capsys.readouterr().err == "\\x1b[31m.csv: odd\n"
