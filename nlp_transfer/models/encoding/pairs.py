"""Encode pairs of texts: make a target tokenizer, turn targets into ids, and say what cannot be learnt from them."""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.documents import LongPolicy, encode_documents
from nlp_transfer.models.encoding.flat import Ragged
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.system.layout import TARGET

BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # how SentencePiece writes a byte that is in no token
OUTSIDE = 0.02  # a larger share of strange target tokens means another language
PAD, START, END = "<pad>", "<s>", "</s>"


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerBase:
    """Learn byte-level BPE: no text has unknown tokens (Sennrich et al. 2016; Radford et al. 2019, section 2.2).

    Args:
        texts: the texts to learn from.
        size: the most tokens, with the 256 bytes and the special tokens.
    """
    backend = Tokenizer(BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()

    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )

    backend.train_from_iterator(texts, trainer)
    names = {"pad_token": PAD, "bos_token": START, "eos_token": END}
    return make_ending(PreTrainedTokenizerFast(tokenizer_object=backend, **names, clean_up_tokenization_spaces=False))


def make_ending(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Make a tokenizer that ends texts but does not begin them, because the targets are shifted to make a beginning."""
    tokenizer = copy.deepcopy(tokenizer)
    backend: Any = tokenizer.backend_tokenizer
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token  # GPT-2 has none; the loss ignores padding
    end = tokenizer.eos_token
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return tokenizer


def open_target(folder: Path) -> PreTrainedTokenizerBase | None:
    """Open the output's own tokenizer in the folder of a saved model; None if it has none."""
    place = folder / TARGET
    if not place.is_dir():
        return None
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=True)


def set_languages(tokenizers: Tokenizers, source: str | None, target: str | None) -> None:
    """Give the tokenizer of a multilingual checkpoint the codes of both languages."""
    for name, code in (("src_lang", source), ("tgt_lang", target)):
        if code is not None and hasattr(tokenizers.source, name):
            setattr(tokenizers.source, name, code)


def encode_pairs(
    texts: Sequence[str],
    targets: Sequence[str] | None,
    tokenizers: Tokenizers,
    *,
    max_length: int,
    max_target_length: int,
    policy: LongPolicy = "head",
    prefix: str = "",
) -> Encoded:
    """Tokenize inputs behind a prefix as documents, and targets to ids; in the loss every target token counts alike."""
    texts = [prefix + text for text in texts]
    encoded = encode_documents(texts, tokenizers.source, max_length=max_length, policy=policy, prefix=prefix)
    if targets is None:
        return encoded

    whole = encode_targets(targets, tokenizers)
    ids = [row if len(row) <= max_target_length else [*row[: max_target_length - 1], row[-1]] for row in whole]
    lengths = np.array([len(row) for row in ids])

    return replace(
        encoded,
        targets=Ragged.flatten(ids).take(encoded.example),
        importance=lengths / lengths.mean(),
        warnings=_find_target_faults(whole, max_target_length, tokenizers.target or tokenizers.source),
    )


def encode_targets(targets: Sequence[str], tokenizers: Tokenizers) -> list[list[int]]:
    """Tokenize the texts to write, each with its end."""
    if tokenizers.target is not None:
        ids: list[list[int]] = tokenizers.target(list(targets), verbose=False)["input_ids"]
    else:
        ids = tokenizers.source(text_target=list(targets), verbose=False)["input_ids"]
    return ids


def _find_target_faults(
    rows: Sequence[Sequence[int]], most: int, tokenizer: PreTrainedTokenizerBase
) -> tuple[str, ...]:
    """Say what the model cannot learn from the target texts; `writing_back.py` says what it cannot write."""
    found = []
    if len(rows) > 1 and all(row == rows[0] for row in rows):
        found.append(f"all {len(rows)} target texts are one and the same: there is nothing else to learn")
    if cut := sum(len(row) > most for row in rows):
        found.append(f"{cut} of {len(rows)} target texts are cut off; see task.max_target_length")

    total = sum(map(len, rows))
    strange = {tokenizer.unk_token_id} - {None}
    strange |= {row for token, row in tokenizer.get_vocab().items() if BYTE.fullmatch(token)}
    share = sum(token in strange for row in rows for token in row) / max(1, total)

    if share > OUTSIDE:
        found.append(
            f"{share:.0%} of the target tokens are unknown or single bytes to the target tokenizer: it was not "
            "made for this language, and such a decoder is worse than one from scratch (Rothe et al. 2020, En-De: "
            "BERT2GPT2 23.2 BLEU, from scratch 26.0); take a checkpoint for the language, or a fresh decoder"
        )
    return tuple(found)
