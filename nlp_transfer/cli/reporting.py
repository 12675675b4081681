"""Define the verb that writes a page about runs.

nlp-transfer report runs/reviews runs/other both.html
"""

from pathlib import Path
from typing import Annotated

import typer

from nlp_transfer.cli.options import Task
from nlp_transfer.cli.streams import refuse_many, say


def report(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... OUT", help="Folders of runs on one test, or of a comparison or a curve; the page, an .html."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the page if there is one.")] = False,
    train_labels: Annotated[
        bool, typer.Option("--train-labels", help="Of one frozen run: list labels of train that may be wrong.")
    ] = False,
    task: Task = None,
) -> None:
    """Write one page about runs that needs no network: verdict, scores, charts, errors to search.

    Each run has such a page, report.html, from the beginning.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task

    refuse_many(shared=False, way="start one")
    *runs, output = words
    kind = find_task(task) if task else None
    found = nlp_transfer.report(runs, Path(output), task=kind, force=force, train_labels=train_labels)
    for sentence in found.verdict:
        say(sentence)
    for sentence in found.missing:
        say(f"missing: {sentence}")
    say(f"report: {found.file}")
