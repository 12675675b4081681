"""Choose the number format that training computes in, by timing the device and not by its name."""

import os
import time
from functools import cache
from statistics import median

import torch

from nlp_transfer.errors import ConfigError

SHAPE = (512, 384, 1536)  # rows, inputs and outputs of one feed-forward layer of a small encoder
TIMINGS = 5
WORTH = 1.5  # bf16 must be faster by this factor to be chosen


@cache
def choose_precision(wanted: str) -> str:
    """Resolve `auto` to bf16 or fp32; keep any other value.

    A CUDA GPU that has bf16 uses it, any other accelerator fp32. On a CPU a matrix product is timed for a few
    milliseconds, because without native instructions bf16 is many times slower. The answer is kept, so that all runs of
    a comparison, and all seeds, compute in the same format.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if torch.accelerator.is_available():
        return "fp32"
    return "bf16" if median(_measure_gain() for _ in range(TIMINGS)) > WORTH else "fp32"


def refuse_fp16(wanted: str) -> None:
    """Refuse fp16 where it would go wrong silently.

    On a CPU Accelerate would train in fp32; with FSDP it would divide the gradients by the loss scale twice.

    Raises:
        ConfigError: fp16 on a CPU or with FSDP.
    """
    if wanted == "fp16" and not torch.accelerator.is_available():
        raise ConfigError("training.precision: fp16 is for GPUs, and there is none; take auto, bf16 or fp32")
    if wanted == "fp16" and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise ConfigError("training.precision: fp16 is not supported with FSDP; take auto, bf16 or fp32")


def _measure_gain() -> float:
    """Measure how many times faster a matrix product is in bf16 than in fp32."""
    single, half = (_time_product(dtype) for dtype in (torch.float32, torch.bfloat16))
    return single / half


def _time_product(dtype: torch.dtype) -> float:
    rows, inner, outer = SHAPE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, outer, dtype=dtype)
    torch.mm(left, right)
    start = time.process_time()  # not the wall clock, which other work on the machine would slow down
    torch.mm(left, right)
    return time.process_time() - start
