"""Work without gradients, dealt to the processes of one run; each then knows what all have found."""

import atexit
import functools
import os
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NoReturn, TypeVar

from accelerate import PartialState
from accelerate.utils import gather_object
from torch.distributed import DistError

Key = TypeVar("Key")
Value = TypeVar("Value")
Part = TypeVar("Part")


@functools.cache
def take_leave_at_exit() -> None:
    """Close the connections to the other processes before the interpreter goes: one that it leaves open aborts it."""
    if PartialState().num_processes > 1:
        atexit.register(PartialState().destroy_process_group)


def end(code: int) -> NoReturn:
    """End a process of several after its exit handlers, without tearing its interpreter down.

    After a sharded training torch's caches keep native threads of the connection alive; one that wants Python back in
    the middle of the teardown aborts the process.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def speaks_for_all() -> bool:
    """Tell whether this process is the one of its job that prints."""
    return bool(PartialState().is_main_process)


def deal(parts: Iterable[Part]) -> list[Part]:
    """Every n-th part, for this one of n processes."""
    state = PartialState()
    return list(islice(parts, state.process_index, None, state.num_processes))


def pool(found: Mapping[Key, Value]) -> dict[Key, Value]:
    """Gather what all processes have found; every process must ask."""
    if PartialState().num_processes == 1:
        return dict(found)
    return {key: value for part in gather_object([dict(found)]) for key, value in part.items()}


def processes() -> int:
    """Count the processes that share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", PartialState().num_processes))


def anywhere(found: bool) -> bool:
    """Tell whether it is so in any process; every process must ask."""
    return found if PartialState().num_processes == 1 else any(gather_object([found]))


def lost_process(error: BaseException) -> bool:
    """Tell whether an error means that another process has ended; torch says so in words of the library it uses."""
    named = isinstance(error, DistError) or any(name in str(error).lower() for name in ("gloo", "nccl"))
    return PartialState().num_processes > 1 and named
