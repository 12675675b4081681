"""Run what a learning curve needs, and collect its scores: every contender at every size."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.convergence import Convergence
from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.curves.frozen_layers import FrozenLayers
from nlp_transfer.evaluation.curves.learning_curves import Measured, Role, list_points, resample
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.combine import refuse_other_data
from nlp_transfer.runs.courses import find_convergence, list_parts
from nlp_transfer.runs.curves.freezing import Freezing
from nlp_transfer.runs.curves.plan import Contender
from nlp_transfer.runs.folder import SIZE
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.prepare import prepare
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.run import BEGUN_WITH, hold_folder, run_in
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import FINISHED
from nlp_transfer.system.progress import Series

LARGE = ("model", "adapter")  # what a run of a curve does not keep: its scores are what is asked for


@dataclass(frozen=True)
class Done:
    """The finished runs of a learning curve.

    Attributes:
        results: contender -> its result at each size, the smallest first; of frozen layers at the largest alone.
        freezing: the runs with frozen layers.
    """

    results: Mapping[str, Sequence[RunResult]]
    freezing: Sequence[Freezing]

    def find_convergence(self, contender: Contender, metric: str) -> list[Convergence | None]:
        """Find at each size when a contender gets to where its control ends."""
        pairs = zip(self.results[contender.name], self.results[contender.control], strict=True)
        return [find_convergence(run, control, metric) for run, control in pairs]

    def compare_frozen(self, size: int) -> tuple[FrozenLayers, ...]:
        """Compare the runs with frozen layers of each source to that with the fewest."""
        if not self.freezing:
            return ()
        measured = {
            id(one): measure(one.contender, (size,), self.results[one.contender.name][-1:]) for one in self.freezing
        }
        resampled = resample(list(measured.values()))
        first = {one.source: measured[id(one)] for one in reversed(self.freezing)}

        found = []
        for one in self.freezing:
            own = measured[id(one)]
            curve = MethodCurve(own.name, own.label, own.role, tuple(list_points(own, resampled)))
            (behind,) = resampled.compare(own, first[one.source])
            found.append(FrozenLayers(one.source, one.layers, curve, behind, one.memory, one.trainable))
        return tuple(found)


def name_folder(size: int) -> str:
    """Name the folder of the runs on so many rows."""
    return f"{SIZE}{size}"


def list_sizes(folder: str | Path | None) -> list[str]:
    """List the names of the folders of sizes that a curve has begun, also those that it is not asked for any more."""
    return [] if folder is None else [path.name for path in expand_home(folder).glob(f"{SIZE}*")]


def run_all(
    folder: Path,
    contenders: Sequence[Contender],
    sizes: Sequence[int],
    seeds: int,
    *,
    freezing: Sequence[Freezing],
    progress: bool,
) -> Done:
    """Run every contender at every size, the smallest first; a finished run is read.

    Raises:
        DataError: two runs have read different data.
        TransferError: whatever stops a run; its name and size stand in front.
    """
    more = [one.contender for one in freezing if one.contender not in contenders]
    cells = [(one, size) for size in sizes for one in contenders] + [(one, sizes[-1]) for one in more]
    plan = [(one.name, size) for one, size in cells for _ in range(seeds)]
    series, simple = Series(len(plan), progress=progress, plan=plan), SimpleMethods()

    for one in contenders:  # a fault of a later one shows at once
        if not (folder / name_folder(sizes[0]) / one.name / FINISHED).exists():
            with name_fault(one.name):
                prepare(one.at(sizes[0], seeds).each_seed()[0]).adapt()

    results: dict[str, list[RunResult]] = {}
    for one, size in cells:
        place = folder / name_folder(size) / one.name
        with name_fault(f"{one.name}, {size} rows"), hold_folder(place, one.name, left=BEGUN_WITH) as part:
            result = run_in(part, one.at(size, seeds), series, simple=simple, progress=progress)
        results.setdefault(one.name, []).append(result)
        _remove_models(part)

    refuse_other_data([one for several in results.values() for one in several], whole=True)
    return Done(results, freezing)


def _remove_models(run: Path) -> None:
    for folder in (run, *run.glob("seed-*")):
        for name in LARGE:
            shutil.rmtree(folder / name, ignore_errors=True)


def measure(contender: Contender, sizes: tuple[int, ...], results: Sequence[RunResult]) -> Measured:
    """Collect the scores of a contender, row by row."""
    parts = [list_parts(result) for result in results]
    hits = np.array([[part.row.correct for part in several] for several in parts], dtype=np.float64)
    seconds = np.array([[part.row.seconds for part in several] for several in parts])
    role: Role = "run" if contender.control else "scratch"
    return Measured(contender.name, parts[0][0].row.label, role, contender.control, sizes, hits, seconds)


def measure_simple(sizes: tuple[int, ...], results: Sequence[RunResult]) -> list[Measured]:
    """Collect the scores of the simple methods, which each run has measured on its rows."""
    columns: dict[str, list[list[Sequence[float]]]] = {}
    for result in results:
        several = [part.baselines for part in list_parts(result)]
        for rows in zip(*several, strict=True):
            columns.setdefault(rows[0].name, []).append([row.correct for row in rows])
    return [
        Measured(name, name, "simple", "", sizes, np.array(hits, dtype=np.float64)) for name, hits in columns.items()
    ]


def find_hardest(baselines: Sequence[Comparand], task: type[TaskDeclaration]) -> str:
    """Find the simple method that is best on validation with the most rows; empty if there is none."""
    beatable = [row for row in baselines if row.name not in task.ceilings]
    hardest = max(beatable, key=lambda row: float(row.validation[task.selection]), default=None)
    return hardest.name if hardest else ""
