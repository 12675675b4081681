"""`gradual`: train the head first, then let deeper blocks follow."""

from typing import Literal

from nlp_transfer.models.anatomy import blocks
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.frozen import is_solvable
from nlp_transfer.strategies.plan import Phase, Plan, plain


def gradual(
    loaded: LoadedModel,
    *,
    epochs: int,
    learning_rate: float,
    schedule: Literal["ulmfit", "lp_ft"] = "ulmfit",
    blocks_per_phase: int = 2,
    phase_epochs: int = 1,
    rate_decay: float = 2.6,
    cache: str = "memory",
    head_learning_rate: float | None = None,
) -> Plan:
    """Unfreeze top-down with discriminative rates (Howard & Ruder 2018, section 3.3), or LP-FT (Kumar et al. 2022).

    Args:
        loaded: the model and its new parameters.
        epochs: of the last phase, in which everything moves.
        learning_rate: of the topmost block.
        schedule: `ulmfit` or `lp_ft`.
        blocks_per_phase: how many more blocks move in each phase.
        phase_epochs: epochs of the phases before the last.
        rate_decay: each block learns this many times slower than the one above it (ulmfit).
        head_learning_rate: of newly initialised parameters; the same as the topmost block if unset.
        cache: where activations of blocks still frozen are kept.
    """
    stack = blocks(loaded.model, loaded.unread)
    if schedule == "lp_ft":
        return Plan(
            loaded.model,
            _probe_then_tune(loaded, stack, epochs, phase_epochs, learning_rate, head_learning_rate),
            cache,
            plain,
        )
    moving = {n: head_learning_rate or learning_rate for names in stack for n in names if n in loaded.new}
    # A head without new parameters cannot be: then the top block starts.
    phases = [Phase("head", phase_epochs, dict(moving))] if moving else []
    below = [names for names in stack if not set(names) <= set(moving)][::-1]
    for start in range(0, len(below), blocks_per_phase):
        for depth, names in enumerate(below[start : start + blocks_per_phase], start=start):
            moving |= {name: learning_rate / rate_decay**depth for name in names if name not in moving}
        last = start + blocks_per_phase >= len(below)
        name = "all" if last else f"top {start + blocks_per_phase}"
        phases.append(Phase(name, epochs if last else phase_epochs, dict(moving)))
    return Plan(loaded.model, tuple(phases), cache, plain)


def _probe_then_tune(
    loaded: LoadedModel,
    stack: list[list[str]],
    epochs: int,
    phase_epochs: int,
    learning_rate: float,
    head_learning_rate: float | None,
) -> tuple[Phase, ...]:
    solved = is_solvable(loaded)
    probe = Phase(
        name="linear probe",
        epochs=1 if solved else phase_epochs,
        # A checkpoint that brings its own head has nothing new: its top block is probed.
        rates=dict.fromkeys(
            sorted(loaded.new or stack[-1]), learning_rate if solved else head_learning_rate or 10 * learning_rate
        ),
        solver="lbfgs" if solved else "gradient",
    )
    fresh = head_learning_rate or learning_rate
    everything = {name: fresh if name in loaded.new else learning_rate for names in stack for name in names}
    return probe, Phase("fine-tuning", epochs, everything)
