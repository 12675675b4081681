"""Which number format the training computes in: decided by trying the device, never by its name."""

import os
import time
from functools import cache
from statistics import median

import torch

from nlp_transfer.errors import ConfigError

SHAPE = (512, 384, 1536)  # rows x in x out, one feed-forward layer of a small encoder
TRIES = 5
WORTH = 1.5  # how much faster bf16 must be to be chosen


@cache
def choose_precision(wanted: str) -> str:
    """Resolve `auto`; any other wish is kept.

    A CUDA GPU with bf16 gets it, any other accelerator fp32. A CPU is timed for a few milliseconds, once: without
    native instructions bf16 is many times slower, and the runs of a comparison or of several seeds should not differ.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if torch.accelerator.is_available():
        return "fp32"
    return "bf16" if median(_gain() for _ in range(TRIES)) > WORTH else "fp32"


def refuse_fp16(wanted: str) -> None:
    """Refuse what Accelerate would silently run in single precision, or whose gradients it would unscale twice.

    Raises:
        ConfigError: fp16 on a CPU, or sharded.
    """
    if wanted == "fp16" and not torch.accelerator.is_available():
        raise ConfigError("training.precision: fp16 is for GPUs, and there is none; take auto, bf16 or fp32")
    if wanted == "fp16" and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise ConfigError("training.precision: fp16 is not supported with FSDP; take auto, bf16 or fp32")


def _gain() -> float:
    """Time of a product in single precision, in times of the same in bf16."""
    single, half = (_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return single / half


def _seconds(dtype: torch.dtype) -> float:
    rows, inner, outer = SHAPE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, outer, dtype=dtype)
    torch.mm(left, right)
    start = time.process_time()  # not the wall clock: other work on the machine must not decide
    torch.mm(left, right)
    return time.process_time() - start
