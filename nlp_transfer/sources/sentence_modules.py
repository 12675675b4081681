"""Read which modules a sentence-transformers folder puts behind its encoder; without torch, which no table needs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nlp_transfer.errors import SourceError
from nlp_transfer.system.layout import MODULES

Find = Callable[[str], Path | None]  # finds a file of the folder by its name in there


@dataclass(frozen=True)
class Module:
    """A module as `modules.json` names it: the name of its class, and its folder inside the model's."""

    type: str
    folder: str

    @property
    def kind(self) -> str:
        """The last part of the class's name."""
        return self.type.rpartition(".")[2]


def read_modules(find: Find) -> Sequence[Module]:
    """Read modules.json; empty if there is none, so that this is no sentence-transformers folder.

    Raises:
        SourceError: the file is damaged, or a module lies outside of the folder.
    """
    path = find(MODULES)
    if path is None:
        return ()
    found = []
    for entry in read_object(path, list):
        kind, folder = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(folder, str):
            raise SourceError(f"{path}: damaged: a module has a type and a path, not {entry!r:.80}")
        if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
            raise SourceError(f"{path}: the module {folder!r} lies outside of the folder")
        found.append(Module(kind, folder))
    return found


def read_object(path: Path, kind: type[Any]) -> Any:
    """Read a small JSON file of the folder that holds a `kind`.

    Raises:
        SourceError: it is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise SourceError(f"{path}: damaged ({error}); fetch or save the model again") from None
    if not isinstance(values, kind):
        raise SourceError(f"{path}: damaged: expected a {kind.__name__}, found a {type(values).__name__}")
    return values
