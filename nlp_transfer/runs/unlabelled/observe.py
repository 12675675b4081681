"""Open rows, and observe how a run reads them: the features of its model, and its answers.

What was computed stays in the cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedModel

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.unlabelled import Unlabelled, open_unlabelled
from nlp_transfer.inference.activations import compute, open_store
from nlp_transfer.inference.embeddings import average_units, choose_boundary
from nlp_transfer.inference.layer_mean import POOLED
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, TokenInputs
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.progress import make_bar
from nlp_transfer.task import Prediction

if TYPE_CHECKING:
    from nlp_transfer.data.rows import TaskRows

BLOCK = 500  # texts that are stored at once: what a command that is killed loses


@dataclass(frozen=True)
class Observed:
    """What a model makes of rows.

    Attributes:
        features: (rows, F) what the head reads, of several windows or sentences the mean; where the head reads token
            states, their mean.
        answers: of each row.
        truncated: the number of rows of which the model does not see a part.
        unknown: the share of the tokens that the vocabulary lacks.
    """

    features: np.ndarray
    answers: list[Prediction]
    truncated: int
    unknown: float


def open_rows(
    predictor: Predictor, data: Any, columns: Mapping[str, str] | None, dialect: Dialect | None
) -> tuple[Unlabelled, tuple[str, ...]]:
    """Open rows without labels as a run reads them; return also the columns in which their answers would stand.

    Raises:
        DataError: there are no such rows, or they can be read only once.
    """
    wanted = predictor.map_columns(columns)
    inputs = {role: wanted[role] for role in predictor.input_columns}
    answers = tuple(column for role, column in wanted.items() if role not in inputs)
    dialect = dialect or predictor.dialect
    place = open_unlabelled(data, inputs, replace(dialect, called=not dialect.options), predictor.list_roles)
    return place, answers


def observe(predictor: Predictor, rows: "TaskRows", *, progress: bool = True) -> Observed:
    """Look up or compute what a model makes of rows, which have a column for each input role."""
    model, task = predictor.model, predictor.task
    boundary = choose_boundary(model)
    store = open_store(model, boundary, find_cache_folder())
    encoded = task.encode(rows, predictor.tokenizers)
    units = TokenInputs(encoded, predictor.tokenizers.source.pad_token_id)

    found: list[np.ndarray] = []
    every = np.arange(len(encoded.inputs))
    with make_bar(len(every), "features", "text", shown=progress, leave=False) as bar:
        for block in np.split(every, every[BLOCK::BLOCK]):
            inputs = [encoded.inputs[unit] for unit in block]
            found += store.fill(inputs, partial(_compute, model, units, boundary, block))
            bar.update(len(block))

    # Pooled states enter the model again; other models read the texts once more.
    results = infer(model, task, CachedInputs(encoded, found, boundary) if boundary == POOLED else units)
    answers = task.decode(results, rows, predictor.tokenizers)
    return Observed(average_units(model, encoded, found), answers, encoded.truncated, encoded.unknown)


def _compute(
    model: PreTrainedModel, units: TokenInputs, boundary: Boundary, block: np.ndarray, lacking: np.ndarray
) -> list[np.ndarray]:
    """Compute the features of the units of a block that the store lacks."""
    return compute(model, units, boundary, block[lacking], progress=False)
