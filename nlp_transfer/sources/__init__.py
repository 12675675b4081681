"""Open pretrained knowledge: checkpoints and word vectors behind one interface.

`nlp_transfer.models.source.Source` defines that interface.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlp_transfer.errors import SourceError, suggest
from nlp_transfer.system.wheels import BUNDLED

if TYPE_CHECKING:
    from nlp_transfer.models.source import Source

FAMILIES = (
    "bert, roberta, distilbert, electra, albert, deberta-v2, mpnet, xlm-roberta, modernbert and others; seq2seq models"
)
FORMATS = "GloVe text, word2vec text and binary (each also .gz), fastText .bin and .vec, floret, .npy + words, import"
PACKAGES = "spaCy package, model or vocab folder; navec .tar; Numberbatch; Wikipedia2Vec text; pieces of sentencepiece"
OWN_TOKENIZER = "model2vec StaticModel, sentence-transformers StaticEmbedding, wordllama: with their own tokenizers"


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
        SourceInfo("FOLDER or FILE", "vectors", PACKAGES, "its own", True),
        SourceInfo("FOLDER or FILE", "vectors", OWN_TOKENIZER, "its own", True),
    ]


def load_source(kind: str, texts: Iterable[str] = (), **settings: Any) -> "Source":
    """Make a source; nothing is read before its tokenizer or model is asked for.

    Args:
        kind: `checkpoint` or `vectors`.
        texts: the training texts, for a vocabulary made from their words.
        settings: the other keys of the `source:` section.

    Raises:
        SourceError: no such kind.
    """
    # Imported here: a table of vectors, which lies in this package too, opens without torch.
    match kind:
        case "checkpoint":
            from nlp_transfer.sources.checkpoint import Checkpoint

            return Checkpoint(**settings)
        case "vectors":
            from nlp_transfer.sources.static import StaticVectors

            return StaticVectors(texts=texts, **settings)
    raise SourceError(f"Unknown kind of source '{kind}'. {suggest(kind, ('checkpoint', 'vectors'))}")


__all__ = ["BUNDLED", "SourceInfo", "list_sources", "load_source"]
