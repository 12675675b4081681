"""Compute the activations of frozen layers once, store them, and use them again in every epoch.

If nothing below a boundary in the model trains, the activations there depend on the text alone. They are computed in
one pass, kept in memory or in a cache folder, and fed into the model above the boundary.
"""

import contextlib
import functools
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.filesize import decimal
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.inference.store import ACTIVATIONS_FORMAT, Store, Unfinished
from nlp_transfer.models.anatomy import ABOVE, find_encoder, find_layers, list_outside_encoder
from nlp_transfer.models.digests import hash_tensors
from nlp_transfer.models.encoding.batches import Batch, sort_batches
from nlp_transfer.models.encoding.flat import FlatUnits
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, Inputs, TokenInputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.portable.static import StaticModel
from nlp_transfer.models.surgery.entry import EMBEDDINGS, check_replay, require_layers
from nlp_transfer.models.surgery.packed import use_packing
from nlp_transfer.system.processes import count_processes, gather_all, is_true_anywhere, take_own_share
from nlp_transfer.system.progress import make_bar

log = logging.getLogger(__name__)
BUDGET, CPU_BUDGET = 8192, 1024  # padded tokens in a batch of inference; the second was measured on two cores
WHOLE_ENCODER = ("pooled", "encoder", "mean")  # the boundaries above the whole encoder
BAGS_AT_ONCE = 10  # bags of vectors to pool together; few enough to stay in the processor's cache
LARGEST_STORED = 1 << 30  # bytes of one split that are worth a place in the cache folder
MEMORY_SHARE = 0.4  # share of the free memory that activations may take
# Models with a head on pooled states: `features()` computes these, and `forward(features=...)` takes them.
PooledModel = PooledClassifier | SentenceScorer


def find_boundary(model: nn.Module, moving: frozenset[str]) -> Boundary | None:
    """Find the highest boundary below which no parameter moves; None if there is none worth caching."""
    if not isinstance(model, PreTrainedModel):
        return None
    encoder = find_encoder(model)

    # The names of moving parameters inside the encoder, relative to it.
    low = [name.removeprefix(encoder.prefix) for name in moving - set(list_outside_encoder(model))]
    if model.config.is_encoder_decoder:  # only if it writes: a classifier of this kind reads the tokens too
        return Boundary("encoder") if not low and model.can_generate() else None
    if isinstance(model, PooledModel) and not low:
        return Boundary("pooled")

    # A model that reads pairs passes the two texts through its layers one by one: a pair has no activations there.
    layers = None if getattr(model.config, "pairs", False) else find_layers(encoder.module)
    if layers is None or not any(hasattr(encoder.module, name) for name in EMBEDDINGS):
        return None

    start = f"{layers.path}."
    depths = [int(name.removeprefix(start).split(".")[0]) for name in low if name.startswith(start)]
    if any(not name.startswith((start, *ABOVE)) for name in low):
        return None
    return Boundary("layer", min(depths, default=len(layers.modules)))


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    """Carries activations out of a forward pass, the rest of which is not needed."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


@torch.inference_mode()
def _yield_activations(model: PreTrainedModel, batch: Batch, boundary: Boundary) -> Tensor | tuple[Tensor, ...]:
    """Compute activations of each unit: (L, 3, H) or (S, F) for `pooled`, else (T, H) with padding."""
    if boundary.kind == "pooled":
        assert isinstance(model, PooledModel)  # noqa: S101 - find_boundary saw to it
        return model.features(**batch.inputs)
    if boundary.kind in ("encoder", "mean"):
        states: Tensor = find_encoder(model).module(**batch.inputs)[0]
        return states

    def stop(_: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        raise _Reached(args[0] if args else keywords["hidden_states"])

    def stop_after(_: nn.Module, __: Any, output: Any) -> None:
        raise _Reached(output if isinstance(output, Tensor) else output[0])

    layers = require_layers(model)
    if boundary.layer < len(layers.modules):
        hook = layers.modules[boundary.layer].register_forward_pre_hook(stop, with_kwargs=True)
    else:
        hook = layers.modules[-1].register_forward_hook(stop_after)

    try:
        model(**batch.inputs)
    except _Reached as reached:
        return reached.states
    finally:
        hook.remove()
    raise RuntimeError("the layer at the boundary was never run")


def choose_token_budget(model: PreTrainedModel) -> int:
    """Choose the padded tokens of a batch for inference: on a CPU few, because smaller batches need less padding."""
    return CPU_BUDGET if next(model.parameters()).device.type == "cpu" else BUDGET


def compute(
    model: PreTrainedModel,
    units: Inputs,
    boundary: Boundary,
    chosen: np.ndarray,
    *,
    progress: bool = True,
    signals: Sequence[int] = (),
) -> list[np.ndarray]:
    """Compute the activations of some units at a boundary, in eval mode; all processes share the work.

    Args:
        model: frozen below the boundary.
        units: the inputs of a split.
        boundary: where to stop, see `find_boundary`.
        chosen: the numbers of the units.
        progress: show a bar.
        signals: the signals that have come so far.

    Returns:
        An array for each unit, in the order of `chosen`: (L, 3, H), (S, F), (T, H) or (1, H).

    Raises:
        Unfinished: a signal has come.
    """
    if isinstance(model, PooledClassifier) and (bags := _pool_bags(model, units.encoded.inputs, chosen)):
        return bags

    device = next(model.parameters()).device
    lengths = units.encoded.lengths[chosen]
    found: dict[int, np.ndarray] = {}
    training = model.training
    model.eval()

    alike = read_padding_trouble(model) is not None
    batches = take_own_share(sort_batches(lengths, choose_token_budget(model), alike=alike))
    total = sum(map(len, batches))
    # Above the encoder its states are padded again; those between its layers would be packed.
    packed = use_packing(model) if boundary.kind in WHOLE_ENCODER else contextlib.nullcontext()
    with packed, make_bar(total, "features", "text", shown=progress) as shown:
        for batch in batches:
            states = _yield_activations(model, units.make_batch(chosen[batch]).to(device), boundary)
            for position, state in zip(batch, states, strict=True):
                row = (state if boundary.kind == "pooled" else state[: lengths[position]]).float()
                row = row.mean(0, keepdim=True) if boundary.kind == "mean" else row
                found[int(position)] = np.ascontiguousarray(row.cpu().numpy())
            shown.update(len(batch))
            if signals:
                break

    model.train(training)
    found = gather_all(found)
    if len(found) < len(chosen):
        raise Unfinished(found)
    return [found[index] for index in range(len(chosen))]


@torch.inference_mode()
def _pool_bags(model: PreTrainedModel, inputs: FlatUnits, chosen: np.ndarray) -> list[np.ndarray] | None:
    """Pool the word vectors of each text, (L, 3, H): first, mean and maximum. This needs no batches and no padding.

    Returns:
        None if the states depend on the order of words or on n-grams, or if a unit is two texts.
    """
    encoder = model.base_model
    if not isinstance(encoder, StaticModel) or encoder.contextualizer is not None or model.config.pairs:
        return None
    if "ngram_ids" in inputs.columns and inputs.columns["ngram_ids"].lengths[chosen].any():
        return None

    table = encoder.embeddings.weight.float().cpu().numpy()
    texts = inputs.columns["input_ids"].take(chosen)
    cuts, ids = texts.offsets, texts.values.astype(np.int64)

    pooled = np.empty((len(chosen), 3, table.shape[1]), dtype=np.float32)
    pooled[:, 0] = table[ids[cuts[:-1]]]
    starts = torch.from_numpy(cuts[:-1])
    pooled[:, 1] = nn.functional.embedding_bag(torch.from_numpy(ids), torch.from_numpy(table), starts, mode="mean")
    for start in range(0, len(chosen), BAGS_AT_ONCE):  # mode "max" of embedding_bag is slower
        end = min(start + BAGS_AT_ONCE, len(chosen))
        words = np.take(table, ids[cuts[start] : cuts[end]], axis=0)
        np.maximum.reduceat(words, cuts[start:end] - cuts[start], out=pooled[start:end, 2])
    layers = np.broadcast_to(pooled[:, None], (len(chosen), model.config.depth, *pooled.shape[1:]))  # not a copy
    return list(layers)


def replay(
    model: PreTrainedModel,
    units: TokenInputs,
    boundary: Boundary,
    store: Store | None,
    *,
    progress: bool = True,
    signals: Sequence[int] = (),
) -> CachedInputs | None:
    """Turn the inputs of a split into stored activations; compute those that the store lacks.

    Args:
        model: frozen below the boundary.
        units: the inputs of a split, as tokens.
        boundary: see `find_boundary`.
        store: holds activations of this model and boundary; None keeps them in memory only.
        progress: show a bar.
        signals: the signals that have come so far.

    Returns:
        None if the activations do not fit in memory, or if the model cannot continue from them.

    Raises:
        Unfinished: a signal has come; what was computed is in the store.
    """
    # Large activations are not stored: on disk they cost too much room, in memory they may not fit at all.
    size = _count_bytes(model, units, boundary)
    if is_true_anywhere(size * count_processes() > MEMORY_SHARE * psutil.virtual_memory().available):
        log.info("frozen activations would take too much memory; they are recomputed each epoch")
        return None
    if store is not None and size > LARGEST_STORED:
        log.info("frozen activations of %s are kept in memory, not on disk", decimal(size))
        store = None

    inputs = units.encoded.inputs
    computed = functools.partial(compute, model, units, boundary, progress=progress, signals=signals)
    rows = store.fill(inputs, computed) if store else computed(np.arange(len(inputs)))

    if boundary.kind == "layer" and is_true_anywhere(not check_replay(model, units, rows, boundary)):
        log.info("%s cannot be entered at %s; frozen activations are recomputed", model.config.model_type, boundary)
        return None
    return CachedInputs(units.encoded, rows, boundary)


def _count_bytes(model: PreTrainedModel, units: TokenInputs, boundary: Boundary) -> int:
    """Count the bytes of the activations of all units."""
    if isinstance(model, PooledModel) and boundary.kind == "pooled":
        return 4 * sum(model.feature_size(unit) for unit in units.encoded.inputs)
    return 4 * int(units.encoded.lengths.sum()) * int(find_encoder(model).module.config.hidden_size)


def _hash_model(model: PreTrainedModel, boundary: Boundary) -> str:
    """Hash all that activations depend on beside the tokens: weights, architecture, boundary, layers and format."""
    encoder = find_encoder(model).module
    layers = [model.config.reads, model.config.combine] if isinstance(model, PooledModel) else None
    device = next(model.parameters()).device.type
    dtype = str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else "float32"

    facts = {
        "format": ACTIVATIONS_FORMAT,
        "boundary": [boundary.kind, boundary.layer],
        "layers": layers,
        "dtype": dtype,
    }

    # Stores of older versions have neither fact. Those of models that padding disturbs must not be used any more.
    if isinstance(model, PooledClassifier) and model.config.pairs:
        facts["pairs"] = True
    if read_padding_trouble(model) is not None:
        facts["padding"] = "none"

    tensors = dict(sorted(encoder.state_dict().items()))
    if isinstance(model, PooledClassifier) and model.embedding is not None:
        facts["embedding"] = model.config.embedding
        tensors |= {f"embedding.{name}": one for name, one in model.embedding.state_dict().items()}

    settings = {k: v for k, v in encoder.config.to_dict().items() if not k.startswith(("_", "id2", "label2"))}
    described = json.dumps([facts, settings], sort_keys=True, default=str)
    return hash_tensors(tensors, described)[:32]


def open_store(model: PreTrainedModel, boundary: Boundary, cache: Path) -> Store:
    """Open the store of a model's activations at a boundary, in a cache folder; made when first written to."""
    return Store(cache / "features" / _hash_model(model, boundary))
