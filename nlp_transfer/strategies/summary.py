"""What moves and what does not, counted and shown before anything trains."""

from collections.abc import Sequence

from nlp_transfer.strategies import Plan


def count_parameters(plan: Plan) -> dict[str, int]:
    """Count the numbers that the model holds, and those of them that move in some phase."""
    sizes = {name: parameter.numel() for name, parameter in plan.model.named_parameters()}
    return {"total": sum(sizes.values()), "trainable": sum(sizes[name] for name in plan.moving)}


def render_trainable(plan: Plan) -> str:
    """Show what moves and what does not, phase by phase, module by module."""
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
    """Name the part of the model a parameter is counted under: up to its layer's number, or its parent's parent."""
    parts = name.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return ".".join(parts[: min(len(parts) - 1, 3)])


def _take_ends(values: Sequence[float]) -> Sequence[float]:
    return values if len(values) < 2 else (values[0], values[-1])
