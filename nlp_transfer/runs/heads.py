"""Answer the same texts by several finished runs; those that share an encoder compute it once."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.errors import ConfigError
from nlp_transfer.inference.predictions import infer_heads
from nlp_transfer.models.encoding.flat import FlatUnits
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.sharing import join_equal
from nlp_transfer.runs.predict import load
from nlp_transfer.runs.predictor import Input, Predictor, Seen
from nlp_transfer.system.layout import list_parts
from nlp_transfer.task import Prediction

Answers = dict[str, Prediction]  # name of the run -> its answer
Read = tuple[list[Prediction], int]  # answers to inputs, and how many of these were cut


class TasksPredictor:
    """Several finished runs that read the same texts."""

    def __init__(self, predictors: Mapping[str, Predictor]) -> None:
        """Let runs with equal encoders have one.

        Raises:
            ConfigError: two of them read other inputs.
        """
        self.predictors = dict(predictors)
        (known, self._first), *others = predictors.items()
        for name, one in others:
            if (one.task.input_roles(), one.list_roles) != (self._first.task.input_roles(), self._first.list_roles):
                reads = [", ".join(each.task.input_roles()) for each in (self._first, one)]
                raise ConfigError(f"{known} reads {reads[0]}, {name} {reads[1]}: they cannot answer the same rows")
        self._computing = threading.Lock()
        names = list(predictors)
        self._groups = [
            [names[number] for number in group] for group in join_equal([one.model for one in predictors.values()])
        ]

    @property
    def input_columns(self) -> dict[str, str]:
        """The input roles, each with the column that held it in the training of the first run."""
        return self._first.input_columns

    @property
    def roles(self) -> frozenset[str]:
        """The roles of all of them, also those that are no input."""
        return frozenset(role for one in self.predictors.values() for role in one.task.roles)

    @property
    def list_roles(self) -> frozenset[str]:
        """The input roles that hold a list of texts."""
        return self._first.list_roles

    @property
    def dialect(self) -> Dialect:
        """How the first run was told that a table is written."""
        return self._first.dialect

    @property
    def seen(self) -> Seen:
        """The counts of the inputs so far; of those that were cut, the most of any run."""
        most = max(one.seen.truncated for one in self.predictors.values())
        return Seen(self._first.seen.texts, self._first.seen.empty, most)

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
        for chunk in self._first.cut_chunks(texts, columns, idle=idle):
            yield from self._answer(chunk)

    def _answer(self, inputs: Sequence[Input]) -> Iterator[Answers]:
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
        rows = self._first.collect(inputs)
        left = {name: self.predictors[name] for name in names}
        encoded = {name: one.task.encode(rows, one.tokenizers) for name, one in left.items()}
        while left:
            name = next(iter(left))
            alike = [other for other in left if _is_same(encoded[name].inputs, encoded[other].inputs)]
            heads = [(left[other].model, left[other].task) for other in alike]
            units = TokenInputs(encoded[name], left[name].tokenizers.source.pad_token_id)
            with self._computing:  # threads may share the runs, and what an encoder remembers is one batch
                found = infer_heads(heads, units)
            for other, results in zip(alike, found, strict=True):
                one = left.pop(other)
                yield other, (one.task.decode(results, rows, one.tokenizers), encoded[other].truncated)


def _is_same(one: FlatUnits, other: FlatUnits) -> bool:
    """Tell whether two sets of units hold the same numbers."""
    return one.columns.keys() == other.columns.keys() and all(
        np.array_equal(rows.values, other.columns[name].values)
        and np.array_equal(rows.offsets, other.columns[name].offsets)
        for name, rows in one.columns.items()
    )


def load_tasks(runs: str | Path | Iterable[str | Path]) -> TasksPredictor:
    """Load several finished runs that answer the same texts.

    Args:
        runs: their folders, or the folder that several tasks left.

    Raises:
        CheckpointError: as `load`.
        ConfigError: they read other inputs, or one is named twice.
    """
    given = [runs] if isinstance(runs, str | Path) else list(runs)
    folders = [part for one in given for part in list_parts(Path(one))]
    if not folders:
        raise ConfigError("load_tasks: expected the folders of runs, received none")
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise ConfigError(f"{folder}: is named twice; it would only answer the same again")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):  # runs of two places may be called alike
        names = [str(folder) for folder in folders]
    return TasksPredictor({name: load(folder) for name, folder in zip(names, folders, strict=True)})
