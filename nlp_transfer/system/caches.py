"""Where caches may be: a variable of the environment that names no whole path counts as unset."""

import logging
import os
from pathlib import Path

from nlp_transfer.system.disk import at_home

log = logging.getLogger(__name__)
OURS, USERS = "NLP_TRANSFER_CACHE", "XDG_CACHE_HOME"
LIBRARIES = (
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HUGGINGFACE_ASSETS_CACHE"),
    *("HF_XET_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_EVALUATE_CACHE", "HF_METRICS_CACHE"),
)


def cache_folder() -> Path:
    """`NLP_TRANSFER_CACHE`, or ours in the user's cache folder."""
    return _named(OURS) or (_named(USERS) or at_home("~/.cache")) / "nlp-transfer"


def _named(variable: str) -> Path | None:
    """The folder that a variable names; None where it is unset, empty or relative.

    So the XDG Base Directory Specification has it: a relative one would be another folder in each working directory.
    """
    place = at_home(os.path.expandvars(os.environ.get(variable, "")))  # the Hub's client writes variables out too
    return place if place.is_absolute() else None


def leave_out_relative() -> None:
    """Take away the variables that name no whole path, before the libraries read them; say so of those with a value."""
    for variable in (OURS, USERS, *LIBRARIES):
        if variable in os.environ and _named(variable) is None and (value := os.environ.pop(variable)):
            log.warning("%s=%s is left out: no whole path, it would be another cache in each folder", variable, value)
