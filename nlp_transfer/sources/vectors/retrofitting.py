"""Draw word vectors to those of related words (Faruqui et al. 2015, Retrofitting word vectors to semantic lexicons)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nlp_transfer.errors import DataError
from nlp_transfer.sources.vectors.table import VectorTable

ROUNDS = 10  # as in the paper, section 2: by then the rows rest


def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Read a lexicon: on each line a word and the words that it is related to, with blanks between them.

    Raises:
        DataError: the file cannot be read, or no line has two words.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise DataError(f"lexicon {path}: {why}") from None

    related: dict[str, list[str]] = {}
    for line in lines:
        word, *others = line.split() or [""]
        if others:
            related.setdefault(word, []).extend(others)
    if not related:
        raise DataError(f"lexicon {path}: no line has a word and one that it is related to, with blanks between them")
    return related


def retrofit(table: VectorTable, related: Mapping[str, Sequence[str]]) -> int:
    """Draw each row, in place, to the mean of its own and the mean of its related words, again and again.

    Words that the table lacks are passed over. All of a round are computed from the round before.

    Returns:
        How many words were drawn.
    """
    from scipy.sparse import csr_matrix  # slow to import

    pairs = [(word, other) for word, others in related.items() for other in others]
    ends = table.find([one for pair in pairs for one in pair]).reshape(-1, 2)
    ends = np.unique(ends[(ends >= 0).all(1) & (ends[:, 0] != ends[:, 1])], axis=0)
    if not len(ends):
        return 0

    # Only rows that are drawn, or drawn to, enter the product.
    used, places = np.unique(ends, return_inverse=True)
    drawn, others = places.reshape(-1, 2).T
    degree = np.bincount(drawn, minlength=len(used))
    shares = csr_matrix((1 / degree[drawn], (drawn, others)), shape=(len(used), len(used)))

    first = table.vectors[used].astype(np.float64)
    moving = degree > 0
    rows = first.copy()
    for _ in range(ROUNDS):
        rows[moving] = (first[moving] + (shares @ rows)[moving]) / 2
    table.vectors[used] = rows
    return int(moving.sum())
