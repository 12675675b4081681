"""What a phase reads: both splits as tokens, or as stored activations of what rests in it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.inference.activations import WHOLE, PooledModel, compute, find_boundary, open_store, replay
from nlp_transfer.models.anatomy import unwrap
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, Inputs, TokenInputs
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.entry import enter_at_layer
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.training.solver import standardise

STANDARDISED_ON = 1000  # units that give a head's inputs their mean and deviation, where not all are stored
STORED_WORTH = 2  # epochs from which stored activations pay


@dataclass(frozen=True)
class PhaseInputs:
    """Give each phase of a plan its inputs.

    Attributes:
        plan: of the training.
        train: what is learned from.
        validation: what chooses the best state.
        pad: id of the padding token.
        accelerator: of the run.
        cache: folder for activations that outlive the run.
        seed: of the units that a head is standardised on.
        progress: show bars.
        signals: those that came so far.
    """

    plan: Plan
    train: Encoded
    validation: Encoded
    pad: int
    accelerator: Accelerator
    cache: Path | None
    seed: int
    progress: bool
    signals: Sequence[int]

    @contextlib.contextmanager
    def open(self, model: nn.Module, phase: Phase) -> Iterator[tuple[Inputs, Inputs]]:
        """Give train and validation; while stored activations are read, the model lacks what they stand for."""
        tokens = TokenInputs(self.train, self.pad), TokenInputs(self.validation, self.pad)
        boundary = self._choose_boundary(model, phase)
        if boundary is None:
            yield tokens
            return

        assert isinstance(model, PreTrainedModel)  # noqa: S101 - find_boundary saw to it
        stored = self._replay(model, tokens, boundary)
        if stored is None:
            yield tokens
            return
        with enter_at_layer(model, boundary):
            yield stored

    def _choose_boundary(self, model: nn.Module, phase: Phase) -> Boundary | None:
        """Find up to where the model rests, if it pays to store what comes out there; a solver needs it stored."""
        boundary = find_boundary(model, frozenset(phase.rates))
        if boundary is None or (self.plan.cache == "none" and phase.solver != "lbfgs"):
            return None
        return boundary if phase.epochs >= STORED_WORTH or boundary.kind in WHOLE else None

    def _replay(
        self, model: PreTrainedModel, tokens: Sequence[TokenInputs], boundary: Boundary
    ) -> tuple[Inputs, Inputs] | None:
        """Compute or look up the activations of both splits; None where one of them cannot be replayed."""
        stored = []
        with self.accelerator.autocast():
            cache = self.cache if self.plan.cache == "disk" else None
            store = open_store(model, boundary, cache) if cache else None
            for units in tokens:
                found = replay(model, units, boundary, store, progress=self.progress, signals=self.signals)
                if found is None:
                    return None
                stored.append(found)
        return stored[0], stored[1]

    def scale_head(self, model: nn.Module, phase: Phase, train: Inputs) -> None:
        """Standardise what a new head reads.

        A head of the source's has a scale of its own; the states of a part that is new will move too far for one.
        """
        base = unwrap(model)
        if isinstance(base, PooledModel) and (self.plan.settled or phase.solver == "lbfgs"):
            standardise(base, self._sample_features(base, train))

    def _sample_features(self, model: PooledModel, train: Inputs) -> Sequence[np.ndarray]:
        """Take the pooled states that are stored, or compute those of some of the units."""
        if isinstance(train, CachedInputs) and train.boundary.kind == "pooled":
            return train.rows
        some = np.random.default_rng(self.seed).permutation(len(train.encoded.inputs))[:STANDARDISED_ON]
        with self.accelerator.autocast():
            boundary = Boundary("pooled")
            return compute(model, train, boundary, some, progress=self.progress, signals=self.signals)

    @contextlib.contextmanager
    def use_rows(self, model: nn.Module, phase: Phase, train: Inputs) -> Iterator[None]:
        """Train the embedding rows in use only; what is replayed needs no embeddings, and may be without them."""
        if isinstance(train, CachedInputs):
            yield
            return
        with use_embedding_rows(model, phase.rates, [self.train, self.validation], self.pad):
            yield
