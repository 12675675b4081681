"""Suggest sources worth comparing for texts in a language: bundled ones, or else what to fetch or to train."""

from dataclasses import dataclass
from typing import Any

from nlp_transfer.config.flags import guess_kind
from nlp_transfer.data.locations import HUB_ID
from nlp_transfer.errors import SourceError, suggest, suggest_nearest
from nlp_transfer.system.disk import expand_home
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


def find_doubt(name: str) -> str | None:
    """Say that a source that a user named is neither here nor bundled, so that it has to be on the Hub; None if it is.

    Raises:
        SourceError: it cannot be on the Hub either.
    """
    try:
        here = expand_home(name).exists()
    except (OSError, ValueError):  # a name that no file can have
        here = False
    if here or name in BUNDLED:
        return None
    if HUB_ID.fullmatch(name) and guess_kind(name) == "checkpoint":
        return f"{name}: neither here nor bundled, so taken for an id on the Hub.{suggest_nearest(name, BUNDLED)}"
    raise SourceError(f"source '{name}': no such file or folder, and not bundled. {suggest(name, BUNDLED)}")


def make_source(kind: str, name: str, *, writes: bool) -> dict[str, Any]:
    """Make the section of a source. A task that writes text reads word vectors through a small Transformer."""
    above = {"contextualizer": "transformer", "width": 256, "layers": 2, "vocabulary": "data"}
    return {"kind": kind, "name": name} | (above if kind == "vectors" and writes else {})
