"""Prepare a run: read the data and the source, build the model, and turn texts into tokens."""

import dataclasses
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from accelerate.utils import set_seed

from nlp_transfer.config.base import Section
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.formats.sheets import SHEETS
from nlp_transfer.data.formats.tables import DELIMITERS, find_format
from nlp_transfer.data.locations import is_on_hub
from nlp_transfer.data.rows import StoredColumn, TaskRows
from nlp_transfer.data.splits import Splits, load_splits
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.evaluation.verdicts import format_scores, name_source
from nlp_transfer.evaluation.writing_back import WrittenBack, write_back
from nlp_transfer.models.anatomy import count_positions, find_encoder
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.padding import read_padding_trouble, try_padding
from nlp_transfer.models.encoding.tokenizers import Tokenizers, limit_tokens
from nlp_transfer.models.masked import build_masked
from nlp_transfer.models.source import LoadedModel, Source
from nlp_transfer.models.static_masked import build_static_masked
from nlp_transfer.models.surgery.packed import try_packing
from nlp_transfer.models.unread import find_unread
from nlp_transfer.sources import load_source
from nlp_transfer.strategies import Plan, make_plan
from nlp_transfer.system.allocator import keep_freed_memory
from nlp_transfer.system.precision import refuse_fp16
from nlp_transfer.task import Prediction, Task, apply_calibration, make_task
from nlp_transfer.training.memory import recompute_activations

LABEL_KEYS = ("labels", "max_labels", "on_unknown_label")
ULMFIT = ("blocks_per_phase", "rate_decay")
ONE_TASK = "not used, there is one task"
ADAPTING = {"self_training": ("rounds", "confident"), "importance": ("clip",)}  # way of adaptation -> its own keys
HEAD_SOLVED = "not used, the head is solved; see strategy.solver"
CHOSEN_WEIGHTS = (
    "task.class_weights: auto is chosen as a head is solved (strategy.kind=frozen, a linear head); here each value "
    "would take a training: name none or balanced, try both by `search`, or let training.rebalance=auto choose after it"
)
GRADIENT_ONLY = (
    *("epochs", "learning_rate", "weight_decay", "accumulation", "clip", "warmup", "head_warmup", "schedule"),
    *("patience", "gradient_checkpointing"),
)
MANY_CHANGED = 0.02  # share of references that the tokenizer changes; more is worth a warning
LONGEST_SAMPLED = 20  # a sample holds so many of the longest rows
MANY_LOST = 0.1  # share of truncated texts or unknown tokens; more is worth a warning
MANY_UNREAD = 0.01  # share of texts without a known word, of which a model can only guess the answer
T = TypeVar("T", bound=Section)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Data, model and tokens of a run before it trains.

    Attributes:
        config: with all values that are left to the data filled in.
        task: encodes, decodes and scores.
        splits: the data.
        source: the pretrained part.
        loaded: the model.
        tokenizers: of the model.
        encoded: split -> model inputs.
        rows: split -> the rows that are encoded: all, or a sample.
        unlabelled: model inputs of `data.unlabelled`; None where the strategy does not move towards it.
    """

    config: RunConfig
    task: Task
    splits: Splits
    source: Source
    loaded: LoadedModel
    tokenizers: Tokenizers
    encoded: Mapping[str, Encoded]
    rows: Mapping[str, TaskRows]
    unlabelled: Encoded | None = None

    def adapt(self, units: int | None = None) -> Plan:
        """Adapt the model to the strategy, and plan the phases. This changes the model, so call it once.

        `units` are those that `epochs: auto` looks at; by default those of train.

        Raises:
            ConfigError: the strategy does not fit the model, or leaves nobody to choose what the task leaves open.
        """
        config, source = self.config, self.source
        plan = make_plan(
            config.strategy,
            config.training,
            self.loaded,
            units=units or self.count_units(),
            has_layers=source.has_layers,
            scratch=source.scratch,
            masked=_build_masked(source) if config.strategy.adaptation == "mlm" else None,
        )
        if self.task.chooses_weights and (plan.takes_steps or len(plan.phases) > 1):
            raise ConfigError(CHOSEN_WEIGHTS)
        if config.training.gradient_checkpointing:
            recompute_activations(plan.model)
        return dataclasses.replace(plan, cache="none") if self.task.spoils_inputs else plan

    def list_contents(self, prefix: str = "") -> dict[str, str]:
        """List what must be the same when the run is resumed: each split in words -> its fingerprint."""
        report = self.splits.report
        read = {**report.splits, **({"unlabelled": report.unlabelled} if report.unlabelled else {})}
        return {f"{prefix}data.{name} (contents)": one.fingerprint for name, one in read.items()}

    def count_units(self) -> int:
        """Count the units of train; from a sample, as many as all rows would give."""
        return round(len(self.encoded["train"].inputs) * len(self.splits.train) / len(self.rows["train"]))

    def calibrate(self, results: Sequence[Sequence[Any]]) -> "Prepared":
        """Choose the options that the task leaves to validation, such as thresholds, by the raw results for it."""
        if not self.task.undecided:
            return self
        task = apply_calibration(self.task, results, self.splits.validation)
        return dataclasses.replace(self, task=task, config=self.config.model_copy(update={"task": task.options}))

    def decode(self, results: Sequence[Sequence[Any]], split: str) -> list[Prediction]:
        """Turn the raw results for a split into predictions."""
        return self.task.decode(results, getattr(self.splits, split), self.tokenizers)

    @cached_property
    def written_back(self) -> WrittenBack | None:
        """How many references of validation the target tokenizer can write; None if the task writes no text."""
        return write_back(self.task, self.splits.validation, self.tokenizers)

    @cached_property
    def warnings(self) -> list[str]:
        """Warnings about the tokens: cut texts, unknown tokens, and references that cannot be written."""
        found = []
        name, most = name_source(self.config.source), self.tokenizers.source.model_max_length
        option, wanted = self.task.length_option, self.task.longest
        if wanted is not None and wanted > most:
            found.append(f"task.{option}: {wanted} tokens, but '{name}' has positions for {most}; no more are read")
        made_for = self.source.embedding.longest if self.source.embedding else None
        if made_for is not None and wanted is not None and made_for < min(wanted, most):
            found.append(f"task.{option}: {wanted} tokens, but '{name}' was made for {made_for} (max_seq_length)")
        found += self.source.advice
        behind, read = self.source.embedding, getattr(self.loaded.model.config, "embedding", None)
        if behind and not read and (dense := [step for step in behind.values["steps"] if step["name"] == "dense"]):
            found.append(
                f"'{name}': {len(dense)} dense layer(s) behind its encoder are not used; a head with "
                "task.head.pooling=own reads them"
            )
        if trouble := read_padding_trouble(self.loaded.model):
            found.append(f"'{name}': {trouble}")

        for split, encoded in self.encoded.items():
            found += [f"{split}: {warning}" for warning in encoded.warnings]
            which = "texts" if encoded.examples == len(getattr(self.splits, split)) else "sampled texts"
            if encoded.truncated > MANY_LOST * encoded.examples:
                way = f"; see task.{option}" if option else ""
                found.append(f"{split}: {encoded.truncated} of {encoded.examples} {which} are truncated{way}")
            if encoded.unknown > MANY_LOST:
                found.append(f"{split}: {encoded.unknown:.0%} of the tokens are unknown to '{name}'")
            if (unread := len(encoded.unknown_examples)) > MANY_UNREAD * encoded.examples:
                found.append(f"{split}: {unread} of {encoded.examples} {which} hold no word that '{name}' knows")

        back = self.written_back
        if back and back.example and back.changed > MANY_CHANGED * back.references:
            before, after = back.example
            best = format_scores(back.scores)
            found.append(
                f"validation: {back.changed} of {back.references} references come back from the target tokenizer "
                f"otherwise ({before!r} as {after!r}), so a model can hardly score more than {best}; "
                "take a checkpoint with a vocabulary for the language, or a fresh decoder beside an encoder"
            )
        return found

    def list_unused(self, plan: Plan, *, alone: bool = True, varied: Collection[str] = ()) -> list[str]:
        """List the settings that have no effect on this run, and why.

        Args:
            plan: of this run.
            alone: it is not one of several tasks.
            varied: dotted keys to list also where they have their defaults, for other runs have them otherwise.
        """
        # What there is in this run for the settings to act on.
        data = self.config.data
        solved = not plan.takes_steps
        probing = getattr(self.config.strategy, "schedule", "") == "lp_ft"
        fetched = any(map(is_on_hub, data.places))

        named = [place for place in data.places if isinstance(place, str)]
        folder = any(Path(place).is_dir() for place in named)
        tables = folder or data.delimiter is not None or any(find_format(place) in DELIMITERS for place in named)
        headed = tables or any(find_format(place) in SHEETS for place in named)

        numbers = "number" in self.task.roles.values()
        several = "labels" in self.task.roles.values()
        given = [name for name, split in self.splits.report.splits.items() if name != "train" and not split.cut]

        unused = (
            *(("source", (key,), why) for key, why in self.source.unused.items()),
            ("strategy", ULMFIT if probing else (), "not used by lp_ft"),
            *(
                ("strategy", keys, f"not used without adaptation: {way}")
                for way, keys in ADAPTING.items()
                if self.config.strategy.kind == "frozen" and self.config.strategy.adaptation != way
            ),
            ("strategy", ("head_learning_rate",) if solved else (), HEAD_SOLVED),
            ("training", GRADIENT_ONLY if solved else (), HEAD_SOLVED),
            ("data", [f"{name}_share" for name in given], "not used, the split is given"),
            ("data", ("group",) if len(given) == 2 else (), "not used, no split is cut"),
            ("data", ("split_seed",) if len(given) == 2 and data.limit is None else (), "not used, nothing is drawn"),
            ("data", ("limit_seed",) if data.limit is None else (), "not used without data.limit"),
            ("data", () if self.splits.unlabelled else ("unlabelled",), "not used without strategy.adaptation"),
            ("data", () if fetched else ("subset", "revision"), "not used, no data come from the Hub"),
            ("data", () if self.splits.labels else LABEL_KEYS, "not used, the task has no labels"),
            (
                "training",
                ("temperature",) if self.task.probabilities is None else (),
                "not used, answers have no confidence",
            ),
            (
                "training",
                () if self.task.probabilities == "softmax" else ("rebalance",),
                "not used, no text has exactly one label",
            ),
            ("training", ("sampling", "keep") if alone else (), ONE_TASK),
            ("strategy", ("adapter",) if alone and self.config.strategy.kind == "lora" else (), ONE_TASK),
            ("training", ("label_smoothing",) if numbers else (), "not used, the task has no labels"),
            ("data", () if several else ("label_separator",), "not used, a row has no more than one label"),
            ("data", () if tables else ("delimiter", "quoting"), "not used, no data are .csv or .tsv"),
            ("data", () if headed else ("header",), "not used, no data are a table or a sheet"),
        )

        return [
            f"{section}.{key}: {why}"
            for section, keys, why in unused
            for key in keys
            if f"{section}.{key}" in varied or getattr(self.config, section).changed(key)
        ]


def prepare(
    config: RunConfig, *, sampled: int | None = None, tested: bool = True, beside: Iterable[str] = ()
) -> Prepared:
    """Read data and source, build the model and encode the texts. The seed of the configuration is set before.

    Args:
        config: of the run.
        sampled: encode at most so many rows of each split, for a report on the tokens; see `sample`; None for all.
        tested: see `load_splits`.
        beside: texts that the source is to know too; see `open_model`.

    Raises:
        TransferError: a subclass says what is wrong with data, source or settings.
    """
    refuse_fp16(config.training.precision)
    keep_freed_memory()
    set_seed(config.training.seed)

    kind = config.task_class
    splits = load_splits(
        config.data,
        kind.roles,
        inputs=kind.input_roles(),
        seed=config.training.seed,
        tested=tested,
        adapting=config.strategy.adaptation != "none",
    )
    config = settle(config, make_task(kind, config.task, splits.labels), splits.train)
    task = make_task(kind, config.task, splits.labels)

    source, loaded, tokenizers = open_model(config, task, splits.train, splits.unlabelled, beside)
    rows = {name: sample(part, task.input_roles(), sampled) for name, part in list_rows(splits).items() if len(part)}
    encoded = {name: task.encode(part, tokenizers, training=name == "train") for name, part in rows.items()}
    there = None
    if splits.unlabelled is not None:
        there = task.encode(sample(splits.unlabelled, task.input_roles(), sampled), tokenizers)
    return Prepared(config, task, splits, source, loaded, tokenizers, encoded, rows, there)


def stream_inputs(config: RunConfig) -> Iterator[str]:
    """Read the rows to learn from, and stream the texts of these."""
    kind = config.task_class
    inputs = kind.input_roles()
    train = load_splits(config.data, kind.roles, inputs=inputs, seed=config.training.seed).train
    return chain.from_iterable(_stream_texts(train[role]) for role in inputs)


def open_model(
    config: RunConfig, task: Task, train: TaskRows, unlabelled: TaskRows | None = None, beside: Iterable[str] = ()
) -> tuple[Source, LoadedModel, Tokenizers]:
    """Load the source of a configuration, and build the task's model on it.

    Args:
        config: of the run.
        task: builds the model.
        train: the rows to learn from.
        unlabelled: texts without labels that are learned from too.
        beside: other texts, whose words a table that keeps only those of the texts shall have too; read if it does.

    Raises:
        SourceError: the source cannot be loaded, or its tokenizer cannot pad.
        ConfigError: the options of the task do not fit it.
    """
    read = [rows[role] for rows in (train, unlabelled) if rows is not None for role in task.input_roles()]
    texts = chain.from_iterable(map(_stream_texts, read))
    source = load_source(texts=chain(texts, beside), **config.source.model_dump())
    if source.tokenizer.pad_token_id is None:
        raise SourceError(
            f"{name_source(config.source)}: the tokenizer has no padding token, and batches of texts need one; choose "
            "an encoder or a sequence-to-sequence checkpoint, or save this one with a pad_token"
        )

    loaded = task.build(source, train, frozen=config.strategy.kind == "frozen")
    # The model says how many tokens it can read. What tokenizers say about that is often wrong or missing.
    positions = count_positions(find_encoder(loaded.model).module)
    tokenizers = Tokenizers(limit_tokens(source.tokenizer, positions), loaded.target_tokenizer)
    try_padding(loaded.model, tokenizers.source, together=True)
    try_packing(loaded.model, tokenizers.source)
    unread = find_unread(loaded.model, tokenizers.source)
    solvable = task.solved_as is not None
    return source, dataclasses.replace(loaded, new=loaded.new - unread, unread=unread, solvable=solvable), tokenizers


def _build_masked(source: Source) -> LoadedModel:
    """Load a source under a head that finds hidden words."""
    return build_masked(source) if source.has_layers else build_static_masked(source)


def sample(rows: TaskRows, roles: Sequence[str], most: int | None) -> TaskRows:
    """Sample `most` rows at even distances, the longest rows among them; return all rows if there are no more."""
    if most is None or len(rows) <= most:
        return rows
    longest = np.argsort(sum(_measure_sizes(rows[role]) for role in roles), kind="stable")[-LONGEST_SAMPLED:]
    return rows.select(np.unique([*np.linspace(0, len(rows) - 1, most - LONGEST_SAMPLED, dtype=int), *longest]))


def _measure_sizes(column: Sequence[Any]) -> np.ndarray:
    """Measure each row: the bytes of its text, or the number of its texts; (rows,)."""
    texts = column.cells if isinstance(column, StoredColumn) else pa.chunked_array([column])
    sizes = pc.binary_length(texts) if pa.types.is_string(texts.type) else pc.list_value_length(texts)
    result: np.ndarray = sizes.to_numpy()
    return result


def settle(config: RunConfig, task: Task, rows: TaskRows) -> RunConfig:
    """Choose the options that the task leaves to the data, and log the choice."""
    options = task.settle(rows)
    for key in task.settled:
        if getattr(config.task, key) == "auto":
            log.info("task.%s: %s, chosen by the rows of train", key, getattr(options, key) or "null")
    return config.model_copy(update={"task": options})


def keep_decided(config: RunConfig, before: RunConfig, keys: Sequence[str]) -> RunConfig:
    """Take values from an earlier attempt, if the configuration leaves them open (`auto`).

    They are those of some options of the task; the number of passes, for in others dropout would draw other numbers;
    and the epochs, whose default was a number in older versions.
    """
    task = _fill_in(config.task, before.task, keys)
    training = _fill_in(config.training, before.training, ("accumulation", "epochs"))
    return config.model_copy(update={"task": task, "training": training})


def _fill_in(options: T, before: T, keys: Iterable[str]) -> T:
    """Take the values of an earlier attempt for those keys that are `auto`."""
    left = [key for key in keys if getattr(options, key) == "auto"]
    return options.model_copy(update={key: getattr(before, key) for key in left})


def _stream_texts(cells: Iterable[str | Sequence[str]]) -> Iterator[str]:
    """Yield the texts of a column one by one, also those of lists."""
    for cell in cells:
        yield from [cell] if isinstance(cell, str) else cell


def list_rows(splits: Splits) -> dict[str, TaskRows]:
    """List the rows by the name of their split."""
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}
