"""Open tables whose rows belong to the tokens of a tokenizer that lies beside them, and not to words.

These are model2vec's `StaticModel`, the `StaticEmbedding` of sentence-transformers, and wordllama. Each is recognised
by the names of its tensors, and keeps its tokenizer as it is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from tokenizers import Tokenizer

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.folders import refuse_other_modules
from nlp_transfer.sources.vectors.shared import SharedRows
from nlp_transfer.sources.vectors.tensors import list_tensors, map_tensors, starts_tensors

TENSORS = "*.safetensors"
ROWS = {"embeddings": "model2vec", "embedding.weight": "StaticEmbedding or wordllama"}  # tensor -> who writes it
INT8 = 127  # model2vec scales the largest number of a table to it, and forgets the scale


@dataclass(frozen=True)
class TokenReader:
    """Read texts with the tokenizer of a table: token `i` has row `i`.

    Attributes:
        backend: as it came, without padding, truncation and special tokens around a text.
        unknown: the id of the unknown token; None if there is none.
        drops_unknown: leave unknown tokens out of a text, as model2vec does.
    """

    backend: Tokenizer
    unknown: int | None
    drops_unknown: bool

    @classmethod
    def parse(cls, path: Path, *, drops_unknown: bool) -> "TokenReader":
        """Parse a tokenizer.json.

        Raises:
            SourceError: it is none.
        """
        try:
            held = path.read_bytes()
            backend = Tokenizer.from_buffer(held)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from None
        except Exception as error:  # noqa: BLE001 - tokenizers raises no narrower error
            raise SourceError(f"{path}: not a tokenizer of the package tokenizers: {error!s:.200}") from None

        backend.no_truncation()
        backend.no_padding()
        backend.post_processor = None
        if hasattr(backend.model, "unk_token"):
            token = backend.model.unk_token
            return cls(backend, None if token is None else backend.token_to_id(token), drops_unknown)
        return cls(backend, json.loads(held)["model"].get("unk_id"), drops_unknown)  # Unigram's, which does not tell

    def list_tokens(self, rows: int) -> list[str]:
        """List the tokens of so many rows; a row that belongs to none is named by its number.

        Raises:
            ValueError: a token has no row.
        """
        named = [token for row in range(rows) if (token := self.backend.id_to_token(row)) is not None]
        if len(named) == rows == self.backend.get_vocab_size():  # the usual case, without a slow dictionary
            return named

        vocabulary = self.backend.get_vocab()
        tokens = [f"[row {row}]" for row in range(rows)] if len(vocabulary) < rows else [""] * rows
        for token, row in vocabulary.items():
            if row == rows == self.unknown and self.drops_unknown:
                continue  # needs no row
            if row >= rows:
                raise ValueError(f"{rows} rows for the {max(vocabulary.values()) + 1} tokens of the tokenizer")
            tokens[row] = token
        return tokens


class Tokens(Sequence[str]):
    """The tokens of a table by their rows, which are listed at the first look: most uses need none."""

    def __init__(self, reader: TokenReader, rows: int, path: Path) -> None:
        """Keep what is needed to list so many; `path` is for a message."""
        self.reader, self.rows, self.path = reader, rows, path

    @cached_property
    def _listed(self) -> list[str]:
        try:
            return self.reader.list_tokens(self.rows)
        except ValueError as error:
            raise SourceError(f"{self.path}: {error}") from None

    def __len__(self) -> int:
        """Count the rows."""
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        """Return the token of a row, or the list of those of several.

        Raises:
            SourceError: a token of the tokenizer has no row.
        """
        return self._listed[index]


def find_tensors(path: Path) -> Path | None:
    """Find the file of a table of tokens: the file itself, or the only one in a folder or in a folder of that.

    Raises:
        SourceError: there are several to choose from, or more than a table; or the disk cannot read the file.
    """
    if path.is_file():
        try:
            with path.open("rb") as file:
                return path if starts_tensors(file.read(16)) else None
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from None

    for places in (path.glob(TENSORS), path.glob(f"*/{TENSORS}")):
        found = sorted(one for one in places if ROWS.keys() & list_tensors(one).keys())
        if len(found) > 1:
            raise SourceError(f"{path}: holds several tables; name one, such as {found[0]}")
        if found:
            refuse_other_modules(path)
            return found[0]
    return None


def open_token_table(path: Path) -> tuple[Tokens, np.ndarray, TokenReader]:
    """Open a table of tokens, by the file that `find_tensors` found: tokens, rows (n, d) float32, how texts are read.

    Rows of floats stay memory-mapped, if tokens have no weights; others are computed. A row is that of the token's
    cluster (`mapping`) times the token's weight, as model2vec computes it (https://github.com/MinishLab/model2vec,
    `StaticModel.encode`). The tokens are listed when one is asked for.

    Raises:
        SourceError: the tensors do not fit each other or the tokenizer, or there is no tokenizer.
    """
    held = list_tensors(path)
    name = next((name for name in ROWS if name in held), None)
    if name is None:
        raise SourceError(
            f"{path}: holds no table of vectors, which is a tensor named {' or '.join(ROWS)}; it holds "
            f"{', '.join(sorted(held)[:3]) or 'nothing'}. A model of layers is a checkpoint: source.kind=checkpoint"
        )
    tensors = map_tensors(path, [name, "mapping", "weights"])
    reader = TokenReader.parse(_find_tokenizer(path), drops_unknown=name == "embeddings")
    rows = _compute_rows(tensors, name, path)
    return Tokens(reader, len(rows), path), rows, reader


def _compute_rows(tensors: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    rows, mapping, weights = tensors[name], tensors.get("mapping"), tensors.get("weights")
    if rows.ndim != 2 or 0 in rows.shape or rows.dtype.kind not in "fi":
        raise SourceError(f"{path}: {name} holds {rows.dtype} {rows.shape}, expected numbers of (rows, dimension)")
    if mapping is not None:
        whole = mapping.ndim == 1 and mapping.dtype.kind == "i" and len(mapping)
        if not whole or not 0 <= mapping.min() <= mapping.max() < len(rows):
            raise SourceError(f"{path}: mapping names rows that {name} {rows.shape} does not have")
    count = len(rows) if mapping is None else len(mapping)
    if weights is not None and weights.shape != (count,):
        raise SourceError(f"{path}: weights {weights.shape} do not fit {count} tokens")

    # Rows without a factor of their own are computed for the tokens that are asked for.
    if weights is None and rows.dtype.kind == "f" and (mapping is not None or rows.dtype != np.float32):
        return cast(np.ndarray, SharedRows(rows, np.arange(count) if mapping is None else mapping))
    rows = rows if mapping is None else rows[mapping]
    with np.errstate(over="ignore"):  # what overflows is refused with its row
        if rows.dtype.kind == "i":
            rows = rows.astype(np.float32) / INT8
        if weights is not None:
            rows = rows * weights[:, None].astype(np.float32)
        return rows.astype(np.float32, copy=False)


def _find_tokenizer(path: Path) -> Path:
    """Find the tokenizer beside a table, or where wordllama keeps it: `tokenizers/` beside `weights/`.

    Of several, that one is taken whose name begins like the table's: `l2_supercat_256` and `l2_supercat_tokenizer`.
    """
    if (beside := path.with_name("tokenizer.json")).is_file():
        return beside
    found = sorted({*path.parent.glob("*tokenizer*.json"), *path.parent.parent.glob("tokenizers/*.json")})
    found = [one for one in found if one.name != "tokenizer_config.json"]
    alike = [one for one in found if path.stem.startswith(one.stem.partition("_tokenizer")[0])]
    if len(alike) == 1 or len(found) == 1:
        return (alike if len(alike) == 1 else found)[0]
    raise SourceError(
        f"{path}: {'several tokenizers' if found else 'no tokenizer'} beside it; put the one that it was made with "
        "there, as tokenizer.json"
    )
