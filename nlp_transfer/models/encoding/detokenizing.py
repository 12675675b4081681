"""Teach a WordPiece tokenizer to write text as it was written, from example texts.

WordPiece (BERT, ELECTRA) splits at every mark and forgets where a space was. An uncased vocabulary also forgets
capitals and accents. So "L'été : 50 %" comes back as "l ' ete : 50 %". What the training targets show about spaces and
spelling becomes rules of the tokenizer's decoder in `tokenizer.json`, so that plain `transformers` applies them too.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from tokenizers import Regex, decoders
from tokenizers.models import WordPiece
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from nlp_transfer.models.encoding.spacing import learn_spacing
from nlp_transfer.models.encoding.spelling import learn_spelling
from nlp_transfer.models.encoding.word_pieces import read_words

TEXTS = 10_000  # texts to learn from


def learn_detokenizer(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Make a WordPiece tokenizer write as the texts do; one that has learnt it, or is of another kind, stays as it is.

    It becomes a tokenizer of the general class, because BERT's own class forgets its decoder when it is loaded.
    """
    backend: Any = tokenizer.backend_tokenizer
    sample = list(islice(texts, TEXTS))
    if not (isinstance(backend.model, WordPiece) and isinstance(backend.decoder, decoders.WordPiece) and sample):
        return tokenizer

    read = read_words(tokenizer, sample)
    rules = [*learn_spacing(read), *learn_spelling(read)]
    joined = [decoders.WordPiece(backend.model.continuing_subword_prefix, cleanup=False), decoders.Fuse()]
    replaced = [decoders.Replace(Regex(pattern), content) for pattern, content in rules]
    backend.decoder = decoders.Sequence([*joined, *replaced])

    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
        **tokenizer.special_tokens_map,
    )
