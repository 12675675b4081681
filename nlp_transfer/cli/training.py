"""Define the verbs that train: one run, several to compare, curves, rankings.

nlp-transfer run sentiment/minilm_frozen training.seed=1
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nlp_transfer.cli.loading import load_library
from nlp_transfer.cli.options import (
    Config,
    Output,
    Overrides,
    Rate,
    SourceFlag,
    StrategyFlag,
    TaskFlag,
    Test,
    Train,
    Validation,
)
from nlp_transfer.cli.several_runs import show_sharing
from nlp_transfer.cli.streams import refuse_many, say
from nlp_transfer.config.flags import Flags, combine_flags
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.layout import RANKING


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
    load_library(verb)
    result = getattr(nlp_transfer, verb)(chosen, keys, output=output, resume=resume)

    from nlp_transfer.system.processes import is_main_process

    if is_main_process():
        say(result.summary)
        _name_page(result.folder)
        say(f"run folder: {result.folder}")


def _name_page(folder: Path) -> None:
    """Say where the page for people stands, if there is one."""
    from nlp_transfer.system.layout import REPORT

    if (folder / REPORT).is_file():
        say(f"report: {folder / REPORT}")


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
    load_library("check")
    say(nlp_transfer.check(chosen, keys).text)


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
        load_library("compare_tasks")
        found = nlp_transfer.compare_tasks(configs[0], override or (), output=output, resume=resume)
        show_sharing(found.table, found.verdicts, found.folder)
        return
    load_library("compare")
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
    _name_page(result.folder)
    say(f"run folders: {result.folder}")


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
    rate: Rate = None,
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
    load_library("curve")
    result = nlp_transfer.curve(
        configs, override or (), sizes=wanted, seeds=seeds, freeze=frozen, output=output, resume=resume, rate=rate
    )

    Console(width=None if sys.stdout.isatty() else 160).print(*result.tables)
    for sentence in (*result.verdict, *result.timing):
        say(sentence)
    _name_page(result.folder)
    say(f"figures: {result.folder / CURVE}, with curve.md and curve.png, .svg and .pdf beside it")


def rank(
    config: Config = None,
    overrides: Overrides = None,
    task: TaskFlag = None,
    train: Train = None,
    sources: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="What to compare: names, folders or files, between commas.")
    ] = None,
    hub_list: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More of them, one a line; what fails to open is left out.")
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
    load_library("rank")
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
