"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from nlp_transfer.config.dialect import Quoting
from nlp_transfer.errors import suggest


def make_choice(kind: Any, *names: str, help: str) -> Any:  # noqa: A002 - as typer calls it
    """Make an option that takes one of the choices of a `Literal`, and asks for the nearest where it is given another.

    Typer's own says `Value error` to that.

    Args:
        kind: the `Literal`.
        names: of the option, where it is called otherwise than its parameter.
        help: for `--help`.
    """
    choices = get_args(kind)

    def read(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"'{text}' is not a choice. {suggest(text, choices)}")
        return text

    return typer.Option(*names, parser=read, metavar="|".join(choices), help=help)


Config = Annotated[
    str | None, typer.Argument(metavar="[CONFIG]", help="YAML file, or a shipped configuration; see `sources`.")
]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="For example training.epochs=5.")]
TaskFlag = Annotated[str | None, typer.Option("--task", help="Instead of CONFIG: the task.")]
SourceFlag = Annotated[str | None, typer.Option("--source", help="Instead of CONFIG: a name, folder or file.")]
StrategyFlag = Annotated[str | None, typer.Option("--strategy", help="Instead of CONFIG: full, lora, and so on.")]
Train = Annotated[str | None, typer.Option("--train", metavar="FILE", help="As data.train; also beside CONFIG.")]
Validation = Annotated[str | None, typer.Option("--validation", metavar="FILE", help="As data.validation.")]
Test = Annotated[str | None, typer.Option("--test", metavar="FILE", help="As data.test.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Published = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a finished run, or USER/NAME on the Hub.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit on the Hub.")]
Trust = Annotated[
    str | None,
    typer.Option(metavar="COMMIT", help="Run the code of others that the run was trained with, at this commit."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE=NAME", help="Where a role stands, as text=review; repeatable. As in training by default."
    ),
]
Task = Annotated[
    str | None, typer.Option(metavar="MODULE", help="The run's task, if it is none of ours: your dotted module.")
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="MARK", help="Between cells of a .csv or .tsv, such as ';'. As in training by default."),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of text, such as cp1252; UTF-8 by default, whatever train was.")
]
Quotes = Annotated[
    Quoting | None,
    make_choice(Quoting, "--quoting", help="minimal: cells may stand in quotes; none: quotes are characters."),
]
OnUnknown = Literal["error", "drop"]
Header = Annotated[
    bool | None, typer.Option(help="Whether the first row names the columns; else they are numbered from 0.")
]
Rate = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="PRICE", help="What an hour of this machine costs: prices 1,000 texts."),
]
Replace = Annotated[bool, typer.Option("--force", help="Replace the table that is there.")]
Output = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; must be new or empty.")]
