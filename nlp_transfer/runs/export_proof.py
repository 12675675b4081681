"""Compare an exported model with its run: rows of test that both answer, and what both score on validation."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlp_transfer.errors import CheckpointError, TransferError
from nlp_transfer.models.encoding.prompts import put_prompt
from nlp_transfer.runs.agreement import read_tested
from nlp_transfer.runs.predictor import Predictor
from nlp_transfer.runs.probes import read_probes
from nlp_transfer.system.layout import PREDICTIONS
from nlp_transfer.task import Prediction

TESTED = 200  # rows of test that are answered by both
FRESH = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = None
sys.path.insert(0, sys.argv[1])
from predict import compute_logits
print(json.dumps(compute_logits(json.load(sys.stdin)).tolist()))
"""


class Compared(NamedTuple):
    """How many texts were answered by both, those with another answer, and the largest difference of a probability."""

    rows: int
    differing: tuple[str, ...]
    largest: float


def compare_answers(predictor: Predictor, root: Path, folder: Path) -> Compared:
    """Answer texts that one window holds by the run and by what was exported, and compare.

    Args:
        predictor: of the run.
        root: its folder, which holds the texts of its test.
        folder: of what was exported.

    Raises:
        CheckpointError: there are no such texts, or what was exported cannot be run.
    """
    texts = _keep_whole(predictor, _list_tested(predictor, root))[:TESTED]
    if not texts:
        raise CheckpointError(f"{root}: keeps no test text that one window holds, so there is nothing to compare by")

    answer, differing, largest = predictor.answer_keys[0], [], 0.0
    for text, own, other in zip(texts, predictor.predict(texts), _answer(predictor, folder, texts), strict=True):
        if own[answer] != other[answer]:
            differing.append(text)
        pairs = zip(own["probabilities"].values(), other["probabilities"].values(), strict=True)
        largest = max(largest, *(abs(one - two) for one, two in pairs))
    return Compared(len(texts), tuple(differing), largest)


def score_both(predictor: Predictor, folder: Path) -> tuple[float, float]:
    """Score the run, then what was exported, on the validation rows that one window holds.

    Raises:
        CheckpointError: the rows are gone or have changed, or what was exported cannot be run.
    """
    task, (role,) = predictor.task, predictor.task.input_roles()
    if predictor.origin is None:
        raise CheckpointError("int8 is judged on validation, and the run does not tell what that was (or --any-loss)")
    try:
        rows = predictor.origin.read_splits().validation
    except TransferError as error:
        raise CheckpointError(f"int8 is judged on validation, which cannot be read (or --any-loss): {error}") from None

    kept = set(_keep_whole(predictor, rows[role][:]))
    rows = rows.select([at for at, text in enumerate(rows[role][:]) if text in kept])
    texts = rows[role][:]
    own, other = predictor.predict(texts), _answer(predictor, folder, texts)
    return float(task.score(own, rows)[task.selection]), float(task.score(other, rows)[task.selection])


def find_longest(predictor: Predictor) -> int:
    """Find the most tokens that the run reads at once."""
    most = int(predictor.tokenizers.source.model_max_length)
    return min(most, predictor.task.longest or most)


def _list_tested(predictor: Predictor, root: Path) -> list[str]:
    """List the texts of test that a run has kept; a published run keeps a few.

    Raises:
        CheckpointError: they are damaged.
    """
    (role,) = predictor.task.input_roles()
    if not (root / PREDICTIONS).is_file():
        return read_probes(root)[0]
    try:
        return [row["input"][role] for row in read_tested(root / PREDICTIONS, (role,))]
    except ValueError as error:
        raise CheckpointError(f"{root / PREDICTIONS}: damaged ({error}); bring the file back, or train again") from None


def _keep_whole(predictor: Predictor, texts: Sequence[str]) -> list[str]:
    """Keep the texts that one window holds: of longer ones the script reads the beginning, and the run perhaps more."""
    tokenizer, most = predictor.tokenizers.source, find_longest(predictor)
    read = tokenizer(list(put_prompt(texts, tokenizer)))["input_ids"]
    return [text for text, ids in zip(texts, read, strict=True) if len(ids) <= most]


def _answer(predictor: Predictor, folder: Path, texts: Sequence[str]) -> list[Prediction]:
    """Answer texts by the logits that the script computes in a fresh process.

    Raises:
        CheckpointError: it fails.
    """
    command = [sys.executable, "-c", FRESH, str(folder)]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CheckpointError(f"what was exported cannot be run: {done.stderr.strip().splitlines()[-1]}")
    logits = [[np.array(row, dtype=np.float32)] for row in json.loads(done.stdout)]
    return predictor.task.decode(logits, predictor.collect([(text,) for text in texts]), predictor.tokenizers)
