"""Classify texts, one a line: python predict.py < texts.txt. It needs numpy, onnxruntime and tokenizers, no torch."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TOKENS = 1024  # of a batch; more take longer on a processor, for they are padded more


@cache
def load() -> tuple[dict[str, Any], Any, Any]:
    """Load the configuration, the tokenizer, which cuts texts, and the model."""
    import onnxruntime
    from tokenizers import Tokenizer

    config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    tokenizer.no_padding()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as there are cores
    (graph,) = (HERE / "onnx").glob("*.onnx")
    return config, tokenizer, onnxruntime.InferenceSession(str(graph), options)


def compute_logits(texts: Sequence[str]) -> np.ndarray:
    """Compute the logits of texts, (N, labels), in batches of similar lengths."""
    config, tokenizer, model = load()
    read = [one.ids for one in tokenizer.encode_batch([config["prompt"] + text for text in texts])]
    logits = np.empty((len(read), len(config["id2label"])), dtype=np.float32)
    for batch in cut_batches([len(ids) for ids in read]):
        ids, mask = np.full((2, len(batch), len(read[batch[-1]])), [[[config["pad_token_id"]]], [[0]]])
        for row, at in enumerate(batch):
            ids[row, : len(read[at])], mask[row, : len(read[at])] = read[at], 1
        (logits[batch],) = model.run(None, {"input_ids": ids, "attention_mask": mask})
    return logits


def cut_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut texts, the shortest first, into batches of `TOKENS` with their padding, at least one text each."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[at] > TOKENS:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def compute_probabilities(texts: Sequence[str]) -> np.ndarray:
    """Compute the probability of each label, (N, labels); where a text may have several, each on its own."""
    logits = compute_logits(texts)
    if load()[0]["problem_type"] == "multi_label_classification":
        return np.asarray(1 / (1 + np.exp(-logits)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("error: predict.py takes no argument, but a text a line: python predict.py < texts.txt")
    names = load()[0]["id2label"].values()
    for line in sys.stdin:
        (found,) = compute_probabilities([line.rstrip("\n")]).tolist()
        answer = dict(zip(names, found, strict=True)) if line.strip() else None  # an empty text has no answer
        print(json.dumps(answer, ensure_ascii=False))  # noqa: T201 - a script
