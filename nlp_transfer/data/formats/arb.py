"""Read ARB, the messages of Flutter; see https://github.com/google/app-resource-bundle/wiki.

A message may hold plural forms or choices, as in `{count, plural, one{a file} other{{count} files}}`: each is an entry.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.data.formats.entries import Entries, Entry, read_whole
from nlp_transfer.data.formats.records import Fault
from nlp_transfer.errors import DataError

CHOICE = re.compile(r"\{\s*[\w.]+\s*,\s*(?:plural|select|selectordinal)\s*,")
FORM = re.compile(r"\s*(=?[\w-]+)\s*\{")
END = re.compile(r"\s*\}")
BRACE = re.compile(r"[{}]")
SAME = {"=0": "zero", "=1": "one", "=2": "two"}  # Flutter takes them for each other
MOST_FORMS, DEEPEST = 100, 5  # of a message: its forms in all, and choices among them


def read_arb(file: Path, encoding: str | None) -> Entries:
    """Yield the messages of a file.

    Raises:
        DataError: it holds no object of JSON.
    """
    whole = read_whole(file, encoding)
    try:
        messages = json.loads(whole, object_pairs_hook=list)  # pairs, because a dictionary would hide a repeated key
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: broken JSON at position {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}:1: JSON that cannot be read: {error}") from None
    if not whole.lstrip().startswith("{"):
        raise DataError(f'{file}:1: expected an object such as {{"open": "Open"}}')

    at, number = 0, 1
    for key, message in messages:
        place = max(at, whole.find(json.dumps(key, ensure_ascii=False), at))
        at, number = place, number + whole.count("\n", at, place)
        if key.startswith("@"):  # says something about the file or a message
            continue
        if not isinstance(message, str):
            yield Fault(number, f"expected a text under {key!r}, received a {type(message).__name__}")
            continue

        try:
            yield from [Entry(number, f"{key}{mark}", text.strip()) for mark, text in list_forms(message)]
        except ValueError as error:
            yield Fault(number, f"{key!r}: {error}")


def list_forms(message: str) -> list[tuple[str, str]]:
    """List the texts that a message may become, each with the choices that lead to it: `[one]`, `[other][female]`.

    Raises:
        ValueError: a brace is missing, or there are too many forms.
    """
    forms = [("", message)]
    for _ in range(DEEPEST):
        chosen = [one for mark, text in forms for one in _choose(mark, text)]
        if len(chosen) > MOST_FORMS:
            break
        if chosen == forms:
            return forms
        forms = chosen
    raise ValueError(f"more than {MOST_FORMS} forms, or choices in choices; make several messages of it")


def _choose(mark: str, message: str) -> Iterator[tuple[str, str]]:
    """Yield the forms of the first choice in a message, each with the text around it; or the message itself."""
    choice = CHOICE.search(message)
    if choice is None:
        yield mark, message
        return

    forms: dict[str, str] = {}
    at = choice.end()
    while form := FORM.match(message, at):
        at = _find_end(message, form.end())
        forms.setdefault(SAME.get(form[1], form[1]), message[form.end() : at - 1])
    if not (forms and (end := END.match(message, at))):
        raise ValueError("a choice that is not closed; write {name, plural, one{...} other{...}}")
    for name, text in forms.items():
        yield f"{mark}[{name}]", f"{message[: choice.start()]}{text}{message[end.end() :]}"


def _find_end(message: str, start: int) -> int:
    """Find the end behind the brace that closes what is open before `start`."""
    depth = 1
    for brace in BRACE.finditer(message, start):  # no slice: a message may have many forms
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    raise ValueError("a brace that is not closed")
