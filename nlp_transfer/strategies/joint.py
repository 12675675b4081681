"""Join the plans of several tasks, whose models share an encoder, to one plan: every task moves what is shared."""

from collections.abc import Sequence

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.strategies.plan import Phase, Plan


def join_plans(plans: Sequence[Plan], model: SharedModel) -> Plan:
    """Join plans of one phase each to a plan for the shared model.

    What is shared has the rates of the first task. The phase is as long as the longest.

    Args:
        plans: of the members, in their order.
        model: holds the models of the plans.

    Raises:
        ConfigError: a plan has several phases.
    """
    if any(len(plan.phases) > 1 for plan in plans):
        raise ConfigError("strategy.kind: gradual unfreezes a single task; several tasks take full, lora or frozen")
    phases = [plan.phases[0] for plan in plans]
    there = {name for name, _ in model.named_parameters()}  # a shared one by its name in the first member

    def rename(number: int, names: Sequence[str]) -> list[str]:
        return [model.rename(number, name) for name in names]

    rates = {
        name: rate
        for number, phase in enumerate(phases)
        for name, rate in zip(rename(number, [*phase.rates]), phase.rates.values(), strict=True)
        if name in there
    }
    new = {name for number, plan in enumerate(plans) for name in rename(number, sorted(plan.new))}
    longest = max(phases, key=lambda phase: phase.epochs)
    return Plan(
        model=model,
        phases=(Phase(longest.name, longest.epochs, rates, judged=longest.judged),),
        cache="none",
        adapter=plans[0].adapter,
        schedule=plans[0].schedule,
        new=frozenset(new & there),
        settled=False,  # the heads are standardised one by one, before the encoder is shared
        head="",
    )
