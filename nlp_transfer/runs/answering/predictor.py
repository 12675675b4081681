"""Predict texts, or score labelled files, with a model that is at hand."""

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedModel

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.config.tasks import Scores
from nlp_transfer.data.corpus import take_corpus
from nlp_transfer.data.formats.cells import is_blank, stream_columns
from nlp_transfer.data.formats.held import hold_rows, open_held
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.text_lines import LONGEST
from nlp_transfer.data.labels import USUAL_RULES, LabelRules, OnUnknown
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import read_rows
from nlp_transfer.data.store import join_parts
from nlp_transfer.errors import ConfigError, DataError, TransferError, suggest
from nlp_transfer.evaluation.metrics_file import Confidence
from nlp_transfer.inference.embeddings import embed
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.padding import try_padding
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.surgery.packed import try_packing
from nlp_transfer.runs.answering.agreement import explain_disagreement
from nlp_transfer.runs.answering.answers import REASON, Kept, append_answers, keep_columns
from nlp_transfer.runs.answering.origin import Origin
from nlp_transfer.system.precision import choose_precision
from nlp_transfer.system.received import HeldRows, Text, is_table, maps_columns, name_kind, take_inputs
from nlp_transfer.task import Prediction, Task

Input = tuple[Text, ...]  # a text for each input role
log = logging.getLogger(__name__)
CONFIDENCE = "confidence"  # key of the answers of a task that chooses one label
NO_WORD = "the model knows no word of the text"
READ_AHEAD = 256  # texts; enough to sort them by length, few enough to answer while more arrive


class Read(NamedTuple):
    """Hold the answers to inputs.

    Attributes:
        said: the answers.
        truncated: the number of inputs that were cut.
        unknown: the places of inputs with a text of which the model knows no word.
    """

    said: list[Prediction]
    truncated: int
    unknown: Sequence[int]


Reader = Callable[[Sequence[Input]], Read]


@dataclass
class Seen:
    """Count the inputs so far.

    Attributes:
        texts: all of them.
        empty: those without a text, or with an empty one.
        truncated: those that were cut.
        unsure: answers that were withheld, for their confidence was too low.
        unknown: those with a text of which the model knows no word.
    """

    texts: int = 0
    empty: int = 0
    truncated: int = 0
    unsure: int = 0
    unknown: int = 0

    def list_warnings(self, name: str = "texts") -> list[str]:
        """Say how many texts, or rows of another name, the model could not answer, or not read as they are."""
        counts = {
            "are empty": self.empty,
            "are too long and were cut": self.truncated,
            "hold no word that the model knows, so their answers say nothing of them": self.unknown,
        }
        return [f"{count} of {self.texts} {name} {what}" for what, count in counts.items() if count]


class Predictor:
    """A trained model with its tokenizer and task. Threads may share it: one of them computes at a time."""

    def __init__(
        self,
        task: Task,
        model: PreTrainedModel,
        tokenizers: Tokenizers,
        columns: Mapping[str, str],
        rules: LabelRules = USUAL_RULES,
        dialect: Dialect = PLAIN,
        origin: Origin | None = None,
    ) -> None:
        """Put the model into eval mode, on an accelerator if there is one, and try whether padding disturbs it."""
        try_padding(model, tokenizers.source)
        try_packing(model, tokenizers.source)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.task = task
        self.model = model.to(device).eval()  # type: ignore[arg-type]
        self.tokenizers = tokenizers

        self.columns = dict(columns)
        self.rules = rules
        self.dialect = dialect
        self.origin = origin
        self.seen = Seen()
        self.half = False
        self.least: float | None = None
        self.measured: Confidence | None = None
        self._computing = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Describe a predictor for another process: without its lock, and of the model what makes another like it.

        The hooks that transformers puts on a model at its first use cannot be sent.
        """
        state = {name: value for name, value in vars(self).items() if name != "_computing"}
        return {**state, "model": (type(self.model), self.model.config, self.model.state_dict())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the model anew, and take everything else as it was."""
        kind, config, weights = state.pop("model")
        model = kind(config)
        model.load_state_dict(weights)
        self.__init__(state["task"], model, state["tokenizers"], state["columns"])  # type: ignore[misc]
        self.__dict__ |= state

    @property
    def input_columns(self) -> dict[str, str]:
        """The input roles, each with the column that held it in training."""
        return {role: self.columns.get(role, role) for role in self.task.input_roles()}

    @property
    def text_column(self) -> str:
        """The column that held the first input in training."""
        return next(iter(self.input_columns.values()))

    @property
    def roles(self) -> frozenset[str]:
        """All roles of the task, also those that are no input."""
        return frozenset(self.task.roles)

    @property
    def list_roles(self) -> frozenset[str]:
        """The input roles that hold a list of texts."""
        return frozenset(role for role in self.task.input_roles() if self.task.roles[role] == "texts")

    def predict(self, texts: Any, columns: Mapping[str, str] | None = None) -> list[Prediction]:
        """Predict each text; where the task reads several texts at once, also each list of texts.

        A text that is empty or missing has no answer: all keys are None but `reason`. An answer to a text of which the
        model knows no word has a `reason` too, for it says nothing of the text, and so has one that `least` withholds.

        Args:
            texts: a list, an iterator or an array of texts, or of mappings that hold them by role or column; or a
                table: a frame of pandas or polars, an Arrow table, a data set. Where the task has several inputs, also
                tuples of texts in the order of its `inputs`.
            columns: role -> column; a role that is not named has the column that it had in training.

        Raises:
            DataError: what is given holds no series of texts, or not in these columns.
        """
        return list(self.predict_stream(texts, columns))

    def probabilities(self, texts: Any, columns: Mapping[str, str] | None = None) -> np.ndarray:
        """Compute the probability of each label, (N, labels) in the order of `task.labels`; NaN for an empty text.

        Args:
            texts: as of `predict`.
            columns: as of `predict`.

        Raises:
            ConfigError: the answers of the task have no probabilities.
            DataError: as `predict`.
        """
        if self.task.probabilities is None:
            raise ConfigError("probabilities: the answers of this run have none; it gives " + ", ".join(self._nothing))
        lacking = dict.fromkeys(self.task.labels, float("nan"))
        rows = [(said["probabilities"] or lacking).values() for said in self.predict_stream(texts, columns)]
        return np.array([list(row) for row in rows]).reshape(-1, len(self.task.labels))

    def embed(self, texts: Any, columns: Mapping[str, str] | None = None) -> np.ndarray:
        """Compute what the head reads of each text, (N, F) in float32; NaN for an empty text.

        That is the pooled state of the layers that the head reads; where it reads token states, their mean in the last
        layer. Of several windows or sentences it is their mean. Nothing is standardised or normalised.

        Args:
            texts: as of `predict`.
            columns: as of `predict`.

        Raises:
            DataError: as `predict`.
        """
        blocks = [self._embed(chunk) for chunk in self.cut_chunks(texts, columns)]
        return np.concatenate(blocks or [self._embed([])])

    def _embed(self, inputs: Sequence[Input]) -> np.ndarray:
        full = [at for at, one in enumerate(inputs) if _explain(one, self.task.input_roles()) is None]
        rows = self.collect([inputs[at] for at in full] or [self._example])
        with self._computing:
            units = TokenInputs(self.task.encode(rows, self.tokenizers), self.tokenizers.source.pad_token_id)
            found = embed(self.model, units)

        result = np.full((len(inputs), found.shape[1]), np.nan, dtype=np.float32)
        result[full] = found[: len(full)]
        return result

    def predict_table(self, table: Any, columns: Mapping[str, str] | None = None) -> pa.Table:
        """Predict each row of a table, and return it with the answer: its own columns and rows in order, then the keys.

        A column that is called like a key of the answer is renamed, as `label` to `input_label`. Of the result
        `to_pandas()` makes a frame, with the index of one that was given; `polars.from_arrow` makes another.

        Args:
            table: rows as of `nlp_transfer.run`.
            columns: as of `predict`.

        Raises:
            DataError: as `predict`.
        """
        held = hold_rows(table)
        return append_answers(held.rows, self.predict(held, columns), self.answer_keys)

    def predict_stream(
        self,
        texts: Any,
        columns: Mapping[str, str] | None = None,
        *,
        idle: Callable[[], bool] = lambda: False,
    ) -> Iterator[Prediction]:
        """Predict while texts arrive. Up to `READ_AHEAD` are read at once, fewer when `idle` says that none waits."""
        return (said for chunk in self.cut_chunks(texts, columns, idle=idle) for said in self.answer(chunk))

    def cut_chunks(
        self,
        texts: Any,
        columns: Mapping[str, str] | None = None,
        *,
        idle: Callable[[], bool] = lambda: False,
    ) -> Iterator[list[Input]]:
        """Cut texts, as they arrive, into the chunks that are answered together."""
        return self._cut_chunks(self._take_inputs(texts, columns), idle)

    def _take_inputs(self, given: Any, columns: Mapping[str, str] | None) -> Iterator[Input]:
        """Take the texts of every role out of what was given.

        Raises:
            DataError: as `predict`.
        """
        known = self.map_columns(columns)
        wanted = {role: known[role] for role in self.input_columns}
        inputs: Iterable[Any] = given
        if isinstance(given, HeldRows) or (is_table(given) and not isinstance(given, Mapping)) or maps_columns(given):
            held = given if isinstance(given, HeldRows) else hold_rows(given)
            rows = replace(open_held(held), dialect=Dialect(called=True))
            inputs = stream_columns(rows, wanted, self.list_roles)
            if len(wanted) == 1:
                inputs = (text for (text,) in inputs)
        return take_inputs(inputs, wanted, lists=self.list_roles)

    def map_columns(self, columns: Mapping[str, str] | None) -> dict[str, str]:
        """Map every role to its column; a role that is not named has the column that it had in training.

        Raises:
            DataError: `columns` is no mapping, or names a role that the task lacks.
        """
        if not isinstance(columns, Mapping | None):
            raise DataError(f"columns: expected role: column, received {name_kind(columns)}")
        if strange := next((role for role in columns or () if role not in self.task.roles), None):
            raise DataError(f"columns: unknown role {strange!r}. {suggest(str(strange), self.task.roles)}")
        return {**{role: self.columns.get(role, role) for role in self.task.roles}, **(columns or {})}

    def _cut_chunks(self, inputs: Iterator[Input], idle: Callable[[], bool]) -> Iterator[list[Input]]:
        chunk: list[Input] = []
        held = 0
        for one in inputs:
            chunk.append(one)
            held += sum(len(join_parts(text or "")) for text in one)
            if len(chunk) == READ_AHEAD or held > LONGEST or idle():
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk

    def answer(self, inputs: Sequence[Input], read: Reader | None = None) -> Iterator[Prediction]:
        """Answer inputs in order. Empty ones do not reach the model, which would answer them like any text.

        `read` answers those that are not empty, and counts the ones that were cut; by default this model.
        """
        roles = self.task.input_roles()
        reasons = [_explain(one, roles) for one in inputs]
        full = [one for one, reason in zip(inputs, reasons, strict=True) if reason is None]
        found = (read or self._read)(full) if full else Read([], 0, ())
        with self._computing:
            self.seen.texts += len(inputs)
            self.seen.empty += len(inputs) - len(full)
            self.seen.truncated += found.truncated
            self.seen.unknown += len(found.unknown)

        unknown = set(found.unknown)
        left = ({**said, REASON: NO_WORD} if at in unknown else said for at, said in enumerate(found.said))
        for reason in reasons:
            yield self._withhold(next(left)) if reason is None else {**self._nothing, REASON: reason}

    def _withhold(self, said: Prediction) -> Prediction:
        """Take the label out of an answer with less than the `least` confidence."""
        if self.least is None or said[CONFIDENCE] >= self.least:
            return said
        self.seen.unsure += 1
        reasons = [said[REASON]] if REASON in said else []
        return {**said, "label": None, REASON: "; ".join([*reasons, f"the confidence is below {self.least:g}"])}

    def require_confidence(self, least: float, measured: Confidence | None = None) -> None:
        """Answer null from now on where the confidence is less.

        Args:
            least: the confidence.
            measured: how far confidence could be trusted on test.

        Raises:
            ConfigError: it is no share, or the answers of the task have no confidence.
        """
        if not (isinstance(least, int | float) and 0 <= least <= 1):
            raise ConfigError(f"least: expected a confidence from 0 to 1, received {least!r}")
        if not {"label", CONFIDENCE} <= self._nothing.keys():
            known = ", ".join(self._nothing)
            raise ConfigError(
                f"least: the answers of this run have no confidence (they hold {known}); several labels have "
                "task.thresholds instead"
            )
        self.least, self.measured = float(least), measured

    def describe_withheld(self, seen: Seen) -> str:
        """Say how many answers are null for their confidence, and what the others were worth on test; else nothing."""
        asked = seen.texts - seen.empty
        if self.least is None or not asked:
            return ""
        share = f"{seen.unsure} of {asked} answers ({seen.unsure / asked:.1%}) are null, for their confidence is below"
        if self.measured is None:
            return f"{share} {self.least:g}; how right the others are was not measured when this run was trained"
        begin, kept, right = self.measured.find_kept(self.least)
        measured = "" if math.isclose(begin, self.least) else f"{self.least:g} was not measured, but {begin:g}: "
        said = f"{share} {self.least:g}; on test {measured}{kept:.1%} of the answers have that confidence or more"
        return said if right is None else f"{said}, and {right:.1%} of these are right"

    @property
    def answer_keys(self) -> tuple[str, ...]:
        """The keys of an answer, in order; last that of the reason, which only some answers have."""
        return (*self._nothing, REASON)

    @cached_property
    def _nothing(self) -> Prediction:
        """An answer whose values are None. The keys depend on the task, so the task's example is answered once."""
        return dict.fromkeys(self._read([self._example]).said[0])

    @property
    def _example(self) -> Input:
        given, roles = self.task.example, self.task.input_roles()
        texts = dict(given) if isinstance(given, Mapping) else {roles[0]: given}
        return tuple([texts[role]] if role in self.list_roles else texts[role] for role in roles)

    def keep_columns(self, open_rows: Callable[[], RowStream], *, ending: str = "") -> Kept:
        """Keep the columns of rows, to be put before the answers; see `answers.keep_columns`."""
        return keep_columns(open_rows, self.answer_keys, ending=ending)

    def evaluate(
        self,
        data: Any,
        columns: Mapping[str, str] | None = None,
        *,
        on_unknown_label: OnUnknown | None = None,
        dialect: Dialect | None = None,
        limit: int | None = None,
        together: bool = False,
    ) -> Scores:
        """Score on labelled rows. The result has the number of `rows`, the scores, and those of `simple` methods.

        Args:
            data: file as in `data.test`, or rows in memory as of `run`.
            columns: role -> column; a role that is not named has the column that it had in training.
            on_unknown_label: what becomes of rows whose label the model does not know; as in training if unset.
            dialect: how a .csv or .tsv is written; by default as in training.
            limit: score no more than so many rows, drawn with seed 0 and in the shares of the labels.
            together: share the work among all processes, all of which call this.

        Raises:
            DataError: the file cannot be used, or holds labels the model does not know.
        """
        rows = self.read_labelled(data, columns, on_unknown_label=on_unknown_label, dialect=dialect, limit=limit)
        beside = {name: self.task.score(said, rows) for name, said in self._score_simple(rows).items()}
        found = self._predict(rows, together=together)
        for warning in Seen(len(rows), truncated=found.truncated, unknown=len(found.unknown)).list_warnings("rows"):
            log.warning("%s", warning)
        return {"rows": len(rows), **self.task.score(found.said, rows), "simple": beside}

    def read_labelled(
        self,
        data: Any,
        columns: Mapping[str, str] | None = None,
        *,
        on_unknown_label: OnUnknown | None = None,
        dialect: Dialect | None = None,
        limit: int | None = None,
    ) -> TaskRows:
        """Read labelled rows as `evaluate` scores them: a column for each role, labels as ids.

        Raises:
            DataError: as `evaluate`.
        """
        mapped, dialect = self.map_columns(columns), dialect or self.dialect
        dialect = replace(dialect, called=not dialect.options)
        if len(self.task.roles) == 1:  # there is no label, so that lines of text do
            data = take_corpus(data, next(iter(mapped.values())), dialect)
        return read_rows(
            data,
            mapped,
            self.task.roles,
            inputs=self.task.input_roles(),
            dialect=dialect,
            labels=self.task.labels,
            rules=self.rules if on_unknown_label is None else replace(self.rules, on_unknown=on_unknown_label),
            limit=limit,
        )

    def _score_simple(self, rows: TaskRows) -> Mapping[str, list[Prediction]]:
        """Predict rows by the simple methods of the run, fitted again on its training rows.

        If those rows are gone, only methods that need no fitting answer.
        """
        found = self.task.simple(rows)
        if self.origin is None or not (lacking := self.origin.baselines - found.keys()):
            return found
        try:
            splits = self.origin.read_splits()
        except TransferError as error:
            log.warning("no %s beside the model, for it has nothing to be fitted on: %s", ", ".join(lacking), error)
            return found
        fitted = self.task.baselines(replace(splits, test=rows))
        return {name: said["test"] for name, said in fitted.items()}

    def _read(self, inputs: Sequence[Input]) -> Read:
        return self._predict(self.collect(inputs), half=self.half)

    def collect(self, inputs: Sequence[Input]) -> TaskRows:
        """Collect inputs as rows with a column for each role that is read."""
        columns = zip(*inputs, strict=True)
        return TaskRows(dict(zip(self.task.input_roles(), map(list, columns), strict=True)))

    def _predict(self, rows: TaskRows, *, half: bool = False, together: bool = False) -> Read:
        """Predict rows by the model, in fp32 or half of it."""
        device = next(self.model.parameters()).device.type
        with self._computing, torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext():
            encoded = self.task.encode(rows, self.tokenizers)
            units = TokenInputs(encoded, self.tokenizers.source.pad_token_id)
            results = infer(self.model, self.task, units, together=together)
            said = self.task.decode(results, rows, self.tokenizers)
            return Read(said, encoded.truncated, encoded.unknown_examples)

    def take_half_precision(self, root: Path) -> None:
        """Answer in bf16 from now on if that is faster here, and the run's test rows are answered alike; else say why.

        Args:
            root: folder of the run.
        """
        if choose_precision("auto") != "bf16":
            log.info("%s: answers in fp32; bf16 is no faster here", root)
            return

        self.half = True
        if trouble := explain_disagreement(root, self.task.input_roles(), self.predict):
            self.half = False
            log.warning("%s: answers in fp32, not bf16: %s", root, trouble)
        else:
            log.info("%s: answers in bf16, as it answers its test rows in fp32", root)
        self.seen = Seen()


def _explain(texts: Input, roles: Sequence[str]) -> str | None:
    """Say why an input cannot be answered; None if it can."""
    for role, text in zip(roles, texts, strict=True):
        which = f" '{role}'" if len(roles) > 1 else ""
        if text is None:
            return f"there is no text{which}"
        if is_blank("".join(text)):
            return f"the text{which} is empty"
    return None
