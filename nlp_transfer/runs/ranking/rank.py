"""Rank sources for a task by a few rows of train, before any of them is trained."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.flags import guess_kind
from nlp_transfer.config.load import check_values, load_config, load_saved, render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.formats.text_lines import locate
from nlp_transfer.data.given import take_splits
from nlp_transfer.data.report import may_be_same
from nlp_transfer.data.splits import TrainRows, load_train
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.evaluation.ranking import (
    MeasuredSource,
    RankedSource,
    count_agreement,
    order_sources,
    render_ranking,
    write_sentences,
)
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.folder import find_place, warn_of_outputs
from nlp_transfer.runs.prepare import settle
from nlp_transfer.runs.ranking.measure_source import measure_source
from nlp_transfer.runs.resume import flatten, refuse_changes
from nlp_transfer.runs.run import BEGUN_WITH, hold_folder, use_threads
from nlp_transfer.runs.train import make_accelerator
from nlp_transfer.sources import load_source
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import escape_line
from nlp_transfer.system.layout import RANKING
from nlp_transfer.system.memory import is_out_of_memory, release
from nlp_transfer.system.received import refuse_no_path
from nlp_transfer.system.wheels import BUNDLED
from nlp_transfer.task import make_task

log = logging.getLogger(__name__)
MOST = 1000  # rows of train that are read
FOLDS = 5
MEASURED = "measured.jsonl"  # in the folder: a line for each source that was measured
MEASURING = ("task.", "data.", "training.seed", "training.selection", "training.precision")  # keys that change figures
WRITING = "AutoModelForSeq2SeqLM"
SHARED = (
    "The features that the probes read are in the cache, where frozen runs of this configuration find them; the means "
    "of all layers are there for the next ranking only."
)
Section = Mapping[str, Any]  # `source` of a configuration


@dataclass(frozen=True)
class Ranking:
    """Sources in the order of their probes.

    Attributes:
        folder: holds rank.json, with all figures.
        score: the name of what the probes are judged by.
        sources: the best first.
        failed: sources that could not be measured -> why.
        agreement: how many pairs that the probe tells apart each other score orders alike.
        verdict: what follows, in sentences.
        table: the figures, for a console of rich.
    """

    folder: Path
    score: str
    sources: tuple[RankedSource, ...]
    failed: Mapping[str, str]
    agreement: Mapping[str, Any]
    verdict: tuple[str, ...]
    table: Any

    def __repr__(self) -> str:
        """One line: where it is, and the order."""
        return f"Ranking({self.folder}: {', '.join(one.name for one in self.sources)})"


def rank(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    sources: Sequence[str | Mapping[str, Any]],
    data: Any = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> Ranking:
    """Rank sources by at most 1,000 rows of train; no row of validation or test is read.

    First counts a linear probe on frozen features, cross-validated; beside it stand H-score and LogME on the mean of
    all layers. Each source that is done is kept in the folder, and its features in the cache, where a frozen run finds
    them.

    Args:
        config: as for `run`; its source and its strategy do not matter.
        overrides: dotted KEY=VALUE pairs.
        sources: names as `--source` takes them, or sections `source` of a configuration.
        data: rows in memory, as for `run`.
        output: the folder; by default the first free runs/rank.
        resume: go on with a ranking, also with more sources: its folder, or `auto` for the one in `output`.
        progress: show bars.

    Raises:
        ConfigError: no source is named; the task writes text; or the folder holds a ranking of something else.
        DataError: train cannot be used.
        SourceError: a source is nowhere to be found, before anything is measured; or none can be measured. For one of
            several the reason is in `failed`.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    given = load_config(config, overrides, take_splits(data))
    checked = _take_frozen(given)
    wanted = _list_sections(sources)
    _refuse_missing(checked, wanted)

    output, _ = find_place(resume, output, whole="a ranking")
    warn_of_outputs([given.output], output, "a ranking")

    left = BEGUN_WITH if resume is not None else ()
    with claim_process(), hold_folder(output, "rank", left=left) as folder, use_threads(checked.training.threads):
        return _rank_in(folder, checked, wanted, progress=progress)


def _take_frozen(config: RunConfig) -> RunConfig:
    """Leave the source open, and the encoder as it is: a configuration that all sources share.

    Raises:
        ConfigError: the task writes text.
    """
    if make_task(config.task_class, config.task).auto_class == WRITING:
        raise ConfigError(
            f"task '{config.task.name}' writes text here, and a ranking needs answers that a linear probe can give: "
            "labels, numbers, or sentences to pick; train the sources on a few rows with `compare`"
        )
    shared = {**config.each_seed()[0].model_dump(), "strategy": {"kind": "frozen"}, "output": None}
    del shared["source"]
    return check_values(shared, task=config.task_class)


def _list_sections(sources: Sequence[str | Section]) -> list[Section]:
    """Turn names into sections; one that is named twice is measured once.

    Raises:
        ConfigError: there are none, or they are no list.
    """
    if isinstance(sources, str | Mapping) or not sources:
        raise ConfigError("sources: expected a list of names, or of sections `source` of a configuration")
    sections: list[Section] = []
    for one in sources:
        section = {"kind": guess_kind(one), "name": one} if isinstance(one, str) else dict(one)
        if section not in sections:
            sections.append(section)
    return sections


def _refuse_missing(config: RunConfig, sections: Sequence[Section]) -> None:
    """Refuse sources that are neither bundled nor here, and of which the Hub has no configuration; name all of them.

    A mistyped name would otherwise be found out at the end of a long ranking, from which it is left out.
    """
    missing = []
    for section in sections:
        try:
            source = _put(config, section).source
            if source.name not in BUNDLED and locate(source.name) is None:
                # A small file says whether there is such a source.
                load_source(**source.model_dump()).config  # noqa: B018
        except SourceError as error:
            missing.append(str(error))
        except ConfigError:  # said when it is its turn
            continue
    if missing:
        count = [f"{len(missing)} sources"] if len(missing) > 1 else []
        raise SourceError("\n  ".join([*count, *missing]))


def _rank_in(folder: Path, config: RunConfig, wanted: Sequence[Section], *, progress: bool) -> Ranking:
    if (folder / "config.yaml").exists():
        refuse_changes(_list_settings(load_saved(folder, config.task_class)), _list_settings(config), folder)

    # Nothing is learned from a row that a run would be judged by.
    kind, seed = config.task_class, config.training.seed
    train = load_train(config.data, kind.roles, most=MOST, folds=FOLDS, inputs=kind.input_roles(), seed=seed)
    for warning in train.warnings:
        log.warning("%s", warning)
    write_whole(folder / "config.yaml", render(config))

    known = _read_measured(folder, train)
    config = settle(config, make_task(kind, config.task, train.labels), train.rows)
    failed: dict[str, str] = {}
    names = [str(section.get("name")) for section in wanted]
    for number, (section, short) in enumerate(zip(wanted, names, strict=True), 1):
        key = json.dumps(section, sort_keys=True)
        name = short if names.count(short) == 1 else f"{short} ({key})"  # two settings of one source
        log.info("source %s (%d of %d)", escape_line(name), number, len(wanted))
        if key in known:
            continue
        try:
            known[key] = _measure(folder, config, section, train, progress=progress)
        except (SourceError, ConfigError) as error:  # one of several: the others go on
            failed[name] = str(error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failed[name] = "there is not enough memory for it; try a smaller task.max_length"
            release()
        if name in failed:
            log.warning("%s is left out: %s", escape_line(name), failed[name])
        _write_measured(folder, train, known)

    return _conclude(folder, config, train, list(known.values()), failed)


def _list_settings(config: RunConfig) -> dict[str, Any]:
    """List the settings that change what is measured; training has a few."""
    return {key: value for key, value in flatten(config.model_dump(mode="json")).items() if key.startswith(MEASURING)}


def _put(config: RunConfig, section: Section) -> RunConfig:
    """Put a source into the configuration."""
    return check_values({**config.model_dump(), "source": section}, task=config.task_class)


def _measure(folder: Path, config: RunConfig, section: Section, train: TrainRows, *, progress: bool) -> MeasuredSource:
    one = _put(config, section)
    task = make_task(one.task_class, one.task, train.labels)
    return measure_source(one, task, train, make_accelerator(one.training, folder, None), progress=progress)


def _read_measured(folder: Path, train: TrainRows) -> dict[str, MeasuredSource]:
    """Read what an earlier attempt has measured: section, as JSON -> source.

    Raises:
        ConfigError: it read other rows of train, or what it wrote is damaged.
    """
    path = folder / MEASURED
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            values = json.loads(line)
            one = MeasuredSource(**values["measured"])
        except (ValueError, TypeError, KeyError):
            raise ConfigError(f"{path}: damaged, or of another version; choose another folder with --output") from None
        if not may_be_same(values["rows"], train.fingerprint):
            raise ConfigError(f"{folder}: train has changed since its ranking began; choose another with --output")
        known[values["section"]] = one
    return known


def _write_measured(folder: Path, train: TrainRows, known: Mapping[str, MeasuredSource]) -> None:
    """Write all of them again, as one whole file."""
    lines = [
        json.dumps({"rows": train.fingerprint, "section": key, "measured": asdict(one)}) for key, one in known.items()
    ]
    write_whole(folder / MEASURED, "".join(f"{line}\n" for line in lines))


def _conclude(
    folder: Path,
    config: RunConfig,
    train: TrainRows,
    measured: Sequence[MeasuredSource],
    failed: Mapping[str, str],
) -> Ranking:
    """Order what was measured, and write rank.json.

    Raises:
        SourceError: nothing was measured.
    """
    if not measured:
        raise SourceError("none of the sources can be ranked: " + "; ".join(dict.fromkeys(failed.values())))

    kind = config.task_class
    score = kind.compared or kind.selection
    ranked = order_sources(measured)
    agreement = count_agreement(ranked)
    said = write_sentences(ranked, agreement, score=score, points=kind.points, rows=len(train.rows), folds=FOLDS)
    said += [*(f"{escape_line(name)} was left out: {reason}" for name, reason in failed.items()), SHARED]

    figures = {
        "task": config.task.name,
        "score": score,
        "rows": {"used": len(train.rows), "origin": train.origin, "fingerprint": train.fingerprint, "folds": FOLDS},
        "sources": [one.collect() for one in ranked],
        "failed": dict(failed),
        "agreement": agreement,
        "verdict": said,
    }
    write_json(folder / RANKING, figures)
    table = render_ranking(ranked, score=score, points=kind.points)
    return Ranking(folder, score, tuple(ranked), dict(failed), agreement, tuple(said), table)
