"""Export a finished run to run elsewhere, without torch; prove first that it answers the same there."""

import importlib.util
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import CheckpointError, ConfigError, count_things, explain_missing, suggest
from nlp_transfer.evaluation.costs import write_megabytes
from nlp_transfer.evaluation.metrics_file import read_metrics
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.exporting.card import write_card
from nlp_transfer.runs.exporting.folder import Format, Kind, find_kind, write_folder
from nlp_transfer.runs.exporting.proof import compare_answers, score_both
from nlp_transfer.runs.folder import make_folder
from nlp_transfer.system.disk import expand_home, write_whole
from nlp_transfer.system.layout import EXPORT, find_run_of
from nlp_transfer.system.network import find_run

ROUNDING = 1e-4  # most difference between numbers in single precision, which is a hundredth of that
LOSS = 1.0  # points of the score on validation, that int8 may cost unasked
# By format: the extra that brings what is needed, and the packages.
NEEDS = {"onnx": ("export", "onnx", "onnxruntime"), "ctranslate2": ("ctranslate2", "ctranslate2")}
WAY_OUT = "choose another folder as OUT"


@dataclass(frozen=True)
class Exported:
    """A model that runs elsewhere.

    Attributes:
        folder: holds the model, tokenizer, configuration, `predict.py` and a card.
        format: of the model.
        megabytes: of the model.
        rows: how many texts both have answered.
        differing: those with another answer.
        largest: the largest difference between two probabilities or numbers of their answers.
        scores: on validation, of the run and of what was exported; None where that was not measured.
        metric: the name of the score.
    """

    folder: Path
    format: Format
    megabytes: float
    rows: int
    differing: tuple[str, ...]
    largest: float
    scores: tuple[float, float] | None = None
    metric: str = ""

    @property
    def summary(self) -> str:
        """Say in words how like the run it answers."""
        same = "all alike" if not self.differing else f"{len(self.differing)} otherwise"
        said = f"{count_things(self.rows, 'text', 'texts')} answered by both, {same}; "
        if self.format.startswith("onnx"):
            said += f"their numbers differ by {self.largest:.1g} at most; "
        said += f"{write_megabytes(self.megabytes)} MB"
        if self.scores is None:
            return said
        return f"{said}; validation {self.metric} {self.scores[1]:.4f}, of the run {self.scores[0]:.4f}"


def export(
    run: str | Path,
    output: str | Path,
    *,
    format: Format = "onnx",  # noqa: A002 - the name of the option
    any_loss: bool = False,
    task: type[TaskDeclaration] | None = None,
) -> Exported:
    """Write a model for ONNX or CTranslate2, beside a tokenizer, a script and a card.

    The script answers 200 rows of the run's test in a fresh process that cannot load torch. In single precision all
    answers must be the same.

    Args:
        run: the folder of a finished run, or its id on the Hub.
        output: a new folder.
        format: `onnx`, or for checkpoints that write also `ctranslate2`; with `-int8` weights are quantised.
        any_loss: take what quantisation costs on validation, and do not measure it.
        task: of the run, where that is none of ours.

    Raises:
        ConfigError: the run is of another kind, a package is missing, or the loss is too large.
        CheckpointError: what was exported answers otherwise.
        TransferError: as `load`.
    """
    if format not in get_args(Format):
        raise ConfigError(f"format: '{format}' is not a choice. {suggest(str(format), get_args(Format))}")
    if inside := next(filter(find_run_of, expand_home(output).resolve().parents), None):
        raise ConfigError(f"{output} is in the folder of a run, {inside}, which holds what the run wrote; {WAY_OUT}")
    base = format.removesuffix("-int8")
    extra, *packages = NEEDS[base]
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"export to {base} {explain_missing(' and '.join(missing), extra)}")
    predictor = load(run, task=task)
    kind = find_kind(predictor, run, format)

    with make_folder(output, "export", way=WAY_OUT) as folder:
        try:
            config = write_folder(predictor, kind, folder, format)
            found = _prove(predictor, kind, find_run(run), folder, format, any_loss=any_loss)
        except BaseException:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
        write_json(folder / EXPORT, {"format": format, "weights": dict(read_metrics(find_run(run)).weights)})
        write_whole(folder / "README.md", write_card(predictor, kind, Path(run).name, format, found.summary, config))
        return found


def _prove(
    predictor: Predictor,
    kind: Kind,
    root: Path,
    folder: Path,
    format: Format,  # noqa: A002
    *,
    any_loss: bool,
) -> Exported:
    """Answer rows by the run and by the script in a fresh process, and compare.

    Raises:
        CheckpointError: answers differ in single precision, or there is nothing to compare by.
        ConfigError: quantisation costs too much, and the user has not asked for it all the same.
    """
    compared = compare_answers(predictor, kind, root, folder)
    megabytes = sum(path.stat().st_size for path in (folder / format.removesuffix("-int8")).iterdir()) / 1e6
    found = Exported(folder, format, megabytes, *compared)
    if not format.endswith("-int8"):
        if found.differing or found.largest > ROUNDING:
            raise CheckpointError(f"what was exported answers otherwise than the run ({found.summary}); it was removed")
        return found

    if any_loss:
        return found
    before, after, rows = score_both(predictor, kind, folder)
    metric, points = predictor.task.selection, predictor.task.points
    one_answer = 1.001 * points / rows  # with what rounding adds; of a small validation it is no evidence
    if (before - after) * points > max(LOSS, one_answer):
        raise ConfigError(
            f"int8 lowers validation {metric} from {before:.4f} to {after:.4f} on {count_things(rows, 'row', 'rows')}, "
            f"by more than {LOSS:g} point; export to {format.removesuffix('-int8')}, or take it all the same by "
            "--any-loss"
        )
    return replace(found, scores=(before, after), metric=metric)
