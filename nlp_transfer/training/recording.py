"""Record the work of a step as a CUDA graph, after rehearsals that show whether it can be recorded."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from transformers.utils import import_utils

REHEARSALS = 3  # passes before the first capture, in which libraries load kernels and choose how to compute
Replay = Callable[[], object]


class Recorder(Protocol):
    """Rehearse the work of a step, and record it."""

    def rehearse(self, work: Callable[[], object]) -> None:
        """Do the work a few times, as it will be recorded."""

    def record(self, work: Callable[[], object]) -> Replay:
        """Record the work without doing it; the result does it, as often as it is called."""


class CudaRecorder:
    """Record work as CUDA graphs, which share one pool of memory: only one of them runs at a time."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimizer whose steps are recorded."""
        self._optimizer = optimizer
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._rehearsals = REHEARSALS

    def rehearse(self, work: Callable[[], object]) -> None:
        """Do the work on a side stream, as PyTorch's notes on CUDA graphs ask for.

        Raises:
            RuntimeError: the work waits for the device, which a graph cannot record.
        """
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream), skip_looks():
            for left in reversed(range(self._rehearsals)):
                torch.cuda.set_sync_debug_mode(0 if left else "error")  # a failed capture could not be undone
                try:
                    work()
                finally:
                    torch.cuda.set_sync_debug_mode(0)
        self._rehearsals = 1  # later ones differ in their widths only
        torch.cuda.current_stream().wait_stream(self._stream)

    def record(self, work: Callable[[], object]) -> Replay:
        """Capture the work."""
        graph = torch.cuda.CUDAGraph()
        self._mark_capturable(capturable=True)
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except RuntimeError:  # the generator still waits for the end of the capture: give it a new state
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(generator.clone_state())
            raise
        finally:
            self._mark_capturable(capturable=False)
        return graph.replay

    def _mark_capturable(self, *, capturable: bool) -> None:
        """Allow the optimizer to be captured; torch warns if it makes other steps while that is allowed."""
        for group in self._optimizer.param_groups:
            group["capturable"] = capturable


@contextlib.contextmanager
def skip_looks() -> Iterator[None]:
    """Keep transformers from looking at masks, which waits for the device; it does the same while a graph is captured.

    It looks whether anything is masked at all, to choose a faster kernel.
    """
    before = import_utils.is_cuda_stream_capturing
    import_utils.is_cuda_stream_capturing = lambda: True
    try:
        yield
    finally:
        import_utils.is_cuda_stream_capturing = before


def find_recorder(device: torch.device) -> Callable[[torch.optim.Optimizer], Recorder] | None:
    """Find what records steps on a device; None if nothing does."""
    return CudaRecorder if device.type == "cuda" else None
