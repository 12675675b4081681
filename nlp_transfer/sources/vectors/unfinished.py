"""Keep a training of vectors on the disk after each pass over its texts, from where the same call goes on."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.system.disk import replace_whole
from nlp_transfer.system.room import guard_writing

GENERATOR = "MT19937"  # of the random numbers of gensim's models


@dataclass(frozen=True)
class Unfinished:
    """The file of a training that has not ended.

    Attributes:
        path: of the file.
        identity: what has to be the same for a training to go on.
    """

    path: Path
    identity: str

    def resume(self, model: Any) -> int:
        """Put a model of gensim where an earlier attempt stood; return how many passes that had made, 0 if none.

        Raises:
            SourceError: the earlier attempt was on other texts, another table or with other settings.
        """
        if not self.path.exists():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as file:
                kept = dict(file)
            if str(kept["identity"]) == self.identity:
                model.wv.vectors[:], model.syn1neg[:] = kept["vectors"], kept["outputs"]
                model.random.set_state((GENERATOR, kept["numbers"], int(kept["place"])))
                return int(kept["passes"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            raise SourceError(f"{self.path}: damaged; remove it, and the training begins anew") from None
        raise SourceError(
            f"{self.path}: left by a training on other texts, another table or with other settings; name another "
            "folder, or remove it"
        )

    def keep(self, model: Any, passes: int) -> None:
        """Write where a model stands after so many passes.

        Raises:
            DiskError: there is no room.
        """
        _, numbers, place, *_ = model.random.get_state()
        tensors = {"vectors": model.wv.vectors, "outputs": model.syn1neg, "numbers": numbers}
        size = sum(tensor.nbytes for tensor in tensors.values())
        with guard_writing(self.path, size), replace_whole(self.path) as fresh, fresh.open("wb") as file:
            np.savez(file, identity=self.identity, passes=passes, place=place, **tensors)
