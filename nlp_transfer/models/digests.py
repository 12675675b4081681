"""Hash the weights of a model, on disk or in memory."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from xxhash import xxh3_128

from nlp_transfer.system.disk import hash_file, sum_file


def hash_tensors(tensors: Mapping[str, Tensor], facts: str = "") -> str:
    """Compute the XXH3 digest of some facts, then of each tensor's name and bytes, in this order."""
    digest = xxh3_128(facts.encode())
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_weights(folder: Path) -> dict[str, str]:
    """Compute the sha256 of each weights file of a saved model, by name."""
    return {path.name: hash_file(path) for path in _list_weights(folder)}


def sum_weights(folder: Path) -> dict[str, str]:
    """Compute the checksum of each weights file of a saved model, by name, in a tenth of the time."""
    return {path.name: sum_file(path) for path in _list_weights(folder)}


def _list_weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))
