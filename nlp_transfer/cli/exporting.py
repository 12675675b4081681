"""Define the verb that writes a run for use elsewhere, without torch.

nlp-transfer export runs/reviews exported/reviews --format onnx-int8
"""

import os
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from nlp_transfer.cli.options import Published, Task
from nlp_transfer.cli.streams import refuse_many, say


def export(
    run: Published,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to write.")],
    format: Annotated[  # noqa: A002 - the name of the option
        str,
        typer.Option(
            metavar="onnx|onnx-int8|ctranslate2|ctranslate2-int8",
            help="onnx, or ctranslate2 for checkpoints that write; int8: a quarter of the size, and faster.",
        ),
    ] = "onnx",
    any_loss: Annotated[
        bool, typer.Option("--any-loss", help="Do not refuse int8 that costs more than a point on validation.")
    ] = False,
    task: Task = None,
) -> None:
    """Write a model for ONNX or CTranslate2, with a script that needs no torch.

    It answers rows of the run's test in a fresh process first, and is compared with the run.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch, not loaded yet, would warn of LSTMs: answers decide

    import nlp_transfer
    from nlp_transfer.config.tasks import find_task

    refuse_many(shared=False, way="start one")
    kind = find_task(task) if task else None
    found = nlp_transfer.export(run, output, format=cast("Any", format), any_loss=any_loss, task=kind)
    say(found.summary)
    for text in found.differing:
        say(f"otherwise: {text}")
    say(f"{found.folder}: python {found.folder / 'predict.py'} < texts.txt")
