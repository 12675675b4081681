"""Keep a few test inputs with the answers of the trained model, which a reloaded or published model must repeat."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import PROBES
from nlp_transfer.task import Prediction

PROBE_TOLERANCE = 1e-4  # absolute for numbers up to 1, relative for greater ones


def write_probes(folder: Path, inputs: Sequence[Any], said: Sequence[Prediction]) -> None:
    """Write a line with text and answer for each input."""
    lines = (dump_json({"input": text, "said": answer}) for text, answer in zip(inputs, said, strict=True))
    write_whole(folder / PROBES, "\n".join(lines) + "\n")


def read_probes(folder: Path) -> tuple[list[Any], list[Prediction]]:
    """Read inputs and answers; both lists are empty if the run kept none."""
    path = folder / PROBES
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    found = [json.loads(line) for line in lines if line]
    return [one["input"] for one in found], [one["said"] for one in found]


def are_alike(one: Any, other: Any) -> bool:
    """Tell whether two predictions are equal; floats may differ by rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < PROBE_TOLERANCE * max(1.0, abs(one), abs(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(are_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_alike, one, other))
    return bool(one == other)


def is_repeated(before: Prediction, after: Prediction) -> bool:
    """Tell whether an answer repeats an earlier one. Keys that an older version did not write do not count."""
    return are_alike(before, {key: value for key, value in after.items() if key in before})
