"""Check a saved model as it is loaded: name damaged files, and refuse weights that changed or do not fit."""

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch.nn import ModuleList
from transformers import PreTrainedModel

from nlp_transfer.errors import SourceError, list_first
from nlp_transfer.models.digests import hash_weights, sum_weights
from nlp_transfer.models.source import refuse_nonfinite
from nlp_transfer.system.layout import FINISHED

log = logging.getLogger(__name__)
LONGEST_ERROR = 300  # characters kept of another library's message
NAMED = 3  # weights that a message names
NUMBERED = re.compile(r"(.+?)\.(\d+)\.")  # a stack of layers, and which of them
MAY_BE_NEW = ("pooler", "crossattention", "ln_cross_attn")  # the last two are new if an encoder becomes a decoder


def find_damage(folder: Path) -> str | None:
    """Find the small file of a saved model that cannot be read, and say so in a message; None if all can."""
    for path in sorted(folder.glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if path.name == "tokenizer.json":
                Tokenizer.from_str(json.dumps(values))
        except Exception as error:  # noqa: BLE001 - tokenizers raises bare exceptions
            return f"{path}: damaged ({' '.join(str(error).split())[:LONGEST_ERROR]}); fetch or save the model again"
    return None


def refuse_changed(root: Path, folder: Path) -> None:
    """Refuse the weights of a run if they are not those that it saved; warn if nothing tells.

    Args:
        root: the folder of the run; an unfinished one has noted no weights yet.
        folder: the folder of its model.

    Raises:
        SourceError: the weights have changed, or the run's figures cannot be read.
    """
    figures = root / FINISHED
    if not figures.is_file():
        return

    try:
        metrics = json.loads(figures.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(find_damage(root) or f"{figures}: damaged ({error})") from None
    sums, hashes = (_take_digests(metrics, name) for name in ("checksums", "weights"))
    covered = sums.keys() >= hashes.keys()  # no file goes unchecked because its checksum was left out
    noted, now = (sums, sum_weights(folder)) if covered else (hashes, hash_weights(folder))

    if unknown := [name for name in now if name not in noted]:
        log.warning(
            "%s: loaded unchecked: %s holds no digest of it, by which damage or an exchange would be seen",
            folder / unknown[0],
            figures,
        )

    if changed := [name for name, digest in noted.items() if now.get(name) != digest]:
        raise SourceError(
            f"{folder / changed[0]}: damaged or exchanged: its digest is not the one in {figures}; bring the file "
            "back, or train again"
        )


def _take_digests(metrics: Any, name: str) -> dict[str, str]:
    """Take the digests of the weights files out of a run's figures; empty where older figures lack them."""
    found = metrics.get(name) if isinstance(metrics, dict) else None
    return found if isinstance(found, dict) else {}


def find_unused_layers(model: PreTrainedModel, unexpected: Iterable[str]) -> list[int]:
    """Find the layers of an encoder that its weights hold and its `config.json` leaves out.

    Args:
        model: the model as loaded.
        unexpected: the names of weights that the model has no place for: those of such layers, or of heads.

    Returns:
        Their numbers, in order.
    """
    encoder = model.base_model
    stacks = {name for name, module in encoder.named_modules() if isinstance(module, ModuleList)}

    found = set()
    for name in unexpected:
        place = NUMBERED.match(name.removeprefix(f"{model.base_model_prefix}."))
        if place and place[1] in stacks:
            found.add(int(place[2]))
    return sorted(found)


def refuse_misfits(model: PreTrainedModel, missing: Iterable[str], misfits: Iterable[str], what: str) -> None:
    """Refuse an encoder that is not complete; a head may lack weights, or have them for other labels.

    Args:
        model: the model as loaded.
        missing: names of the weights that the files lack.
        misfits: names of the weights that have another shape in the files.
        what: the name of what was loaded, for the message.

    Raises:
        SourceError: weights are missing, of another shape, or not finite.
    """
    within = "" if model.base_model is model else f"{model.base_model_prefix}."
    if misshapen := sorted(name for name in misfits if name.startswith(within)):
        raise SourceError(f"{what}: weights of another shape than config.json says: {list_first(misshapen, NAMED)}")
    if lost := sorted(n for n in missing if n.startswith(within) and not any(part in n for part in MAY_BE_NEW)):
        raise SourceError(f"{what} lacks {len(lost)} encoder weights: {list_first(lost, NAMED)}")
    refuse_nonfinite(model, what)
