"""Cut texts into chunks that do not overlap, so that a model reads every token of them once."""

from array import array
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.documents import find_special_ids, make_unit, tokenize
from nlp_transfer.models.encoding.flat import UnitWriter
from nlp_transfer.models.encoding.unknown_words import UnknownWords

SHORTEST = 8  # tokens of a last chunk; what is left of a long text after its others is not worth a unit of its own
ENDLESS = 1 << 20  # chunks of a text


def encode_chunks(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, max_length: int) -> Encoded:
    """Tokenize texts into units of at most `max_length` tokens, without targets; a long text has several.

    An example weighs as much as it has tokens, so that in a mean every token counts alike.
    """
    before, after = find_special_ids(tokenizer)
    room = min(max_length, tokenizer.model_max_length) - len(before) - len(after)
    inputs, example, sizes = UnitWriter(), array("i"), array("d")
    unknown = UnknownWords(tokenizer)

    for index, (ids, _, _) in enumerate(tokenize(texts, tokenizer, room, "window", ENDLESS)):
        sizes.append(len(ids))
        unknown.add(ids, None)
        for start in range(0, len(ids), room):
            positions = np.arange(start, min(start + room, len(ids)))
            if start == 0 or len(positions) >= SHORTEST:
                inputs.add(make_unit(ids, None, positions, before, after))
                example.append(index)

    return Encoded(
        inputs=inputs.collect(),
        example=np.asarray(example),
        targets=None,
        examples=len(texts),
        unknown=unknown.share,
        importance=np.asarray(sizes),
    )
