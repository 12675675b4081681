"""Define the verb that tunes a configuration.

nlp-transfer search reviews.yaml --space space.yaml --trials 20 --output runs/tuned
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nlp_transfer.cli.options import Overrides
from nlp_transfer.cli.streams import refuse_many, say
from nlp_transfer.system.garbage import keep_imports


def search(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="YAML file, or a shipped configuration.")],
    space: Annotated[
        Path, typer.Option(metavar="FILE", help="YAML: KEY: [CHOICE, ...], or KEY: {low: 1e-5, high: 1e-3, log: true}.")
    ],
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="How many settings to try.")],
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write; a search that was stopped in it goes on.")
    ] = None,
) -> None:
    """Try settings of a configuration, and choose the best on validation.

    Test is answered at the end, by the best and by the unchanged configuration, so that it says what tuning was worth.
    """
    import nlp_transfer
    from nlp_transfer.config.space import check_space, read_space
    from nlp_transfer.data.locations import refuse_missing

    refuse_many(shared=False, way="start one")
    checked, known = nlp_transfer.load_config(config, overrides or ()), read_space(space)
    refuse_missing(*checked.data.places)  # before torch is loaded, as all that is wrong with the space
    check_space(checked, known, str(space))
    with keep_imports():
        verb = nlp_transfer.search
    found = verb(checked, space=space, trials=trials, output=output)

    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(found.table)
    for sentence in found.verdict:
        say(sentence)
    say(f"run folders: {found.folder}, best of them {found.best.folder}")
