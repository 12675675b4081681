"""Run the code of an architecture of others, at the one commit that the user has named in `source.trust_remote_code`.

The classes are registered with transformers for the life of the process, so that nothing else need trust anything.
"""

import logging
from collections.abc import Mapping
from typing import Any

import transformers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModel, AutoModelForSequenceClassification, PretrainedConfig
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from nlp_transfer.errors import SourceError

log = logging.getLogger(__name__)
MODELS = (AutoModel, AutoModelForSequenceClassification)
USED = ("AutoConfig", *(one.__name__ for one in MODELS))  # tokenizers are read without code
_admitted: dict[tuple[str, str], str] = {}  # (name on the Hub, commit) -> architecture


def is_admitted(name: str, commit: str | None) -> bool:
    """Tell whether the user has named this code in this process; without a commit there is none to run."""
    return commit is None or (name, commit) in _admitted


def admit_code(name: str, commit: str, *, revision: str | None, local_files_only: bool) -> None:
    """Import the configuration and models of a checkpoint from its own code, and register them in this process.

    Args:
        name: id on the Hub.
        commit: of the repository that holds the code, 40 hex digits.
        revision: of the weights; None: the same commit, where the code lies beside them.
        local_files_only: ask no network.

    Raises:
        SourceError: there is no such code, it lies in several repositories, or transformers has the architecture.
        OSError: it cannot be had.
    """
    if is_admitted(name, commit):
        return
    place: dict[str, Any] = {"local_files_only": local_files_only}
    values, _ = PretrainedConfig.get_config_dict(name, revision=revision or commit, **place)
    named = values.get("auto_map")
    classes = {auto: named[auto] for auto in USED if auto in named} if isinstance(named, Mapping) else {}
    kind = values.get("model_type")
    home = _find_home(name, classes)
    if kind in _admitted.values():
        raise SourceError(
            f"source.trust_remote_code: other code of a {kind} runs in this process; start another for it"
        )
    if kind in CONFIG_MAPPING:
        raise SourceError(
            f"source.trust_remote_code: '{name}' is a {kind}, which transformers {transformers.__version__} has "
            "itself; save it by that, with AutoModel.from_pretrained and save_pretrained, and name the folder"
        )

    files = sorted({f"{reference.rpartition('--')[2].partition('.')[0]}.py" for reference in classes.values()})
    log.warning("'%s' runs code of others, without any limit: %s of %s at %s", name, ", ".join(files), home, commit)
    found: dict[str, Any] = {
        auto: get_class_from_dynamic_module(
            classes[auto], name, revision=revision or commit, code_revision=commit, **place
        )
        for auto in classes
    }
    if found["AutoConfig"].model_type != kind:
        raise SourceError(
            f"source.trust_remote_code: '{name}' is a {kind!r} by its config.json (model_type), and a "
            f"{found['AutoConfig'].model_type!r} by its class {found['AutoConfig'].__name__}, so transformers cannot "
            "open it; ask its author to make them alike"
        )
    AutoConfig.register(found["AutoConfig"].model_type, found["AutoConfig"])
    for model in MODELS:
        if model.__name__ in found:
            model.register(found["AutoConfig"], found[model.__name__])
    _admitted[name, commit] = found["AutoConfig"].model_type


def _find_home(name: str, classes: Mapping[str, Any]) -> str:
    """Find the one repository that holds the code."""
    odd = [auto for auto, reference in classes.items() if not isinstance(reference, str)]
    if odd or not {"AutoConfig", "AutoModel"} <= classes.keys():
        raise SourceError(
            f"source.trust_remote_code: '{name}' names no code for its configuration and its encoder (auto_map: "
            "AutoConfig and AutoModel); leave it out, or take another checkpoint"
        )
    homes = {reference.partition("--")[0] if "--" in reference else name for reference in classes.values()}
    if len(homes) > 1:
        raise SourceError(
            f"source.trust_remote_code: the code of '{name}' lies in {' and '.join(sorted(homes))}; one commit cannot "
            "pin both"
        )
    return homes.pop()
