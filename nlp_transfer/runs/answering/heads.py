"""Answer the same texts by several finished runs; those that share an encoder compute it once."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.writing import LINES
from nlp_transfer.errors import ConfigError
from nlp_transfer.inference.predictions import infer_heads
from nlp_transfer.models.encoding.flat import FlatUnits
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.sharing import join_equal
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.answering.answers import Kept, keep_columns
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.answering.predictor import Input, Predictor, Read, Seen
from nlp_transfer.system.layout import list_parts
from nlp_transfer.system.received import list_paths
from nlp_transfer.task import Prediction

Answers = dict[str, Prediction]  # name of the run -> its answer


class TasksPredictor:
    """Several finished runs that read the same texts."""

    def __init__(self, predictors: Mapping[str, Predictor]) -> None:
        """Let runs with equal encoders have one. Runs that read one text each may call it by other names.

        Raises:
            ConfigError: two of them read other inputs.
        """
        self.predictors = dict(predictors)
        (known, first), *others = predictors.items()
        for name, one in others:
            if _describe_inputs(one) != _describe_inputs(first):
                reads = [", ".join(each.task.input_roles()) for each in (first, one)]
                raise ConfigError(f"{known} reads {reads[0]}, {name} {reads[1]}: they cannot answer the same rows")
        # A text is also a list of one, where a list is no text: the run that takes no lists says what is read.
        self._reader = next((one for one in predictors.values() if not one.list_roles), first)
        self.half = False
        self._computing = threading.Lock()
        names = list(predictors)
        self._groups = [
            [names[number] for number in group] for group in join_equal([one.model for one in predictors.values()])
        ]

    @property
    def input_columns(self) -> dict[str, str]:
        """The input roles, each with the column that held it in training; of one run, where they differ."""
        return self._reader.input_columns

    @property
    def roles(self) -> frozenset[str]:
        """The roles that may be named: those that are read, and those of all runs that are no input."""
        others = (role for one in self.predictors.values() for role in one.roles - {*one.task.input_roles()})
        return frozenset((*self._reader.roles, *others))

    @property
    def list_roles(self) -> frozenset[str]:
        """The input roles that hold a list of texts."""
        return self._reader.list_roles

    @property
    def dialect(self) -> Dialect:
        """How the run whose columns are read was told that a table is written."""
        return self._reader.dialect

    @property
    def seen(self) -> Seen:
        """The counts of the inputs so far: of those cut or unknown the most of any run, and all unsure answers."""
        seen = [one.seen for one in self.predictors.values()]
        return replace(
            seen[0],
            truncated=max(one.truncated for one in seen),
            unsure=sum(one.unsure for one in seen),
            unknown=max(one.unknown for one in seen),
        )

    @seen.setter
    def seen(self, counts: Seen) -> None:
        for one in self.predictors.values():
            one.seen = replace(counts)

    @property
    def least(self) -> float | None:
        """The confidence below which all of them answer null."""
        return self._reader.least

    def describe_withheld(self, seen: Seen) -> str:
        """Say how many answers are null for their confidence; see `Predictor.describe_withheld`."""
        asked = (seen.texts - seen.empty) * len(self.predictors)
        if self.least is None or not asked:
            return ""
        share = f"{seen.unsure} of {asked} answers ({seen.unsure / asked:.1%})"
        return f"{share} of {len(self.predictors)} runs are null, for their confidence is below {self.least:g}"

    @property
    def answer_keys(self) -> tuple[str, ...]:
        """The columns of answers in a table, in order: RUN.KEY; see `Predictor.answer_keys`."""
        return tuple(f"{name}.{key}" for name, one in self.predictors.items() for key in one.answer_keys)

    def lay_flat(self, said: Answers) -> Prediction:
        """Lay the answers to a text out as a row of a table, with the columns of `answer_keys`."""
        return {f"{name}.{key}": value for name, one in said.items() for key, value in one.items()}

    def keep_columns(self, open_rows: Callable[[], RowStream], *, ending: str) -> Kept:
        """Keep the columns of rows, to be put before the answers in a file with this ending."""
        keys = [*self.predictors] if ending in LINES else self.answer_keys
        return keep_columns(open_rows, keys, ending=ending)

    def predict(self, texts: Any, columns: Mapping[str, str] | None = None) -> list[Answers]:
        """Answer each text by every run; see `Predictor.predict`."""
        return list(self.predict_stream(texts, columns))

    def predict_stream(
        self,
        texts: Any,
        columns: Mapping[str, str] | None = None,
        *,
        idle: Callable[[], bool] = lambda: False,
    ) -> Iterator[Answers]:
        """Predict while texts arrive; see `Predictor.predict_stream`."""
        return (said for chunk in self.cut_chunks(texts, columns, idle=idle) for said in self.answer(chunk))

    def cut_chunks(
        self,
        texts: Any,
        columns: Mapping[str, str] | None = None,
        *,
        idle: Callable[[], bool] = lambda: False,
    ) -> Iterator[list[Input]]:
        """Cut texts into the chunks that are answered together; see `Predictor.cut_chunks`."""
        return self._reader.cut_chunks(texts, columns, idle=idle)

    def answer(self, inputs: Sequence[Input]) -> Iterator[Answers]:
        """Answer inputs in order by every run; see `Predictor.answer`."""
        known: dict[str, Read] = {}

        def read(name: str, full: Sequence[Input]) -> Read:
            if not known:
                for group in self._groups:
                    known.update(self._read(group, full))
            return known[name]

        said = {
            name: one.answer(inputs, lambda full, name=name: read(name, full))  # type: ignore[misc]
            for name, one in self.predictors.items()
        }
        for answers in zip(*said.values(), strict=True):
            yield dict(zip(said, answers, strict=True))

    def _read(self, names: Sequence[str], inputs: Sequence[Input]) -> Iterator[tuple[str, Read]]:
        """Answer inputs by runs that share an encoder; those that read the same tokens of them read it together."""
        left = {name: self.predictors[name] for name in names}
        rows = {name: one.collect(_fit(inputs, one)) for name, one in left.items()}
        encoded = {name: one.task.encode(rows[name], one.tokenizers) for name, one in left.items()}
        while left:
            name = next(iter(left))
            alike = [other for other in left if _is_same(encoded[name].inputs, encoded[other].inputs)]
            heads = [(left[other].model, left[other].task) for other in alike]
            units = TokenInputs(encoded[name], left[name].tokenizers.source.pad_token_id)
            with self._computing:  # threads may share the runs, and what an encoder remembers is one batch
                found = infer_heads(heads, units)
            for other, results in zip(alike, found, strict=True):
                one = left.pop(other)
                said, read = one.task.decode(results, rows[other], one.tokenizers), encoded[other]
                yield other, Read(said, read.truncated, read.unknown_examples)


def _describe_inputs(predictor: Predictor) -> tuple[Any, ...]:
    """Describe what a run reads, which is the same for all that can answer one row."""
    roles = predictor.task.input_roles()
    return (*roles, predictor.list_roles) if len(roles) > 1 else ()


def _fit(inputs: Sequence[Input], predictor: Predictor) -> Sequence[Input]:
    """Give a run that reads lists of texts a list of one where it gets a text."""
    lists = [role in predictor.list_roles for role in predictor.task.input_roles()]
    return [
        tuple([text] if several and isinstance(text, str) else text for several, text in zip(lists, one, strict=True))
        for one in inputs
    ]


def _is_same(one: FlatUnits, other: FlatUnits) -> bool:
    """Tell whether two sets of units hold the same numbers."""
    return one.columns.keys() == other.columns.keys() and all(
        np.array_equal(rows.values, other.columns[name].values)
        and np.array_equal(rows.offsets, other.columns[name].offsets)
        for name, rows in one.columns.items()
    )


def load_tasks(runs: str | Path | Iterable[str | Path], *, least: float | None = None) -> TasksPredictor:
    """Load several finished runs that answer the same texts.

    Args:
        runs: their folders, or the folder that several tasks left.
        least: answer null where the confidence is less.

    Raises:
        CheckpointError: as `load`.
        ConfigError: they read other inputs, one is named twice, or has no confidence and is asked for it.
    """
    given = list_paths(runs, "load_tasks", "the folder of a run")
    folders = [part for one in given for part in list_parts(Path(one))]
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise ConfigError(f"{folder}: is named twice; it would only answer the same again")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):  # runs of two places may be called alike
        names = [str(folder) for folder in folders]
    found = {}
    for name, folder in zip(names, folders, strict=True):
        with name_fault(f"run '{name}'"):
            found[name] = load(folder, least=least)
    return TasksPredictor(found)
