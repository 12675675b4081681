"""Define the verbs that look at rows without labels: `shift` and `label`.

nlp-transfer shift runs/reviews new.csv --sample 50 --output runs/new
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nlp_transfer.cli.options import (
    Columns,
    Delimiter,
    Encoding,
    Header,
    OnUnknown,
    Published,
    Quotes,
    Replace,
    Task,
    Trust,
    make_choice,
)
from nlp_transfer.cli.streams import check_output, read_columns, refuse_many, say, update_dialect
from nlp_transfer.system.garbage import keep_imports
from nlp_transfer.system.layout import SHIFT


def look(
    run: Published,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Texts, as of predict; or a bundled set or folder.")],
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Write N rows, drawn by chance, to DIR/to_label.csv.")
    ] = None,
    labelled: Annotated[
        str | None, typer.Option(metavar="FILE", help="Such rows with their answers: measures the score there.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; by default runs/shift.")] = None,
    column: Columns = None,
    on_unknown_label: Annotated[
        OnUnknown | None,
        make_choice(OnUnknown, help="Of labelled rows whose label the model does not know; by default as in training."),
    ] = None,
    task: Task = None,
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    trust_remote_code: Trust = None,
) -> None:
    """Say how other texts differ from a run's own test, and whether its score holds there.

    Without labels no score is estimated: label some rows, and read them back.
    """
    import nlp_transfer
    from nlp_transfer.data.locations import refuse_missing

    refuse_many(shared=False, way="start one")
    columns = read_columns(column)
    for place in (file, labelled):
        refuse_missing(place)  # before torch is loaded
    predictor = _open(run, task, trust_remote_code)
    dialect = update_dialect(predictor.dialect, delimiter, quoting, header, encoding=encoding)
    found = nlp_transfer.shift(
        predictor,
        file,
        columns,
        sample=sample,
        labelled=labelled,
        on_unknown_label=on_unknown_label,
        output=output,
        dialect=dialect,
    )

    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(found.table)
    for sentence in found.verdict:
        say(sentence)
    say(f"figures: {found.folder / SHIFT}")


def choose(
    run: Published,
    unlabelled: Annotated[str, typer.Argument(metavar="UNLABELLED", help="Rows, as FILE of shift.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Table to write: .csv, .tsv, .xlsx, .parquet, .jsonl.")],
    budget: Annotated[int, typer.Option(metavar="N", min=1, help="How many rows to choose.")] = 50,
    force: Replace = False,
    column: Columns = None,
    task: Task = None,
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    trust_remote_code: Trust = None,
) -> None:
    """Choose which rows to label next.

    They are those that the run is least sure of, and different ones among them, in a table to fill in.
    """
    import nlp_transfer
    from nlp_transfer.data.locations import refuse_missing

    refuse_many(shared=False, way="start one")
    columns = read_columns(column)
    check_output(output, unlabelled, run, force=force)
    refuse_missing(unlabelled)
    predictor = _open(run, task, trust_remote_code)
    dialect = update_dialect(predictor.dialect, delimiter, quoting, header, encoding=encoding)
    found = nlp_transfer.label(
        predictor, unlabelled, columns, output=output, budget=budget, force=force, dialect=dialect
    )
    for sentence in found.verdict:
        say(sentence)


def _open(run: str, task: str | None, trust_remote_code: str | None) -> Any:
    """Load a run; that there is none is said before torch is loaded."""
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.system.network import find_run

    kind = find_task(task) if task else None
    folder = find_run(run)
    with keep_imports():
        return nlp_transfer.load(folder, task=kind, trust_remote_code=trust_remote_code)
