"""Write a classifier as an ONNX graph, which runs without torch: tokens in, logits out."""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.trying import make_two_texts

INPUTS = ("input_ids", "attention_mask")
OPSET = 17  # of ONNX; the first with layer norms, and read by onnxruntime since 2022


class _Logits(nn.Module):
    """Takes the inputs in order, and returns the logits alone."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(INPUTS, inputs, strict=True))).logits
        return logits


def write_graph(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Write a model as a graph for any number of texts of any length, in single precision.

    The graph is what the model computes for two texts. torch's older exporter traces that; its newer one takes ten
    times as long, and fixes the number of texts of a head that pools states.

    Args:
        model: reads `INPUTS` and gives `logits`; in eval mode, on the CPU.
        tokenizer: of its input.
        path: of the file.

    Raises:
        ConfigError: torch cannot express the model in ONNX.
    """
    batch = make_two_texts(tokenizer).make_batch(np.arange(2)).inputs
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS}
    try:
        with warnings.catch_warnings(action="ignore"), torch.inference_mode():
            torch.onnx.export(
                _Logits(model).eval(),
                tuple(batch[name] for name in INPUTS),
                str(path),
                input_names=list(INPUTS),
                output_names=["logits"],
                dynamic_axes={**axes, "logits": {0: "texts"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ConfigError(f"{type(model).__name__} cannot be written in ONNX: {str(error).splitlines()[0]}") from None


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
