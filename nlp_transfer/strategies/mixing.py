"""`adaptation: mlm`: a head that finds hidden words learns above the encoder, beside the task (UDALM).

Karouzos et al. 2021, UDALM: Unsupervised domain adaptation through language modeling.
"""

from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.models.anatomy import find_encoder, unwrap
from nlp_transfer.models.masked import put_above
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Adaptation, Adapted, Phase
from nlp_transfer.strategies.rates import Rates

HEAD = "masked_head"  # the name that it has in the model while that trains
NEW_HEAD_RATE = 1e-3  # a head that is drawn new begins far from where the encoder stands


def is_mixed(phase: Phase) -> bool:
    """Tell whether hidden words are found in a phase beside the task: where the encoder moves."""
    return any(name.startswith(f"{HEAD}.") for name in phase.rates)


def mix(adapted: Adapted, masked: LoadedModel, rates: Rates) -> Adapted:
    """Put a head that finds hidden words above the encoder of a model; it moves in the phases in which that moves.

    Args:
        adapted: the decisions of the strategy; its model gets the head, which `finish` takes off again.
        masked: the same source with that head; its encoder is given up for that of the model.
        rates: of the strategy.
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

    def take_off(trained: nn.Module) -> PreTrainedModel:
        delattr(trained, HEAD)
        return finish(trained)

    return replace(
        adapted,
        phases=tuple(map(add_head, adapted.phases)),
        finish=take_off,
        adaptation=Adaptation("mlm"),
        masked=masked.model,
    )
