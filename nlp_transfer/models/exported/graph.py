"""Write a model as an ONNX graph, which runs without torch: tokens in, logits out."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.trying import make_two_texts
from nlp_transfer.models.exported.attention import trace_plainly
from nlp_transfer.models.exported.scorer import SentenceScores
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.surgery.first_token import use_first_token

OPSET = 18  # of ONNX; the first that finds the largest of scattered numbers, and read by onnxruntime since 2023
AXES = {0: "texts", 1: "tokens", 2: "ngrams"}


class _Logits(nn.Module):
    """Takes inputs in order, and returns the logits alone."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return logits


def write_graph(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path, *, types: bool = False) -> None:
    """Write a model as a graph for any number of texts of any length, in single precision.

    The graph is what the model computes for two texts, its last layer for the first token alone if the head reads only
    that. torch's older exporter traces it; its newer one takes ten times as long, fixes the number of texts of a head
    that pools states, and has no LSTM.

    Args:
        model: gives `logits`; in eval mode, on the CPU.
        tokenizer: of its input.
        path: of the file.
        types: whether it reads two texts, told apart by `token_type_ids`.

    Raises:
        ConfigError: torch cannot express the model in ONNX.
    """
    inputs = make_inputs(model, tokenizer, types=types)
    traced = SentenceScores(model) if isinstance(model, SentenceScorer) else model
    axes = {name: {axis: AXES[axis] for axis in range(one.ndim)} for name, one in inputs.items()}
    axes["logits"] = {0: "texts"} if traced is model else {0: "texts", 1: "sentences"}
    with use_first_token(model, logits_only=True):
        trace_graph(_Logits(traced, tuple(inputs)), inputs, path, ["logits"], axes)


def trace_graph(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Write what a model computes of some inputs as a graph.

    Args:
        model: takes the inputs in order; on the CPU.
        inputs: by name.
        path: of the file.
        outputs: the names of what the model returns.
        axes: name -> the axes whose size is free, each with a name.

    Raises:
        ConfigError: torch cannot express the model in ONNX.
    """
    try:
        with warnings.catch_warnings(action="ignore"), torch.inference_mode(), trace_plainly(model):
            torch.onnx.export(
                model.eval(),
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: dict(free) for name, free in axes.items()},
                opset_version=OPSET,
                dynamo=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        name = type(getattr(model, "model", model)).__name__
        raise ConfigError(f"{name} cannot be written in ONNX: {str(error).splitlines()[0]}") from None


def make_inputs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, types: bool) -> dict[str, Tensor]:
    """Make the inputs of two texts that the model is traced with."""
    batch = make_two_texts(tokenizer).make_batch(np.arange(2)).inputs
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    ids, mask = inputs.values()
    second = torch.arange(ids.shape[1]).expand_as(ids) >= 3  # the text or sentence that a token belongs to
    if types:
        inputs["token_type_ids"] = second.long() * mask
    if getattr(getattr(model, "encoder", model).config, "ngram_buckets", 0):
        inputs["ngram_ids"] = torch.stack([second.long() - 1, torch.full_like(ids, -1)], dim=-1)
    if isinstance(model, SentenceScorer):
        inputs["sentence_ids"] = torch.where(mask == 1, second.long(), -1)
    return inputs


def quantize_graph(graph: Path, path: Path) -> None:
    """Write a graph whose weights are int8, with a scale for each channel; activations get theirs as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it advises to infer shapes, which the graph has
    try:
        quantize_dynamic(graph, path, per_channel=True, weight_type=QuantType.QInt8)
    finally:
        root.setLevel(before)
