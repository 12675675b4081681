"""Describe the two sides of a shift, and see whether a classifier tells them apart."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlp_transfer.data.formats.cells import strip_unseen
from nlp_transfer.data.splitting import deal_folds
from nlp_transfer.data.store import join_parts
from nlp_transfer.data.text.languages import find_language
from nlp_transfer.evaluation.shifting import SURE, Side, describe_texts
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.unlabelled.observe import Observed
from nlp_transfer.training.crossing import cross_validate
from nlp_transfer.training.regression import Rows

if TYPE_CHECKING:
    from nlp_transfer.data.rows import TaskRows

FOLDS = 5
LEAST = 50  # different texts of each side; fewer are told apart by chance
FEW = 20  # texts; of fewer the language is often mistaken


def draw_places(count: int, most: int) -> list[int]:
    """Draw the places of rows by chance, in their order; all of them, if there are no more than `most`."""
    return sorted(np.random.default_rng(0).permutation(count)[:most].tolist())


def join_texts(rows: "TaskRows", roles: Sequence[str]) -> list[str]:
    """Join the texts of each row."""
    columns = [map(join_parts, rows[role][:]) for role in roles]
    return ["\n".join(texts) for texts in zip(*columns, strict=True)]


def describe_side(
    predictor: Predictor,
    trained: Collection[str],
    words: Collection[str],
    rows: "TaskRows",
    seen: Observed,
    *,
    total: int,
) -> Side:
    """Describe rows, of a set of so many in `total`, as a run sees them.

    Args:
        predictor: of the run.
        trained: the texts of train, without what a reader does not see.
        words: the words of train.
        rows: what to describe.
        seen: what the model makes of it.
        total: the size of the set.
    """
    texts = join_texts(rows, predictor.task.input_roles())
    confident = [one["confidence"] >= SURE for one in seen.answers if "confidence" in one]
    return Side(
        rows=len(rows),
        total=total,
        language=find_language(texts) if len(texts) >= FEW else None,
        texts=describe_texts(texts, predictor.tokenizers.source, words),
        unknown_tokens=seen.unknown,
        cut=seen.truncated / len(rows),
        repeated=sum(strip_unseen(text) in trained for text in texts) / len(rows),
        confident=sum(confident) / len(confident) if confident else None,
    )


def tell_apart(predictor: Predictor, rows: Sequence["TaskRows"], seen: Sequence[Observed]) -> float | None:
    """Find the share of rows that a linear classifier puts on the right side, in folds; equal texts stay together.

    It is what the proxy A-distance of Ben-David et al. 2007 (Analysis of representations for domain adaptation) is made
    of. Both sides have one number of rows: of the larger one so many are drawn, for its first rows may be all of one
    class.
    """
    count, roles = min(map(len, rows)), predictor.task.input_roles()
    drawn = [draw_places(len(side), count) for side in rows]
    own, there = (join_texts(side.select(places), roles) for side, places in zip(rows, drawn, strict=True))
    if min(len(set(own)), len(set(there))) < LEAST:
        return None

    numbers = {text: number for number, text in enumerate([*own, *there])}
    keys = [numbers[text] for text in (*own, *there)]
    features = np.concatenate([side.features[places] for side, places in zip(seen, drawn, strict=True)])
    sides = np.repeat([0, 1], count)
    folds = deal_folds(keys, sides, FOLDS, seed=0)
    outputs = cross_validate(Rows(features, sides, np.ones(2 * count)), folds, solved_as="softmax", count=2)
    return float((outputs.argmax(1) == sides).mean())
