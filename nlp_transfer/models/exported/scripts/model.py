"""Run the graph of an exported model by onnxruntime, in batches of similar lengths."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from reading import HERE, Unit, make_batch  # type: ignore[import-not-found]

TOKENS = 256  # of a batch; the states of more leave a processor's cache: 1024 take a sixth to a quarter longer


@cache
def open_graph(pattern: str = "*.onnx") -> Any:
    """Open the graph of this name; OMP_NUM_THREADS says how many threads compute it, all by default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as there are cores
    (graph,) = (HERE / "onnx").glob(pattern)
    # A sum and its normalisation in one operator take nearly four times as long as in two.
    return onnxruntime.InferenceSession(str(graph), options, disabled_optimizers=["SkipLayerNormFusion"])


def compute(units: Sequence[Unit]) -> list[np.ndarray]:
    """Compute the row of logits of each unit."""
    model = open_graph()
    names = [one.name for one in model.get_inputs()]
    found: list[Any] = [None] * len(units)
    for batch in cut_batches([len(unit["input_ids"]) for unit in units], TOKENS):
        (logits,) = model.run(None, make_batch([units[at] for at in batch], names))
        for at, row in zip(batch, logits, strict=True):
            found[at] = row
    return found


def cut_batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Cut units, the shortest first, into batches of so many tokens with their padding, at least one unit each."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[at] > most:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
