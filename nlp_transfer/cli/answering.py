"""Define the verbs that answer texts by finished runs.

nlp-transfer predict runs/reviews new.csv --output answers.jsonl
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nlp_transfer.cli.loading import PICTURES, load_library
from nlp_transfer.cli.options import (
    Columns,
    Delimiter,
    Encoding,
    Header,
    OnUnknown,
    Published,
    Quotes,
    Revision,
    Task,
    Trust,
    make_choice,
)
from nlp_transfer.cli.several_runs import Answering, refuse_options, split_words
from nlp_transfer.cli.streams import (
    check_answers,
    check_output,
    choose_columns,
    read_columns,
    read_texts,
    refuse_many,
    say,
    update_dialect,
    write_lines,
)
from nlp_transfer.config.yaml_file import parse_yaml
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.escaping import dump_json

Precision = Literal["fp32", "auto"]


def predict(
    words: Answering,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="To write: .jsonl, .csv, .tsv, .xlsx, .parquet; - or none: JSONL on stdout."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Put the columns of FILE before the answers.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if there is one.")] = False,
    column: Columns = None,
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    revision: Revision = None,
    task: Task = None,
    precision: Annotated[
        Precision,
        make_choice(Precision, help="auto: bf16 if it is faster here and the run's test rows are answered alike."),
    ] = "fp32",
    least: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Answer null where the confidence is less, such as 0.8."),
    ] = None,
    trust_remote_code: Trust = None,
) -> None:
    """Predict: one answer per text, in input order, as a line of JSON or a row of a table.

    Of several runs, or of the folder of several tasks, a line holds the answer of each under its name; a table has
    columns such as RUN.label.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.system.network import find_run

    runs, file = split_words(words)
    output = None if output == Path("-") else output

    several = len(runs) > 1
    if several:
        single = {"revision": revision, "task": task, "precision": precision, "trust-remote-code": trust_remote_code}
        refuse_options(single)
    for run in runs:
        check_output(output, file, run, force=force)
    ending = check_answers(output, file, keep=keep)
    whole = output is not None and file not in {None, "-"}  # a file to a file: in shards, which are kept until all are
    refuse_many(shared=whole, way="name a FILE and an --output to share it")
    kind = find_task(task) if task else None
    folders = [find_run(run, revision) for run in runs]  # where there is none, that is said before torch is loaded
    from nlp_transfer.data.formats.cells import open_inputs

    load_library("load", hidden=PICTURES)
    from nlp_transfer.system.processes import is_main_process, join_processes

    join_processes()
    if several:
        predictor: Any = nlp_transfer.load_tasks(runs, least=least)
    else:
        predictor = nlp_transfer.load(
            folders[0], task=kind, precision=precision, trust_remote_code=trust_remote_code, least=least
        )

    wanted = choose_columns(column, predictor.input_columns, predictor.roles)
    dialect = update_dialect(predictor.dialect, delimiter, quoting, header, encoding=encoding)
    inputs, idle = read_texts(file, wanted, dialect, lists=predictor.list_roles)
    kept = predictor.keep_columns(partial(open_inputs, str(file), wanted, dialect), ending=ending) if keep else None

    if output is not None and file is not None and whole:
        seen = nlp_transfer.predict_in_shards(
            predictor,
            inputs,
            output,
            run=folders,
            file=expand_home(file),
            settings={"columns": wanted, "dialect": dialect},
            kept=kept,
        )
        if not is_main_process():
            return
    else:
        answers = predictor.predict_stream(inputs, idle=idle)
        write_lines(kept.join(answers) if kept else answers, output)
        seen = predictor.seen

    for renamed in kept.describe_renamed() if kept else ():
        say(f"{file}: {renamed}", err=True)
    for warning in seen.list_warnings() if seen.texts else ("no text was given",):
        say(f"warning: {warning}", err=True)
    if withheld := predictor.describe_withheld(seen):
        say(withheld, err=True)


def evaluate(
    run: Published,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Labelled file; or {COLUMN: FILE, ...}.")] = None,
    data: Annotated[str | None, typer.Option("--data", hidden=True, help="The same as FILE.")] = None,
    column: Columns = None,
    on_unknown_label: Annotated[
        OnUnknown | None,
        make_choice(
            OnUnknown, help="Of rows whose label the model does not know; by default as the run was configured."
        ),
    ] = None,
    task: Task = None,
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    label_separator: Annotated[
        str | None, typer.Option(metavar="MARK", help="Between the labels of a cell. As in training by default.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score so many rows at most, drawn with seed 0.")] = None,
    trust_remote_code: Trust = None,
) -> None:
    """Score a finished run on another file.

    FILE has labels or targets; the run's simple methods are fitted again on its own rows and scored beside it.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.data.locations import refuse_missing
    from nlp_transfer.system.network import find_run

    columns, place = read_columns(column), _read_place(file, data)
    kind = find_task(task) if task else None
    folder = find_run(run)
    refuse_missing(place)
    load_library("load", hidden=PICTURES)
    from nlp_transfer.system.processes import is_main_process, join_processes

    join_processes()
    predictor = nlp_transfer.load(folder, task=kind, trust_remote_code=trust_remote_code)
    dialect = update_dialect(predictor.dialect, delimiter, quoting, header, label_separator, encoding=encoding)
    scores = predictor.evaluate(
        place, columns, on_unknown_label=on_unknown_label, dialect=dialect, limit=limit, together=True
    )
    if is_main_process():
        say(dump_json(scores, indent=2))


def _read_place(file: str | None, data: str | None) -> str | dict[str, str]:
    """Read which file is scored, or which files by column, as in `{en: test.en, de: test.de}`.

    Raises:
        ConfigError: none is given, or two are; or a column is no text.
    """
    given = file or data
    if given is None or (file and data):
        received = "two, FILE and --data" if given else "none"
        raise ConfigError(f"expected one labelled file, as in `nlp-transfer evaluate RUN FILE`, received {received}")
    if not given.startswith("{"):
        return given

    place: Any = parse_yaml(given)
    if odd := [name for name in place if not isinstance(name, str)]:
        raise ConfigError(f"FILE: the column {odd[0]!r} is no text in YAML; quote its name, as in {{'no': FILE}}")
    return {name: str(one) for name, one in place.items()}
