"""Save a model so that its folder is complete, or not there at all; and describe the environment of a run."""

import functools
import json
import math
import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from nlp_transfer import __version__
from nlp_transfer.errors import TrainingError
from nlp_transfer.models.encoding.tokenizers import Tokenizers, limit_tokens
from nlp_transfer.models.portable.pooled import PooledConfig
from nlp_transfer.models.portable.sentence_scorer import SentenceScorerConfig
from nlp_transfer.models.portable.static import StaticConfig, StaticTokenizer
from nlp_transfer.models.source import run_quietly
from nlp_transfer.system.disk import replace_whole, write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import MODELLING, TARGET
from nlp_transfer.system.room import MARGIN, guard_writing

REPORTED_PACKAGES = (
    "torch",
    "transformers",
    "datasets",
    "evaluate",
    "accelerate",
    "peft",
    "gensim",
    "scikit-learn",
    "numpy",
)
AUTO_MAPS: dict[type[PretrainedConfig], dict[str, str]] = {  # our own architectures -> auto class -> file.class
    PooledConfig: {
        "AutoConfig": "pooled.PooledConfig",
        "AutoModelForSequenceClassification": "pooled.PooledClassifier",
    },
    SentenceScorerConfig: {
        "AutoConfig": "sentence_scorer.SentenceScorerConfig",
        "AutoModel": "sentence_scorer.SentenceScorer",
    },
}


def save_model(model: PreTrainedModel, tokenizers: Tokenizers, folder: Path, *, max_length: int | None = None) -> None:
    """Write weights (safetensors), configuration and tokenizers; for our own architectures also the modelling files.

    Args:
        model: without wrappers.
        tokenizers: of the texts that it reads and writes.
        folder: is made, or replaced.
        max_length: the most tokens it was trained to read, for the saved tokenizer; None: as many as it can read.

    Raises:
        DiskError: the disk is full or fails; no part of the folder is left.
    """
    needed = sum(parameter.nbytes for parameter in model.parameters()) + MARGIN
    with guard_writing(folder, needed), replace_whole(folder) as fresh:
        _write_model(model, tokenizers, fresh, max_length)


def _write_model(model: PreTrainedModel, tokenizers: Tokenizers, folder: Path, max_length: int | None) -> None:
    config = model.config
    if type(config) in AUTO_MAPS:
        config.auto_map = AUTO_MAPS[type(config)]
    run_quietly(lambda: model.save_pretrained(folder))
    for weights in folder.glob("*.safetensors"):
        shutil.copymode(folder / "config.json", weights)  # safetensors makes it readable by this user only

    most = tokenizers.source.model_max_length
    limit_tokens(tokenizers.source, min(most, max_length or most)).save_pretrained(folder)
    if tokenizers.target is not None:
        tokenizers.target.save_pretrained(folder / TARGET)
    if isinstance(tokenizers.source, StaticTokenizer):
        _update_json(
            folder / "tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "static.StaticTokenizer"]}}
        )

    _forget_places(folder / "config.json")
    if type(config) in AUTO_MAPS or isinstance(config, StaticConfig) or isinstance(tokenizers.source, StaticTokenizer):
        for file in MODELLING:
            shutil.copy(file, folder / file.name)


def _forget_places(path: Path) -> None:
    """Remove the places that a model and its parts were loaded from, which may be private paths."""

    def drop_place(part: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in part.items() if key != "_name_or_path"}
        return {key: drop_place(value) if isinstance(value, Mapping) else value for key, value in kept.items()}

    _write_values(path, drop_place(json.loads(path.read_text(encoding="utf-8"))))


def _update_json(path: Path, changes: Mapping[str, Any]) -> None:
    """Set some keys of a JSON file."""
    _write_values(path, {**json.loads(path.read_text(encoding="utf-8")), **changes})


def _write_values(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(dump_json(values, indent=2) + "\n", encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write values as JSON, as `write_whole` does.

    Raises:
        TrainingError: a number is not finite.
        DiskError: the file cannot be written.
    """
    try:
        text = dump_json(values, indent=2, allow_nan=False)
    except ValueError:
        raise TrainingError(f"{path.name}: a score is not a finite number: {_find_nonfinite(values)}") from None
    write_whole(path, text + "\n")


def _find_nonfinite(values: Any, path: str = "") -> str:
    if isinstance(values, Mapping):
        return next((found for key, value in values.items() if (found := _find_nonfinite(value, f"{path}.{key}"))), "")
    return path.strip(".") if isinstance(values, float) and not math.isfinite(values) else ""


@functools.cache  # each is parsed out of a file of its package
def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def describe_environment() -> dict[str, Any]:
    """Describe the versions and the hardware of this run; a package that is not installed had no part in it."""
    packages = {name: found for name in REPORTED_PACKAGES if (found := _find_version(name))}
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {"nlp-transfer": __version__, **packages},
        "device": torch.cuda.get_device_name() if device and device.type == "cuda" else str(device or "cpu"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
