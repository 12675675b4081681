"""Make the tokenizer of a table of static vectors: of its words, or of the tokens that its rows belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel

from nlp_transfer.models.portable.static import StaticTokenizer
from nlp_transfer.sources.composing import find_form
from nlp_transfer.sources.vectors.table import VectorTable
from nlp_transfer.sources.vectors.token_table import TokenReader

PAD, UNKNOWN = "[PAD]", "[UNK]"
SPECIAL = (PAD, UNKNOWN)
PADS = (PAD, "<pad>")  # names of a padding token that a tokenizer may have
SAMPLE = 20_000  # rows that show whether a table is in lower case


@dataclass(frozen=True)
class Reading:
    """Say how texts become rows of a model's table.

    Attributes:
        tokenizer: gives the ids, which are rows.
        start: the row of the model that holds the first row of the table.
        rows: of the model.
        blank: rows that are zero: padding, and a token that is left out of every text.
        mean: the row of unknown words, which is the mean of the table; None if the table has one of its own.
    """

    tokenizer: StaticTokenizer
    start: int
    rows: int
    blank: Sequence[int]
    mean: int | None


def read_table(table: VectorTable) -> Reading:
    """Make the tokenizer of a table, and say which row is which."""
    return _read_tokens(table.reader, len(table.words)) if table.reader else _read_words(table)


def _read_words(table: VectorTable) -> Reading:
    """Split at white space and punctuation; special tokens come first, then the table's rows.

    If two words differ only in how their accents are encoded, the first row wins.
    """
    form = find_form(table.words)
    vocabulary = {word: row for row, word in enumerate(SPECIAL)}
    for row, word in enumerate(table.words, start=len(SPECIAL)):
        vocabulary.setdefault(word if word.isascii() else normalize(form, word), row)

    backend = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if is_lower(table):
        backend.normalizer = normalizers.Lowercase()

    subwords = table.subwords
    tokenizer = StaticTokenizer(
        tokenizer_object=_Uncopied(backend),
        pad_token=PAD,
        unk_token=UNKNOWN,
        form=form,
        ngram_buckets=len(subwords.ngrams) if subwords else 0,
        min_n=subwords.min_n if subwords else 0,
        max_n=subwords.max_n if subwords else 0,
        hashing=subwords.settings if subwords else None,
    )
    rows = len(table.words) + len(SPECIAL)
    return Reading(tokenizer, len(SPECIAL), rows, [SPECIAL.index(PAD)], SPECIAL.index(UNKNOWN))


class _Uncopied:
    """Give transformers the tokenizer itself: it would take a copy, as long in the making as the tokenizer was."""

    def __init__(self, backend: Tokenizer) -> None:
        self.backend = backend

    def __deepcopy__(self, memo: dict[int, object]) -> Tokenizer:
        return self.backend


def is_lower(table: VectorTable) -> bool:
    """Tell whether the table was made from text in lower case: its first words have no capitals, or it says so."""
    if table.subwords and table.subwords.hashing:
        return table.subwords.hashing.lowercase
    return not any(word != word.lower() for word in table.words[:SAMPLE])


def _read_tokens(reader: TokenReader, rows: int) -> Reading:
    """Keep the table's own tokenizer; only a padding token is added where it has none."""
    special = {one.content: row for row, one in reader.backend.get_added_tokens_decoder().items() if one.special}
    pad = next((name for name in PADS if name in special), PAD)
    unknown = next((name for name, row in special.items() if row == reader.unknown), None)
    dropped = reader.unknown if reader.drops_unknown else None

    tokenizer = StaticTokenizer(
        tokenizer_object=reader.backend, pad_token=pad, unk_token=unknown, own_tokens=True, dropped_id=dropped
    )
    blank = [tokenizer.pad_token_id, *([] if dropped is None else [dropped])]
    return Reading(tokenizer, 0, max(rows, *(row + 1 for row in blank)), blank, None)
