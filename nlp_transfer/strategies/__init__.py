"""Which parameters move, when, and at which learning rate."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from nlp_transfer.models.anatomy import outside_encoder
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.frozen import frozen
from nlp_transfer.strategies.full import full
from nlp_transfer.strategies.gradual import gradual
from nlp_transfer.strategies.lora import lora, save_adapter
from nlp_transfer.strategies.plan import Phase, Plan

STRATEGIES: dict[str, Callable[..., Plan]] = {"full": full, "lora": lora, "frozen": frozen, "gradual": gradual}
# A checkpoint's layers are tuned gently, fresh layers and adapters are not.
PRETRAINED_RATES = {"full": 5e-5, "lora": 5e-4, "frozen": 1e-3, "gradual": 1e-4}
SCRATCH_RATE = 1e-4  # random layers need larger steps than pretrained ones; at 3e-4 and above they did not learn
# Of a decoder or a scorer from nothing beside a pretrained encoder; cf. Liu & Lapata 2019, section 3.2.
DEEP_RATE = 1e-3
STATIC_RATES = {"full": 1e-3, "lora": 1e-3, "frozen": 1e-3, "gradual": 1e-3}
SOLVED = "head: solved anew, without the one that the checkpoint brings"


def make_plan(
    kind: str,
    loaded: LoadedModel,
    *,
    has_layers: bool,
    scratch: bool,
    learning_rate: float | str,
    epochs: int,
    **settings: Any,
) -> Plan:
    """Adapt a model to a strategy.

    Args:
        kind: full, lora, frozen or gradual.
        loaded: the model and its new parameters.
        has_layers: the encoder is no table of vectors; decides what `auto` means.
        scratch: the weights are random.
        learning_rate: peak, or `auto`.
        epochs: of the (last) phase.
        settings: the strategy's own keys.
    """
    rates = PRETRAINED_RATES if has_layers else STATIC_RATES
    gentle = SCRATCH_RATE if scratch else PRETRAINED_RATES["full"]  # of a decoder that comes from a checkpoint
    auto = SCRATCH_RATE if scratch and has_layers and kind in ("full", "gradual") else rates[kind]
    rate = auto if isinstance(learning_rate, str) else learning_rate
    if loaded.deep and isinstance(learning_rate, str):
        if kind == "frozen" and has_layers:  # what is pretrained beside the encoder is tuned gently
            rate = gentle
        if settings.get("head_learning_rate") is None:
            settings["head_learning_rate"] = max(rate, DEEP_RATE)
    plan = STRATEGIES[kind](loaded, epochs=epochs, learning_rate=rate, **settings)
    if not has_layers and isinstance(learning_rate, str):  # but a decoder beside them may be pretrained
        warm = {*outside_encoder(loaded.model)} - loaded.new
        plan = replace(plan, phases=tuple(_slowed(phase, warm, gentle) for phase in plan.phases))
    phases = tuple(replace(phase, head=frozenset(filter(_is_new(loaded), phase.rates))) for phase in plan.phases)
    head = SOLVED if loaded.note and phases[0].solver == "lbfgs" else loaded.note
    return replace(plan, new=loaded.new, settled=loaded.settled, head=head, phases=phases)


def _slowed(phase: Phase, names: Collection[str], most: float) -> Phase:
    """Let none of the named parameters learn faster than that."""
    return replace(phase, rates={n: min(rate, most) if n in names else rate for n, rate in phase.rates.items()})


def _is_new(loaded: LoadedModel) -> Callable[[str], bool]:
    """Tell whether a parameter, by its name in the adapted model, is newly initialised; adapters are not a head."""
    return lambda name: name in loaded.new or "modules_to_save" in name


__all__ = ["Phase", "Plan", "make_plan", "save_adapter"]
