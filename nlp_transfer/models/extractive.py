"""Build models that summarize a document by its own sentences: the inputs, the loss and the scores."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.batches import IGNORED, PADDING, Batch, Encoded, pad
from nlp_transfer.models.encoding.documents import find_special_ids, make_unit, tokenize
from nlp_transfer.models.encoding.flat import UnitWriter
from nlp_transfer.models.encoding.prompts import tokenize_prompt
from nlp_transfer.models.encoding.unknown_words import UnknownWords
from nlp_transfer.models.layer_choice import Layers, choose_layers
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer, SentenceScorerConfig
from nlp_transfer.models.source import LoadedModel, Source

NONE = PADDING["ngram_ids"]
Window = list[tuple[np.ndarray, list[list[int]] | None]]  # for each sentence its token ids, and n-gram ids or None


def build_extractive(
    source: Source,
    *,
    width: int = 128,
    layers: int = 1,
    dropout: float = 0.1,
    encoder_layers: Layers = "last",
    frozen: bool = False,
) -> LoadedModel:
    """Put a head that scores sentences on a source.

    Args:
        source: the pretrained part.
        width: of the head.
        layers: number of layers in which sentences attend to each other; 0 scores each sentence alone.
        dropout: in the head.
        encoder_layers: the layers that the head reads; see `nlp_transfer.models.layer_choice`. It cannot mix them.
        frozen: whether the encoder stays as it is, for `encoder_layers: auto`.

    Raises:
        ConfigError: the encoder lacks a layer.
    """
    encoder = source.encoder()
    config = SentenceScorerConfig(
        encoder=encoder.values(),
        width=width,
        layers=layers,
        dropout=dropout,
        pad_token_id=source.tokenizer.pad_token_id,
        **choose_layers(source, encoder.model, encoder_layers, frozen=frozen, key="task.scorer.encoder_layers"),
    )
    return encoder.under(SentenceScorer(config, encoder.model), deep=True)


def encode_sentences(
    documents: Sequence[Sequence[str]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_sentences: int,
    targets: Sequence[np.ndarray] | None = None,
) -> Encoded:
    """Tokenize documents into windows that are cut between sentences; each sentence is in one window.

    Args:
        documents: the sentences of each document, at least one.
        tokenizer: puts special tokens around every window, not around every sentence.
        max_length: the most tokens in a window, with special ones; fewer if the encoder has fewer positions. A longer
            sentence is cut off.
        max_sentences: the most sentences of a document; the others are left out.
        targets: for each document (S,) numbers that say how much each sentence is worth.
    """
    before, after = find_special_ids(tokenizer)
    before = [*before, *tokenize_prompt(tokenizer)]
    room = min(max_length, tokenizer.model_max_length) - len(before) - len(after)
    inputs = UnitWriter()
    example: list[int] = []
    shares: list[np.ndarray] = []

    unknown, unknown_examples = UnknownWords(tokenizer), []
    truncated = 0
    for index, sentences in enumerate(documents):
        done = 0
        rows = list(tokenize(sentences[:max_sentences], tokenizer, room, "head", 1))

        truncated += len(sentences) > max_sentences or any(cut or len(ids) > room for ids, _, cut in rows)
        nothing = True
        for window in _cut_windows(rows, room):
            ids = np.concatenate([tokens for tokens, _ in window])
            owners = np.repeat(np.arange(len(window)), [len(tokens) for tokens, _ in window]).tolist()
            grams = _collect_ngrams(window)

            unit = make_unit(ids, grams, range(len(ids)), before, after)
            inputs.add({**unit, "sentence_ids": [*[-1] * len(before), *owners, *[-1] * len(after)]})
            example.append(index)
            if targets is not None:
                shares.append(targets[index][done : done + len(window)])

            done += len(window)
            nothing &= unknown.add(ids, grams)
        if nothing:
            unknown_examples.append(index)

    owner = np.array(example, dtype=np.int64)
    return Encoded(
        inputs=inputs.collect(),
        example=owner,
        targets=None if targets is None else shares,
        examples=len(documents),
        truncated=truncated,
        unknown=unknown.share,
        unknown_examples=unknown_examples,
        # The targets of a document are shared by its windows, and so is its weight: each window would count too little.
        # An importance that is the number of windows makes up for that.
        importance=np.bincount(owner, minlength=len(documents)).astype(float),
        warnings=(*_warn(documents), *_warn_of_targets(targets or ())),
    )


def _warn(documents: Sequence[Sequence[str]]) -> tuple[str, ...]:
    alone = sum(len(sentences) == 1 for sentences in documents)
    if 2 * alone <= len(documents):
        return ()
    return (
        f"{alone} of {len(documents)} documents are one sentence, where nothing can be chosen; give lists of texts, or "
        "see task.line_breaks",
    )


def _warn_of_targets(targets: Sequence[np.ndarray]) -> Iterator[str]:
    """Warn if the targets of the sentences cannot teach anything, or no more than `lead` does."""
    blank = sum(not shares.any() for shares in targets)
    uneven = [shares == shares.max() for shares in targets if np.ptp(shares) > 0]
    if 2 * blank > len(targets):
        yield (
            f"{blank} of {len(targets)} documents have no sentence that shares a word with a summary, and teach "
            "nothing; see data.columns, and whether both are in one language"
        )
    elif targets and not uneven:
        yield "in no document is one sentence nearer to the summary than another: there is nothing to learn"
    elif targets and all(best[: best.sum()].all() for best in uneven):
        yield (
            f"in all {len(uneven)} documents where there is a choice the first sentences are the nearest to the "
            "summary: a model can learn no more than `lead` does"
        )


def _collect_ngrams(window: Window) -> list[list[int]] | None:
    """Stack the n-gram ids of a window to (T, K), K being those of its longest word; None if there are none."""
    if not any(rows for _, rows in window):
        return None
    found: list[list[int]] = pad(
        [row for tokens, rows in window for row in rows or [[NONE]] * len(tokens)], NONE
    ).tolist()
    return found


def _cut_windows(rows: Sequence[tuple[np.ndarray, list[list[int]] | None, bool]], room: int) -> Iterator[Window]:
    """Fill windows with whole sentences, at most `room` tokens in each."""
    window: Window = []
    held = 0
    for ids, grams, _ in rows:
        kept = ids[:room]
        if window and held + len(kept) > room:
            yield window
            window, held = [], 0
        window.append((kept, None if grams is None else grams[:room]))
        held += len(kept)
    yield window


def sentence_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum the weighted listwise cross-entropies of a batch to one number (), in single precision.

    It is ListNet's top-one loss (Cao et al. 2007, Learning to rank, section 5). A unit counts by the sum of its
    targets: one whose targets are all 0 has no loss. Smoothing spreads a share of that sum evenly over the sentences.
    """
    logits = model(**batch.inputs).logits.float()
    if batch.targets is None:
        raise ValueError("a batch without targets has no loss")

    there = batch.targets != IGNORED
    shares = batch.targets.float().clamp(min=0)
    even = shares.sum(1, keepdim=True) / there.sum(1, keepdim=True)
    wanted = (1 - smoothing) * shares + smoothing * even
    losses: Tensor = -(wanted * logits.log_softmax(1).masked_fill(~there, 0.0)).sum(1)
    total: Tensor = (losses * batch.weights).sum()
    return total


def sentence_scores(model: nn.Module, batch: Batch) -> list[Any]:
    """Compute the scores (S,) of the sentences of each unit, and move them to the CPU."""
    logits = model(**batch.inputs).logits.float().cpu()
    return [row[row != -torch.inf].numpy() for row in logits]
