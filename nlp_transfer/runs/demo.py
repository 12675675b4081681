"""Show finished runs on a page of this machine: a text in, the answer of each out, and what they got wrong on test.

nlp-transfer demo runs/reviews runs/other
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer.errors import ConfigError, require_extra
from nlp_transfer.evaluation.html_report.recorded import Answered, read_run
from nlp_transfer.runs.answering.answers import REASON
from nlp_transfer.runs.answering.heads import TasksPredictor, load_tasks
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import list_parts
from nlp_transfer.system.received import list_paths

if TYPE_CHECKING:
    import gradio

HOME = "127.0.0.1"  # no other machine reaches it
SHOWN = 8  # rows of test
FONTS = {
    "font": ["system-ui", "sans-serif"],
    "font_mono": ["ui-monospace", "monospace"],
}  # others come from the network
# The rows of test fit a phone: their cells are broken where they must.
NARROW = "table { table-layout: fixed; width: 100%; } td { overflow-wrap: anywhere; white-space: normal !important; }"


@dataclass(frozen=True)
class Demo:
    """A page that is served by this process.

    Attributes:
        address: of the page, on this machine only.
        page: of gradio.
    """

    address: str
    page: Any

    def close(self) -> None:
        """Stop serving it."""
        self.page.close(verbose=False)

    def __repr__(self) -> str:
        """One line: where it is."""
        return f"Demo({self.address})"


def demo(runs: str | Path | Sequence[str | Path], *, port: int | None = None) -> Demo:
    """Serve a page on which finished runs answer texts, side by side; it is there until `close`.

    Rows that a run got wrong on its own test can be clicked. Nothing is asked of the network, neither by this process
    nor by the page.

    Args:
        runs: their folders, or one, also that of several tasks; all read the same kind of input.
        port: of this machine; by default the first free one from 7860 on.

    Raises:
        ConfigError: gradio is not installed or is broken, the port is in use, or two runs read other inputs.
        CheckpointError: as `load`; or a file with rows of test is damaged.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # else it tells its makers, and asks for its newest version
    with require_extra("gradio", user="demo", extra="demo"):
        import gradio
    given = list_paths(runs, "demo", "the folder of a run")
    folders = [part for run in given for part in list_parts(expand_home(run))]
    predictor = load_tasks(folders)

    page = _build(predictor, folders)
    try:
        _, address, _ = page.launch(
            server_name=HOME,
            server_port=port,
            theme=gradio.themes.Default(**FONTS),
            css=NARROW,
            footer_links=[],
            prevent_thread_lock=True,
            share=False,
            ssr_mode=False,
            quiet=True,
        )
    except OSError as error:
        which = "7860 to 7959 are all" if port is None else f"{port} is"
        raise ConfigError(f"port: {which} in use on this machine; name another") from error
    return Demo(address, page)


def _build(predictor: TasksPredictor, folders: Sequence[Path]) -> "gradio.Blocks":
    """Build the page: boxes for the input, answers of each run beside each other, and rows of their tests."""
    import gradio

    roles = list(predictor.input_columns)
    with gradio.Blocks(title="nlp-transfer", analytics_enabled=False) as page:
        boxes = [gradio.Textbox(label=role, lines=1, max_lines=9) for role in roles]  # of one line, Enter answers
        button = gradio.Button("Answer", variant="primary")
        with gradio.Row():
            shown = {name: _show_run(name, one) for name, one in predictor.predictors.items()}
        parts = [part for several in shown.values() for part in several]
        nothing = json.dumps(["" if isinstance(part, gradio.Textbox) else {} for part in parts])

        def answer(*texts: str) -> list[Any]:
            if not all(text.strip() for text in texts):
                return [None for _ in parts]
            given = dict(zip(predictor.input_columns.values(), texts, strict=True)) if len(texts) > 1 else texts[0]
            (said,) = predictor.predict([given])
            return [part for name, one in said.items() for part in split_answer(one)[: len(shown[name])]]

        button.click(answer, boxes, parts)
        for box in boxes:
            box.submit(answer, boxes, parts)
            box.change(None, boxes, parts, js=f"() => {nothing}")  # no answer stands below another text
        for folder in folders:
            _show_rows(folder, boxes, answer, parts)
    return page


def _show_run(name: str, one: Predictor) -> list[Any]:
    """Show the answer of a run, and below it the probability of each label if the task has them."""
    import gradio

    with gradio.Column():
        answer = gradio.Textbox(label=name, interactive=False)
        likely = [gradio.Label(label="probabilities", show_heading=False)] if one.task.probabilities else []
    return [answer, *likely]


def split_answer(said: dict[str, Any]) -> tuple[str, dict[str, float] | None]:
    """Split an answer into its text, with what is to be said of it, and the probability of each label."""
    answer = next(iter(said.values()))
    text = ", ".join(answer) if isinstance(answer, list) else str(answer)
    return f"{text} ({said[REASON]})" if REASON in said else text, said.get("probabilities")


def _show_rows(folder: Path, boxes: "Sequence[gradio.Textbox]", answer: Callable[..., Any], parts: list[Any]) -> None:
    """Show the test rows that a run answered worst; one that is clicked is answered again, by all runs."""
    import gradio

    if rows := choose_rows(read_run(folder).answered, SHOWN):
        beside = [gradio.Textbox(label=label, visible=False) for label in ("right answer", "its answer")]
        cells = [[*map(_write, row.inputs.values()), _write(row.right), _write(row.said)] for row in rows]
        gradio.Examples(
            cells,
            [*boxes, *beside],
            parts,
            lambda *row: answer(*row[: len(boxes)]),
            cache_examples=False,
            run_on_click=True,
            label=f"{folder.name}: rows of its test, the worst answers first",
        )


def choose_rows(answered: Sequence[Answered], most: int) -> list[Answered]:
    """Choose the rows with the lowest score, of these the most confident first."""

    def rank(one: Answered) -> tuple[float, float]:
        return (1.0 if one.score is None else one.score, -one.details.get("confidence", 0.0))

    return sorted(answered, key=rank)[:most]


def _write(cell: Any) -> str:
    return "\n".join(map(str, cell)) if isinstance(cell, list) else str(cell)
