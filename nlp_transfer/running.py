"""One run from configuration to run folder: load, adapt, train, choose on validation, measure test once, save."""

import dataclasses
import importlib.util
import json
import logging
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list, set_seed
from transformers import PreTrainedModel

from nlp_transfer.batching import Encoded
from nlp_transfer.config import RunConfig, load_config, render
from nlp_transfer.data import Splits, load_splits
from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.evaluation import infer
from nlp_transfer.feature_store import cache_folder
from nlp_transfer.features import WHOLE, TokenUnits, Units, find_boundary, open_store, replay
from nlp_transfer.layout import FINISHED
from nlp_transfer.models.extractive import count_positions
from nlp_transfer.precision import choose_precision
from nlp_transfer.prediction import Predictor, open_run
from nlp_transfer.probes import alike, write_probes
from nlp_transfer.provenance import provenance
from nlp_transfer.publication import write_card
from nlp_transfer.report import Row, verdicts
from nlp_transfer.saving import environment, make_folder, save_model, write_json
from nlp_transfer.sources import LoadedModel, Source, load_source
from nlp_transfer.strategies import Plan, make_plan, save_adapter
from nlp_transfer.strategies.blocks import find_encoder
from nlp_transfer.task import Prediction, Task, Tokenizers, find_task
from nlp_transfer.trainable import parameter_counts, trainable_table
from nlp_transfer.training import Settings, Trainer, flat

log = logging.getLogger(__name__)
MANY = 0.1  # share of truncated texts or unknown tokens that is worth a warning
PROBES = 32  # test examples predicted again by the reloaded model


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: what it left.
        metrics: the contents of metrics.json.
        summary: the test scores and the verdict in words.
        row: the same as a line of a comparison.
        baselines: the simple methods beside it.
    """

    folder: Path
    metrics: dict[str, Any]
    summary: str
    row: Row
    baselines: tuple[Row, ...]


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before anything trains."""

    config: RunConfig
    task: Task
    splits: Splits
    source: Source
    loaded: LoadedModel
    tokenizers: Tokenizers
    encoded: Mapping[str, Encoded]

    def plan(self) -> Plan:
        """Adapt the model to the strategy; changes the model, so once."""
        strategy, training = self.config.strategy, self.config.training
        settings = strategy.model_dump(exclude={"kind"})
        plan = make_plan(
            strategy.kind,
            self.loaded,
            source_kind=self.source.kind,
            scratch=self.source.scratch,
            learning_rate=training.learning_rate,
            epochs=training.epochs,
            **settings,
        )
        phases = tuple(
            dataclasses.replace(phase, warmup=training.warmup, schedule=training.schedule) for phase in plan.phases
        )
        return dataclasses.replace(plan, phases=phases)

    def warnings(self) -> list[str]:
        """What a user should know of the tokens."""
        found = []
        for split, encoded in self.encoded.items():
            found += [f"{split}: {warning}" for warning in encoded.warnings]
            if encoded.truncated > MANY * encoded.examples:
                found.append(
                    f"{split}: {encoded.truncated} of {encoded.examples} texts are truncated; see task.max_length"
                )
            if encoded.unknown > MANY:
                found.append(f"{split}: {encoded.unknown:.0%} of the tokens are unknown to '{self.source.name}'")
        return found


def prepare(config: RunConfig) -> Prepared:
    """Read the data, the source and build the model; the seed decides what is drawn."""
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    set_seed(config.training.seed)
    kind = find_task(config.task.name)
    splits = load_splits(config.data, kind.roles)
    task = kind(config.task, splits.labels)
    source = load_source(texts=_each_text(splits.train[task.input_role]), **config.source.model_dump())
    loaded = task.build(source, splits.train, frozen=config.strategy.kind == "frozen")
    tokenizers = Tokenizers(source.tokenizer, loaded.target_tokenizer)
    encoded = {name: task.encode(rows, tokenizers, training=name == "train") for name, rows in _rows(splits).items()}
    longest = max(int(one.lengths.max()) for one in encoded.values())
    if longest > (positions := count_positions(find_encoder(loaded.model).module)):
        raise ConfigError(f"task.max_length: {longest} tokens, but {source.name} has {positions} positions; lower it")
    return Prepared(config, task, splits, source, loaded, tokenizers, encoded)


def _each_text(cells: Iterable[str | Sequence[str]]) -> Iterator[str]:
    """The texts of a column, those of lists one by one."""
    for cell in cells:
        yield from [cell] if isinstance(cell, str) else cell


def _rows(splits: Splits) -> dict[str, Any]:
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def run(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    progress: bool = True,
) -> RunResult:
    """Train one model as configured, or one per seed.

    Args:
        config: a file, a mapping or a checked configuration.
        overrides: dotted KEY=VALUE pairs.
        output: the run folder; by default `output` of the configuration, else the first free runs/NAME.
        progress: show bars.

    Raises:
        TransferError: a subclass says what is wrong, where, and the way out; a folder without metrics.json is not
            finished.
    """
    checked = load_config(config, overrides)
    name = Path(config).stem if isinstance(config, str | Path) else f"{checked.task.name}-{checked.strategy.kind}"
    folder = agreed_folder(output or checked.output, name)
    if checked.training.seeds:
        return _run_seeds(checked, folder, progress=progress)
    return _run_one(checked, folder, progress=progress)


def agreed_folder(wanted: str | Path | None, name: str) -> Path:
    """The run folder, made by the main process and told to the others."""
    state = PartialState(cpu=not torch.accelerator.is_available())  # or CPU processes would not find each other
    folders = [make_folder(wanted, name) if state.is_main_process else None]
    folder: Path | None = broadcast_object_list(folders)[0]
    if folder is None:
        raise TrainingError("the main process did not say where the run folder is")
    return folder


def _run_one(config: RunConfig, folder: Path, *, progress: bool) -> RunResult:
    clock = _Clock()
    accelerator = _accelerator(config, folder)
    prepared = prepare(config)
    plan = prepared.plan()
    if accelerator.is_main_process:
        for warning in prepared.warnings():
            log.warning("%s", warning)
        log.info("%s", trainable_table(plan))
        (folder / "config.yaml").write_text(render(config), encoding="utf-8")
        write_json(folder / "environment.json", environment())
    sizes = parameter_counts(plan)
    clock.lap("preparation")
    baselines = _baselines(prepared)
    for one in baselines:
        role = "ceiling" if one.name in prepared.task.ceilings else "to beat"
        log.info("%s: %s, %s on validation", role, one.name, _brief(flat(one.validation)))
    clock.lap("baselines")
    history = _train(prepared, plan, accelerator, folder, progress=progress)
    clock.lap("training")
    if plan.adapter and accelerator.is_main_process:
        save_adapter(plan.model, folder / "adapter", prepared.source.name)
    model = plan.finish(plan.model)
    said = _predict(prepared, model, "test", plan)
    scores = history.scores
    # What is reported is what `predict` will do: in single precision, on all rows, the full way.
    if accelerator.mixed_precision != "no" or prepared.task.sample:
        scores = prepared.task.score(_predict(prepared, model, "validation", plan), prepared.splits.validation)
    clock.lap("evaluation")
    row = Row(
        name=folder.name,
        source=_source_name(prepared),
        strategy=config.strategy.kind,
        scratch=prepared.source.scratch,
        **sizes,
        seconds=clock.seconds["training"],
        validation=scores,
        test=prepared.task.score(said, prepared.splits.test),
        correct=prepared.task.hits(said, prepared.splits.test),
    )
    verdict = verdicts([row], baselines, task=type(prepared.task))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_model(model, prepared.tokenizers, folder / "model")
        _write_predictions(folder / "predictions.jsonl", said, prepared.splits.test)
        _verify(folder, prepared, model)
    clock.lap("saving")
    metrics = {
        "validation": row.validation,
        "test": row.test,
        "selection": {"metric": prepared.task.selection, "split": "validation", "best": history.best},
        "parameters": sizes,
        "seconds": clock.total(),
        "baselines": {one.name: {"validation": one.validation, "test": one.test} for one in baselines},
        "seed": config.training.seed,
        "precision": accelerator.mixed_precision.replace("no", "fp32"),
        "steps": history.steps,
        "verdict": verdict,
        **_seen(prepared),
    }
    if accelerator.is_main_process:
        write_card(folder, metrics)
        write_json(folder / FINISHED, metrics)
    scores = [
        f"test: {one.label}: {_brief({name: one.test[name] for name in prepared.task.shown})}"
        for one in (*baselines, row)
    ]
    return RunResult(folder, metrics, "\n".join([*scores, *verdict]), row, baselines)


def _seen(prepared: Prepared) -> dict[str, Any]:
    """What of the data the model could see."""
    return {
        "warnings": prepared.warnings(),
        "truncated": {name: encoded.truncated for name, encoded in prepared.encoded.items()},
        "unknown_tokens": {name: encoded.unknown for name, encoded in prepared.encoded.items()},
        "data": dataclasses.asdict(prepared.splits.report),
        "provenance": dataclasses.asdict(provenance(prepared.config)),
    }


def _accelerator(config: RunConfig, folder: Path) -> Accelerator:
    precision = broadcast_object_list([choose_precision(config.training.precision)])[0]  # one for all processes
    mixed = "no" if precision == "fp32" else precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()  # an earlier run of this process chose another precision
    tracker = config.training.tracker
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(f"training.tracker: {tracker} is not installed; pip install {tracker}")
    accelerator = Accelerator(
        mixed_precision=mixed, log_with=None if tracker == "none" else tracker, project_dir=str(folder)
    )
    if tracker != "none":
        accelerator.init_trackers("nlp-transfer")
    return accelerator


def _train(prepared: Prepared, plan: Plan, accelerator: Accelerator, folder: Path, *, progress: bool) -> Any:
    training = prepared.config.training

    def record(facts: dict[str, Any]) -> None:
        if not accelerator.is_main_process:
            return
        with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        shown = {**{k: facts[k] for k in ("loss",) if k in facts}, **facts["validation"]}
        log.info("%s epoch %s: %s", facts["phase"], facts["epoch"], _brief(shown))
        accelerator.log({f"validation/{k}": v for k, v in facts["validation"].items()}, step=facts["step"])

    settings = Settings(
        batch_size=training.batch_size,
        accumulation=training.accumulation,
        weight_decay=training.weight_decay,
        clip=training.clip,
        patience=training.patience,
        label_smoothing=training.label_smoothing,
        seed=training.seed,
        cache=cache_folder(),
        progress=progress,
    )
    rows, validation = prepared.splits.validation, prepared.encoded["validation"]
    if prepared.task.sample and len(rows) > prepared.task.sample:
        rows = rows.shuffle(seed=0).select(range(prepared.task.sample))
        validation = prepared.task.encode(rows, prepared.tokenizers)
    trainer = Trainer(
        plan=plan,
        task=prepared.task,
        train=prepared.encoded["train"],
        validation=validation,
        validation_rows=rows,
        tokenizers=prepared.tokenizers,
        accelerator=accelerator,
        settings=settings,
        record=record,
    )
    history = trainer.fit()
    for tracker in accelerator.trackers:  # end_training would also part the processes, who have more to do
        tracker.finish()
    return history


def _brief(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())


def _predict(prepared: Prepared, model: PreTrainedModel, split: str, plan: Plan) -> list[Prediction]:
    """Single-precision predictions for a split; frozen features that are kept on disk are looked up there."""
    tokens = TokenUnits(prepared.encoded[split], prepared.tokenizers.source.pad_token_id)
    units: Units = tokens
    boundary = find_boundary(model, plan.moving)
    if plan.cache == "disk" and boundary is not None and boundary.kind in WHOLE:
        units = replay(model, tokens, boundary, open_store(model, boundary, cache_folder())) or tokens
    results = infer(model, prepared.task, units)
    return prepared.task.decode(results, getattr(prepared.splits, split), prepared.tokenizers)


def _baselines(prepared: Prepared) -> tuple[Row, ...]:
    """The task's simple methods, scored like the model."""
    rows, task = _rows(prepared.splits), prepared.task
    return tuple(
        Row(
            name=name,
            source="",
            strategy="",
            scratch=True,
            trainable=0,
            total=0,
            seconds=None,
            validation=task.score(found["validation"], rows["validation"]),
            test=task.score(found["test"], rows["test"]),
            correct=task.hits(found["test"], rows["test"]),
        )
        for name, found in task.baselines(prepared.splits).items()
    )


def _verify(folder: Path, prepared: Prepared, model: PreTrainedModel) -> None:
    """Reload what was saved and let both predict the same texts; keep these, for they serve a publication too.

    Raises:
        TrainingError: the reloaded model predicts otherwise.
    """
    texts = list(prepared.splits.test[prepared.task.input_role][:PROBES])
    trained = Predictor(prepared.task, model, prepared.tokenizers, {}).predict(texts)
    for text, before, after in zip(texts, trained, open_run(folder).predict(texts), strict=True):
        if not alike(before, after):
            raise TrainingError(
                f"{folder / 'model'}: the saved model answers {after} to {str(text)[:60]!r}, the trained one {before}"
            )
    write_probes(folder, texts, trained)


def _write_predictions(path: Path, predictions: Sequence[Prediction], rows: Any) -> None:
    """One line per test row: its place in the file and what the model said."""
    lines = (
        json.dumps({"row": row, **said}, ensure_ascii=False) for row, said in zip(rows["row"], predictions, strict=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _source_name(prepared: Prepared) -> str:
    section = prepared.config.source
    context = getattr(section, "contextualizer", "bag")
    name = Path(section.name).name if Path(section.name).exists() else section.name
    return name if context == "bag" else f"{name} + {context}"


def _run_seeds(config: RunConfig, folder: Path, *, progress: bool) -> RunResult:
    """One run per seed in a subfolder each; mean and standard deviation beside the seed that validation chooses."""
    results = []
    for seed in config.training.seeds or ():
        training = config.training.model_copy(update={"seed": seed, "seeds": None})
        part = folder / f"seed-{seed}"
        part.mkdir(exist_ok=True)
        results.append(_run_one(config.model_copy(update={"training": training}), part, progress=progress))
    metric = find_task(config.task.name).selection
    best = max(results, key=lambda result: result.metrics["validation"][metric])
    spread = {
        split: {name: _spread([result.metrics[split][name] for result in results]) for name in _numbers(best, split)}
        for split in ("validation", "test")
    }
    if not PartialState().is_main_process:
        return dataclasses.replace(best, folder=folder)
    for name in ("environment.json", "model", "adapter", "predictions.jsonl", "probes.jsonl", "history.jsonl"):
        if (best.folder / name).exists():
            (best.folder / name).rename(folder / name)
    (folder / "config.yaml").write_text(render(config), encoding="utf-8")
    metrics = {**best.metrics, "seeds": {"values": list(config.training.seeds or ()), **spread}}
    write_card(folder, metrics)
    write_json(folder / FINISHED, metrics)
    return dataclasses.replace(
        best, folder=folder, metrics=metrics, row=dataclasses.replace(best.row, name=folder.name)
    )


def _numbers(result: RunResult, split: str) -> list[str]:
    return [name for name, value in result.metrics[split].items() if isinstance(value, int | float)]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": statistics.mean(values), "standard_deviation": statistics.stdev(values)}


class _Clock:
    """Wall-clock seconds of the stages of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.perf_counter() - self._start, 3)}
