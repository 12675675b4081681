"""Say of each method of a learning curve what it scored, what pretraining is worth to it, and where it leads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from nlp_transfer.evaluation.convergence import Convergence
from nlp_transfer.evaluation.curves.learning_curves import (
    Measured,
    Outlook,
    Point,
    Role,
    Worth,
    find_lead,
    list_points,
    measure_worth,
    predict_gains,
    resample,
)
from nlp_transfer.evaluation.metrics import Interval


@dataclass(frozen=True)
class MethodCurve:
    """The learning curve of a method.

    Attributes:
        name: of its configuration; `scratch` of a control; or of a simple method.
        label: the same for people.
        role: a run, a scratch control, or a simple method.
        points: its score at each size.
        scratch: the curve of its control; None if it has none.
        worth: what pretraining is worth at each size, in rows of train; empty without a control.
        over_scratch: its score less that of the control, at each size.
        over_simple: its score less that of the simple method that does best, at each size.
        leads_from: the size from which on it beats that by more than chance.
        outlook: what more rows would bring; None with fewer than five sizes.
        convergence: at each size, when it gets to where its control ends; empty without a control.
    """

    name: str
    label: str
    role: Role
    points: tuple[Point, ...]
    scratch: "MethodCurve | None" = None
    worth: tuple[Worth, ...] = ()
    over_scratch: tuple[Interval, ...] = ()
    over_simple: tuple[Interval, ...] = ()
    leads_from: int | None = None
    outlook: Outlook | None = None
    convergence: tuple[Convergence | None, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of train."""
        return tuple(point.size for point in self.points)

    @property
    def hurt_at(self) -> tuple[int, ...]:
        """The sizes at which the control is better by more than chance: negative transfer."""
        return tuple(size for size, found in zip(self.sizes, self.over_scratch, strict=False) if found.high < 0)

    def collect(self) -> dict[str, Any]:
        """Collect what curve.json holds about it, that of its control under `scratch`."""
        points = [
            {**asdict(point), "mean": point.mean.difference, "low": point.mean.low, "high": point.mean.high}
            for point in self.points
        ]
        scratch = self.scratch.collect() if self.scratch else None
        return {**asdict(self), "points": points, "scratch": scratch, "hurt_at": self.hurt_at}


def study(
    measured: Sequence[Measured],
    *,
    simple: str,
    highest: float,
    convergence: Mapping[str, Sequence[Convergence | None]],
) -> list[MethodCurve]:
    """Study methods that were measured on one test, in the same order.

    Args:
        measured: all of them, controls too.
        simple: the name of the simple method that does best; empty if there is none.
        highest: the score that cannot be exceeded.
        convergence: of those with a control, by their names.
    """
    known = {one.name: one for one in measured}
    resampled = resample(measured)
    found: dict[str, MethodCurve] = {}

    for one in sorted(measured, key=lambda one: one.role == "run"):  # controls first
        curve = MethodCurve(one.name, one.label, one.role, tuple(list_points(one, resampled)))
        if one.role != "simple":
            curve = replace(curve, outlook=predict_gains(one, resampled, highest=highest))
            if simple:
                over = resampled.compare(one, known[simple])
                curve = replace(curve, over_simple=tuple(over), leads_from=find_lead(over, one.sizes))
        if one.control:
            control = known[one.control]
            curve = replace(
                curve,
                scratch=found[one.control],
                worth=tuple(measure_worth(one, control, resampled)),
                over_scratch=tuple(resampled.compare(one, control)),
                convergence=tuple(convergence[one.name]),
            )
        found[one.name] = curve
    return [found[one.name] for one in measured]
