"""Bring a tree to a branch of a repository by a single commit on the head that was seen, or not at all.

The Hub's client itself repeats the upload of large files, but neither the commit nor the calls around it.
"""

import functools
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils.sha import git_hash

from nlp_transfer.errors import PublishError
from nlp_transfer.publishing.tree import list_files
from nlp_transfer.system.disk import hash_file
from nlp_transfer.system.hub_calls import CONFLICT, call_patiently
from nlp_transfer.system.layout import ALLOWED

Operations = list[CommitOperationAdd | CommitOperationDelete]


@dataclass(frozen=True)
class Landed:
    """Say where the tree is now, and whether a commit was made for it."""

    url: str
    commit: str
    changed: bool


@dataclass(frozen=True)
class Upload:
    """Hold a tree and its destination."""

    repo: str
    tree: Path
    branch: str
    message: str
    api: HfApi = field(default_factory=HfApi)

    def send(self, *, private: bool, create_pr: bool) -> Landed:
        """Make the repository and branch if they are missing, send the large files, then commit.

        Raises:
            PublishError: the Hub refuses or stays away, or somebody else has committed meanwhile.
        """
        _hash_file.cache_clear()  # an earlier publication may have had another file of the same name
        call_patiently(lambda: self.api.create_repo(self.repo, private=private or None, exist_ok=True))
        if private and not call_patiently(lambda: self.api.model_info(self.repo)).private:
            raise PublishError(f"{self.repo} is there and public, which --private does not change; see its settings")

        if self.branch != "main":
            call_patiently(lambda: self.api.create_branch(self.repo, branch=self.branch, exist_ok=True))
        if landed := call_patiently(lambda: self._find(create_pr=create_pr)):
            return landed

        start = call_patiently(lambda: self._read_state(self.branch))
        changes = self._list_changes(start)
        large = [one for one in changes if isinstance(one, CommitOperationAdd)]

        # The client repeats these uploads itself, so this calls it once.
        call_patiently(
            lambda: self.api.preupload_lfs_files(
                self.repo, large, revision=self.branch, create_pr=create_pr, free_memory=False
            ),
            tries=1,
        )
        return call_patiently(lambda: self._commit(str(start.sha), changes, create_pr=create_pr))

    def _commit(self, start: str, changes: Operations, *, create_pr: bool) -> Landed:
        """Commit the changes, unless an earlier try has succeeded and only its answer was lost."""
        if landed := self._find(create_pr=create_pr):
            return Landed(landed.url, landed.commit, changed=True)
        if self._read_state(self.branch).sha != start:
            raise PublishError(f"{self.repo}: {CONFLICT}")
        made = self.api.create_commit(
            self.repo,
            changes,
            commit_message=self.message,
            revision=self.branch,
            parent_commit=start,
            create_pr=create_pr,
        )
        return Landed(made.pr_url or self._url, made.oid, changed=True)

    @property
    def _url(self) -> str:
        home = f"{self.api.endpoint}/{self.repo}"
        return home if self.branch == "main" else f"{home}/tree/{quote(self.branch)}"

    def _find(self, *, create_pr: bool) -> Landed | None:
        """Find the tree on the branch, or in an open pull request of the same title; None if it is in neither."""
        places = [(self.branch, self._url)]
        if create_pr:
            places += [
                (str(one.git_reference), one.url)
                for one in self.api.get_repo_discussions(self.repo, discussion_type="pull_request")
                if one.title == self.message and one.status in {"open", "draft"}
            ]
        for place, url in places:
            state = self._read_state(place)
            if not self._list_changes(state):
                return Landed(url, str(state.sha), changed=False)
        return None

    def _read_state(self, revision: str) -> ModelInfo:
        """Read the head of a branch, with the digests of its files."""
        return self.api.model_info(self.repo, revision=revision, files_metadata=True)

    def _list_changes(self, state: ModelInfo) -> Operations:
        """List what to add, because it is missing or differs, and what to delete, left by an earlier publication."""
        there = {one.rfilename: one for one in state.siblings or ()}
        here = list_files(self.tree)
        added = [
            CommitOperationAdd(name, str(self.tree / name))
            for name in here
            if name not in there or not _is_same(self.tree / name, there[name])
        ]
        left = [name for name in there if name not in here and any(fnmatch(name, allowed) for allowed in ALLOWED)]
        return [*added, *(CommitOperationDelete(name) for name in left)]


def _is_same(path: Path, there: RepoSibling) -> bool:
    """Tell whether a file is the same on the Hub, which stores the sha256 of large files and git's hash of others."""
    if there.lfs:
        return there.lfs.sha256 == _hash_file(path)
    return there.size == path.stat().st_size and there.blob_id == git_hash(path.read_bytes())


@functools.lru_cache
def _hash_file(path: Path) -> str:
    return hash_file(path)
