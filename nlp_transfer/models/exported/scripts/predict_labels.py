"""Answer texts, one a line: python predict.py < texts.txt. It needs numpy, onnxruntime and tokenizers, no torch.

Two texts that are read together stand in one line with a tab between them.
"""

import json
import sys
from collections.abc import Sequence

import numpy as np
from model import compute  # type: ignore[import-not-found]
from reading import load_config, make_units, read_lines  # type: ignore[import-not-found]

Text = str | Sequence[str]  # a text, or the texts that are read together


def compute_logits(texts: Sequence[Text]) -> np.ndarray:
    """Compute the logits of texts, (N, labels)."""
    units = make_units([[text] if isinstance(text, str) else text for text in texts])
    return np.stack(compute(units))


def compute_probabilities(texts: Sequence[Text]) -> np.ndarray:
    """Compute the probability of each label, (N, labels); where a text may have several, each on its own."""
    logits = compute_logits(texts)
    if load_config()["problem_type"] == "multi_label_classification":
        return np.asarray(1 / (1 + np.exp(-logits)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def answer(text: Text) -> dict[str, float] | float:
    """Answer a text: the probability of each label, or a number."""
    if load_config()["problem_type"] == "regression":
        return float(compute_logits([text])[0, 0])
    (found,) = compute_probabilities([text]).tolist()
    return dict(zip(load_config()["id2label"].values(), found, strict=True))


def answer_raw(inputs: Sequence[Sequence[str]]) -> list[list[list[float]]]:
    """Compute the logits of each input's only unit, as the comparison with the run asks for them."""
    return [[row] for row in compute_logits(inputs).tolist()]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("error: predict.py takes no argument, but a text a line: python predict.py < texts.txt")
    count = len(load_config()["reading"]["prompts"])
    for number, line in read_lines():
        texts = line.split("\t") if count > 1 else [line]
        if line.strip() and len(texts) != count:
            sys.exit(f"error: line {number}: expected two texts with one tab between, received {len(texts) - 1} tabs")
        said = answer(texts) if all(text.strip() for text in texts) else None  # an empty text has no answer
        print(json.dumps(said, ensure_ascii=False))  # noqa: T201 - a script
