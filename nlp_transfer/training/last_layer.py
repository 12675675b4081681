"""Solve the last layer of a trained head anew: whatever lies below a linear layer, its inputs are fixed features."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.evaluation.folds import deal_folds
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.anatomy import list_outside_encoder
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.task import Task
from nlp_transfer.training.regression import Rows, Solution
from nlp_transfer.training.solver import FEW, Choice, choose_solution

CONSTANT = 1e-6  # deviation of a feature that says nothing


@dataclass(frozen=True)
class LastLayer:
    """The linear layer whose outputs are the answers of a head, and its path in the model."""

    path: str
    layer: nn.Linear

    def read(self) -> Solution:
        """Read weights and biases."""
        return Solution(self.layer.weight.detach().cpu().numpy().copy(), self.layer.bias.detach().cpu().numpy().copy())

    @torch.no_grad()
    def write(self, solution: Solution) -> None:
        """Write weights and biases."""
        self.layer.weight.copy_(torch.from_numpy(solution.weights))
        self.layer.bias.copy_(torch.from_numpy(solution.bias))

    def solve(
        self, model: PreTrainedModel, task: Task, train: TokenInputs, validation: TokenInputs, *, smoothing: float
    ) -> Choice:
        """Find the weights by the regression that has the task's loss, on all that reaches the layer in train.

        Args:
            model: of the layer; it stays as it is.
            task: declares `solved_as`.
            train: what is learned from.
            validation: chooses the penalty; where it has few rows, those of train do too, as in `solver.solve`.
            smoothing: share of a target that is spread evenly over the classes.
        """
        assert task.solved_as is not None  # noqa: S101 - see find_last_layer
        known, judges = (self._collect_rows(model, task, units) for units in (train, validation))
        shift, deviation = known.x.mean(0), known.x.std(0)
        scale = 1 / np.where(deviation > CONSTANT, deviation, 1.0)

        found = choose_solution(
            known._replace(x=(known.x - shift) * scale),
            judges._replace(x=(judges.x - shift) * scale),
            solved_as=task.solved_as,
            count=self.layer.out_features,
            smoothing=smoothing,
            selection=task.selection,
            weighing=task.chooses_weights,
            folds=deal_folds(known.y, train.encoded.example) if validation.encoded.examples < FEW else None,
        )
        weights = found.solution.weights * scale
        return replace(found, solution=Solution(weights, found.solution.bias - weights @ shift))

    def _collect_rows(self, model: PreTrainedModel, task: Task, units: TokenInputs) -> Rows:
        """Collect what reaches the layer, (units, F), with targets and weights."""
        with self._take_out(model):
            found = infer(model, task, units)
        features = np.stack([*chain.from_iterable(found)])
        return Rows(features, np.asarray(units.encoded.targets), np.asarray(units.encoded.weights))

    @contextlib.contextmanager
    def _take_out(self, model: PreTrainedModel) -> Iterator[None]:
        """Take the layer out for a while: what the model answers then is what reaches the layer."""
        parent, _, name = self.path.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
        try:
            yield
        finally:
            setattr(model.get_submodule(parent), name, self.layer)


def find_last_layer(model: PreTrainedModel, task: Task) -> LastLayer | None:
    """Find the last layer of a head; None if it is not linear, or if the task declares no way to solve it."""
    outside = set(list_outside_encoder(model))
    layers = [
        LastLayer(path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear) and {f"{path}.weight", f"{path}.bias"} <= outside
    ]
    if task.solved_as is None or not layers:
        return None
    return layers[-1] if layers[-1].layer.out_features == model.config.num_labels else None
