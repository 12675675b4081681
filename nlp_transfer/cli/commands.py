"""Define the command line: every verb calls one public function.

nlp-transfer run sentiment/minilm_frozen training.seed=1
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nlp_transfer import __version__
from nlp_transfer.cli.adapt import adapt
from nlp_transfer.cli.exporting import export
from nlp_transfer.cli.options import (
    Columns,
    Config,
    Delimiter,
    Encoding,
    Header,
    Output,
    Overrides,
    Published,
    Quotes,
    Rate,
    Replace,
    Revision,
    Run,
    SourceFlag,
    StrategyFlag,
    Task,
    TaskFlag,
    Test,
    Train,
    Trust,
    Validation,
)
from nlp_transfer.cli.reporting import report
from nlp_transfer.cli.searching import search
from nlp_transfer.cli.several_runs import Answering, answer_by_several, refuse_options, show_sharing, split_words
from nlp_transfer.cli.streams import (
    check_answers,
    check_output,
    choose_columns,
    open_sink,
    read_columns,
    read_texts,
    refuse_many,
    refuse_table,
    say,
    update_dialect,
    warn_of_texts,
)
from nlp_transfer.cli.unlabelled import choose, look
from nlp_transfer.config.dialect import PLAIN
from nlp_transfer.config.flags import Flags, combine_flags
from nlp_transfer.config.yaml_file import parse_yaml
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.garbage import keep_imports
from nlp_transfer.system.layout import RANKING

# Commands import the library inside, because `--help` must not load torch.
app = typer.Typer(
    help="Transfer learning for NLP: any pretrained source, any strategy, one interface.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
vectors = typer.Typer(help="Import word vectors once, or train them on your own text.", no_args_is_help=True)
app.add_typer(vectors, name="vectors")
app.command("adapt")(adapt)
app.command("shift")(look)
app.command("label")(choose)
app.command("export")(export)
app.command("search")(search)
app.command("report")(report)


@app.command("init")
def propose(
    data: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="File or folder; tables of splits; or texts.en texts.fr.")
    ],
    task: Annotated[str | None, typer.Option(help="The task, if it shall not be guessed.")] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="The column to read; twice for two.")] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to learn: a label, a translation, a summary.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="What to start from: a name, folder or file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write it, to a file named after the data.")] = False,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Look at data and propose a configuration.

    Without --yes or --output it is printed, and nothing is written.
    """
    import nlp_transfer

    found = nlp_transfer.init(
        data, task=task, text=text or (), label=label, source=source, yes=yes, output=output, force=force
    )
    if found.file is None:
        say(found.summary, err=True)
        say(found.text)
    else:
        say(f"wrote {found.file}\n{found.summary}")


@app.command()
def run(
    config: Config = None,
    overrides: Overrides = None,
    task: TaskFlag = None,
    source: SourceFlag = None,
    strategy: StrategyFlag = None,
    train: Train = None,
    validation: Validation = None,
    test: Test = None,
    output: Output = None,
    resume: Annotated[
        str | None, typer.Option(metavar="auto|DIR", help="Go on with a run: `auto` (in --output), it, a checkpoint.")
    ] = None,
) -> None:
    """Train one model and leave a run folder; of several `tasks` one for each."""
    import nlp_transfer

    chosen, keys = _choose(config, overrides, Flags(task, source, strategy, train, validation, test))
    verb = "run_tasks" if _has_tasks(chosen, keys) else "run"
    _load(verb)
    result = getattr(nlp_transfer, verb)(chosen, keys, output=output, resume=resume)

    from nlp_transfer.system.processes import is_main_process

    if is_main_process():
        say(result.summary)
        say(f"run folder: {result.folder}")


@app.command()
def check(
    config: Config = None,
    overrides: Overrides = None,
    task: TaskFlag = None,
    source: SourceFlag = None,
    strategy: StrategyFlag = None,
    train: Train = None,
    validation: Validation = None,
    test: Test = None,
) -> None:
    """Say what a run would do, before any training."""
    import nlp_transfer

    chosen, keys = _choose(config, overrides, Flags(task, source, strategy, train, validation, test))
    _load("check")
    say(nlp_transfer.check(chosen, keys).text)


@app.command()
def compare(
    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="YAML files or shipped names, on the same task and data.")
    ],
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override in all of them; repeatable.")
    ] = None,
    output: Output = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="auto|DIR", help="Go on with a comparison: `auto` (in --output), or its folder."),
    ] = None,
    rate: Rate = None,
) -> None:
    """Train several models and say which won, and what each costs.

    They share task and data; a plot stands beside the run folders. Of one configuration with several `tasks`: train
    them together and each alone, and say what sharing bought.
    """
    from rich.console import Console

    import nlp_transfer

    for config in configs:
        _choose(config, override, Flags())
    if len(configs) == 1 and _has_tasks(configs[0], override or []):
        if rate is not None:
            raise ConfigError("--rate: is for comparisons of one task, which tell what a model costs; leave it out")
        _load("compare_tasks")
        found = nlp_transfer.compare_tasks(configs[0], override or (), output=output, resume=resume)
        show_sharing(found.table, found.verdicts, found.folder)
        return
    _load("compare")
    result = nlp_transfer.compare(configs, override or (), output=output, resume=resume, rate=rate)

    from nlp_transfer.system.layout import PLOT
    from nlp_transfer.system.processes import is_main_process

    if not is_main_process():
        return

    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(result.table)
    console.print(result.costs)
    for sentence in (*result.verdicts, *result.timing):
        say(sentence)
    if (result.folder / PLOT).is_file():
        say(f"plot: {result.folder / PLOT}")
    say(f"run folders: {result.folder}")


@app.command()
def curve(
    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="YAML files or shipped names, on the same task and data.")
    ],
    sizes: Annotated[str, typer.Option(metavar="N,N,...", help="Rows of train, all classes together: 16,64,256,1024.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many; each draws rows of its own.")] = 3,
    freeze: Annotated[
        str | None, typer.Option(metavar="K,K,...", help="Also: checkpoints with K frozen layers, on the most rows.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override in all of them; repeatable.")
    ] = None,
    output: Output = None,
    resume: Annotated[
        str | None, typer.Option(metavar="auto|DIR", help="Go on with a curve, also with more sizes.")
    ] = None,
) -> None:
    """Say how many labels are enough, and how many pretraining saves.

    Each configuration, its scratch control and the simple methods learn from more and more rows of train.
    """
    from rich.console import Console

    import nlp_transfer
    from nlp_transfer.config.flags import read_numbers
    from nlp_transfer.system.layout import CURVE

    refuse_many(shared=False, way="start one")
    wanted, frozen = read_numbers(sizes, "--sizes"), read_numbers(freeze, "--freeze") if freeze else []
    for config in configs:
        _choose(config, override, Flags())
    _load("curve")
    result = nlp_transfer.curve(
        configs, override or (), sizes=wanted, seeds=seeds, freeze=frozen, output=output, resume=resume
    )

    Console(width=None if sys.stdout.isatty() else 160).print(*result.tables)
    for sentence in (*result.verdict, *result.timing):
        say(sentence)
    say(f"figures: {result.folder / CURVE}, with curve.md and curve.png, .svg and .pdf beside it")


@app.command()
def rank(
    config: Config = None,
    overrides: Overrides = None,
    task: TaskFlag = None,
    train: Train = None,
    sources: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="What to compare: names, folders or files, between commas.")
    ] = None,
    hub_list: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More of them, one a line; what cannot be opened is left out.")
    ] = None,
    output: Output = None,
    resume: Annotated[
        str | None, typer.Option(metavar="auto|DIR", help="Go on with a ranking, also with more sources.")
    ] = None,
) -> None:
    """Say which source to take, by 1,000 rows of train at most.

    A cross-validated probe on frozen features orders them; nothing is trained, and validation and test are not read.
    """
    from rich.console import Console

    import nlp_transfer
    from nlp_transfer.config.flags import read_source_list
    from nlp_transfer.data.locations import refuse_missing

    refuse_many(shared=False, way="start one")
    wanted = read_source_list(sources, hub_list)
    chosen, keys = combine_flags(config, overrides or (), Flags(task=task, train=train))
    refuse_missing(nlp_transfer.load_config(chosen, keys).data.train)
    _load("rank")
    result = nlp_transfer.rank(chosen, keys, sources=wanted, output=output, resume=resume)

    Console(width=None if sys.stdout.isatty() else 160).print(result.table)
    for sentence in result.verdict:
        say(sentence)
    say(f"figures: {result.folder / RANKING}")


def _choose(config: str | None, overrides: list[str] | None, flags: Flags) -> tuple[str | dict[str, Any], list[str]]:
    """Read what a command line means, and answer a mistake or missing data before torch is loaded."""
    import nlp_transfer
    from nlp_transfer.config.several import load_several
    from nlp_transfer.data.locations import refuse_missing

    chosen, keys = combine_flags(config, overrides or (), flags)
    several = _has_tasks(chosen, keys)
    parts = load_several(chosen, keys).tasks if several else [nlp_transfer.load_config(chosen, keys)]
    for one in parts:
        refuse_missing(*one.data.places)
    return chosen, keys


def _has_tasks(chosen: str | dict[str, Any], keys: list[str]) -> bool:
    """Tell whether a configuration lists several tasks."""
    from nlp_transfer.config import several  # not at the top: `--help` would wait for pydantic

    return several.has_tasks(chosen, keys)


def _load(name: str) -> None:
    """Import what a public name of the library stands for, before it is used."""
    import nlp_transfer

    with keep_imports():
        getattr(nlp_transfer, name)


@app.command()
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
        Literal["fp32", "auto"],
        typer.Option(help="auto: bf16 if it is faster here and the run's test rows are answered alike."),
    ] = "fp32",
    least: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Answer null where the confidence is less, such as 0.8."),
    ] = None,
    trust_remote_code: Trust = None,
) -> None:
    """Predict: one answer per text, in input order, as a line of JSON or a row of a table.

    Of several runs, or of the folder of several tasks, a line holds the answer of each under its name.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.system.network import find_run

    runs, file = split_words(words)
    output = None if output == Path("-") else output
    retell = partial(update_dialect, delimiter=delimiter, quoting=quoting, header=header, encoding=encoding)
    if len(runs) > 1:
        single = {"keep": keep, "revision": revision, "task": task, "precision": precision, "least": least}
        refuse_options({**single, "trust-remote-code": trust_remote_code})
        answer_by_several(runs, file, output, force=force, columns=column, retell=retell)
        return

    run = runs[0]
    check_output(output, file, run, force=force)
    ending = check_answers(output, file, keep=keep)
    whole = output is not None and file not in {None, "-"}  # a file to a file: in shards, which are kept until all are
    refuse_many(shared=whole, way="name a FILE and an --output to share it")
    kind = find_task(task) if task else None
    folder = find_run(run, revision)  # where there is none, that is said before torch is loaded
    from nlp_transfer.data.formats.cells import open_inputs

    _load("load")
    from nlp_transfer.system.processes import is_main_process, join_processes

    join_processes()
    predictor = nlp_transfer.load(
        folder, task=kind, precision=precision, trust_remote_code=trust_remote_code, least=least
    )
    wanted = choose_columns(column, predictor.input_columns, predictor.task.roles)
    dialect = retell(predictor.dialect)
    inputs, idle = read_texts(file, wanted, dialect, lists=predictor.list_roles)
    kept = predictor.keep_columns(partial(open_inputs, str(file), wanted, dialect), ending=ending) if keep else None
    if output is not None and file is not None and whole:
        known = {"columns": wanted, "dialect": dialect}
        place = expand_home(file)
        seen = nlp_transfer.predict_in_shards(
            predictor, inputs, output, run=folder, file=place, settings=known, kept=kept
        )
        if not is_main_process():
            return
    else:
        answers = predictor.predict_stream(inputs, idle=idle)
        with open_sink(output) as sink:
            for said in kept.join(answers) if kept else answers:
                sink.write(dump_json(said, default=str) + "\n")
                sink.flush()
        seen = predictor.seen

    for renamed in kept.describe_renamed() if kept else ():
        say(f"{file}: {renamed}", err=True)
    warn_of_texts(seen.texts, seen.empty, seen.truncated)
    if withheld := predictor.describe_withheld(seen):
        say(withheld, err=True)


@app.command()
def evaluate(
    run: Published,
    data: Annotated[str, typer.Option(metavar="FILE", help="Labelled file; or {COLUMN: FILE, ...}.")],
    column: Columns = None,
    on_unknown_label: Annotated[
        Literal["error", "drop"] | None,
        typer.Option(help="Of rows whose label the model does not know; by default as the run was configured."),
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

    The file has labels or targets; the run's simple methods are fitted again on its own rows and scored beside it.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.data.locations import refuse_missing
    from nlp_transfer.system.network import find_run

    columns = read_columns(column)
    place: Any = parse_yaml(data) if data.startswith("{") else data  # {en: test.en, de: test.de}
    if isinstance(place, dict):
        if odd := [name for name in place if not isinstance(name, str)]:
            raise ConfigError(f"--data: the column {odd[0]!r} is no text in YAML; quote its name, as in {{'no': FILE}}")
        place = {name: str(file) for name, file in place.items()}

    kind = find_task(task) if task else None
    folder = find_run(run)
    refuse_missing(place)
    _load("load")
    from nlp_transfer.system.processes import is_main_process, join_processes

    join_processes()
    predictor = nlp_transfer.load(folder, task=kind, trust_remote_code=trust_remote_code)
    dialect = update_dialect(predictor.dialect, delimiter, quoting, header, label_separator, encoding=encoding)
    scores = predictor.evaluate(
        place, columns, on_unknown_label=on_unknown_label, dialect=dialect, limit=limit, together=True
    )
    if is_main_process():
        say(dump_json(scores, indent=2))


@app.command()
def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN... OUT", help="Finished runs, or one of several seeds; then a new folder."),
    ],
    share: Annotated[
        float, typer.Option(metavar="PART", help="How far to go from the weights of the source (0) to the mean (1).")
    ] = 1.0,
    head: Annotated[
        Literal["auto", "solve", "average"],
        typer.Option(help="Its last layer: solved anew, or a mean; auto: what is better on validation."),
    ] = "auto",
    task: Task = None,
    trust_remote_code: Trust = None,
) -> None:
    """Merge finished runs of one architecture into one model.

    Its weights are their mean, or a part of the way from the source to that; it is measured beside them.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task

    refuse_many(shared=False, way="start one")
    *runs, output = folders
    if not runs:
        raise ConfigError(f"merge: only {output} is named; write the runs, then the folder to write: RUN... OUT")
    kind = find_task(task) if task else None
    _load("merge")
    result = nlp_transfer.merge(runs, output, share=share, head=head, task=kind, trust_remote_code=trust_remote_code)
    say(result.summary)
    say(f"run folder: {result.folder}")


@app.command()
def publish(
    run: Run,
    repo_id: Annotated[str, typer.Argument(metavar="USER/NAME", help="On the Hub; made where it is not there yet.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    revision: Annotated[str | None, typer.Option(metavar="BRANCH", help="By default main.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead.")] = False,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    adapter_only: Annotated[bool, typer.Option("--adapter-only", help="Of LoRA: without the merged model.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the exact tree to a folder instead.")] = False,
    licence: Annotated[str | None, typer.Option("--license", metavar="ID", help="As the Hub calls it.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read back what was published.")] = False,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="Of --dry-run; by default RUN/publish.")] = None,
    task: Task = None,
    rate: Rate = None,
) -> None:
    """Publish a finished run to the Hub.

    The token comes from HF_TOKEN or `hf auth login`.
    """
    import nlp_transfer
    from nlp_transfer.config.tasks import find_task
    from nlp_transfer.system.network import require_hub

    kind = find_task(task) if task else None
    if not dry_run and run.is_dir():  # a run that is missing is the first fault to be said
        require_hub()  # reports a fault before torch is loaded

    _load("publish")
    done = nlp_transfer.publish(
        run,
        repo_id,
        private=private,
        revision=revision,
        create_pr=create_pr,
        message=message,
        licence=licence,
        adapter_only=adapter_only,
        dry_run=dry_run,
        output=output,
        verify=not no_verify,
        task=kind,
        rate=rate,
    )
    for name in done.files:
        say(f"  {name}")
    if dry_run:
        say(f"would be published to {repo_id}; written to {done.folder}")
    else:
        verified = "" if no_verify else "; read back, it answers as the run does"
        say(f"{'published' if done.changed else 'unchanged'}: {done.url} at {done.commit[:12]}{verified}")


@app.command("sources")
def list_all() -> None:
    """List sources, bundled data and shipped configurations."""
    import nlp_transfer

    def mark_missing(available: bool) -> str:
        return "" if available else "  (not installed)"

    for source in nlp_transfer.list_sources():
        said = f"{source.kind:<11} {source.description} [{source.licence}]"
        say(f"{source.name:<18} {said}{mark_missing(source.available)}")
    say("\ndata, as --train or data.train; yours may be a file, a folder, or an id on the Hub")
    for data in nlp_transfer.list_datasets():
        say(f"{data.name:<24} {data.description}{mark_missing(data.available)}")
    say("\nconfigurations, for run, check and compare")
    for config in nlp_transfer.list_configs():
        say(f"{config.name:<52} {config.description}")


@app.command("doctor")
def examine() -> None:
    """Describe this machine for a bug report.

    The exit code is 5 when something is known to fail.
    """
    import nlp_transfer

    found = nlp_transfer.doctor()
    say(found.text)
    if found.problems:
        raise typer.Exit(5)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a configuration."""
    import nlp_transfer

    say(json.dumps(nlp_transfer.config_schema(), indent=2))


@vectors.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="GloVe or word2vec text or binary, fastText, .npy with words.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N words.")] = None,
    force: Replace = False,
) -> None:
    """Turn a vector file into a folder that opens at once."""
    from nlp_transfer.sources.vectors.table import import_vectors

    refuse_table(out, force=force)
    table = import_vectors(file, out, limit=limit, progress=True)
    counts = "".join(f", {count} {what.replace('_', ' ')}" for what, count in table.counts.items() if count)
    say(f"{out}: {len(table.words):,} words x {table.dim}{counts}")


@vectors.command("train")
def train(
    corpus: Annotated[
        Path, typer.Argument(help="Text, one document a line; or a table: CSV, JSONL, Parquet and so on.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    dim: Annotated[int, typer.Option(min=1)] = 100,
    window: Annotated[int, typer.Option(min=1)] = 5,
    min_count: Annotated[int, typer.Option(min=1, help="Leave out rarer words.")] = 5,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    cbow: Annotated[bool, typer.Option("--cbow", help="CBOW instead of skip-gram.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, help="More than one is faster but not reproducible.")] = 1,
    column: Annotated[str, typer.Option(help="Column of the texts in a table.")] = "text",
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    force: Replace = False,
) -> None:
    """Train Word2Vec vectors on your own text."""
    from nlp_transfer.sources.vectors.word2vec import train_vectors

    refuse_table(out, force=force)
    table = train_vectors(
        corpus,
        out,
        dim=dim,
        window=window,
        min_count=min_count,
        epochs=epochs,
        skip_gram=not cbow,
        seed=seed,
        workers=workers,
        column=column,
        dialect=update_dialect(PLAIN, delimiter, quoting, header, encoding=encoding),
        progress=True,
    )
    say(f"{out}: {len(table.words):,} words x {table.dim}")


@app.callback(invoke_without_command=True)
def handle_options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001 - read by main
) -> None:
    """Handle the options before the verb."""
    if version:
        say(__version__)
        raise typer.Exit
