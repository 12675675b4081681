"""Mix batches: labelled rows for the task, and texts without labels of which hidden words are to be found."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.errors import DataError
from nlp_transfer.inference.activations import choose_token_budget
from nlp_transfer.models.anatomy import unwrap
from nlp_transfer.models.encoding.batches import Batch, Encoded, plan_batches, sort_batches
from nlp_transfer.models.encoding.flat import FlatUnits
from nlp_transfer.models.encoding.masking import Masking
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.units import Inputs, TokenInputs
from nlp_transfer.models.masked import masked_loss, measure_hidden
from nlp_transfer.models.static_masked import StaticForMasked
from nlp_transfer.models.surgery.packed import use_packing
from nlp_transfer.system.processes import gather_everywhere, take_own_share
from nlp_transfer.task import Task

HELD_OUT = 0.1  # share of the texts without labels that are only measured
MOST_HELD_OUT = 1000
MOST_TIMES = 4  # as many texts without labels as labelled ones in a step, at most


@dataclass(frozen=True)
class Mixture:
    """The half of a mixed batch that needs no labels.

    Attributes:
        model: finds hidden words; it shares its encoder with the model that trains.
        masking: hides them.
        texts: what is learned from.
        held_out: other texts, with hidden words that stay the same.
        size: the number of texts in a step.
        share: of the labelled loss in that of a step; by default the share of labelled texts (Karouzos et al. 2021,
            section 3).
        seed: of the order of the texts.
    """

    model: PreTrainedModel
    masking: Masking
    texts: TokenInputs
    held_out: TokenInputs
    size: int
    share: float
    seed: int

    @classmethod
    def make(
        cls,
        model: PreTrainedModel,
        texts: Encoded,
        tokenizer: PreTrainedTokenizerBase,
        *,
        labelled: int,
        batch_size: int,
        seed: int,
        share: float | None = None,
    ) -> "Mixture":
        """Hold out some of the texts; a step has as many times more of the others as there are more of them.

        Args:
            model: as in the class.
            texts: all texts without labels, two at least.
            tokenizer: of the model.
            labelled: the number of labelled units.
            batch_size: labelled units in a step.
            seed: of the training; it draws what is held out.
            share: as in the class.

        Raises:
            SourceError: the tokenizer has no mask.
            DataError: there is a single text.
        """
        # A table of word vectors has no mask, and a row for words that it does not know.
        unknown = tokenizer.unk_token_id if isinstance(model, StaticForMasked) else None
        masking, pad = Masking.of(tokenizer, mask=unknown), tokenizer.pad_token_id
        order = np.random.default_rng(seed).permutation(len(texts.inputs))
        if len(order) < 2:
            raise DataError("data.unlabelled: one text, and another one has to be held out; add some")
        cut = max(1, min(MOST_HELD_OUT, round(HELD_OUT * len(order))))
        held, learned = _take(texts, order[:cut]), _take(texts, order[cut:])
        batch = min(batch_size, labelled)
        size = round(batch * min(MOST_TIMES, max(1.0, len(learned.inputs) / labelled)))
        return cls(
            model=model,
            masking=masking,
            texts=TokenInputs(learned, pad),
            held_out=TokenInputs(masking.hide_fixed(held), pad),
            size=size,
            share=batch / (batch + size) if share is None else share,
            seed=seed,
        )

    def plan_steps(self, steps: int, *, epoch: int) -> list[np.ndarray]:
        """Plan the texts of each step of an epoch; one that is longer than the texts last begins with them again."""
        batches = plan_batches(self.texts.encoded.lengths, self.size, seed=self.seed, epoch=epoch)
        return [batches[step % len(batches)] for step in range(steps)]

    def compute_loss(self, batch: Batch) -> Tensor:
        """Hide words of a batch, and sum the cross-entropies of these, divided by the share that is hidden."""
        return masked_loss(self.model, batch, self.masking)

    def touch(self) -> Tensor:
        """Compute zero from all of the head, so that processes which exchange gradients find one for each of it."""
        inside = {id(parameter) for parameter in self.model.base_model.parameters()}
        own = [one for one in self.model.parameters() if one.requires_grad and id(one) not in inside]
        return 0.0 * torch.stack([one.sum() for one in own]).sum()

    def measure(self, model: nn.Module, task: Task, validation: Inputs) -> dict[str, float]:
        """Measure both losses on what is held out, and their mixture, which needs no label of the other domain.

        All processes share the work.
        """

        def sum_task(batch: Batch) -> tuple[float, float]:
            return float(task.loss(model, batch, smoothing=0.0)), float(batch.weights.sum())

        def sum_hidden(batch: Batch) -> tuple[float, float]:
            found = measure_hidden(self.model, batch)
            return -sum(total for total, _ in found), sum(count for _, count in found)

        model.eval()
        labelled = _average(model, validation, sum_task)
        masked = _average(model, self.held_out, sum_hidden)
        mixed = self.share * labelled + (1 - self.share) * masked
        return {"mixed_loss": mixed, "labelled_loss": labelled, "masked_loss": masked}


def _take(encoded: Encoded, units: np.ndarray) -> Encoded:
    """Take some units, each as an example that weighs as much as it has tokens."""
    columns = {name: rows.take(units) for name, rows in encoded.inputs.columns.items()}
    inputs = FlatUnits(columns, encoded.inputs.wide)
    return Encoded(inputs, np.arange(len(units)), None, len(units), importance=inputs.lengths.astype(np.float64))


@torch.inference_mode()
def _average(model: nn.Module, units: Inputs, compute: Callable[[Batch], tuple[float, float]]) -> float:
    """Average a loss over all units, given its sum and its weight of each batch."""
    alike = read_padding_trouble(model) is not None
    batches = sort_batches(units.encoded.lengths, choose_token_budget(unwrap(model)), alike=alike)
    device = next(model.parameters()).device
    with use_packing(model):
        found = [compute(units.make_batch(batch).to(device)) for batch in take_own_share(list(batches))]
    totals, weights = zip(*chain.from_iterable(gather_everywhere(found)), strict=True)
    return float(sum(totals) / sum(weights))
