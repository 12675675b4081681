"""What is asked of a training between two steps, and how several processes come to ask the same."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from nlp_transfer.system.signals import SIGNAL_WORDS


@dataclass(frozen=True)
class Request:
    """Ask for a checkpoint, or for nothing.

    Attributes:
        save: write a checkpoint.
        signal: stop after that, because this signal came; None: go on.
    """

    save: bool = False
    signal: int | None = None

    @classmethod
    def stop(cls, signal: int) -> "Request":
        """Ask to save and to stop."""
        return cls(save=True, signal=signal)


def agree(accelerator: Accelerator, loss: Tensor, request: Request) -> tuple[Tensor, Request]:
    """Sum the loss over the processes, and do in all of them what any of them is asked for.

    A signal seldom reaches all processes in the same step. One exchange serves both, for every exchange makes all wait.
    If different signals came, the one with the highest number is told.
    """
    if accelerator.num_processes == 1:
        return loss, request

    signals = sorted(SIGNAL_WORDS, reverse=True)
    told = [float(loss), float(request.save), *(float(request.signal == one) for one in signals)]
    summed = accelerator.reduce(torch.tensor(told, device=accelerator.device), "sum")

    saving, *stopping = summed[1:].tolist()
    stop = next((int(one) for one, count in zip(signals, stopping, strict=True) if count), None)
    return summed[0], Request(save=bool(saving), signal=stop)
