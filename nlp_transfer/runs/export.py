"""Export a finished run to run elsewhere, without torch; prove first that it answers the same there."""

import importlib.util
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tokenizers import Tokenizer

from nlp_transfer import __version__
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import CheckpointError, ConfigError
from nlp_transfer.models import onnx_predict
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.models.encoding.tokenizers import limit_tokens
from nlp_transfer.models.onnx_graph import quantize_graph, write_graph
from nlp_transfer.models.portable.static import StaticTokenizer
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.export_proof import compare_answers, find_longest, score_both
from nlp_transfer.runs.folder import make_folder
from nlp_transfer.runs.predict import load
from nlp_transfer.runs.predictor import Predictor
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import escape_markdown
from nlp_transfer.system.network import find_run
from nlp_transfer.system.room import MARGIN, guard_writing

SCRIPT = Path(onnx_predict.__file__)
Format = Literal["onnx", "onnx-int8"]
FILES: dict[Format, str] = {"onnx": "model.onnx", "onnx-int8": "model_quantized.onnx"}  # as transformers.js calls them
ROUNDING = 1e-4  # most difference between probabilities in single precision, which is a hundredth of that
LOSS = 0.01  # of the score on validation, that int8 may cost unasked
PACKAGES = ("onnx", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """A model that runs elsewhere.

    Attributes:
        folder: holds the graph, tokenizer, configuration, `predict.py` and a card.
        format: `onnx`, or `onnx-int8`.
        megabytes: of the graph.
        rows: how many texts both have answered.
        differing: those with another answer.
        largest: the largest difference between two probabilities.
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
        said = (
            f"{self.rows} texts answered by both, {same}; probabilities differ by {self.largest:.1g} at most; "
            f"{self.megabytes:.1f} MB"
        )
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
    """Write a classifier of texts as an ONNX graph, beside a tokenizer, a script and a card.

    The script answers 200 rows of the run's test in a fresh process that cannot load torch. In single precision all
    answers must be the same.

    Args:
        run: the folder of a finished run, or its id on the Hub.
        output: a new folder.
        format: `onnx-int8` quantises the weights, dynamically and by channel.
        any_loss: take what quantisation costs on validation, and do not measure it.
        task: of the run, where that is none of ours.

    Raises:
        ConfigError: the run is of another kind, a package is missing, or the loss is too large.
        CheckpointError: what was exported answers otherwise.
        TransferError: as `load`.
    """
    if format not in get_args(Format):
        raise ConfigError(f"format: expected {' or '.join(get_args(Format))}, received {format!r}")
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"export needs {' and '.join(missing)}; pip install 'nlp-transfer[export]'")
    predictor = load(run, task=task)
    _refuse_other_kinds(predictor, run)

    with make_folder(output, "export", way="choose another folder as OUT") as folder:
        try:
            _write(predictor, folder, format)
            found = _prove(predictor, find_run(run), folder, format, any_loss=any_loss)
        except BaseException:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
        write_whole(folder / "README.md", _write_card(predictor, Path(run).name, found))
        return found


def _refuse_other_kinds(predictor: Predictor, run: str | Path) -> None:
    """Refuse what the graph or the script cannot do.

    Raises:
        ConfigError: saying what that is.
    """
    task, tokenizer = predictor.task, predictor.tokenizers.source
    lacking = None
    if task.probabilities is None:
        lacking = f"its answers ({', '.join(predictor.answer_keys[:-1])}) are not labels of a text"
    elif len(task.input_roles()) > 1:
        lacking = f"it reads several texts at once ({', '.join(task.input_roles())})"
    elif isinstance(tokenizer, StaticTokenizer) or not tokenizer.is_fast:
        lacking = "its tokenizer is written in Python, as that of word vectors is, which looks for variants of a word"
    elif read_padding_trouble(predictor.model) is not None:
        lacking = "its answers depend on the texts beside a text, which pad it"
    if lacking:
        raise ConfigError(f"{run} cannot be exported: {lacking}")


def _write(predictor: Predictor, folder: Path, format: Format) -> None:  # noqa: A002
    """Write the graph, the tokenizer with its cut and padding, the configuration and the script."""
    tokenizer, model = predictor.tokenizers.source, predictor.model.cpu()
    graph = folder / "onnx" / FILES[format]
    graph.parent.mkdir()
    with guard_writing(graph, sum(one.nbytes for one in model.parameters()) + MARGIN):
        if format == "onnx":
            write_graph(model, tokenizer, graph)
        else:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                write_graph(model, tokenizer, Path(place) / "model.onnx")
                quantize_graph(Path(place) / "model.onnx", graph)

    most = find_longest(predictor)
    limit_tokens(tokenizer, most).save_pretrained(folder)
    core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.enable_truncation(most)
    core.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    core.save(str(folder / "tokenizer.json"))

    known = model.config.to_dict()
    known = {name: value for name, value in known.items() if name not in ("_name_or_path", "auto_map")}
    own = {"prompt": read_prompt(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    write_json(folder / "config.json", {**known, **own})
    shutil.copyfile(SCRIPT, folder / "predict.py")


def _prove(predictor: Predictor, root: Path, folder: Path, format: Format, *, any_loss: bool) -> Exported:  # noqa: A002
    """Answer rows by the run and by the script in a fresh process, and compare.

    Raises:
        CheckpointError: answers differ in single precision, or there is nothing to compare by.
        ConfigError: quantisation costs too much, and the user has not asked for it all the same.
    """
    compared = compare_answers(predictor, root, folder)
    megabytes = sum(path.stat().st_size for path in (folder / "onnx").iterdir()) / 1e6
    found = Exported(folder, format, megabytes, *compared)
    if format == "onnx":
        if found.differing or found.largest > ROUNDING:
            raise CheckpointError(f"what was exported answers otherwise than the run ({found.summary}); it was removed")
        return found

    if any_loss:
        return found
    before, after = score_both(predictor, folder)
    metric = predictor.task.selection
    if before - after > LOSS:
        raise ConfigError(
            f"int8 lowers validation {metric} from {before:.4f} to {after:.4f}, by more than {LOSS:g}; export "
            "to onnx, or take it all the same by --any-loss"
        )
    return replace(found, scores=(before, after), metric=metric)


def _write_card(predictor: Predictor, run: str, found: Exported) -> str:
    """Write the card: what this is, how like the run it answers, and how to use it."""
    labels = ", ".join(escape_markdown(label) for label in predictor.task.labels)
    return f"""# A classifier in {"ONNX, int8" if found.format == "onnx-int8" else "ONNX"}

Exported from the run {escape_markdown(run)} by nlp-transfer {__version__}. Labels: {labels}.
Texts are cut at {find_longest(predictor)} tokens.

Compared with the run, on rows of its test: {found.summary}.

## Use

```sh
pip install numpy onnxruntime tokenizers
python predict.py < texts.txt   # a text a line; prints the probabilities of the labels, null for an empty line
```

```python
from predict import compute_probabilities

compute_probabilities([{predictor.task.example!r}])  # (texts, labels)
```

`onnx/{FILES[found.format]}` takes `input_ids` and `attention_mask`, (texts, tokens) in int64, and gives `logits`,
(texts, labels), in the order of `id2label` in `config.json`. `tokenizer.json` cuts and pads.
"""
