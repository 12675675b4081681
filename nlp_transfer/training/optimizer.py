"""Make the optimizer, with a group for each rate and decay, and set the rates at every step of a phase."""

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from nlp_transfer.strategies import Schedule
from nlp_transfer.training.parameters import list_moving


def compute_rate_factor(step: int, total: int, schedule: Schedule, *, head: bool = False) -> float:
    """Compute the share of the peak rate at a step (from 0): a linear rise, then linear, cosine or no decay.

    With a tenth of warm-up and linear decay this is the slanted triangle of Howard & Ruder 2018, section 3.2.
    """
    rise = schedule.choose_warmup(head=head) * total
    if step < rise:
        return (step + 1) / (rise + 1)

    done = (step - rise) / max(1.0, total - rise)
    match schedule.shape:
        case "linear":
            return max(0.0, 1.0 - done)
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        case "constant":
            return 1.0


def make_optimizer(
    model: nn.Module,
    rates: Mapping[str, float],
    weight_decay: float,
    *,
    head: Collection[str] = (),
    rates_on: torch.device | None = None,
) -> torch.optim.AdamW:
    """Make a fused AdamW (Loshchilov & Hutter 2019) with a group for each rate and decay.

    Biases, norms and embeddings are not decayed.

    Args:
        model: the model to train.
        rates: name of each moving parameter -> its peak rate.
        weight_decay: the decay of matrices.
        head: names of the parameters with a warm-up of their own, see `Schedule.head_warmup`.
        rates_on: keep the rates in tensors on this device, for steps that are recorded; None: they are numbers.
    """
    tables = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in list_moving(model, rates):
        parameter.requires_grad_(True)
        decay = weight_decay if parameter.ndim > 1 and name not in tables and "lora_embedding" not in name else 0.0
        groups.setdefault((rates[name], decay, name in head), []).append(parameter)

    listed = [
        {"params": group, "lr": _keep(rate, rates_on), "peak": rate, "weight_decay": decay, "head": own}
        for (rate, decay, own), group in groups.items()
    ]
    return torch.optim.AdamW(listed, fused=True)


def _keep(rate: float, device: torch.device | None) -> float | Tensor:
    return rate if device is None else torch.tensor(rate, device=device)


def make_moments(optimizer: torch.optim.Optimizer) -> None:
    """Make AdamW's moments, which are zero, before its steps are recorded: a record would make them at every replay.

    A step with gradients and rates of zero makes them, and moves nothing.
    """
    for group in optimizer.param_groups:
        group["lr"].zero_()
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)

    optimizer.step()
    optimizer.zero_grad()
    for state in optimizer.state.values():
        state["step"].zero_()


def set_rates(optimizer: torch.optim.Optimizer, step: int, total: int, schedule: Schedule) -> float:
    """Set the rate of each group to its share of the peak rate at a step; return the rate of the last group."""
    for group in optimizer.param_groups:
        rate = group["peak"] * compute_rate_factor(step, total, schedule, head=group["head"])
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    return float(rate)
