"""Classify texts, one a line: python predict.py < texts.txt. It needs numpy, onnxruntime and tokenizers, no torch."""

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent


@cache
def load() -> tuple[dict[str, Any], Any, Any]:
    """Load the configuration, the tokenizer, which cuts and pads, and the model."""
    import onnxruntime
    from tokenizers import Tokenizer

    config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as there are cores
    (graph,) = (HERE / "onnx").glob("*.onnx")
    model = onnxruntime.InferenceSession(str(graph), options)
    return config, Tokenizer.from_file(str(HERE / "tokenizer.json")), model


def compute_logits(texts: Sequence[str]) -> np.ndarray:
    """Compute the logits of some texts in one batch, (N, labels)."""
    config, tokenizer, model = load()
    read = tokenizer.encode_batch([config["prompt"] + text for text in texts])
    ids, mask = (np.array([getattr(one, name) for one in read]) for name in ("ids", "attention_mask"))
    (logits,) = model.run(None, {"input_ids": ids, "attention_mask": mask})
    return np.asarray(logits)


def compute_probabilities(texts: Sequence[str]) -> np.ndarray:
    """Compute the probability of each label, (N, labels); where a text may have several, each on its own."""
    logits = compute_logits(texts)
    if load()[0]["problem_type"] == "multi_label_classification":
        return np.asarray(1 / (1 + np.exp(-logits)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    names = load()[0]["id2label"].values()
    for line in sys.stdin:
        found = compute_probabilities([line.rstrip("\n")])[0].tolist()
        print(json.dumps(dict(zip(names, found, strict=True)), ensure_ascii=False))  # noqa: T201 - a script
