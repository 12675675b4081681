"""Define the verbs that make something of finished runs: one model of several, a publication.

nlp-transfer publish runs/reviews your-name/reviews --dry-run
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from nlp_transfer.cli.loading import load_library
from nlp_transfer.cli.options import Rate, Run, Task, Trust, make_choice
from nlp_transfer.cli.streams import refuse_many, say
from nlp_transfer.errors import ConfigError

Head = Literal["auto", "solve", "average"]


def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN... OUT", help="Finished runs, or one of several seeds; then a new folder."),
    ],
    share: Annotated[
        float, typer.Option(metavar="PART", help="How far to go from the weights of the source (0) to the mean (1).")
    ] = 1.0,
    head: Annotated[
        Head,
        make_choice(Head, help="Its last layer: solved anew, or a mean; auto: what is better on validation."),
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
    load_library("merge")
    result = nlp_transfer.merge(runs, output, share=share, head=head, task=kind, trust_remote_code=trust_remote_code)
    say(result.summary)
    say(f"run folder: {result.folder}")


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
    with_export: Annotated[
        list[Path] | None, typer.Option(metavar="OUT", help="Folder of an export of the run, to go up too; repeatable.")
    ] = None,
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

    load_library("publish")
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
        exports=with_export or (),
    )
    for name in done.files:
        say(f"  {name}")
    if dry_run:
        say(f"would be published to {repo_id}; written to {done.folder}")
    else:
        verified = "" if no_verify else "; read back, it answers as the run does"
        say(f"{'published' if done.changed else 'unchanged'}: {done.url} at {done.commit[:12]}{verified}")
