"""How far a command is: bars where somebody looks, and which of several runs is at work."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

from tqdm.auto import tqdm

from nlp_transfer.system.escaping import one_line
from nlp_transfer.system.processes import speaks_for_all

log = logging.getLogger(__name__)


def bar(total: int, label: str, unit: str, *, shown: bool, leave: bool = True) -> Any:
    """Make a bar of tqdm that shows itself on a terminal and in a notebook, whose streams are no terminal.

    Args:
        total: units of the whole.
        label: what is done.
        unit: the name of one.
        shown: whether it was asked for.
        leave: keep it when it is full.
    """
    hidden = False if in_notebook() else None  # None: unless there is a terminal
    return tqdm(total=total, desc=label, unit=unit, leave=leave, disable=hidden if shown else True)


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


class Series:
    """The runs of one command, in their order: which is at work, how long the rest may take, what was said already."""

    def __init__(self, total: int, *, progress: bool) -> None:
        """Expect so many runs; a run of several seeds is several."""
        self.total = total
        self.begun = 0
        self.seconds: list[float] = []  # of the runs that this command has trained
        self._said: set[str] = set()
        self._bar = bar(total, "runs", "run", shown=progress and total > 1 and in_notebook())

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[None]:
        """Say that the next one begins, and how long that and those behind it may take; measure it."""
        self.begun += 1
        if self.total > 1 and speaks_for_all():
            log.info("run %s (%d of %d)%s", one_line(name), self.begun, self.total, self._outlook())
        self._bar.set_postfix_str(one_line(name))
        started = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - started)
        self._bar.update()

    def skip(self, count: int) -> None:
        """Pass over runs that were finished before."""
        self.begun += count
        self._bar.update(count)

    def once(self, level: int, text: str) -> None:
        """Log what is the same for several runs the first time only."""
        if text not in self._said:
            self._said.add(text)
            log.log(level, "%s", text)

    def _outlook(self) -> str:
        """The time to go if every run takes as long as the quickest, or as the slowest, of those measured."""
        if not self.seconds:
            return ""
        left = self.total - self.begun + 1
        low, high = (duration(left * seconds) for seconds in (min(self.seconds), max(self.seconds)))
        return f"; about {low if low == high else f'{low} to {high}'} to go if the rest is like those before"


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
