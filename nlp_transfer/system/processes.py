"""Share out work without gradients among the processes of one run, and gather the results in all of them."""

import atexit
import functools
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import islice
from typing import NoReturn, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch.distributed import DistError

Key = TypeVar("Key")
Value = TypeVar("Value")
Part = TypeVar("Part")


def join_processes(patience: timedelta | None = None) -> None:
    """Meet the other processes of this job, if a launcher has started several.

    Args:
        patience: how long one may wait for another; without an end if None.
    """
    # Processes on the CPU find each other only if the CPU is asked for.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=not torch.accelerator.is_available(), timeout=patience or timedelta(days=365))
        take_leave_at_exit()


def find_place() -> tuple[int, int]:
    """Find the number of this process in the job, from 0, and the number of processes."""
    state = PartialState()
    return int(state.process_index), int(state.num_processes)


def wait_for_all() -> None:
    """Wait until every process of the job is here."""
    PartialState().wait_for_everyone()


@functools.cache
def take_leave_at_exit() -> None:
    """Close the connections to the other processes before the interpreter ends: an open one aborts it."""
    if PartialState().num_processes > 1:
        atexit.register(PartialState().destroy_process_group)


def end_process(code: int) -> NoReturn:
    """End one of several processes after its exit handlers, without taking its interpreter apart.

    After a sharded training, caches of torch keep threads of the connection alive. A thread that calls Python while the
    interpreter is taken apart aborts the process.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def is_main_process() -> bool:
    """Tell whether this process prints for the whole job."""
    return bool(PartialState().is_main_process)


def take_own_share(parts: Iterable[Part]) -> list[Part]:
    """Take this process's share of the parts: every n-th one, if there are n processes."""
    state = PartialState()
    return list(islice(parts, state.process_index, None, state.num_processes))


def gather_all(found: Mapping[Key, Value]) -> dict[Key, Value]:
    """Merge what the processes have found, so that each has all of it. Every process must call this."""
    if PartialState().num_processes == 1:
        return dict(found)
    return {key: value for part in gather_object([dict(found)]) for key, value in part.items()}


def gather_everywhere(found: Value) -> list[Value]:
    """Gather what each process has found, so that each has all of it. Every process must call this."""
    return [found] if PartialState().num_processes == 1 else list(gather_object([found]))


def count_processes() -> int:
    """Count the processes of this job on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", PartialState().num_processes))


def is_true_anywhere(found: bool) -> bool:
    """Tell whether something is true in any process. Every process must call this."""
    return found if PartialState().num_processes == 1 else any(gather_object([found]))


def is_lost_process(error: BaseException) -> bool:
    """Tell whether an error means that another process has ended; torch passes on the words of gloo or NCCL."""
    named = isinstance(error, DistError) or any(name in str(error).lower() for name in ("gloo", "nccl"))
    return PartialState().num_processes > 1 and named
