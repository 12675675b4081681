"""Show how far a command is: bars where a person looks, and the number of the run at work."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tqdm.auto import tqdm

from nlp_transfer.system.escaping import escape_line
from nlp_transfer.system.processes import is_main_process

log = logging.getLogger(__name__)
Planned = tuple[str, int]  # the kind of a run, and how many rows it learns from


def make_bar(total: int, label: str, unit: str, *, shown: bool, leave: bool = True) -> Any:
    """Make a bar of tqdm that appears on a terminal and in a notebook.

    Args:
        total: units of the whole work.
        label: the text before the bar.
        unit: the name of one unit.
        shown: whether the user asked for a bar.
        leave: keep the bar on the screen when it is full.
    """
    # With None tqdm hides the bar unless there is a terminal; the streams of a notebook are none.
    hidden = False if is_notebook() else None
    return tqdm(total=total, desc=label, unit=unit, leave=leave, disable=hidden if shown else True)


def is_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


class Series:
    """Follow the runs of one command in their order: number them, estimate the rest, and log shared messages once."""

    def __init__(self, total: int, *, progress: bool, plan: Sequence[Planned] = ()) -> None:
        """Expect `total` runs; a run with three seeds counts as three. A plan of them makes the estimates finer."""
        self.total = total
        self.begun = 0
        self.seconds: list[float] = []  # of the runs that this command has trained itself
        self._plan = plan
        self._last: dict[str, tuple[int, float]] = {}  # kind of run -> rows and seconds of its last one
        self._said: set[str] = set()
        self._bar = make_bar(total, "runs", "run", shown=progress and total > 1 and is_notebook())

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[None]:
        """Log that the next run begins, with an estimate of the time to go, and time it."""
        self.begun += 1
        if self.total > 1 and is_main_process():
            log.info("run %s (%d of %d)%s", escape_line(name), self.begun, self.total, self._estimate_rest())

        self._bar.set_postfix_str(escape_line(name))
        started = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - started)
        if self._plan:
            kind, rows = self._plan[self.begun - 1]
            self._last[kind] = rows, self.seconds[-1]
        self._bar.update()

    def skip(self, count: int) -> None:
        """Count runs that an earlier command has finished."""
        self.begun += count
        self._bar.update(count)

    def log_once(self, level: int, text: str) -> None:
        """Log a message unless an earlier run of this command has logged the same."""
        if text not in self._said:
            self._said.add(text)
            log.log(level, "%s", text)

    def _estimate_rest(self) -> str:
        """Estimate the time to go: from all runs as quick as the quickest so far to all as slow as the slowest.

        Of a planned run whose kind was seen, from as long as the last of its kind to longer in proportion to its rows.
        """
        if not self.seconds:
            return ""
        quickest, slowest = min(self.seconds), max(self.seconds)
        low = high = 0.0
        for kind, rows in self._plan[self.begun - 1 :] or [("", 0)] * (self.total - self.begun + 1):
            before, seconds = self._last.get(kind, (0, 0.0))
            low += seconds if before else quickest
            high += seconds * max(1.0, rows / before) if before else slowest

        least, most = format_duration(low), format_duration(high)
        return f"; about {least if least == most else f'{least} to {most}'} to go if the rest is like those before"


class Clock:
    """Measure the wall-clock seconds of the stages of a command."""

    def __init__(self) -> None:
        """Begin the first stage."""
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def note(self, name: str, *, earlier: float = 0.0) -> None:
        """Note the seconds since the last note as those of a stage, with those of `earlier` attempts."""
        now = time.perf_counter()
        self.seconds[name] = round(earlier + now - self._last, 3)
        self._last = now

    def branch(self) -> "Clock":
        """Make a clock with the stages so far, whose next one begins now."""
        other = Clock()
        other.seconds = dict(self.seconds)
        return other

    @property
    def total(self) -> float:
        """The seconds of all stages."""
        return round(sum(self.seconds.values()), 3)


def format_duration(seconds: float) -> str:
    """Format a time in its two largest units, such as `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
