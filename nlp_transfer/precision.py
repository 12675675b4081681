"""Which number format the training computes in: decided by trying the device, never by its name."""

import time

import torch

SHAPE = (512, 384, 1536)  # rows x in x out, one feed-forward layer of a small encoder
WORTH = 1.5  # how much faster bf16 must be to be chosen


def choose_precision(wanted: str) -> str:
    """Resolve `auto`; any other wish is kept.

    A GPU with bf16 gets it. A CPU is timed for a few milliseconds: without native instructions bf16 is many times
    slower.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if _seconds(torch.float32) > WORTH * _seconds(torch.bfloat16) else "fp32"


def _seconds(dtype: torch.dtype) -> float:
    rows, inner, outer = SHAPE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, outer, dtype=dtype)
    torch.mm(left, right)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - start)
    return best
