"""Make static vectors a source: a table becomes a tokenizer and a `StaticModel`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import numpy as np

from nlp_transfer.data.formats.text_lines import locate
from nlp_transfer.errors import SourceError, suggest
from nlp_transfer.models.portable.static import HEADS, POOLING, StaticConfig, StaticModel, StaticTokenizer
from nlp_transfer.models.portable.words import variants
from nlp_transfer.models.source import LoadedModel, refuse_nonfinite
from nlp_transfer.sources.checkpoint import Checkpoint
from nlp_transfer.sources.composing import FORMS
from nlp_transfer.sources.reading import Reading, is_lower, read_table
from nlp_transfer.sources.vectors.table import VectorTable, open_vectors, tokenize_words
from nlp_transfer.system.layout import is_run
from nlp_transfer.system.wheels import BUNDLED

SHAPELESS = {"bag": ("width", "layers"), "cnn": ("layers",)}  # contextualizer -> keys that it does not read


@dataclass(frozen=True)
class StaticVectors:
    """Name a table of word vectors, and the contextualizer to put above it.

    `texts` are the training texts; only `vocabulary="data"` and tables of floret use them.
    """

    name: str
    contextualizer: str = "bag"
    width: int = 100
    layers: int = 1
    vocabulary: str | int = "all"
    scratch: bool = False
    texts: Iterable[str] = ()
    has_layers = False
    target_tokenizer = None
    embedding = None
    advice = ()

    @property
    def pooling(self) -> Literal["cls", "mean", "max"]:
        """Choose by what stands above the table."""
        return POOLING.get(self.contextualizer, "mean")

    @property
    def unused(self) -> Mapping[str, str]:
        """Name the shape of a contextualizer that has none."""
        return dict.fromkeys(SHAPELESS.get(self.contextualizer, ()), f"not used by a {self.contextualizer}")

    @cached_property
    def table(self) -> VectorTable:
        """The rows of the table that the setting `vocabulary` keeps.

        Raises:
            SourceError: there is no such file or name, or the file cannot be read.
        """
        limit = self.vocabulary if isinstance(self.vocabulary, int) else None
        table = open_vectors(self._find_path(), limit=limit)
        table.refuse_broken()
        parts = table.subwords if table.subwords and table.subwords.hashing else None
        if self.vocabulary != "data" and not parts:
            return table
        table.refuse_choice()

        words = sorted({word for text in self.texts for word in tokenize_words(text, lowercase=is_lower(table))})
        if parts:  # of floret: the words of the texts get rows that can be trained, all others are put together
            return replace(table, words=words, vectors=parts.compute_vectors(words))
        rows = table.find(words)
        # A word that is missing may be in the table with another spelling of its case or its accents.
        missing = [word for word, row in zip(words, rows, strict=True) if row < 0]
        others = {normalize(form, spelling) for word in missing for spelling in variants(word) for form in FORMS}
        rows = np.concatenate([rows, table.find(sorted(others))])

        if not (rows >= 0).any():
            raise SourceError(
                f"Vectors '{self.name}' hold none of the {len(words)} words of the training texts; they are of another "
                "language or script: use other vectors, or a checkpoint"
            )
        return table.select(np.unique(rows[rows >= 0]))

    def _find_path(self) -> Path:
        if self.name in BUNDLED:
            return BUNDLED[self.name].of_kind("vectors").locate()
        path = locate(self.name)
        if path is None:
            bundled = [name for name, one in BUNDLED.items() if one.kind == "vectors"]
            raise SourceError(
                f"Vectors '{self.name}': no such file or folder, and not bundled. {suggest(self.name, bundled)}"
            )
        if is_run(path):
            raise SourceError(f"{self.name}: is a run, whose model is a checkpoint: use source.kind=checkpoint")
        return path

    @cached_property
    def config(self) -> StaticConfig:
        """The configuration of the model."""
        if self.contextualizer == "transformer" and self.width % HEADS:
            raise SourceError(f"source.width must be a multiple of {HEADS} for a transformer, received {self.width}")
        return StaticConfig(
            vocab_size=self._reading.rows,
            pad_token_id=self.tokenizer.pad_token_id,
            unk_token_id=self.tokenizer.unk_token_id,
            vector_size=self.table.dim,
            contextualizer=self.contextualizer,
            width=self.width,
            num_hidden_layers=self.layers,
            ngram_buckets=len(self.table.subwords.ngrams) if self.table.subwords else 0,
        )

    @cached_property
    def _reading(self) -> Reading:
        return read_table(self.table)

    @property
    def tokenizer(self) -> StaticTokenizer:
        """A tokenizer whose ids are the rows of the model's table."""
        return self._reading.tokenizer

    def beside(self, name: str) -> Checkpoint:
        """Name a checkpoint whose decoder is put beside this table."""
        return Checkpoint(name, scratch=self.scratch)

    def encoder(self) -> LoadedModel:
        """Build a `StaticModel` that holds the table; the contextualizer, if there is one, is new.

        The vector of unknown words starts as the mean of the table, and is trained whenever the table is.
        """
        model = StaticModel(self.config)
        if not self.scratch:
            self._fill(model)
        new = {name for name, _ in model.named_parameters() if name.startswith("contextualizer.")}
        return LoadedModel(model, frozenset(new))

    def _fill(self, model: StaticModel) -> None:
        weights = model.embeddings.weight.detach().numpy()  # shares the model's memory; the table itself is read-only
        reading, rows = self._reading, self.table.vectors
        weights[reading.start : reading.start + len(rows)] = rows
        weights[reading.blank] = 0.0
        if reading.mean is not None:
            weights[reading.mean] = weights[reading.start :].mean(0, dtype=np.float64)
        if model.ngrams is not None and self.table.subwords is not None:
            model.ngrams.weight.detach().numpy()[:] = self.table.subwords.ngrams
        refuse_nonfinite(model, f"Vectors '{self.name}'")

    def offers(self, auto: str) -> bool:  # noqa: ARG002 - the interface of sources
        """Answer that there is no such model: static vectors bring no head."""
        return False

    def model(self, auto: Any, **settings: Any) -> LoadedModel:  # noqa: ARG002 - the interface of sources
        """Refuse, because static vectors bring no head.

        Raises:
            SourceError: always.
        """
        raise SourceError(
            f"Vectors '{self.name}' bring no head of their own ({auto.__name__}); "
            "one stands on the encoder, as with task.head.kind: pooled"
        )
