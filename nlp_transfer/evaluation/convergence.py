"""Measure how much sooner a pretrained run gets to where its scratch control ends."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        looks: what history.jsonl says of each look at validation.
        seconds: of the whole training, with what came before the first step.
    """

    looks: Sequence[Mapping[str, Any]]
    seconds: float

    def follow(self, metric: str) -> Iterator[tuple[float, int, float]]:
        """Yield at each look the score on validation, and the steps and seconds so far."""
        passed = max(0.0, self.seconds - sum(look["seconds"] for look in self.looks))
        for look in self.looks:
            passed += look["seconds"]
            yield float(look["validation"][metric]), int(look["step"]), passed


@dataclass(frozen=True)
class Convergence:
    """When a run reaches the best score on validation of its scratch control; means over the seeds that get there.

    Attributes:
        metric: the name of the score.
        wanted: the control's best one, as a mean over the seeds.
        seeds: pairs of a run and a control.
        reached: how many of these runs get there.
        steps: of the optimizer until then; None if no run gets there.
        seconds: likewise, with the looks at validation.
        control_steps: until the control gets there.
        control_seconds: likewise.
    """

    metric: str
    wanted: float
    seeds: int
    reached: int
    steps: float | None
    seconds: float | None
    control_steps: float
    control_seconds: float


def measure_convergence(runs: Sequence[Course], controls: Sequence[Course], metric: str) -> Convergence | None:
    """Find in each run the first look at which it is as good as the control of its seed ever was.

    Returns:
        None if a training was not followed, as a control without a look at validation.
    """
    if len(runs) != len(controls) or not all(course.looks for course in (*runs, *controls)):
        return None

    ends = [max(control.follow(metric), key=lambda look: look[0]) for control in controls]  # the first of the best
    found = [
        next(((steps, seconds) for score, steps, seconds in run.follow(metric) if score >= wanted), None)
        for run, (wanted, *_) in zip(runs, ends, strict=True)
    ]
    there = [one for one in found if one is not None]
    wanted, control_steps, control_seconds = map(statistics.fmean, zip(*ends, strict=True))
    return Convergence(
        metric=metric,
        wanted=wanted,
        seeds=len(runs),
        reached=len(there),
        steps=statistics.fmean(steps for steps, _ in there) if there else None,
        seconds=statistics.fmean(seconds for _, seconds in there) if there else None,
        control_steps=control_steps,
        control_seconds=control_seconds,
    )


def describe_convergence(found: Convergence, name: str, control: str) -> str:
    """Say in a sentence when the run called `name` gets to where its control ends."""
    where = f"the best validation {found.metric} of {control} ({found.wanted:.4g})"
    took = f"it takes {control} {format_steps(found.control_steps)} and {found.control_seconds:.1f} s"
    if found.steps is None or found.seconds is None:
        return f"{name} does not reach {where}; {took}."

    some = "" if found.reached == found.seeds else f" with {found.reached} of {found.seeds} seeds"
    return f"{name} reaches {where}{some} after {format_steps(found.steps)} and {found.seconds:.1f} s; {took}."


def format_steps(steps: float) -> str:
    """Format a number of steps, which may be a mean; a solved head has none."""
    return "no step" if not steps else f"{steps:,.0f} step{'' if round(steps) == 1 else 's'}"
