"""Replay whole optimizer steps as CUDA graphs: forward, backward, clipping and AdamW with one launch.

A step of a small model on a GPU is thousands of kernels that take less time to run than the processor takes to launch
them. A graph records them once for each shape of a batch, and repeats them at the cost of one. Batches are therefore
padded to few widths, and what changes from step to step is read from tensors: the numbers of the units, the rates.
"""

import contextlib
import functools
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from nlp_transfer.models.encoding.mixing import plan_epoch
from nlp_transfer.models.encoding.resident import ResidentInputs, Widths, keep_on_device
from nlp_transfer.models.encoding.units import Inputs
from nlp_transfer.strategies import Phase
from nlp_transfer.system.memory import is_out_of_memory
from nlp_transfer.training.attempt import Attempt, Settings
from nlp_transfer.training.recording import Recorder, Replay, find_recorder
from nlp_transfer.training.step import Stepper

log = logging.getLogger(__name__)
WORTH = 15  # steps for each graph: on an H100 a capture took 0.75 s, and a replay saved 0.05 to 0.08 s
ROOM = 0.1  # share of the device's memory that the training data may take


@dataclass
class GraphedSteps:
    """Make whole optimizer steps of a phase by replaying them.

    Attributes:
        recorder: records a step for each pair of widths.
        stepper: knows the task and its smoothing.
        inputs: of train, on the device.
        wrapped: runs the forward passes.
        optimizer: of the moving parameters; its rates are tensors.
        settings: of the training.
        mean_weight: of the units of train.
        replays: widths -> a step that was recorded.
        ended: nothing is recorded or replayed any more.
    """

    recorder: Recorder
    stepper: Stepper
    inputs: ResidentInputs
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    settings: Settings
    mean_weight: float
    replays: dict[Widths, Replay] = field(default_factory=dict)
    ended: bool = False

    def __post_init__(self) -> None:
        """Make the tensors that a step reads and writes."""
        device = self.inputs.weights.device
        self._units = torch.zeros(self.settings.batch_size, dtype=torch.long, device=device)
        self._result = torch.zeros(2, device=device)
        self._moving = [one for one in self.wrapped.parameters() if one.requires_grad]

    def replay(self, units: np.ndarray) -> tuple[Tensor, Tensor] | None:
        """Make a step; return its loss () and gradient norm ().

        Returns:
            None if nothing was done: the batch is the last one of an epoch and smaller than the others, or steps can
            not be recorded.
        """
        if self.stepper.pieces > 1:  # memory ran out in a batch that was not replayed
            self.end()
        if self.ended or len(units) != len(self._units):
            return None

        self._units.copy_(torch.from_numpy(units), non_blocking=True)
        widths = self.inputs.choose_widths(units)
        if widths not in self.replays and not self._record(widths):
            return None
        self.replays[widths]()
        loss, norm = self._result.clone()
        return loss, norm

    def end(self) -> None:
        """Free the memory of all graphs."""
        self.ended = True
        self.replays.clear()

    def _record(self, widths: Widths) -> bool:
        """Record the step for batches of some widths; if that fails, say why and end."""
        try:
            with _put_back(self.wrapped, self._units.device):
                self.recorder.rehearse(lambda: self._compute_gradients(widths))
            self.optimizer.zero_grad()  # a graph that finds gradients would add to them
            self.replays[widths] = self.recorder.record(lambda: self._make_step(widths))
        except RuntimeError as error:
            self.optimizer.zero_grad()
            self.end()
            say_eager("out of memory" if is_out_of_memory(error) else str(error).partition("\n")[0])
        return not self.ended

    def _make_step(self, widths: Widths) -> None:
        loss, norm = self._compute_gradients(widths)
        self.optimizer.step()
        self._result.copy_(torch.stack([loss, norm]))

    def _compute_gradients(self, widths: Widths) -> tuple[Tensor, Tensor]:
        """Compute gradients of the mean loss as `Stepper.compute_gradients` does, in one pass, and clip them."""
        stepper, accelerator = self.stepper, self.stepper.accelerator
        self.optimizer.zero_grad()
        batch = self.inputs.make_batch(self._units, widths)
        with accelerator.autocast():  # it begins and ends inside: weights are cast in each step, and not before
            loss = stepper.task.loss(self.wrapped, batch, smoothing=stepper.smoothing)
        loss = loss / (len(self._units) * self.mean_weight)
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(self._moving, self.settings.clip)
        return loss.detach(), norm.to(loss.dtype)


@contextlib.contextmanager
def _put_back(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Put back what forward passes in a body change: random numbers, and buffers such as running means."""
    before = [(buffer, buffer._version, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    for buffer, version, value in before:
        if buffer._version != version:
            buffer.copy_(value)


def prepare_inputs(attempt: Attempt, phase: Phase, model: nn.Module, train: Inputs) -> ResidentInputs | None:
    """Bring the inputs of a phase to the device, if its steps can be replayed and that pays; else say why not."""
    device = attempt.accelerator.device
    if not attempt.settings.graphs or find_recorder(device) is None:
        return None

    history, settings = attempt.history, attempt.settings
    batches = plan_epoch(train.encoded, settings.batch_size, seed=settings.seed, epoch=history.trained)
    found: ResidentInputs | str = _find_obstacle(attempt, model, train, batches[0])
    if not found:
        room = ROOM * torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else math.inf
        found = keep_on_device(train, device, room)
    if isinstance(found, str):
        say_eager(found)
        return None

    steps = len(batches) * phase.epochs
    graphs = len({found.choose_widths(batch) for batch in batches if len(batch) == settings.batch_size})
    if not graphs or steps < WORTH * graphs:
        say_eager(f"{steps} steps are too few for {graphs} shapes of a batch")
        return None
    return found


def _find_obstacle(attempt: Attempt, model: nn.Module, train: Inputs, longest: np.ndarray) -> str:
    """Say what keeps steps from being recorded; empty if nothing does."""
    accelerator = attempt.accelerator
    if accelerator.num_processes > 1 or accelerator.is_fsdp2:
        return "processes exchange weights or gradients"
    if accelerator.scaler is not None:
        return "training.precision=fp16 decides after each step whether it counts"
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        return "training.gradient_checkpointing runs layers again"
    if attempt.stepper.alike:
        return "padding disturbs this model, and batches would be padded to few widths"
    if attempt.stepper.count_passes(train, longest) > 1:
        return "a batch takes several passes"
    return ""


def begin_graphs(
    attempt: Attempt, inputs: ResidentInputs, wrapped: nn.Module, optimizer: torch.optim.Optimizer, mean_weight: float
) -> GraphedSteps:
    """Begin to replay the steps of a phase; see `GraphedSteps`."""
    recorder = find_recorder(attempt.accelerator.device)
    assert recorder is not None  # noqa: S101 - `prepare_inputs` has found it
    return GraphedSteps(
        recorder=recorder(optimizer),
        stepper=attempt.stepper,
        inputs=inputs,
        wrapped=wrapped,
        optimizer=optimizer,
        settings=attempt.settings,
        mean_weight=mean_weight,
    )


@functools.cache
def say_eager(reason: str) -> None:
    """Say once why steps are made kernel by kernel."""
    log.info("optimizer steps are not replayed as CUDA graphs: %s", reason)
