"""A frozen activation is computed once: found, stored, and replayed instead of run again.

Where nothing that trains lies below a boundary in the model, the activations at that boundary are a function of the
text alone. They are computed in one length-sorted pass, kept in memory or in a cache folder, and fed back each epoch.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel

from nlp_transfer.batching import Batch, Encoded, collate, mask, pad, padded, sorted_batches, targets_of
from nlp_transfer.feature_store import FORMAT, Store, Unfinished
from nlp_transfer.modeling.pooled import PooledClassifier
from nlp_transfer.modeling.sentence_scorer import SentenceScorer
from nlp_transfer.modeling.static import StaticModel
from nlp_transfer.sharing import deal, pool
from nlp_transfer.strategies.blocks import Layers, find_encoder, find_layers, outside_encoder

log = logging.getLogger(__name__)
BUDGET = 8192  # padded tokens a batch in the one pass
WHOLE = ("pooled", "encoder")  # boundaries with all of the encoder below them
FEW = 10  # bags of vectors pooled at a time: their words stay in the processor's cache
EMBEDDED = ("input_ids", "ngram_ids")  # inputs that nothing above the embeddings reads
TOLERANCE, MIXED_TOLERANCE = 1e-4, 5e-2  # largest difference of logits between a replay and the model itself
LARGEST_STORED = 1 << 30  # bytes of one split that are worth a place in the cache folder
MEMORY_SHARE = 0.4  # of the free memory that activations may take
# A head on pooled states: `features()` gives them, `features=` takes them.
PooledModel = PooledClassifier | SentenceScorer


@dataclass(frozen=True)
class Boundary:
    """Where activations are taken.

    `pooled` encoder states, of texts or of sentences; the `encoder`'s states, for a decoder; or the input of `layer`
    (its number counts from 0).
    """

    kind: Literal["pooled", "encoder", "layer"]
    layer: int = 0


class TokenUnits:
    """Units that go through the whole model as token ids."""

    def __init__(self, encoded: Encoded, pad_token_id: int) -> None:
        """Keep the encoded split; batches are padded when asked for."""
        self.encoded = encoded
        self._pad = pad_token_id

    def batch(self, units: np.ndarray) -> Batch:
        """Pad the given units to one batch."""
        return collate(self.encoded, units, self._pad)


class ReplayUnits:
    """Units that enter the model at a boundary, as stored activations."""

    def __init__(self, encoded: Encoded, rows: Sequence[np.ndarray], boundary: Boundary) -> None:
        """Pair an encoded split with its activations, one array per unit."""
        self.encoded = encoded
        self.rows = rows
        self.boundary = boundary

    def batch(self, units: np.ndarray) -> Batch:
        """`features` (B, L, 3, H) or (B, S, F), `encoder_states` or `inputs_embeds` (B, T, H); with their mask."""
        chosen = [self.rows[unit] for unit in units]
        name = {"pooled": "features", "encoder": "encoder_states", "layer": "inputs_embeds"}[self.boundary.kind]
        inputs = {name: pad(chosen, 0.0), "attention_mask": mask(np.array([len(row) for row in chosen]))}
        if self.boundary.kind == "layer":
            inputs |= padded(self.encoded, units, 0, but=EMBEDDED)
        weights = torch.from_numpy(self.encoded.weights[units])
        return Batch(inputs, targets_of(self.encoded, units), weights, units)


Units = TokenUnits | ReplayUnits


def find_boundary(model: nn.Module, moving: frozenset[str]) -> Boundary | None:
    """The highest point below which nothing in `moving` lies; None where there is none worth caching."""
    if not isinstance(model, PreTrainedModel):
        return None
    encoder = find_encoder(model)
    low = [name.removeprefix(encoder.prefix) for name in moving - set(outside_encoder(model))]
    if model.config.is_encoder_decoder:
        return None if low else Boundary("encoder")
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
def _activations(model: PreTrainedModel, batch: Batch, boundary: Boundary) -> Tensor | tuple[Tensor, ...]:
    """Per unit (L, 3, H) or (S, F) for `pooled`, else (T, H) with padding."""
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

    layers = _layers(model)
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


def _layers(model: PreTrainedModel) -> Layers:
    layers = find_layers(model.base_model)
    assert layers is not None  # noqa: S101 - find_boundary saw to it
    return layers


class _Given(nn.Module):
    """Stands in for the embeddings: hands on the states it is given, by name or, as in DistilBERT, by position."""

    def forward(self, *given: Any, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return inputs_embeds if inputs_embeds is not None else next(one for one in given if one is not None)


class _Passed(nn.Module):
    """Stands in for a frozen layer: hands on its input; attributes are those of the layer."""

    def __init__(self, layer: nn.Module, *, as_tuple: bool) -> None:
        super().__init__()
        self.__dict__["_layer"] = layer  # not a submodule: its parameters are no part of the replayed model
        self._as_tuple = as_tuple

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_layer"], name)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        return (hidden_states, None) if self._as_tuple else hidden_states


def _answers_in_tuples(model: PreTrainedModel, layer: nn.Module) -> bool:
    """Whether a layer returns (states, attentions), as in MPNet and DeBERTa, or the states alone: it is asked."""
    answers: list[Any] = []
    hook = layer.register_forward_hook(lambda _, __, output: answers.append(output))
    training = model.training
    model.eval()
    with torch.inference_mode():
        model(input_ids=torch.zeros((1, 2), dtype=torch.long, device=next(model.parameters()).device))
    model.train(training)
    hook.remove()
    return isinstance(answers[0], tuple)


@contextmanager
def replaying(model: PreTrainedModel, boundary: Boundary) -> Iterator[None]:
    """Take everything below the boundary out of the model, so that it accepts activations as `inputs_embeds`."""
    if boundary.kind != "layer":
        yield
        return
    encoder = model.base_model
    layers = _layers(model)
    originals = list(layers.modules)
    as_tuple = _answers_in_tuples(model, originals[0])
    swapped = {name: getattr(encoder, name) for name in ("embeddings", "embeddings_project") if hasattr(encoder, name)}
    for name in swapped:
        setattr(encoder, name, _Given() if name == "embeddings" else nn.Identity())
    for index in range(boundary.layer):
        layers.modules[index] = _Passed(originals[index], as_tuple=as_tuple)
    try:
        yield
    finally:
        for name, module in swapped.items():
            setattr(encoder, name, module)
        for index, layer in enumerate(originals):
            layers.modules[index] = layer


def compute(
    model: PreTrainedModel,
    units: Units,
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
    if isinstance(model, PooledClassifier) and (bags := _bags(model, [units.encoded.inputs[unit] for unit in chosen])):
        return bags
    device = next(model.parameters()).device
    lengths = units.encoded.lengths[chosen]
    found: dict[int, np.ndarray] = {}
    training = model.training
    model.eval()
    batches = deal(sorted_batches(lengths, BUDGET))
    total = sum(map(len, batches))
    with tqdm(total=total, desc="features", unit="text", disable=None if progress else True) as bar:
        for batch in batches:
            states = _activations(model, units.batch(chosen[batch]).to(device), boundary)
            for position, state in zip(batch, states, strict=True):
                row = state if boundary.kind == "pooled" else state[: lengths[position]]
                found[int(position)] = np.ascontiguousarray(row.float().cpu().numpy())
            bar.update(len(batch))
            if signals:
                break
    model.train(training)
    found = pool(found)
    if len(found) < len(chosen):
        raise Unfinished(found)
    return [found[index] for index in range(len(chosen))]


@torch.inference_mode()
def _bags(model: PreTrainedModel, inputs: Sequence[Any]) -> list[np.ndarray] | None:
    """(L, 3, H) of each bag of vectors: words without order are summed from one flat list, with nothing padded.

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
    for start in range(0, len(inputs), FEW):  # its own mode "max" is slower than this
        end = min(start + FEW, len(inputs))
        words = np.take(table, ids[cuts[start] : cuts[end]], axis=0)
        np.maximum.reduceat(words, cuts[start:end] - cuts[start], out=pooled[start:end, 2])
    return list(np.repeat(pooled[:, None], len(model.config.layers), axis=1))


def agrees(model: PreTrainedModel, units: TokenUnits, rows: Sequence[np.ndarray], boundary: Boundary) -> bool:
    """Whether a replay of a few units gives the logits of the model itself; architectures differ, so it is tried."""
    few = np.argsort(-units.encoded.lengths, kind="stable")[:: max(1, len(rows) // 4)][:4]
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            whole = model(**units.batch(few).to(device).inputs).logits
            with replaying(model, boundary):
                again = model(**ReplayUnits(units.encoded, rows, boundary).batch(few).to(device).inputs).logits
        tolerance = MIXED_TOLERANCE if torch.is_autocast_enabled(device.type) else TOLERANCE
        return bool(torch.allclose(whole.float(), again.float(), atol=tolerance))
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        log.debug("replay failed: %s", error)
        return False
    finally:
        model.train(training)


def replay(
    model: PreTrainedModel,
    units: TokenUnits,
    boundary: Boundary,
    store: Store | None,
    *,
    progress: bool = True,
    signals: Sequence[int] = (),
) -> ReplayUnits | None:
    """The units as stored activations, computed where the store lacks them.

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
    size = _size(model, units, boundary)
    if size > MEMORY_SHARE * psutil.virtual_memory().available:
        log.info("frozen activations would take too much memory; they are recomputed each epoch")
        return None
    if store is not None and size > LARGEST_STORED:
        log.info("frozen activations of %.1f GB are kept in memory, not on disk", size / 1e9)
        store = None
    inputs = units.encoded.inputs
    computed = functools.partial(compute, model, units, boundary, progress=progress, signals=signals)
    rows = store.fill(inputs, computed) if store else computed(np.arange(len(inputs)))
    if boundary.kind == "layer" and not agrees(model, units, rows, boundary):
        log.info("%s cannot be entered at %s; frozen activations are recomputed", model.config.model_type, boundary)
        return None
    return ReplayUnits(units.encoded, rows, boundary)


def _size(model: PreTrainedModel, units: TokenUnits, boundary: Boundary) -> int:
    """Bytes of the activations of all units."""
    if isinstance(model, PooledModel) and boundary.kind == "pooled":
        return 4 * sum(model.feature_size(unit) for unit in units.encoded.inputs)
    return 4 * int(units.encoded.lengths.sum()) * int(find_encoder(model).module.config.hidden_size)


def _key(model: PreTrainedModel, boundary: Boundary) -> str:
    """Digest of all that the activations depend on but the tokens: weights, architecture, boundary, layers, format."""
    encoder = find_encoder(model).module
    layers = model.config.layers if isinstance(model, PooledClassifier) else None
    digest = hashlib.sha256()
    device = next(model.parameters()).device.type
    dtype = str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else "float32"
    facts = {"format": FORMAT, "boundary": [boundary.kind, boundary.layer], "layers": layers, "dtype": dtype}
    settings = {k: v for k, v in encoder.config.to_dict().items() if not k.startswith(("_", "id2", "label2"))}
    digest.update(json.dumps([facts, settings], sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


def open_store(model: PreTrainedModel, boundary: Boundary, cache: Path) -> Store:
    """The store of a model's activations at a boundary, in a cache folder; made when first written to."""
    return Store(cache / "features" / _key(model, boundary))
