"""Turn the keys of a table into words, where it writes them in a way of its own.

ConceptNet Numberbatch has `/c/en/film` (https://github.com/commonsense/conceptnet-numberbatch), and Wikipedia2Vec
puts `ENTITY/` before the title of an article (https://wikipedia2vec.github.io).
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlp_transfer.sources.vectors.stream import VectorBlock

logger = logging.getLogger(__name__)
CONCEPT = re.compile(r"/c/([a-z_-]+)/(.+)", re.DOTALL)
ENTITY = "ENTITY/"


def spell_words(blocks: Iterator[VectorBlock], path: Path, counts: Counter[str]) -> Iterator[VectorBlock]:
    """Take the language off words of Numberbatch, and leave out articles of Wikipedia2Vec, which are no words.

    Left out rows are counted as `entities`. It is Numberbatch if the first word is written as such.
    """
    concepts, languages = None, set[str]()
    for block in blocks:
        if concepts is None and block.words:
            concepts = CONCEPT.fullmatch(block.words[0]) is not None
        if concepts:
            yield VectorBlock(_take_off(block.words, languages, path), block.vectors, block.places)
        else:
            yield _leave_out(block, counts)


def _take_off(words: Sequence[str], languages: set[str], path: Path) -> list[str]:
    """Take `/c/en/` off each word; warn once, at the second language that is met."""
    spelled = []
    for word in words:
        found = CONCEPT.fullmatch(word)
        spelled.append(found[2] if found else word)
        if found and found[1] not in languages:
            languages.add(found[1])
            if len(languages) == 2:
                logger.warning(
                    "%s: holds words of several languages, such as %s; a word of two has the vector of the first. For "
                    "one language, write its lines to a file: grep '^/c/en/'",
                    path,
                    " and ".join(sorted(languages)),
                )
    return spelled


def _leave_out(block: VectorBlock, counts: Counter[str]) -> VectorBlock:
    rows = [row for row, word in enumerate(block.words) if not word.startswith(ENTITY)]
    if len(rows) == len(block.words):
        return block
    counts["entities"] += len(block.words) - len(rows)
    return VectorBlock([block.words[row] for row in rows], block.vectors[rows], [block.places[row] for row in rows])
