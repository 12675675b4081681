"""Suggest sources worth comparing for texts in a language: bundled ones, or else what to fetch or to train."""

from dataclasses import dataclass
from typing import Any

from nlp_transfer.system.wheels import BUNDLED

MULTILINGUAL = "intfloat/multilingual-e5-small"  # on the Hub: 94 languages, 118M parameters, MIT


@dataclass(frozen=True)
class Suggestion:
    """A source that is worth a run, and what it is."""

    name: str
    what: str
    available: bool = True


def suggest_sources(language: str | None) -> list[Suggestion]:
    """Suggest a bundled checkpoint and bundled vectors in a language, those first that are installed.

    Args:
        language: the code of the language of the texts; None, where it is not clear, counts as English.

    Returns:
        At most one of each kind; none if no bundled source is in that language.
    """
    fitting = [one for one in BUNDLED.values() if one.language == (language or "en")]
    fitting.sort(key=lambda one: (not one.available, one.kind != "checkpoint"))
    first = {one.kind: one for one in reversed(fitting)}  # of each kind the one that is left is the first
    return [
        Suggestion(
            one.name, one.description + ("" if one.available else f"; not installed: {one.install}"), one.available
        )
        for one in fitting
        if first[one.kind] is one
    ]


def make_source(kind: str, name: str, *, writes: bool) -> dict[str, Any]:
    """Make the section of a source. A task that writes text reads word vectors through a small Transformer."""
    above = {"contextualizer": "transformer", "width": 256, "layers": 2, "vocabulary": "data"}
    return {"kind": kind, "name": name} | (above if kind == "vectors" and writes else {})
