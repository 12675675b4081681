"""Escape texts of users where they leave the program, so that a terminal, a page or a picture does not obey them.

Anybody may have written a label, a file name or a text. Inside they stay as they are. At the border each passes one of
these functions: `escape_terminal` for a terminal and its log, `escape_line` for a table cell, a label or a sentence,
`dump_json` for lines of JSON, `escape_markdown` and `format_code` for a model card.
"""

import json
import re
from collections.abc import Callable
from typing import Any

# Control characters, line and paragraph separators, marks that reverse the direction of writing, lone surrogates.
OBEYED = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
CONTROL = re.compile(f"[{OBEYED}]")
BREAKING = re.compile(f"[{OBEYED}\t\n]")
MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)")  # an underscore inside a word marks nothing
OPENING = re.compile(r"^(\d*)([#+=.)-])(?=[\s#=-]|$)")  # the start of a heading, a list item or a rule
ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def escape_terminal(text: str) -> str:
    r"""Escape what a terminal would obey: an escape character becomes `\x1b`. Line breaks and tabs stay."""
    return CONTROL.sub(lambda one: ascii(one[0])[1:-1], text)


def escape_line(text: str) -> str:
    r"""Escape line breaks and tabs as well, as `\n` and `\t`, so that the text stays on one line."""
    return BREAKING.sub(lambda one: ascii(one[0])[1:-1], text)


def dump_json(
    values: Any, *, indent: int | None = None, allow_nan: bool = True, default: Callable[[Any], str] | None = None
) -> str:
    """Write JSON that keeps every script readable, and escapes control characters in the manner of JSON.

    `default` writes what JSON has no form for, such as a date, as a text; without it that is a `TypeError`.
    """
    text = json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=allow_nan, default=default)
    return CONTROL.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def escape_markdown(text: str) -> str:
    """Escape a text so that Markdown shows it as it is, even in a table or a list."""
    plain = re.sub(r"[<>]|&(?=#?\w+;)", lambda one: ENTITIES[one[0]], escape_line(text.strip()))
    return OPENING.sub(r"\1\\\2", MARKUP.sub(r"\\\g<0>", plain))


def format_code(text: str) -> str:
    """Format a name as code. A name with marks such as a backtick cannot be: it becomes escaped plain text."""
    escaped = escape_markdown(text)
    return f"`{text}`" if escaped == text else escaped
