"""Draw learning curves: how the score of each source and strategy grows with the rows of train."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.given import take_splits
from nlp_transfer.data.splits import Splits, load_splits
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.costs import check_rate, describe_cost
from nlp_transfer.evaluation.curves.findings import MethodCurve, study
from nlp_transfer.evaluation.curves.frozen_layers import FrozenLayers, describe_frozen, render_frozen
from nlp_transfer.evaluation.curves.plot import plot_curves
from nlp_transfer.evaluation.curves.sentences import (
    describe_timing,
    list_curves,
    render_curves,
    write_page,
    write_sentences,
)
from nlp_transfer.evaluation.html_report.curve_page import open_curve_page
from nlp_transfer.evaluation.html_report.rendering import write_report
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.alike import Configs, load_alike
from nlp_transfer.runs.courses import list_parts
from nlp_transfer.runs.curves.contenders import Done, find_hardest, list_sizes, measure, measure_simple, run_all
from nlp_transfer.runs.curves.freezing import plan_freezing
from nlp_transfer.runs.curves.plan import Contender, check_sizes, plan_contenders
from nlp_transfer.runs.folder import find_place, warn_of_outputs
from nlp_transfer.runs.run import advise, hold_folder
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import CURVE, REPORT
from nlp_transfer.system.received import refuse_no_path


@dataclass(frozen=True)
class Curve:
    """Learning curves on one test.

    Attributes:
        folder: holds curve.json, with all figures, and a folder for each size with its runs.
        score: the name of what is compared, the mean of a score of each test row.
        sizes: rows of train.
        methods: the curves of the configurations; each has that of its control under `scratch`.
        simple: the curves of the simple methods.
        frozen: what freezing layers changes with the most rows, if it was asked for.
        verdict: what follows, in sentences.
        timing: when each method gets to where its control ends, how long trainings take, and what answers cost, on this
            machine, all with the most rows.
        tables: the scores, and those by frozen layers, for a console of rich.
    """

    folder: Path
    score: str
    sizes: tuple[int, ...]
    methods: tuple[MethodCurve, ...]
    simple: tuple[MethodCurve, ...]
    frozen: tuple[FrozenLayers, ...]
    verdict: tuple[str, ...]
    timing: tuple[str, ...]
    tables: tuple[Any, ...]

    def __repr__(self) -> str:
        """One line: where it is, and what grows in it."""
        return f"Curve({self.folder}: {', '.join(one.label for one in self.methods)} at {list(self.sizes)} rows)"


def curve(
    configs: Configs,
    overrides: Sequence[str] = (),
    *,
    sizes: Sequence[int],
    seeds: int = 3,
    freeze: Sequence[int] = (),
    data: Any = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    rate: float | None = None,
    progress: bool = True,
) -> Curve:
    """Train each configuration, its scratch control and the simple methods on more and more rows of train.

    Each seed draws rows of its own, stratified, and a smaller draw is part of every larger one. Test is one and the
    same; validation is whole at every size. The folders of the runs keep their scores, but not their models.

    Args:
        configs: as of `compare`, of one task on the same data.
        overrides: dotted KEY=VALUE pairs, for all of them.
        sizes: numbers of rows of train, all classes together.
        seeds: how many; they are 0, 1, ...
        freeze: numbers of layers; each checkpoint is also trained with its lowest so many frozen, on the most rows.
        data: rows in memory for all of them, as of `run`.
        output: the folder; by default the first free runs/curve.
        resume: go on with a curve, also with more sizes: its folder, or `auto` for the one in `output`.
        rate: what an hour of this machine costs, in any currency, for the price of 1,000 texts.
        progress: show bars.

    Raises:
        ConfigError: the configurations differ in task or data, the rows of test follow the seed, or a size is wrong.
        DataError: the data have changed since an earlier attempt.
        TransferError: whatever stops one of the runs.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    check_rate(rate)
    contenders = plan_contenders(load_alike("curve", configs, overrides, take_splits(data)))
    first = contenders[0].config
    splits = _load_whole(first, seeds)
    sizes = check_sizes(sizes, len(splits.train))

    output, _ = find_place(resume, output, whole="a curve")
    warn_of_outputs((one.config.output for one in contenders), output, "a curve")

    left = [CURVE, *list_sizes(output)] if resume is not None else ()
    with claim_process(), hold_folder(output, "curve", left=left) as folder, advise(folder):
        freezing = plan_freezing(contenders, freeze, sizes[-1])
        done = run_all(folder, contenders, sizes, seeds, freezing=freezing, progress=progress)
        return _conclude(folder, contenders, sizes, done, rate)


def _load_whole(config: RunConfig, seeds: int) -> Splits:
    """Read the data without a limit.

    Raises:
        ConfigError: test follows the seed, or there is no seed.
    """
    if config.data.split_seed == "seed":
        raise ConfigError("curve: all runs are measured on one test; set data.split_seed to a number, not `seed`")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"seeds: expected how many there are, 1 or more, received {seeds!r}")
    kind = config.task_class
    data = config.data.model_copy(update={"limit": None})
    return load_splits(data, kind.roles, inputs=kind.input_roles())


def _conclude(
    folder: Path, contenders: Sequence[Contender], sizes: tuple[int, ...], done: Done, rate: float | None
) -> Curve:
    """Study what was measured, and write curve.json."""
    config, first = contenders[0].config, done.results[contenders[0].name]
    task = config.task_class
    score, points = task.compared or task.selection, task.points

    simple = find_hardest(first[-1].baselines, task)
    curves = study(
        [*(measure(one, sizes, done.results[one.name]) for one in contenders), *measure_simple(sizes, first)],
        simple=simple,
        highest=100 / points,
        convergence={one.name: done.find_convergence(one, task.selection) for one in contenders if one.control},
    )
    methods = tuple(one for one in curves if one.role == "run")
    others = tuple(one for one in curves if one.role == "simple")
    frozen = done.compare_frozen(sizes[-1])

    counts = {split: report.rows for split, report in first[0].figures.data.splits.items() if split != "train"}
    said = write_sentences(methods, simple=simple, points=points, tested=counts["test"], validated=counts["validation"])
    said += describe_frozen(frozen, points)
    costs = {one.name: cost for one in methods if (cost := done.results[one.name][-1].row.cost)}
    costs |= {one.name: one.cost for one in first[-1].baselines if one.cost}
    timing = describe_timing(methods)
    timing += [
        f"Answers of {one.label}: {describe_cost(costs[one.name], rate)}." for one in curves if one.name in costs
    ]

    figures = {
        "task": config.task.name,
        "score": score,
        "sizes": sizes,
        "seeds": len(list_parts(first[0])),
        "rows": counts,
        "beside": simple or None,
        "methods": {one.name: one.collect() for one in methods},
        "simple": {one.name: one.collect() for one in others},
        "frozen_layers": [one.collect() for one in frozen],
        "verdict": said,
        "costs": {name: cost.model_dump() for name, cost in costs.items()},
        "timing": timing,
    }
    write_json(folder / CURVE, figures)
    write_whole(folder / "curve.md", write_page(methods, others, [*said, *timing], score=score, points=points))
    plot_curves(list_curves(methods, others), folder, score=score)  # last: if it fails, the figures are safe
    write_report(folder / REPORT, open_curve_page(folder, task))

    tables = [render_curves(methods, others, score=score, points=points)]
    tables += [render_frozen(frozen, score=score, points=points)] if frozen else []
    return Curve(folder, score, sizes, methods, others, frozen, tuple(said), tuple(timing), tuple(tables))
