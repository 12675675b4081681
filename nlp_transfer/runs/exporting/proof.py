"""Compare an exported model with its run: rows of test that both answer, and what both score on validation."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlp_transfer.errors import CheckpointError, TransferError
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.runs.answering.agreement import read_tested, select_words
from nlp_transfer.runs.answering.predictor import Input, Predictor
from nlp_transfer.runs.exporting.folder import Kind, find_longest
from nlp_transfer.runs.probes import read_probes
from nlp_transfer.system.layout import PREDICTIONS
from nlp_transfer.task import Prediction

TESTED = 200  # rows of test that are answered by both
FRESH = """
import json, sys
sys.dont_write_bytecode = True
sys.modules["torch"] = sys.modules["transformers"] = None
sys.path.insert(0, sys.argv[1])
from predict import answer_raw
print(json.dumps(answer_raw(json.load(sys.stdin))))
"""


class Compared(NamedTuple):
    """How many texts were answered by both, those with another answer, and the largest difference of a number.

    It is of a probability, or of a number in the answers, relative to that where it is greater than one.
    """

    rows: int
    differing: tuple[str, ...]
    largest: float


def compare_answers(predictor: Predictor, kind: Kind, root: Path, folder: Path) -> Compared:
    """Answer texts that one window holds by the run and by what was exported, and compare.

    Args:
        predictor: of the run.
        kind: of it.
        root: its folder, which holds the texts of its test.
        folder: of what was exported.

    Raises:
        CheckpointError: there are no such texts, or what was exported cannot be run.
    """
    inputs = _list_tested(predictor, root)
    inputs = [one for one, whole in zip(inputs, _are_whole(predictor, inputs), strict=True) if whole][:TESTED]
    if not inputs:
        raise CheckpointError(f"{root}: keeps no test text that one window holds, so there is nothing to compare by")

    differing, largest = [], 0.0
    said = zip(inputs, predictor.answer(inputs), _answer(predictor, kind, folder, inputs), strict=True)
    for given, own, other in said:
        words, others = select_words(own), select_words(other)
        if words != others:
            differing.append(" | ".join(text if isinstance(text, str) else " ".join(text or ()) for text in given))
        pairs = zip(_list_numbers(own), _list_numbers(other), strict=True)
        largest = max(largest, *(abs(one - two) / max(1.0, abs(one)) for one, two in pairs), 0.0)
    return Compared(len(inputs), tuple(differing), largest)


def _list_numbers(said: Prediction) -> list[float]:
    """List the numbers of an answer, also those by name, such as probabilities."""
    found = [[value] if isinstance(value, float) else value.values() for value in said.values() if _has_numbers(value)]
    return [float(one) for several in found for one in several]


def _has_numbers(value: Any) -> bool:
    return isinstance(value, float | Mapping)


def score_both(predictor: Predictor, kind: Kind, folder: Path) -> tuple[float, float, int]:
    """Score the run, then what was exported, on the validation rows that one window holds; tell how many these are.

    Of a task that writes they are as many as judge an epoch.

    Raises:
        CheckpointError: the rows are gone or have changed, one window holds none of them, or what was exported cannot
            be run.
    """
    task = predictor.task
    if predictor.origin is None:
        raise CheckpointError("int8 is judged on validation, and the run does not tell what that was (or --any-loss)")
    try:
        rows = predictor.origin.read_splits().validation
    except TransferError as error:
        raise CheckpointError(f"int8 is judged on validation, which cannot be read (or --any-loss): {error}") from None

    if task.sample and task.sample < len(rows):  # evenly spread
        rows = rows.select([at * len(rows) // task.sample for at in range(task.sample)])
    inputs = list(zip(*(rows[role][:] for role in task.input_roles()), strict=True))
    whole = _are_whole(predictor, inputs)
    if not any(whole):
        raise CheckpointError(
            "int8 is judged on rows of validation that one window holds, and there is none (or --any-loss)"
        )
    rows = rows.select([at for at, one in enumerate(whole) if one])
    inputs = [one for one, kept in zip(inputs, whole, strict=True) if kept]
    own, other = list(predictor.answer(inputs)), _answer(predictor, kind, folder, inputs)
    before, after = (float(task.score(said, rows)[task.selection]) for said in (own, other))
    return before, after, len(rows)


def _list_tested(predictor: Predictor, root: Path) -> list[Input]:
    """List the inputs of test that a run has kept, a text for each role; a published run keeps a few.

    Raises:
        CheckpointError: they are damaged.
    """
    roles = predictor.task.input_roles()
    if (root / PREDICTIONS).is_file():
        try:
            given = [row["input"] for row in read_tested(root / PREDICTIONS, roles)]
        except ValueError as error:
            way = "bring the file back, or train again"
            raise CheckpointError(f"{root / PREDICTIONS}: damaged ({error}); {way}") from None
    else:
        given = [one if len(roles) > 1 else {roles[0]: one} for one in read_probes(root)[0]]

    lists = predictor.list_roles
    return [
        tuple([one[role]] if role in lists and isinstance(one[role], str) else one[role] for role in roles)
        for one in given
    ]


def _are_whole(predictor: Predictor, inputs: Sequence[Input]) -> list[bool]:
    """Tell which inputs the script reads as the run does.

    Of a text that one window does not hold the script reads the beginning, the run more if `long_documents` says so.
    """
    if getattr(predictor.task.options, "long_documents", "head") == "head":
        return [True] * len(inputs)
    tokenizer, most = predictor.tokenizers.source, find_longest(predictor)
    texts = [read_prompt(tokenizer) + "".join(one[0] or "") for one in inputs]
    return [len(ids) <= most for ids in tokenizer(texts, verbose=False)["input_ids"]]


def _answer(predictor: Predictor, kind: Kind, folder: Path, inputs: Sequence[Input]) -> list[Prediction]:
    """Answer inputs by the script in a fresh process.

    Raises:
        CheckpointError: it fails.
    """
    command = [sys.executable, "-c", FRESH, str(folder)]
    done = subprocess.run(command, input=json.dumps(inputs), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        # What was killed, as when memory ran out, has said nothing.
        *_, said_last = ["", *done.stderr.strip().splitlines()]
        reason = said_last or f"its process ended by {done.returncode} without a word; is there memory enough?"
        raise CheckpointError(f"what was exported cannot be run: {reason}")
    said: list[Any] = json.loads(done.stdout)
    if kind.decoded:
        return said
    results = [[np.array(unit, dtype=np.float32) for unit in units] for units in said]
    return predictor.task.decode(results, predictor.collect(inputs), predictor.tokenizers)
