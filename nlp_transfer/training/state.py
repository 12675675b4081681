"""Turn the state of a training into tensors by name, and back: moments of the optimizer, random numbers."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nlp_transfer.training.sharded import gather, redistribute


def group(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put tensors under a common prefix."""
    return {f"{name}/{key}": tensor for key, tensor in tensors.items()}


def ungroup(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors under a prefix, without it."""
    return {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}


def collect_moments(optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Collect AdamW's moments and step counts by parameter and kind, such as `encoder.weight/exp_avg`.

    They may be spread over the processes, so every process must call this.
    """
    return {
        f"{name}/{kind}": gather(tensor.detach()).cpu()
        for name, parameter in trained.items()
        for kind, tensor in optimizer.state[parameter].items()
    }


def load_moments(
    optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter], state: Mapping[str, Tensor]
) -> None:
    """Load moments and step counts into the optimizer."""
    for key, tensor in state.items():
        name, _, kind = key.rpartition("/")
        optimizer.state[trained[name]][kind] = redistribute(tensor, trained[name].detach())


def read_generators() -> dict[str, Tensor]:
    """Read the state of every random number generator of this process."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)

    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.array([*keys, position, has_gauss], dtype=np.int64)),
        "numpy_gauss": torch.tensor(cached, dtype=torch.float64),
        "python": torch.tensor([version, *numbers]),
        "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_generators(state: Mapping[str, Tensor]) -> None:
    """Set every random number generator of this process to a state that was read before."""
    torch.set_rng_state(state["torch"])

    *keys, position, has_gauss = state["numpy"].tolist()
    cached = float(state["numpy_gauss"])
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))

    version, *numbers = state["python"].tolist()
    random.setstate((version, tuple(numbers), next(iter(state["python_gauss"].tolist()), None)))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
