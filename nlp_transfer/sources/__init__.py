"""Open pretrained knowledge: checkpoints and word vectors behind one interface.

`nlp_transfer.models.source.Source` defines that interface.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nlp_transfer.errors import SourceError, suggest
from nlp_transfer.models.source import LoadedModel, Source
from nlp_transfer.sources.checkpoint import Checkpoint
from nlp_transfer.sources.static import StaticVectors
from nlp_transfer.system.wheels import BUNDLED

FAMILIES = (
    "bert, roberta, distilbert, electra, albert, deberta-v2, mpnet, xlm-roberta, modernbert and others; seq2seq models"
)
FORMATS = "GloVe text, word2vec text and binary (each also .gz), fastText .bin and .vec, .npy + words, imported folder"


@dataclass(frozen=True)
class SourceInfo:
    """Describe a source in one line of `nlp-transfer sources`."""

    name: str
    kind: str
    description: str
    licence: str
    available: bool


def list_sources() -> list[SourceInfo]:
    """List the bundled sources, then the kinds of sources that a path or a Hub id can name."""
    bundled = [SourceInfo(b.name, b.kind, b.description, b.licence, b.available) for b in BUNDLED.values()]
    return [
        *bundled,
        SourceInfo("FOLDER or HUB_ID", "checkpoint", f"safetensors encoders: {FAMILIES}", "its own", True),
        SourceInfo("FILE or FOLDER", "vectors", FORMATS, "its own", True),
    ]


def load_source(kind: str, texts: Iterable[str] = (), **settings: Any) -> Source:
    """Make a source; nothing is read before its tokenizer or model is asked for.

    Args:
        kind: `checkpoint` or `vectors`.
        texts: the training texts, for a vocabulary made from their words.
        settings: the other keys of the `source:` section.

    Raises:
        SourceError: no such kind.
    """
    match kind:
        case "checkpoint":
            return Checkpoint(**settings)
        case "vectors":
            return StaticVectors(texts=texts, **settings)
    raise SourceError(f"Unknown kind of source '{kind}'. {suggest(kind, ('checkpoint', 'vectors'))}")


__all__ = [
    "BUNDLED",
    "Checkpoint",
    "LoadedModel",
    "Source",
    "SourceInfo",
    "StaticVectors",
    "list_sources",
    "load_source",
]
