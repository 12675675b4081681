"""Count and show what moves and what does not, before anything trains."""

from collections.abc import Sequence

from nlp_transfer.strategies import Plan
from nlp_transfer.strategies.mixing import HEAD


def count_parameters(plan: Plan) -> dict[str, int]:
    """Count the weights of the model that will be saved, and those of them that move in some phase."""
    named = plan.model.named_parameters()
    sizes = {name: parameter.numel() for name, parameter in named if not name.startswith(f"{HEAD}.")}
    return {"total": sum(sizes.values()), "trainable": sum(sizes[name] for name in plan.moving & sizes.keys())}


def render_trainable(plan: Plan) -> str:
    """Render a table of what moves and what does not: a line for each phase and module."""
    sizes = {name: parameter.numel() for name, parameter in plan.model.named_parameters()}

    lines = [f"{'phase':<14} {'module':<44} {'trainable':>12} {'frozen':>12}  learning rate"]
    for phase in plan.phases:
        groups: dict[str, list[str]] = {}
        for name in sizes:
            groups.setdefault(_name_module(name), []).append(name)

        for module, names in groups.items():
            moving = [name for name in names if name in phase.rates]
            rates = sorted({phase.rates[name] for name in moving})
            shown = "solved" if phase.solver == "lbfgs" and rates else " - ".join(f"{r:.2g}" for r in _take_ends(rates))

            trainable = sum(sizes[name] for name in moving)
            frozen = sum(sizes[name] for name in names) - trainable
            lines.append(f"{phase.name:<14} {module:<44} {trainable:>12,} {frozen:>12,}  {shown or '-'}")
    return "\n".join(lines)


def _name_module(name: str) -> str:
    """Name the module that a parameter is counted under.

    It ends at the number of a layer: `encoder.layer.0.output.dense.weight` is counted under `encoder.layer.0`.
    """
    parts = name.split(".")
    if parts[0] == "members":  # of several tasks, with the number of the task
        return ".".join([*parts[:2], _name_module(".".join(parts[2:]))])
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return ".".join(parts[: min(len(parts) - 1, 3)])


def _take_ends(values: Sequence[float]) -> Sequence[float]:
    return values if len(values) < 2 else (values[0], values[-1])
