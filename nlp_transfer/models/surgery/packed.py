"""Run an encoder on packed texts: its inputs are laid end to end, and its states padded again behind its last layer.

What stands above the encoder sees a padded batch as before, whose padding is zeros: poolings, heads and decoders need
not know. See `nlp_transfer.models.encoding.packing`.
"""

import contextlib
import inspect
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.anatomy import find_encoder, find_layers, unwrap
from nlp_transfer.models.encoding.packing import Packing
from nlp_transfer.models.encoding.packing_attention import ATTENTION, attend
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.trying import FAULTS, make_two_texts

log = logging.getLogger(__name__)
NOTED = "_can_pack"  # key in the model's __dict__, once it was tried
TOLERANCE = 1e-4  # of states, relative to their size; rounding moves them by 1e-6
PER_TOKEN = ("input_ids", "inputs_embeds", "token_type_ids")  # inputs with a row for each token


@dataclass
class _Packed:
    """An encoder that is packed: what takes that back, and how many bodies run meanwhile."""

    undo: contextlib.ExitStack
    bodies: int = 0


_packed: dict[nn.Module, _Packed] = {}  # those of all threads, which may share a model
_lock = threading.Lock()


def try_packing(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Compare two texts packed with the same texts padded, in eval mode, and note whether the states are equal.

    Args:
        model: on any device, without wrappers; `try_padding` has tried it before.
        tokenizer: of its input.
    """
    if NOTED in model.__dict__:
        return
    training = model.training
    model.eval()
    model.__dict__[NOTED] = read_padding_trouble(model) is None and _is_equal(model, tokenizer)
    model.train(training)


@torch.inference_mode()
def _is_equal(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    encoder = find_encoder(model).module
    shared = model.config.is_encoder_decoder and model.get_decoder().config is encoder.config
    if find_layers(encoder) is None or not encoder._supports_attention_backend or shared:
        return False

    try:
        batch = make_two_texts(tokenizer).make_batch(np.arange(2)).to(next(model.parameters()).device)
        padded = encoder(**batch.inputs)[0]
        with _pack(encoder):
            packed = encoder(**batch.inputs)[0]
    except FAULTS as error:
        log.debug("%s cannot be packed: %s", type(model).__name__, error)
        return False

    there = batch.inputs["attention_mask"] != 0
    size = max(1.0, float(padded.std()))
    return torch.allclose(packed[there], padded[there], atol=TOLERANCE * size)


@contextlib.contextmanager
def use_packing(model: nn.Module, *, on_gpu: bool = False) -> Iterator[bool]:
    """Pack the texts of each batch while the body runs, if `try_packing` has found that the model allows it.

    Calls can be nested, and threads may share a model. Outputs and gradients are those of padded texts; only dropout
    draws other numbers.

    Args:
        model: any model, with or without wrappers that share its modules.
        on_gpu: also on a GPU, where a batch has to be waited for to know its lengths.

    Yields:
        Whether texts are packed.
    """
    base = unwrap(model)
    there = on_gpu or next(base.parameters()).device.type == "cpu"
    if not (there and base.__dict__.get(NOTED, False)):
        yield False
        return
    with _pack(find_encoder(base).module):
        yield True


@contextlib.contextmanager
def _pack(encoder: PreTrainedModel) -> Iterator[None]:
    """Pack while the body runs. Bodies can be nested, or run in several threads: the last to end takes it back."""
    with _lock:
        _packed[encoder] = packed = _packed.get(encoder) or _Packed(_put_hooks(encoder))
        packed.bodies += 1
    try:
        yield
    finally:
        with _lock:
            packed.bodies -= 1
            if not packed.bodies:
                _packed.pop(encoder).undo.close()


def _put_hooks(encoder: PreTrainedModel) -> contextlib.ExitStack:
    """Put hooks before the encoder, behind its last layer and behind itself; and let its attention be ours.

    Returns:
        What takes them back when it is closed.
    """
    layers, config = find_layers(encoder), encoder.config
    assert layers is not None  # noqa: S101 - `try_packing` has seen to it
    AttentionInterface.register(ATTENTION, attend)

    undo = contextlib.ExitStack()
    undo.callback(setattr, config, "_attn_implementation", config._attn_implementation)
    config._attn_implementation = ATTENTION
    for hook in (
        encoder.register_forward_pre_hook(_enter, with_kwargs=True),
        layers.modules[-1].register_forward_hook(_leave, with_kwargs=True),
        encoder.register_forward_hook(_unpack_layers, with_kwargs=True),
    ):
        undo.callback(hook.remove)
    return undo


def _enter(
    encoder: PreTrainedModel, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[()], dict[str, Any]]:
    """Lay the inputs end to end, with the positions that the tokens have in the padded batch."""
    names = inspect.signature(encoder.forward).parameters
    given = {**dict(zip(names, args, strict=False)), **keywords}
    rows: Tensor = next(given[name] for name in PER_TOKEN if given.get(name) is not None)
    mask = given.pop("attention_mask", None)
    packing = Packing.of(torch.ones(rows.shape[:2], device=rows.device) if mask is None else mask)

    if given.get("position_ids") is None:
        given["position_ids"] = _make_positions(encoder, rows)
    packed = {name: packing.pack(given[name]) for name in (*PER_TOKEN, "position_ids") if given.get(name) is not None}
    return (), {**given, **packed, "packing": packing}


def _make_positions(encoder: nn.Module, rows: Tensor) -> Tensor:
    """Make position ids (B, T) as the encoder would for a padded batch of token ids (B, T) or embeddings (B, T, H)."""
    embeddings: Any = getattr(encoder, "embeddings", None)
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # as in RoBERTa, which begins behind the padding's
        if rows.dim() == 2:
            return embeddings.create_position_ids_from_input_ids(rows, embeddings.padding_idx)  # type: ignore[no-any-return]
        return embeddings.create_position_ids_from_inputs_embeds(rows, embeddings.padding_idx)  # type: ignore[no-any-return]
    return torch.arange(rows.shape[1], device=rows.device).expand(rows.shape[:2])


def _leave(_: nn.Module, __: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
    """Pad what the last layer gives: its states, alone or as the first of several outputs."""
    packing: Packing = keywords["packing"]
    if isinstance(output, Tensor):
        return packing.unpack(output)
    return (packing.unpack(output[0]), *output[1:])


def _unpack_layers(_: nn.Module, __: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
    """Pad the states of the layers below, if they were asked for."""
    packing: Packing = keywords["packing"]
    if getattr(output, "hidden_states", None) is not None:
        output.hidden_states = tuple(
            packing.unpack(one) if one.shape[:2] == (1, len(packing.places)) else one for one in output.hidden_states
        )
