"""Give a phase its inputs: both splits as tokens, or as stored activations of the frozen part of the model."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.inference.activations import WHOLE_ENCODER, PooledModel, compute, find_boundary, open_store, replay
from nlp_transfer.models.anatomy import unwrap
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, Inputs, TokenInputs
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.entry import enter_at_layer
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.strategies.mixing import is_mixed
from nlp_transfer.training.solver import standardise

STANDARDISED_ON = 1000  # units that mean and deviation of a head's inputs are measured on, if not all are stored
Opened = tuple[Inputs, Inputs, Inputs | None]  # train, validation, and texts without labels
STORED_WORTH = 2  # epochs; in a single one, stored activations would be read only once


@dataclass(frozen=True)
class PhaseInputs:
    """Give each phase of a plan its inputs.

    Attributes:
        plan: the phases.
        train: what is learned from.
        validation: what the best state is chosen on.
        pad: id of the padding token.
        accelerator: of the run.
        cache: folder for activations that later runs may use; None: keep none.
        seed: draws the units whose features standardise a head.
        progress: show bars.
        signals: the signals that have come so far; activations stop being computed when one comes.
        unlabelled: texts of another domain that a solved head moves towards; None where there are none.
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
    unlabelled: Encoded | None = None

    @contextlib.contextmanager
    def open(self, model: nn.Module, phase: Phase) -> Iterator[Opened]:
        """Yield the inputs of train, validation and texts without labels.

        Meanwhile the model lacks layers whose activations are stored.
        """
        solved = self.unlabelled is not None and phase.solver == "lbfgs"
        there = TokenInputs(self.unlabelled, self.pad) if self.unlabelled and solved else None
        tokens = TokenInputs(self.train, self.pad), TokenInputs(self.validation, self.pad), there
        boundary = self._choose_boundary(model, phase)
        if boundary is None:
            yield tokens
            return

        base = unwrap(model)
        stored = self._replay(base, tokens, boundary)
        if stored is None:
            yield tokens
            return

        with enter_at_layer(base, boundary):
            yield stored

    def _choose_boundary(self, model: nn.Module, phase: Phase) -> Boundary | None:
        """Find the end of the frozen part, if storing its activations pays; None if it does not.

        A solver needs them stored in any case; adapters beside the frozen weights add nothing before they have moved.
        """
        if phase.solver == "lbfgs":
            return Boundary("pooled")
        boundary = find_boundary(model, frozenset(phase.rates))
        if boundary is None or self.plan.cache == "none" or is_mixed(phase):  # hidden words change from step to step
            return None
        return boundary if phase.epochs >= STORED_WORTH or boundary.kind in WHOLE_ENCODER else None

    def _replay(
        self, model: PreTrainedModel, tokens: Sequence[TokenInputs | None], boundary: Boundary
    ) -> Opened | None:
        """Look up or compute the activations of all inputs; None if those of one cannot be stored."""
        stored: list[Inputs] = []
        with self.accelerator.autocast():
            cache = self.cache if self.plan.cache == "disk" else None
            store = open_store(model, boundary, cache) if cache else None
            for units in filter(None, tokens):
                found = replay(model, units, boundary, store, progress=self.progress, signals=self.signals)
                if found is None:
                    return None
                stored.append(found)
        return stored[0], stored[1], stored[2] if len(stored) > 2 else None

    def scale_head(self, model: nn.Module, phase: Phase, train: Inputs) -> None:
        """Standardise the inputs of a new head: mean 0 and deviation 1 over units of train.

        Not for a head that came with the source, which fits its own scale; nor where an encoder is new as well, because
        its states will move far from what is measured now.
        """
        base = unwrap(model)
        if isinstance(base, PooledModel) and (self.plan.settled or phase.solver == "lbfgs"):
            standardise(base, self._sample_features(base, train))

    def _sample_features(self, model: PooledModel, train: Inputs) -> Sequence[np.ndarray]:
        """Return the stored features of all units, or compute those of some units."""
        if isinstance(train, CachedInputs) and train.boundary.kind == "pooled":
            return train.rows
        some = np.random.default_rng(self.seed).permutation(len(train.encoded.inputs))[:STANDARDISED_ON]
        with self.accelerator.autocast():
            boundary = Boundary("pooled")
            return compute(model, train, boundary, some, progress=self.progress, signals=self.signals)

    @contextlib.contextmanager
    def use_rows(self, model: nn.Module, phase: Phase, train: Inputs) -> Iterator[None]:
        """Train only the embedding rows in use.

        Stored activations need no embeddings, which may be taken out; whoever finds hidden words needs all rows.
        """
        if isinstance(train, CachedInputs) or is_mixed(phase):
            yield
            return
        with use_embedding_rows(model, phase.rates, [self.train, self.validation], self.pad):
            yield
