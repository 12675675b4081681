"""Hash the weights of a model, on disk or in memory."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nlp_transfer.system.disk import hash_file


def hash_tensors(tensors: Mapping[str, Tensor], facts: str = "") -> str:
    """Compute the sha256 of some facts, then of each tensor's name and bytes, in this order."""
    digest = hashlib.sha256(facts.encode())
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_weights(folder: Path) -> dict[str, str]:
    """Compute the sha256 of each weights file of a saved model, by name."""
    return {path.name: hash_file(path) for path in sorted(folder.glob("*.safetensors"))}
