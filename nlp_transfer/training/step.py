"""Compute loss and gradients of one optimizer step, in pieces that fit in memory; refuse losses that are not finite."""

import logging
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from nlp_transfer.errors import ExhaustedError, TrainingError
from nlp_transfer.models.encoding.batches import sort_batches
from nlp_transfer.models.encoding.units import Inputs, are_pooled
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.system.memory import WAYS_OUT, is_out_of_memory, release
from nlp_transfer.task import Task
from nlp_transfer.training.mixture import Mixture
from nlp_transfer.training.several import Tasks
from nlp_transfer.training.sharded import gather

log = logging.getLogger(__name__)
LOOK_EVERY = 16  # steps whose losses are looked at together on a GPU, because it waits for each look


@dataclass
class Stepper:
    """Run forward and backward passes over batches.

    Attributes:
        accelerator: of the run.
        task: computes the loss.
        pieces: the number of passes that a batch is cut into, or the least number; it doubles when memory runs out.
        smoothing: share of a target that is spread evenly over the classes.
        alike: put only units of one length into a pass, for models that padding disturbs; the batch stays as planned.
        budget: the most padded tokens in a pass, which has one unit at least; None: any number.
        mixture: texts without labels that batches may hold too; None: none does.
        texts: those of them in the next batch; None: it holds none.
    """

    accelerator: Accelerator
    task: Task | Tasks
    pieces: int
    smoothing: float
    alike: bool = False
    budget: int | None = None
    mixture: Mixture | None = None
    texts: np.ndarray | None = None

    def compute_gradients(self, wrapped: nn.Module, train: Inputs, units: np.ndarray) -> Tensor:
        """Leave the gradients of a batch's mean loss in the parameters; return the share of this process in it.

        Raises:
            ExhaustedError: there is no memory for one example at a time, or one of several processes has too little.
        """
        while True:
            passes = self._cut_passes(train, units)
            try:
                return self._attempt(wrapped, train, units, passes)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            wrapped.zero_grad(set_to_none=True)
            release()
            self._cut_smaller(passes)

    def _cut_smaller(self, passes: Sequence[np.ndarray]) -> None:
        # Other processes already exchange gradients, and cannot repeat the step.
        if self.accelerator.num_processes > 1:
            raise ExhaustedError(f"out of memory in one of several processes; try training.accumulation, {WAYS_OUT}")
        share = sum(map(len, passes))
        self.pieces = max(self.pieces, math.ceil(share / max(map(len, passes))))
        if self.pieces >= share:
            raise ExhaustedError(f"out of memory with one example at a time; try {WAYS_OUT}")
        self.pieces *= 2
        log.warning(
            "out of memory: batches are now cut in %d passes of at most %d; what is learned stays the same",
            self.pieces,
            math.ceil(share / self.pieces),
        )

    def count_passes(self, train: Inputs, units: np.ndarray) -> int:
        """Count the passes that a batch takes."""
        return len(self._cut_passes(train, units))

    def _cut_passes(self, train: Inputs, units: np.ndarray) -> list[np.ndarray]:
        """Cut units into the passes of this process; all make as many, because sharded models meet in each pass."""
        count, index = self.accelerator.num_processes, self.accelerator.process_index
        if are_pooled(train) or not (self.alike or self.budget):
            return np.array_split(units[index::count], min(self.pieces, math.ceil(len(units) / count)))
        shares = [units[process::count] for process in range(count)]
        most = math.ceil(len(shares[0]) / self.pieces)
        cuts = [self._fill_passes(share, train.encoded.lengths[share], most) for share in shares]
        return cuts[index] + [units[:0]] * (max(map(len, cuts)) - len(cuts[index]))

    def _fill_passes(self, units: np.ndarray, lengths: np.ndarray, most: int) -> list[np.ndarray]:
        """Fill passes with units, the longest first; at most `most` in each."""
        budget = self.budget or sys.maxsize
        return [units[batch] for batch in sort_batches(lengths, budget, most=most, alike=self.alike)]

    def _attempt(self, wrapped: nn.Module, train: Inputs, units: np.ndarray, passes: Sequence[np.ndarray]) -> Tensor:
        accelerator, mixture = self.accelerator, None if self.texts is None else self.mixture
        # Their gradients come first, and are exchanged together with those of the last labelled pass.
        total = torch.zeros((), device=accelerator.device)
        if mixture is not None and self.texts is not None:
            total += self._learn_hidden(mixture, self.texts)
        share = mixture.share if mixture else 1.0

        # Not the sum of the batch's own weights: it would cancel weights that are equal in the whole batch. A batch
        # of units that weigh 0.1 each must move the model less than a batch of units that weigh 1.
        weight = len(units) * train.encoded.mean_weight
        for index, piece in enumerate(passes):
            last = index == len(passes) - 1

            # A process without units still takes part in the exchange of gradients, with a loss of zero.
            batch = train.make_batch(piece if len(piece) else units[:1]).to(accelerator.device)
            with nullcontext() if last else accelerator.no_sync(wrapped):
                first = use_first_token(wrapped, logits_only=self.task.logits_only) if mixture else nullcontext()
                with accelerator.autocast(), first:
                    loss = share * self.task.loss(wrapped, batch, smoothing=self.smoothing) / weight
                if not len(piece):
                    loss = loss * 0.0
                if mixture and last and accelerator.num_processes > 1:
                    loss = loss + mixture.touch()
                accelerator.backward(loss * accelerator.num_processes)  # the exchange averages over processes
            total += loss.detach()
        return total

    def _learn_hidden(self, mixture: Mixture, texts: np.ndarray) -> Tensor:
        """Add the gradients of a mixture's loss to the parameters of this process alone; return its share in it."""
        accelerator, inputs = self.accelerator, mixture.texts
        weight = len(texts) * inputs.encoded.mean_weight / (1 - mixture.share)
        total = torch.zeros((), device=accelerator.device)
        for piece in self._cut_passes(inputs, texts):
            if len(piece):
                batch = inputs.make_batch(piece).to(accelerator.device)
                with accelerator.autocast():
                    loss = mixture.compute_loss(batch) / weight
                accelerator.backward(loss * accelerator.num_processes)
                total += loss.detach()
        return total


class LossMonitor:
    """Keep the losses and gradient norms of the last steps, and refuse them if they are not finite."""

    def __init__(self, accelerator: Accelerator, phase: str) -> None:
        """Look at every step on the CPU, and at several steps together on a GPU, which waits for each look."""
        alone = accelerator.device.type != "cpu" and accelerator.num_processes == 1
        self._most = LOOK_EVERY if alone else 1
        self._scaled = accelerator.scaler is not None  # fp16 skips steps that overflow, by design
        self._phase = phase
        self._seen: list[tuple[Tensor, int, float]] = []

    def add(self, loss: Tensor, norm: Any, step: int, rate: float) -> bool:
        """Add the loss and gradient norm of a step; return whether it is time to look."""
        there = torch.as_tensor(0.0 if norm is None else gather(norm), device=loss.device, dtype=loss.dtype)
        self._seen.append((torch.stack([loss, there]), step, rate))
        return len(self._seen) >= self._most

    def look(self, last_good: str) -> list[float]:
        """Return the losses since the last look; `last_good` tells an error which checkpoint is the last good one.

        Raises:
            TrainingError: one of them, or a gradient, is not finite.
        """
        seen, self._seen = self._seen, []
        if not seen:
            return []

        values = torch.stack([pair for pair, _, _ in seen]).tolist()
        for (loss, norm), (_, step, rate) in zip(values, seen, strict=True):
            if not math.isfinite(loss) or not (self._scaled or math.isfinite(norm)):
                raise TrainingError(
                    f"the loss is {loss:.4g} and the gradient norm {norm:.3g} at step {step} (phase {self._phase!r}, "
                    f"learning rate {rate:.3g}); {last_good}. Try a lower training.learning_rate or "
                    "training.precision=fp32"
                )
        return [loss for loss, _ in values]
