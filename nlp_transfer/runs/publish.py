"""Publish a run folder to the Hugging Face Hub in one commit, and check it by reading it back.

nlp-transfer publish runs/reviews user/reviews
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import CheckpointError, PublishError, TransferError
from nlp_transfer.evaluation.costs import check_rate
from nlp_transfer.publishing.tree import list_files, write_publication
from nlp_transfer.publishing.upload import Upload
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.probes import is_repeated, read_probes
from nlp_transfer.system.layout import explain_unfinished
from nlp_transfer.system.network import REPOSITORY, download, hide_bars, require_hub
from nlp_transfer.system.received import refuse_no_path
from nlp_transfer.system.room import guard_temporary


@dataclass(frozen=True)
class Publication:
    """The result of a publication.

    Attributes:
        files: the names of the published files.
        folder: where a dry run wrote them; else None.
        url: of the repository or the pull request.
        commit: the id of the commit that holds them.
        changed: whether a commit was made; False if the repository held the same files already.
    """

    files: tuple[str, ...]
    folder: Path | None = None
    url: str = ""
    commit: str = ""
    changed: bool = False


def publish(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    message: str | None = None,
    licence: str | None = None,
    adapter_only: bool = False,
    dry_run: bool = False,
    output: str | Path | None = None,
    verify: bool = True,
    task: type[TaskDeclaration] | None = None,
    rate: float | None = None,
    exports: Sequence[str | Path] = (),
) -> Publication:
    """Publish a finished run; the token comes from `HF_TOKEN` or `hf auth login`.

    Args:
        folder: of the run.
        repo_id: USER/NAME on the Hub; made where it is not there yet.
        private: make it private; refused where it is there and public.
        revision: branch, made where it is not there yet; main by default.
        create_pr: open a pull request instead.
        message: of the commit.
        licence: id on the Hub, where that of the pretrained weights is not known.
        adapter_only: of a LoRA run, leave out the merged model.
        dry_run: write the exact tree to `output` and ask no network.
        output: of a dry run; by default `publish` in the run folder.
        verify: fetch what was published and compare its answers with those of the run.
        task: of the run, where that is none of ours; see `load`.
        rate: what an hour of the machine costs, in any currency, for the price of 1,000 texts on the card.
        exports: folders that `export` has written from the run; they go up as `exported/FORMAT`.

    Raises:
        CheckpointError: no such run, or one of a task that is neither ours nor given.
        PublishError: what is wrong with the run, the card, the token, the Hub or the network, and the way out.
    """
    refuse_no_path(folder, "run", CheckpointError)
    refuse_no_path(output, "output", PublishError, optional=True)
    check_rate(rate)
    run = Path(folder)
    if not run.is_dir():
        raise CheckpointError(f"{run}: no such run folder")
    if fault := explain_unfinished(run):
        raise PublishError(f"{run}: {fault}")
    if not REPOSITORY.fullmatch(str(repo_id)):
        raise PublishError(f"'{repo_id}' is no id on the Hub: USER/NAME of letters, digits, '-', '_' and '.'")
    if create_pr and revision is not None:
        raise PublishError("--create-pr opens a pull request to main; leave out --revision")

    tree: dict[str, Any] = {"licence": licence, "adapter_only": adapter_only, "task": task, "rate": rate}
    tree["exports"] = [Path(one) for one in exports]
    if dry_run:
        target = Path(output or run / "publish")
        if output is None:
            shutil.rmtree(target, ignore_errors=True)  # of an earlier dry run
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise PublishError(f"{target} holds something already; remove it or choose another with --output")
        try:
            write_publication(run, target, repo_id, **tree)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)  # half a tree
            raise
        return Publication(list_files(target), folder=target)

    if output is not None:
        raise PublishError("--output says where --dry-run writes; leave it out, or add --dry-run")
    with _make_workplace(run) as place:
        write_publication(run, place, repo_id, **tree)
        require_hub()
        upload = Upload(repo_id, place, revision or "main", message or f"Publish {run.resolve().name}")
        with hide_bars():
            landed = upload.send(private=private, create_pr=create_pr)
        files = list_files(place)

    if verify:
        _verify(run, repo_id, landed.commit, task)
    return Publication(files, url=landed.url, commit=landed.commit, changed=landed.changed)


@contextlib.contextmanager
def _make_workplace(run: Path) -> Iterator[Path]:
    """Make a temporary folder in the run folder, because the disk of the system's own is often small.

    If the run folder is read-only, the system's own is used.
    """
    for left in run.glob(".publish-*"):  # of a publication that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        place = Path(tempfile.mkdtemp(dir=run, prefix=".publish-"))
    except OSError:
        with guard_temporary("the tree to publish"):
            place = Path(tempfile.mkdtemp(prefix="nlp-transfer-publish-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _verify(run: Path, repo: str, commit: str, task: type[TaskDeclaration] | None) -> None:
    """Download a commit to an empty cache, load it, and check that it answers as the run does.

    Raises:
        PublishError: it cannot be downloaded or loaded, or an answer differs.
    """
    texts, said = read_probes(run)
    if not texts:
        raise PublishError(f"{repo} is published, but {run} keeps no probes to compare it with; --no-verify skips this")

    with _make_workplace(run) as cache:
        try:
            again = load(download(repo, commit, cache), task=task).predict(texts)
        except TransferError as error:
            raise PublishError(f"{repo} is published as {commit}, but it could not be read back: {error}") from None

    for text, before, after in zip(texts, said, again, strict=True):
        if not is_repeated(before, after):
            raise PublishError(
                f"{repo} at {commit} answers {after} to {str(text)[:60]!r}, the run {before}: do not use that commit; "
                "revert it on the Hub, and publish again from the machine and versions that environment.json names"
            )
