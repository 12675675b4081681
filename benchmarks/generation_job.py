"""Translate 1,000 texts with a finished run: sorted and with ended rows leaving, or by plain `generate` in file order.

python -m benchmarks.generation_job '{"run": FOLDER, "pairs": FILE, "output": FOLDER, "beams": 1, "ours": true}'
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.inference.predictions import WRITTEN, infer
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.answering.predictor import Predictor


def ours(predictor: Predictor, rows: TaskRows) -> list[str]:
    """As `predict` does, but for reading ahead."""
    tokenizers = predictor.tokenizers
    units = TokenInputs(predictor.task.encode(rows, tokenizers), tokenizers.source.pad_token_id)
    said = predictor.task.decode(infer(predictor.model, predictor.task, units), rows, tokenizers)
    return [one["translation"] for one in said]


def plain(predictor: Predictor, rows: TaskRows) -> list[str]:
    """Batches of the same size in the order of the file."""
    source, target = predictor.tokenizers.source, predictor.tokenizers.target
    model: Any = predictor.model
    said: list[str] = []
    for start in range(0, len(rows), WRITTEN):
        texts = rows["source"][start : start + WRITTEN]
        inputs = source(texts, truncation=True, max_length=64, padding=True, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            ids = model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        said += [text.strip() for text in target.batch_decode(ids, skip_special_tokens=True)]  # type: ignore[union-attr]
    return said


def main(job: dict[str, Any]) -> None:
    """Write the seconds of the search, and chrF as a share: equal outputs have equal scores."""
    predictor = nlp_transfer.load(job["run"])
    predictor.model.generation_config.num_beams = job["beams"]
    if job["beams"] == 1:
        predictor.model.generation_config.update(length_penalty=None, early_stopping=None)
    lines = Path(job["pairs"]).read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    rows = TaskRows({"source": [one["en"] for one in pairs], "target": [one["fr"] for one in pairs]})
    started = time.perf_counter()
    said = (ours if job["ours"] else plain)(predictor, rows)
    seconds = time.perf_counter() - started
    chrf = nlp_transfer.translation_scores(said, rows["target"][:])["chrf"]
    facts = {"seconds": seconds, "accuracy": chrf / 100}
    (Path(job["output"]) / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
