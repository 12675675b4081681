"""`adaptation: mlm`: a head that finds hidden words learns above the encoder, beside the task (UDALM).

Karouzos et al. 2021, UDALM: Unsupervised domain adaptation through language modeling.
"""

from collections.abc import Collection
from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.models.anatomy import find_encoder, unwrap
from nlp_transfer.models.masked import put_above
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Adaptation, Adapted, Phase, is_fresh
from nlp_transfer.strategies.rates import Rates

HEAD = "masked_head"  # the name that it has in the model while that trains
WARM_UP = "heads"  # the phase in which new heads learn above an encoder that rests
NEW_HEAD_SHARE = 0.5  # of the labelled loss beside a new head, which tells the encoder little that is right at first
NEW_HEAD_RATE = 1e-3  # a head that is drawn new begins far from where the encoder stands


def is_mixed(phase: Phase) -> bool:
    """Tell whether hidden words are found in a phase beside the task: where the encoder moves."""
    return any(name.startswith(f"{HEAD}.") for name in phase.rates)


def mix(adapted: Adapted, masked: LoadedModel, rates: Rates, new: Collection[str]) -> Adapted:
    """Put a head that finds hidden words above the encoder of a model; it moves in the phases in which that moves.

    A head that is drawn new learns for an epoch beside that of the task before the encoder moves: its first gradients
    are large and at random, and would undo what the encoder has learned.

    Args:
        adapted: the decisions of the strategy; its model gets the head, which `finish` takes off again.
        masked: the same source with that head; its encoder is given up for that of the model.
        rates: of the strategy.
        new: names of the other parameters without pretrained weights.
    """
    model, finish = adapted.model, adapted.finish
    encoder = find_encoder(unwrap(model)).module
    inside = {id(parameter) for parameter in encoder.parameters()}
    put_above(masked.model, encoder)
    parts = {name: child for name, child in masked.model.named_children() if child is not encoder}
    setattr(model, HEAD, nn.ModuleDict(parts))

    named = dict(model.named_parameters())
    head = {
        name: max(rates.body, NEW_HEAD_RATE) if name.removeprefix(f"{HEAD}.") in masked.new else rates.body
        for name, parameter in named.items()
        if name.startswith(f"{HEAD}.") and id(parameter) not in inside
    }

    def add_head(phase: Phase) -> Phase:
        moves = phase.solver == "gradient" and any(id(named[name]) in inside for name in phase.rates)
        return replace(phase, rates={**phase.rates, **head}) if moves else phase

    phases = [add_head(phase) for phase in adapted.phases]
    if masked.new:
        first = next(place for place, phase in enumerate(phases) if is_mixed(phase))
        above = {name: rate for name, rate in phases[first].rates.items() if id(named[name]) not in inside}
        quick = {name: max(rate, NEW_HEAD_RATE) for name, rate in above.items() if is_fresh(name, new)}
        phases.insert(first, Phase(WARM_UP, 1, {**above, **quick}))

    def take_off(trained: nn.Module) -> PreTrainedModel:
        delattr(trained, HEAD)
        return finish(trained)

    return replace(
        adapted,
        phases=tuple(phases),
        finish=take_off,
        adaptation=Adaptation("mlm", share=NEW_HEAD_SHARE if masked.new else None),
        masked=masked.model,
    )
