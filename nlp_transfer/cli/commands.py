"""Define the command line: every verb calls one public function.

The verbs import the library inside, because `--help` must not load torch.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from nlp_transfer import __version__
from nlp_transfer.cli.adapt import adapt
from nlp_transfer.cli.answering import evaluate, predict
from nlp_transfer.cli.elsewhere import Verb, Verbs
from nlp_transfer.cli.exporting import export
from nlp_transfer.cli.finished import merge, publish
from nlp_transfer.cli.looking import examine, list_all, print_schema, propose
from nlp_transfer.cli.reporting import report
from nlp_transfer.cli.searching import search
from nlp_transfer.cli.showing import demo
from nlp_transfer.cli.streams import say
from nlp_transfer.cli.training import check, compare, curve, rank, run
from nlp_transfer.cli.unlabelled import choose, look
from nlp_transfer.cli.vectors import vectors

app = typer.Typer(
    cls=Verbs,
    help="Transfer learning for NLP: any pretrained source, any strategy, one interface.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS: dict[str, Callable[..., None]] = {  # in the order of their use
    "init": propose,
    "check": check,
    "run": run,
    "compare": compare,
    "search": search,
    "rank": rank,
    "curve": curve,
    "merge": merge,
    "predict": predict,
    "evaluate": evaluate,
    "shift": look,
    "label": choose,
    "adapt": adapt,
    "report": report,
    "demo": demo,
    "export": export,
    "publish": publish,
    "sources": list_all,
    "doctor": examine,
    "schema": print_schema,
}
for name, verb in VERBS.items():
    app.command(name, cls=Verb)(verb)
app.add_typer(vectors, name="vectors")


@app.callback(invoke_without_command=True)
def handle_options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001 - read by main
) -> None:
    """Handle the options before the verb."""
    if version:
        say(__version__)
        raise typer.Exit
