"""Let an encoder-decoder mend spoilt texts, as it was pretrained; see `nlp_transfer.models.encoding.noising`."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.batches import IGNORED, Batch, make_mask, pad
from nlp_transfer.models.encoding.noising import Noise
from nlp_transfer.models.generation import seq2seq_logits, seq2seq_loss
from nlp_transfer.models.source import LoadedModel, Source

AT_ONCE = 16  # units whose logits are held together when a model is measured


def build_denoising(source: Source) -> LoadedModel:
    """Load an encoder-decoder.

    Raises:
        SourceError: it is an encoder alone.
    """
    if not source.config.is_encoder_decoder:
        raise SourceError(f"'{source.name}' is a {source.config.model_type}, which only reads; it learns hidden words")
    return replace(source.model(AutoModelForSeq2SeqLM), deep=True)


def denoising_loss(model: nn.Module, batch: Batch, noise: Noise) -> Tensor:
    """Spoil the units of a batch, and sum the weighted cross-entropies of what is to be written."""
    rng = np.random.default_rng(int(torch.randint(1 << 62, ())))  # drawn by torch, whose state a checkpoint keeps
    lengths = batch.inputs["attention_mask"].sum(1).tolist()
    rows = batch.inputs["input_ids"].cpu().numpy()
    spoilt = [noise.spoil(row[:length], rng) for row, length in zip(rows, lengths, strict=True)]

    device = batch.weights.device
    inputs = {
        "input_ids": pad([one.inputs for one in spoilt], 0).to(device),
        "attention_mask": make_mask(np.array([len(one.inputs) for one in spoilt])).to(device),
    }
    targets = pad([one.targets for one in spoilt], IGNORED).to(device)
    return seq2seq_loss(model, replace(batch, inputs=inputs, targets=targets))


def measure_mended(model: nn.Module, batch: Batch) -> list[tuple[float, int]]:
    """Sum the log-probabilities of the target tokens of each unit, and count them."""
    assert batch.targets is not None  # noqa: S101 - `Noise.spoil_fixed` gives some to every unit
    found: list[tuple[float, int]] = []
    for rows in torch.arange(len(batch.targets)).split(AT_ONCE):
        inputs = {name: tensor[rows] for name, tensor in batch.inputs.items()}
        targets = batch.targets[rows]
        logits = seq2seq_logits(model, replace(batch, inputs=inputs), targets)
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
        found += zip((-losses.sum(1)).tolist(), (targets != IGNORED).sum(1).tolist(), strict=True)
    return found
