"""Say what a training is asked to do between two steps, and let all processes agree on it."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from nlp_transfer.system.signals import SIGNAL_WORDS


@dataclass(frozen=True)
class Request:
    """What a training is asked to do between two steps; by default nothing.

    Attributes:
        save: write a checkpoint.
        signal: the signal that came and asks to stop after the checkpoint; None: go on.
    """

    save: bool = False
    signal: int | None = None

    @classmethod
    def stop(cls, signal: int) -> "Request":
        """Make the request to save and stop, because a signal came."""
        return cls(save=True, signal=signal)


def agree(accelerator: Accelerator, loss: Tensor, request: Request) -> tuple[Tensor, Request]:
    """Sum the loss over all processes, and return the request that all of them follow.

    A signal rarely reaches all processes in the same step, so each does what any one is asked to do. Loss and request
    go in one exchange, because every exchange makes the processes wait. Of different signals the highest number counts.
    """
    if accelerator.num_processes == 1:
        return loss, request

    signals = sorted(SIGNAL_WORDS, reverse=True)
    told = [float(loss), float(request.save), *(float(request.signal == one) for one in signals)]
    summed = accelerator.reduce(torch.tensor(told, device=accelerator.device), "sum")

    saving, *stopping = summed[1:].tolist()
    stop = next((int(one) for one, count in zip(signals, stopping, strict=True) if count), None)
    return summed[0], Request(save=bool(saving), signal=stop)
