"""What a finished run has measured, and its file: metrics.json is written and read here, and nowhere else.

A key that an older version did not write is optional; one that this version does not know is kept as it stands.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Never

from pydantic import BaseModel, ConfigDict, ValidationError

from nlp_transfer.config.tasks import SCORED, Scores
from nlp_transfer.data.report import DataReport
from nlp_transfer.errors import CheckpointError, TransferError
from nlp_transfer.evaluation.writing_back import WrittenBack
from nlp_transfer.models.saving import write_json
from nlp_transfer.system.layout import FINISHED


class Part(BaseModel):
    """A frozen part of the file; only keys that were given are written again."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Selection(Part):
    """The score that chose the checkpoint, on which split, and its value there.

    `kept` is `last` where validation was too small to choose; `best` is the value of the kept state in any case. `by`
    names what chose in the place of the score, the `mixed_loss` of held-out rows and texts. `learned` says that the
    head was solved again afterwards, on the rows of validation too.
    """

    metric: str
    split: str
    best: float
    kept: Literal["best", "last"] = "best"
    by: str | None = None
    learned: bool = False

    def describe_learning(self) -> str:
        """Say what the head learned after it was judged; empty where that is nothing."""
        return " The head was then solved again, on train and validation together." if self.learned else ""


class ClassWeights(Part):
    """How far classes count alike in the loss, chosen as a head was solved; see `weigh_classes`.

    Attributes:
        share: of balanced class weights; 0: none.
        scores: each share that was tried -> the best score with it, by the name in `Selection.metric`.
        rows: that have judged: of validation, and where these are few of train too, by cross-validation.
    """

    share: float
    scores: Mapping[str, float]
    rows: int

    def describe(self, metric: str) -> str:
        """Say in words what was chosen, and by what."""
        tried = ", ".join(f"{share} of them {score:.4f}" for share, score in self.scores.items())
        return f"{self.share:g} of balanced class weights, chosen by {metric} on {self.rows:,} rows ({tried})"


class Parameters(Part):
    """How many numbers the model holds, and how many of them moved."""

    total: int
    trainable: int


class Seconds(Part):
    """Wall-clock seconds of each stage, the training in all its attempts."""

    preparation: float
    baselines: float
    training: float
    evaluation: float
    saving: float
    total: float


class Cost(Part):
    """What the answers of a saved model, or of a simple method, cost on the machine that trained it.

    Attributes:
        alone: milliseconds a text, one at a time.
        together: milliseconds a text, in a batch of `batch` texts.
        batch: see `together`.
        megabytes: of the folder of the model; of a simple method those of its features and weights.
    """

    alone: float
    together: float
    batch: int
    megabytes: float


class Method(Part):
    """The scores of a simple method, or of a scratch control.

    Attributes:
        validation: its scores there; likewise `test`.
        test: see there.
        chosen: what settings a simple method chose.
        seconds: how long it was fitted.
        cost: of its answers; None where that was not measured.
    """

    validation: Scores
    test: Scores
    chosen: str | None = None
    seconds: float | None = None
    cost: Cost | None = None


BINS = 20  # of confidence, from 0 to 1, so that 0.8 or 0.95 is where one begins


class Bin(Part):
    """The test answers whose confidence is `least` or more, and below the next bin.

    Attributes:
        least: confidence of the bin.
        rows: how many answers it holds.
        confidence: their mean confidence.
        right: the share of them that is right.
    """

    least: float
    rows: int
    confidence: float
    right: float


class Confidence(Part):
    """How far the confidence of the answers on test can be trusted.

    Where a text may have several labels, an answer is yes or no to one of them.

    Attributes:
        temperature: what the logits were divided by; it is part of the saved weights.
        note: by what it was chosen, or why it was not.
        error_before: the expected calibration error without it, in `bins` of equal width.
        error: the same with it, as the saved model answers.
        bins: from the lowest on; those without answers are left out.
        rebalanced: by what share of its log-frequency in train the logit of each label was lowered; see
            `training.rebalance`.
    """

    temperature: float
    note: str
    error_before: float
    error: float
    bins: Sequence[Bin]
    rebalanced: float = 0.0

    def describe_error(self, answers: str = "answers") -> str:
        """Say the error on test and the temperature; where there is none, the error without it is the same."""
        before = "" if self.temperature == 1 else f"; without a temperature {self.error_before:.4f}"
        return (
            f"Expected calibration error on test, the mean distance of confidence and share of right {answers}: "
            f"{self.error:.4f}{before}. Temperature {self.temperature:g}: {self.note}."
        )

    def find_kept(self, least: float) -> tuple[float, float, float | None]:
        """Find what is kept where a lower confidence is no answer.

        Returns:
            The lower end of the bin that `least` lies in, from which on was counted; the share of test answers from
            there on; and the share of these that is right, None if there are none.
        """
        begin = min(math.floor(least * BINS + 1e-9), BINS - 1) / BINS
        kept = [one for one in self.bins if one.least >= begin]
        rows = sum(one.rows for one in kept)
        right = sum(one.rows * one.right for one in kept) / rows if rows else None
        return begin, rows / sum(one.rows for one in self.bins), right


Deviations = Mapping[str, Mapping[str, int | float | None]]  # score -> its mean and standard_deviation


class Spread(Part):
    """What a method scored over the seeds."""

    validation: Deviations
    test: Deviations


class Seeds(Part):
    """The seeds of a run that has several, and the spread of what they scored.

    Attributes:
        values: the seeds.
        validation: see `Spread`; likewise `test`.
        test: of the run.
        baselines: the same of the simple methods that the seeds have moved.
        note: says it where the seeds made no difference.
    """

    values: Sequence[int]
    validation: Deviations
    test: Deviations
    baselines: Mapping[str, Spread] = {}
    note: str | None = None

    @property
    def older(self) -> bool:
        """Tell whether a version wrote it whose verdicts were about one seed."""
        return "note" not in self.model_fields_set


class MergedPart(Part):
    """A run whose weights went into a mean, and what it scored itself."""

    name: str
    strategy: str
    seed: int
    validation: Scores
    test: Scores


class Merged(Part):
    """What a merged model was made of.

    Attributes:
        parts: the runs.
        share: how far the weights went from those of the source (0) to the mean of the parts (1).
        head: whether the last layer of the head was solved anew, or is a mean like the rest.
    """

    parts: Sequence[MergedPart]
    share: float
    head: Literal["solved", "averaged"]

    def list_seeds(self) -> str:
        """List the seeds of the parts, each once."""
        return ", ".join(dict.fromkeys(str(part.seed) for part in self.parts))


@dataclass(frozen=True)
class Ancestor:
    """Name a run that another one started from; of places on a disk the last names only.

    Attributes:
        name: of the run, or its Hub id.
        task: that it was trained for.
        source: what it started from itself.
        strategy: that trained it.
        data: what it was trained on.
    """

    name: str
    task: str
    source: str
    strategy: str
    data: str


@dataclass(frozen=True)
class Provenance:
    """Hold what a run's model comes from; found while local folders can still be told from names on the Hub.

    Attributes:
        base_models: Hub ids of the pretrained weights; empty for scratch controls and for weights that are not there.
            Weights of a run on this machine have those of that run.
        datasets: Hub ids of the data.
        languages: ISO 639-1 codes, if the data tell.
        licence: the licence of the pretrained weights; None if it is not known.
        chain: the runs that the weights went through before, the first one first.
    """

    base_models: tuple[str, ...]
    datasets: tuple[str, ...]
    languages: tuple[str, ...]
    licence: str | None
    chain: tuple[Ancestor, ...] = ()


class Metrics(Part):
    """All that metrics.json holds, in this order; of several seeds the figures are those of the one that is kept.

    Attributes:
        validation: scores that chose the checkpoint.
        test: scores, measured once.
        intervals: of the scores on test by functions of `task.metrics`, 95 %, low and high; a bootstrap of the rows.
        answers: how many different ones the test examples got.
        selection: what chose the checkpoint.
        class_weights: where they were chosen.
        parameters: counted as they were trained.
        seconds: by stage.
        baselines: the simple methods by name.
        seed: of the training.
        precision: number format of the training.
        steps: optimizer steps; 0 where the head was solved.
        epochs: of all phases that were trained; 0 in files of versions that did not count them.
        weights: sha256 of each weights file.
        checksums: XXH3 of each weights file, against which they are loaded; empty in older files.
        cost: of answers; None in older files.
        confidence: of the answers on test; None where the task gives no probabilities, and in older files.
        head: what became of the head that a checkpoint brought, in words; None: a version wrote it that did not match
            rows of a head to labels by their names.
        warnings: of the preparation; those of the data stand in `data`.
        written_back: what of the references the target tokenizer can write, where text is written.
        truncated: split -> examples that were cut.
        unknown_tokens: split -> share of tokens out of the vocabulary.
        data: the report on the splits.
        provenance: base models, data sets, languages and licence.
        seeds: of a run of several.
        merged: of a model whose weights were merged from those of runs; then seconds of training, steps and epochs are
            sums over these, and seed and number format are those of the first.
        beside: the other tasks that moved what is shared; then steps, epochs and seconds of training are those of all.
        verdict: sentences on what transfer bought.
        controls: the scratch controls that a comparison has set beside the run.
    """

    validation: Scores
    test: Scores
    intervals: Mapping[str, tuple[float, float]] = {}
    answers: int = 0
    selection: Selection
    class_weights: ClassWeights | None = None
    parameters: Parameters
    seconds: Seconds
    baselines: Mapping[str, Method]
    seed: int
    precision: str
    steps: int
    epochs: int = 0
    weights: Mapping[str, str] = {}
    checksums: Mapping[str, str] = {}
    cost: Cost | None = None
    confidence: Confidence | None = None
    head: str | None = None
    warnings: Sequence[str]
    written_back: WrittenBack | None = None
    truncated: Mapping[str, int]
    unknown_tokens: Mapping[str, float]
    data: DataReport
    provenance: Provenance
    seeds: Seeds | None = None
    merged: Merged | None = None
    beside: Sequence[str] = ()
    verdict: Sequence[str] | None = None
    controls: Mapping[str, Method] = {}

    def values(self) -> dict[str, Any]:
        """Give the contents of the file as JSON reads them, without what was never measured."""
        given = self.model_dump(exclude_unset=True)  # not mode="json", which would turn NaN to null unseen

        # A dataclass cannot tell what it was given from its defaults: what older versions did not note is empty.
        report = given["data"]
        read = [*report["splits"].values(), *filter(None, [report["unlabelled"]])]
        splits = [(one, "numbers") for one in read]
        for part, key in ((report, "contents"), (report, "unlabelled"), (given["provenance"], "chain"), *splits):
            if not part[key]:
                del part[key]
        return {key: _use_lists(value) for key, value in given.items() if value is not None}


def _use_lists(value: Any) -> Any:
    """Turn tuples at any depth into lists."""
    if isinstance(value, dict):
        return {key: _use_lists(one) for key, one in value.items()}
    return [_use_lists(one) for one in value] if isinstance(value, list | tuple) else value


def write_metrics(run: Path, metrics: Metrics) -> None:
    """Write the file into a run folder; see `write_json`."""
    write_json(run / FINISHED, metrics.values())


def read_metrics(run: Path, error: type[TransferError] = CheckpointError) -> Metrics:
    """Read the file of a run folder.

    Args:
        run: the folder.
        error: what to raise.

    Raises:
        TransferError: `error`, naming the file, and the line or the key at which it is damaged, or why it is not read.
        FileNotFoundError: there is no such file.
    """
    path = run / FINISHED

    def refuse(constant: str) -> Never:
        raise error(f"{path}: {constant} is no score; train again, or find out what went wrong")

    try:
        metrics = Metrics.model_validate(json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse))
        if (lacking := _find_lacking(metrics)) is None:
            return metrics
        reason = f"{lacking}: missing"
    except ValidationError as fault:
        reason = _find_first_fault(fault)
    except ValueError as fault:
        reason = str(fault)
    except FileNotFoundError:
        raise
    except OSError as fault:
        reason = str(fault.strerror)
    raise error(f"{path}: damaged ({reason}); bring the file back, or train again")


def _find_lacking(metrics: Metrics) -> str | None:
    """Name a missing score of those by which the state was chosen, as test.accuracy, or a missing report on a split."""
    metric = metrics.selection.metric
    methods: dict[str, Metrics | Method] = {"": metrics, **{f"baselines.{k}.": v for k, v in metrics.baselines.items()}}
    scores = [
        f"{name}{split}.{metric}"
        for name, one in methods.items()
        for split in SCORED
        if metric not in getattr(one, split)
    ]
    splits = [f"data.splits.{name}" for name in metrics.truncated if name not in metrics.data.splits]
    return next(iter([*scores, *splits]), None)


def _find_first_fault(fault: ValidationError) -> str:
    """Name the first key that is wrong, as data.splits.train.rows, and say what is wrong there."""
    first = fault.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"])) or "the file"
    return f"{key}: {'missing' if first['type'] == 'missing' else first['msg']}"
