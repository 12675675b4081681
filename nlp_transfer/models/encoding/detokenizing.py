"""How the pieces of a WordPiece vocabulary become text again, learnt from texts.

WordPiece (BERT, ELECTRA) cuts at every mark without saying where a blank was, and an uncased vocabulary has neither
capitals nor accents: "L'été : 50 %" comes back as "l ' ete : 50 %". What the targets of train show of it is kept as
rules of the tokenizer's decoder, in its `tokenizer.json`, so that plain `transformers` writes the same.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from tokenizers import Regex, decoders
from tokenizers.models import WordPiece
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from nlp_transfer.models.encoding.spacing import spacing_rules
from nlp_transfer.models.encoding.spelling import spelling_rules
from nlp_transfer.models.encoding.word_pieces import read_words

TEXTS = 10_000  # to learn from


def learn_detokenizer(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Make a tokenizer of word pieces write as texts are written; one that has learnt it or is of another kind is kept.

    It comes back in the general class of tokenizers, since BERT's own forgets its decoder when it is loaded.
    """
    backend: Any = tokenizer.backend_tokenizer
    sample = list(islice(texts, TEXTS))
    if not (isinstance(backend.model, WordPiece) and isinstance(backend.decoder, decoders.WordPiece) and sample):
        return tokenizer
    read = read_words(tokenizer, sample)
    rules = [*spacing_rules(read), *spelling_rules(read)]
    joined = [decoders.WordPiece(backend.model.continuing_subword_prefix, cleanup=False), decoders.Fuse()]
    replaced = [decoders.Replace(Regex(pattern), content) for pattern, content in rules]
    backend.decoder = decoders.Sequence([*joined, *replaced])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
        **tokenizer.special_tokens_map,
    )
