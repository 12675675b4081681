"""Define the verbs that look and train nothing: at data, at what is there, at this machine.

nlp-transfer init reviews.csv --yes
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from nlp_transfer.cli.streams import say


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


def examine() -> None:
    """Describe this machine for a bug report.

    The exit code is 5 when something is known to fail.
    """
    import nlp_transfer

    found = nlp_transfer.doctor()
    say(found.text)
    if found.problems:
        raise typer.Exit(5)


def print_schema() -> None:
    """Print the JSON schema of a configuration."""
    import nlp_transfer

    say(json.dumps(nlp_transfer.config_schema(), indent=2))
