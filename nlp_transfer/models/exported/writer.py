"""Write a model that writes texts as two ONNX graphs: its encoder, and its decoder with what it has read so far."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from nlp_transfer.models.exported.graph import make_inputs, trace_graph

ENCODER, DECODER = "encoder_model", "decoder_model_merged"  # the names that transformers.js knows


def write_writer(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write an encoder-decoder as graphs for any number of texts of any length, in single precision.

    The decoder reads a token of each text. Keys and values of what it has read before come in as `past_key_values` and
    go out, one longer, as `present`; those of an empty past begin a text.

    Args:
        model: in eval mode, on the CPU.
        tokenizer: of its input.
        folder: is there.

    Raises:
        ConfigError: torch cannot express the model in ONNX.
    """
    inputs = make_inputs(model, tokenizer, types=False)
    axes = {name: {0: "texts", 1: "tokens"} for name in (*inputs, "last_hidden_state")}
    axes |= {name: {**axes[name], 2: "ngrams"} for name in inputs if name == "ngram_ids"}
    trace_graph(_States(model, tuple(inputs)), inputs, folder / f"{ENCODER}.onnx", ["last_hidden_state"], axes)

    with torch.inference_mode():
        states = model.get_encoder()(**inputs)[0]
    past = _make_past(model, states)
    given = {
        "encoder_attention_mask": inputs["attention_mask"],
        "input_ids": torch.zeros(len(states), 1, dtype=torch.long),
        "encoder_hidden_states": states,
        **{f"past_key_values.{name}": one for name, one in past.items()},
    }
    outputs = ["logits", *(f"present.{name}" for name in past)]
    axes = {name: {0: "texts"} for name in (*given, *outputs)}
    for name in axes:
        if name.endswith(("key", "value")):
            axes[name][2] = f"{name.split('.')[0]} {'tokens' if 'encoder' in name else 'written'}"
    for name in ("encoder_attention_mask", "encoder_hidden_states"):
        axes[name][1] = "tokens"
    trace_graph(_Step(model), given, folder / f"{DECODER}.onnx", outputs, axes)


class _States(nn.Module):
    """Takes inputs in order, and returns the states of the encoder."""

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        states: Tensor = self.model.get_encoder()(**dict(zip(self.names, inputs, strict=True)))[0]
        return states


class _Step(nn.Module):
    """Decodes the next token of each text: returns logits, keys and values.

    What the decoder knows of the encoder's states is computed once. A graph has no branches here: the model is told
    that these keys and values are known but for those of some states, and puts both together as it does for tokens.
    At first that is all states; later one, for onnxruntime cannot reshape none.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, mask: Tensor, tokens: Tensor, states: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        keys, values = ([one[:, :, : states.shape[1] - 1] for one in past[first::4]] for first in (2, 3))
        own, across = _hold(past[0::4], past[1::4]), _hold(keys, values)
        cache = EncoderDecoderCache(own, across)
        cache.is_updated = dict.fromkeys(range(len(keys)), False)
        new = states[:, keys[0].shape[2] :].contiguous()

        # Masks of four axes are added to the scores as they are.
        hidden = torch.zeros(mask.shape).masked_fill(mask == 0, torch.finfo(states.dtype).min)[:, None, None]
        before = torch.zeros(tokens.shape[0], 1, 1, past[0].shape[2] + 1)
        logits = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=new),
            attention_mask=hidden,
            decoder_input_ids=tokens,
            decoder_attention_mask=before,
            past_key_values=cache,
            use_cache=True,
        ).logits
        return logits, *_list_tensors(cache)


def _hold(keys: Sequence[Tensor], values: Sequence[Tensor]) -> DynamicCache:
    """Hold keys and values, (B, heads, T, D) for each layer."""
    cache = DynamicCache()
    for key, value in zip(keys, values, strict=True):
        layer = DynamicLayer()
        layer.lazy_initialization(key, value)
        layer.keys, layer.values = key, value
        cache.layers.append(layer)
    return cache


def _list_tensors(cache: EncoderDecoderCache) -> Iterator[Tensor]:
    """List for each layer keys and values of the decoder, then those of the encoder."""
    sides: list[list[Any]] = [cache.self_attention_cache.layers, cache.cross_attention_cache.layers]
    for own, across in zip(*sides, strict=True):
        yield from (own.keys, own.values, across.keys, across.values)


def _make_past(model: Any, states: Tensor) -> dict[str, Tensor]:
    """Make what a decoder holds that has read two tokens of each text, by the names that transformers.js knows."""
    with torch.inference_mode():
        cache = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            decoder_input_ids=torch.zeros(len(states), 2, dtype=torch.long),
            use_cache=True,
        ).past_key_values
    layers = range(len(cache.self_attention_cache.layers))
    names = [f"{at}.{side}.{kind}" for at in layers for side in ("decoder", "encoder") for kind in ("key", "value")]
    return dict(zip(names, _list_tensors(cache), strict=True))
