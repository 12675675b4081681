"""Prepare several tasks as runs of their own, and join them: one encoder, one plan."""

import functools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from nlp_transfer.config.run import RunConfig
from nlp_transfer.evaluation.metrics_file import Parameters
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.mixing import join_encoded
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.sharing import SharedModel, share_encoders
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.prepare import Prepared, prepare, stream_inputs
from nlp_transfer.strategies import Plan, join_plans
from nlp_transfer.strategies.few_rows import FEW
from nlp_transfer.strategies.summary import count_parameters
from nlp_transfer.training.memory import Need, estimate
from nlp_transfer.training.several import Tasks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """One of several tasks before they train: the plan that it would have alone, and how large its model is."""

    prepared: Prepared
    plan: Plan
    sizes: Parameters


@dataclass(frozen=True)
class Joint:
    """Several tasks with one encoder.

    Attributes:
        members: name -> task.
        plan: of all of them.
    """

    members: Mapping[str, Member]
    plan: Plan

    @property
    def model(self) -> SharedModel:
        """The model of the plan."""
        assert isinstance(self.plan.model, SharedModel)  # noqa: S101 - see `join`
        return self.plan.model

    @property
    def pad(self) -> int:
        """The id of the padding token."""
        return find_pad(next(iter(self.members.values())).prepared)

    def join_split(self, split: str) -> Encoded:
        """Join the inputs of a split of all tasks."""
        return join_encoded([one.prepared.encoded[split] for one in self.members.values()])

    def collect_tasks(self) -> Tasks:
        """Collect the tasks, which compute the losses."""
        sizes = [len(one.prepared.encoded["train"].inputs) for one in self.members.values()]
        tasks = {name: one.prepared.task for name, one in self.members.items()}
        return Tasks(tasks, np.repeat(np.arange(len(sizes)), sizes))

    def estimate_needs(self) -> list[Need]:
        """Estimate the memory that the training needs; see `training.memory.estimate`."""
        training = next(iter(self.members.values())).prepared.config.training
        units = TokenInputs(self.join_split("train"), self.pad)
        passes = None if training.accumulation == "auto" else training.accumulation
        return estimate(self.plan, self.collect_tasks(), units, batch_size=training.batch_size, accumulation=passes)

    def list_contents(self) -> dict[str, str]:
        """List what must be the same when the training is resumed; see `Prepared.list_contents`."""
        found: dict[str, str] = {}
        for name, one in self.members.items():
            found |= one.prepared.list_contents(f"tasks.{name}.")
        return found


def find_pad(prepared: Prepared) -> int:
    """Find the id of the padding token."""
    return int(prepared.tokenizers.source.pad_token_id)


def prepare_all(configs: Mapping[str, RunConfig], *, sampled: int | None = None) -> dict[str, Prepared]:
    """Prepare each task; see `prepare`. A table that keeps only the words of the texts keeps those of all tasks."""

    @functools.cache
    def read_all() -> list[str]:
        return list(chain.from_iterable(map(stream_inputs, configs.values())))

    def stream_all() -> Iterator[str]:  # nothing is read unless a table asks for it
        yield from read_all()

    found = {}
    for name, config in configs.items():
        with name_fault(f"task '{name}'"):
            found[name] = prepare(config, sampled=sampled, beside=stream_all())
    return found


def adapt_all(prepared: Mapping[str, Prepared]) -> dict[str, Member]:
    """Adapt the model of each task; `epochs: auto` looks at the rows of all of them together."""
    units = sum(one.count_units() for one in prepared.values())
    found = {}
    for name, one in prepared.items():
        with name_fault(f"task '{name}'"):
            # A head is solved on features of its own task alone, for which there is no phase of all tasks.
            alone = replace(one, loaded=replace(one.loaded, solvable=False))
            plan = alone.adapt(max(FEW, units))
            found[name] = Member(one, plan, Parameters(**count_parameters(plan)))
    return found


def join(members: Mapping[str, Member]) -> Joint:
    """Let the tasks share their encoder, and join their plans. This changes the models.

    Raises:
        ConfigError: their encoders cannot be shared.
    """
    models = {name: one.plan.model for name, one in members.items()}
    share_encoders(models)
    reads_logits = [one.prepared.task.logits_only for one in members.values()]
    shared = SharedModel(list(models.values()), reads_logits)
    return Joint(members, join_plans([one.plan for one in members.values()], shared))
