"""Read texts for a table whose rows belong to pieces of sentencepiece (`▁the`, `ing`), without the model of the pieces.

Such a table does not say how its texts were cut. The cut is chosen that is most probable if the r-th piece of the file
has a probability in proportion to 1 / r (Zipf's law), as a unigram model chooses it (Kudo 2018).
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from nlp_transfer.sources.vectors.token_table import TokenReader

MARK = "▁"  # opens a piece that begins a word
SAMPLE, SHARE = 1000, 4  # of the first 1000 rows, one in four begins with the mark
UNKNOWN = "<unk>"


def holds_pieces(words: Iterable[str]) -> bool:
    """Tell whether rows belong to pieces of sentencepiece: many of the first ones open with its mark."""
    first = [*islice(words, SAMPLE)]
    return SHARE * sum(word.startswith(MARK) for word in first) >= len(first) > 0


def read_pieces(words: Sequence[str]) -> TokenReader | None:
    """Make the tokenizer of a table of pieces; None if the rows are of words.

    What no piece covers is unknown. It is left out of a text unless `<unk>` has a row.
    """
    if not holds_pieces(words):
        return None
    has_unknown = UNKNOWN in words
    pieces = [*words] if has_unknown else [*words, UNKNOWN]  # then its id is behind the last row
    unknown = pieces.index(UNKNOWN)

    scored = [(piece, -math.log(rank)) for rank, piece in enumerate(pieces, 2)]
    backend = Tokenizer(models.Unigram(scored, unk_id=unknown))
    backend.normalizer = normalizers.Sequence(_choose_normalizers(words))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(MARK)
    backend.add_special_tokens([UNKNOWN])
    return TokenReader(backend, unknown, drops_unknown=not has_unknown)


def _choose_normalizers(words: Sequence[str]) -> list[normalizers.Normalizer]:
    """Normalise as sentencepiece does, and spell texts as the pieces are: in lower case, or with 0 for every digit."""
    letters = set().union(*words)
    steps = [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if not any(letter.isupper() for letter in letters):
        steps.append(normalizers.Lowercase())
    if "0" in letters and not letters.intersection("123456789"):  # as BPEmb has it
        steps.append(normalizers.Replace(Regex("[1-9]"), "0"))
    return steps
