"""A frozen activation is computed once: found, stored, and replayed instead of run again.

Where nothing that trains lies below a boundary in the model, the activations at that boundary are a function of the
text alone. They are computed in one length-sorted pass, kept in memory or in a cache folder, and fed back each epoch.
"""

import functools
import json
import logging
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.filesize import decimal
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.inference.store import FORMAT, Store, Unfinished
from nlp_transfer.models.anatomy import find_encoder, find_layers, list_outside_encoder
from nlp_transfer.models.digests import digest_tensors
from nlp_transfer.models.encoding.batches import Batch, sort_batches
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, Inputs, TokenInputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.portable.static import StaticModel
from nlp_transfer.models.surgery.entry import check_replay, require_layers
from nlp_transfer.system.processes import count_processes, gather_all, is_true_anywhere, take_own_share
from nlp_transfer.system.progress import make_bar

log = logging.getLogger(__name__)
BUDGET, CPU_BUDGET = 8192, 1024  # padded tokens a batch of inference; the second was measured on two cores
WHOLE = ("pooled", "encoder")  # boundaries with all of the encoder below them
BAGS_AT_ONCE = 10  # bags of vectors pooled at a time: their words stay in the processor's cache
LARGEST_STORED = 1 << 30  # bytes of one split that are worth a place in the cache folder
MEMORY_SHARE = 0.4  # of the free memory that activations may take
# A head on pooled states: `features()` gives them, `features=` takes them.
PooledModel = PooledClassifier | SentenceScorer


def find_boundary(model: nn.Module, moving: frozenset[str]) -> Boundary | None:
    """Find the highest point below which nothing in `moving` lies; None where there is none worth caching."""
    if not isinstance(model, PreTrainedModel):
        return None
    encoder = find_encoder(model)
    low = [name.removeprefix(encoder.prefix) for name in moving - set(list_outside_encoder(model))]
    if model.config.is_encoder_decoder:  # a classifier looks at the tokens as well
        return Boundary("encoder") if not low and model.can_generate() else None
    if isinstance(model, PooledModel) and not low:
        return Boundary("pooled")

    layers = find_layers(encoder.module)
    if layers is None or not hasattr(encoder.module, "embeddings"):
        return None
    start = f"{layers.path}."
    depths = [int(name.removeprefix(start).split(".")[0]) for name in low if name.startswith(start)]
    if any(not name.startswith((start, "pooler", "final_norm")) for name in low):
        return None
    return Boundary("layer", min(depths, default=len(layers.modules)))


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    """Carries the activations out of a forward pass that need go no further."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


@torch.inference_mode()
def _yield_activations(model: PreTrainedModel, batch: Batch, boundary: Boundary) -> Tensor | tuple[Tensor, ...]:
    """Compute activations of each unit: (L, 3, H) or (S, F) for `pooled`, else (T, H) with padding."""
    if boundary.kind == "pooled":
        assert isinstance(model, PooledModel)  # noqa: S101 - find_boundary saw to it
        return model.features(**batch.inputs)
    if boundary.kind == "encoder":
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
    """Choose the padded tokens of a batch for inference: no more than keep a CPU busy, so that less is padding."""
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
    """Run the frozen part once over the chosen units, longest first, in eval mode; all processes share the work.

    Returns:
        One array per chosen unit, in the order of `chosen`: (L, 3, H), (S, F) or (T, H).

    Raises:
        Unfinished: there is something in `signals` after a batch.
    """
    if isinstance(model, PooledClassifier) and (
        bags := _pool_bags(model, [units.encoded.inputs[unit] for unit in chosen])
    ):
        return bags

    device = next(model.parameters()).device
    lengths = units.encoded.lengths[chosen]
    found: dict[int, np.ndarray] = {}
    training = model.training
    model.eval()

    alike = read_padding_trouble(model) is not None
    batches = take_own_share(sort_batches(lengths, choose_token_budget(model), alike=alike))
    total = sum(map(len, batches))
    with make_bar(total, "features", "text", shown=progress) as shown:
        for batch in batches:
            states = _yield_activations(model, units.make_batch(chosen[batch]).to(device), boundary)
            for position, state in zip(batch, states, strict=True):
                row = state if boundary.kind == "pooled" else state[: lengths[position]]
                found[int(position)] = np.ascontiguousarray(row.float().cpu().numpy())
            shown.update(len(batch))
            if signals:
                break

    model.train(training)
    found = gather_all(found)
    if len(found) < len(chosen):
        raise Unfinished(found)
    return [found[index] for index in range(len(chosen))]


@torch.inference_mode()
def _pool_bags(model: PreTrainedModel, inputs: Sequence[Any]) -> list[np.ndarray] | None:
    """Pool each bag of vectors, (L, 3, H): words without order are summed from one flat list, without padding.

    Returns:
        None where states depend on order or on n-grams.
    """
    encoder = model.base_model
    if not isinstance(encoder, StaticModel) or encoder.contextualizer is not None:
        return None
    if any("ngram_ids" in unit for unit in inputs):
        return None

    table = encoder.embeddings.weight.float().cpu().numpy()
    lengths = np.array([len(unit["input_ids"]) for unit in inputs])
    cuts = np.cumsum([0, *lengths])
    ids = np.fromiter(chain.from_iterable(unit["input_ids"] for unit in inputs), np.int64, count=cuts[-1])

    pooled = np.empty((len(inputs), 3, table.shape[1]), dtype=np.float32)
    pooled[:, 0] = table[ids[cuts[:-1]]]
    starts = torch.from_numpy(cuts[:-1])
    pooled[:, 1] = nn.functional.embedding_bag(torch.from_numpy(ids), torch.from_numpy(table), starts, mode="mean")
    for start in range(0, len(inputs), BAGS_AT_ONCE):  # its own mode "max" is slower than this
        end = min(start + BAGS_AT_ONCE, len(inputs))
        words = np.take(table, ids[cuts[start] : cuts[end]], axis=0)
        np.maximum.reduceat(words, cuts[start:end] - cuts[start], out=pooled[start:end, 2])
    return list(np.repeat(pooled[:, None], model.config.depth, axis=1))


def replay(
    model: PreTrainedModel,
    units: TokenInputs,
    boundary: Boundary,
    store: Store | None,
    *,
    progress: bool = True,
    signals: Sequence[int] = (),
) -> CachedInputs | None:
    """Give units as stored activations, computed where the store lacks them.

    Args:
        model: its part below the boundary must be frozen.
        units: a split.
        boundary: from `find_boundary`.
        store: to look in and add to, of this model and boundary; None keeps them in memory.
        progress: show a bar.
        signals: that came so far.

    Returns:
        None where the activations would not fit, or this architecture cannot be entered at the boundary.

    Raises:
        Unfinished: a signal came; what was computed is in the store.
    """
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


def _digest_model(model: PreTrainedModel, boundary: Boundary) -> str:
    """Hash all that the activations depend on but the tokens: weights, architecture, boundary, layers, format."""
    encoder = find_encoder(model).module
    layers = [model.config.reads, model.config.combine] if isinstance(model, PooledModel) else None
    device = next(model.parameters()).device.type
    dtype = str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else "float32"
    facts = {"format": FORMAT, "boundary": [boundary.kind, boundary.layer], "layers": layers, "dtype": dtype}
    if read_padding_trouble(model) is not None:  # those that were stored before this was looked for saw padding
        facts["padding"] = "none"
    settings = {k: v for k, v in encoder.config.to_dict().items() if not k.startswith(("_", "id2", "label2"))}
    described = json.dumps([facts, settings], sort_keys=True, default=str)
    return digest_tensors(dict(sorted(encoder.state_dict().items())), described)[:32]


def open_store(model: PreTrainedModel, boundary: Boundary, cache: Path) -> Store:
    """Open the store of a model's activations at a boundary, in a cache folder; made when first written to."""
    return Store(cache / "features" / _digest_model(model, boundary))
