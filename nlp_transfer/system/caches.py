"""Find the caches. A variable of the environment counts only if it holds an absolute path."""

import logging
import os
from pathlib import Path

from nlp_transfer.system.disk import expand_home

log = logging.getLogger(__name__)
OURS, USERS = "NLP_TRANSFER_CACHE", "XDG_CACHE_HOME"
LIBRARIES = (
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HUGGINGFACE_ASSETS_CACHE"),
    *("HF_XET_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_EVALUATE_CACHE", "HF_METRICS_CACHE"),
)


def find_cache_folder() -> Path:
    """Find our cache folder: `NLP_TRANSFER_CACHE`, or `nlp-transfer` in the user's cache folder."""
    return _read_folder(OURS) or (_read_folder(USERS) or expand_home("~/.cache")) / "nlp-transfer"


def _read_folder(variable: str) -> Path | None:
    """Read the folder that a variable names; None if it is unset, empty or a relative path.

    The XDG Base Directory Specification demands absolute paths: a relative one would mean another folder in each
    working directory.
    """
    # The Hub's client expands variables inside the value too, such as $HOME.
    place = expand_home(os.path.expandvars(os.environ.get(variable, "")))
    return place if place.is_absolute() else None


def leave_out_relative() -> None:
    """Unset the cache variables that hold no absolute path, before the libraries read them; warn if one had a value."""
    for variable in (OURS, USERS, *LIBRARIES):
        if variable in os.environ and _read_folder(variable) is None and (value := os.environ.pop(variable)):
            log.warning("%s=%s is left out: no whole path, it would be another cache in each folder", variable, value)
