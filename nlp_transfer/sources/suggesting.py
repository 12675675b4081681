"""Suggest two sources worth comparing for texts in a language: bundled ones, or else what to fetch or to train."""

from dataclasses import dataclass
from typing import Any

from nlp_transfer.system.wheels import BUNDLED

MULTILINGUAL = "intfloat/multilingual-e5-small"  # on the Hub: 94 languages, 118M parameters, MIT


@dataclass(frozen=True)
class Suggestion:
    """A source that is worth a run, and what it is."""

    name: str
    what: str


def suggest_sources(language: str | None) -> list[Suggestion]:
    """Suggest the bundled sources in a language, those first that are installed; none if there are none.

    Args:
        language: the code of the language of the texts; None, where it is not clear, counts as English.
    """
    fitting = [one for one in BUNDLED.values() if one.language == (language or "en")]
    fitting.sort(key=lambda one: (not one.available, one.kind != "checkpoint"))
    return [
        Suggestion(one.name, one.description + ("" if one.available else f"; not installed: {one.install}"))
        for one in fitting
    ]


def make_source(kind: str, name: str, *, writes: bool) -> dict[str, Any]:
    """Make the section of a source. A task that writes text reads word vectors through a small Transformer."""
    above = {"contextualizer": "transformer", "width": 256, "layers": 2, "vocabulary": "data"}
    return {"kind": kind, "name": name} | (above if kind == "vectors" and writes else {})
