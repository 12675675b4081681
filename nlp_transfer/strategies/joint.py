"""Join the plans of several tasks, whose models share an encoder, to one plan: every task moves what is shared."""

from collections.abc import Collection, Sequence

from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.strategies.plan import Phase, Plan


def join_plans(plans: Sequence[Plan], model: SharedModel) -> Plan:
    """Join plans to one for the shared model, phase by phase; those of one name are one.

    What is shared has the rates of the first task. A phase is as long as its longest.

    Args:
        plans: of the members, in their order.
        model: holds the models of the plans.
    """
    longest = max(plans, key=lambda plan: len(plan.phases))  # a task whose head is not new has no phase for that alone
    there = {name for name, _ in model.named_parameters()}  # a shared one by its name in the first member
    new = {model.rename(number, name) for number, plan in enumerate(plans) for name in plan.new}
    return Plan(
        model=model,
        phases=tuple(_join_phase(phase.name, plans, model, there) for phase in longest.phases),
        cache="none",
        adapter=plans[0].adapter,
        schedule=plans[0].schedule,
        new=frozenset(new & there),
        settled=False,  # the heads are standardised one by one, before the encoder is shared
        head="",
    )


def _join_phase(name: str, plans: Sequence[Plan], model: SharedModel, there: Collection[str]) -> Phase:
    found = [(number, phase) for number, plan in enumerate(plans) for phase in plan.phases if phase.name == name]
    rates: dict[str, float] = {}
    for number, phase in found:
        own = {model.rename(number, name): rate for name, rate in phase.rates.items()}
        rates |= {name: rate for name, rate in own.items() if name in there}
    longest = max((phase for _, phase in found), key=lambda phase: phase.epochs)
    return Phase(name, longest.epochs, rates, judged=longest.judged)
