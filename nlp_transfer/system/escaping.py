"""Texts of users at every border: what a terminal, a page or a picture would obey is shown instead.

Labels, names of files, runs and sources, and contents are anybody's. They are kept as they are inside, and pass one of
these functions where they leave: `visible` for a terminal and its log, `one_line` for a cell, a label or a sentence,
`as_json` for lines of JSON, `in_markdown` and `code_span` for a card.
"""

import json
import re
from typing import Any

# Control characters, breaks of lines and paragraphs, what turns the direction of writing, halves of characters.
OBEYED = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
CONTROL = re.compile(f"[{OBEYED}]")
BREAKING = re.compile(f"[{OBEYED}\t\n]")
MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)")  # underscores inside a word are none
OPENING = re.compile(r"^(\d*)([#+=.)-])(?=[\s#=-]|$)")  # of a heading, a list or a rule
ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def visible(text: str) -> str:
    r"""Show what a terminal would obey, such as an escape character as `\x1b`; lines and tabs stay."""
    return CONTROL.sub(lambda one: ascii(one[0])[1:-1], text)


def one_line(text: str) -> str:
    r"""Show line breaks and tabs too, as `\n` and `\t`."""
    return BREAKING.sub(lambda one: ascii(one[0])[1:-1], text)


def as_json(values: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    """Write JSON that people can read in their script, with the same characters escaped as JSON escapes them."""
    text = json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return CONTROL.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def in_markdown(text: str) -> str:
    """Write a text so that a Markdown page shows it and does not take it for markup, also in a table or a list."""
    plain = re.sub(r"[<>]|&(?=#?\w+;)", lambda one: ENTITIES[one[0]], one_line(text.strip()))
    return OPENING.sub(r"\1\\\2", MARKUP.sub(r"\\\g<0>", plain))


def code_span(text: str) -> str:
    """Set a name as code; one with marks of its own, which code would not escape, as plain text."""
    escaped = in_markdown(text)
    return f"`{text}`" if escaped == text else escaped
