"""A row about memory: long documents, whose steps hold more at once than a CPU gains from."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import reviews, write_records
from benchmarks.measuring import Contender, Row, read_json
from benchmarks.training_rows import Scale

DOCUMENTS = 400  # cut in train, validation and test


def memory(scale: Scale) -> Row:
    """Pick sentences of long documents, all of the encoder moving: passes as they are by default, and whole batches."""
    papers = scale.data.parent / "scitldr" if scale.data else None
    if papers is None or not papers.is_dir():
        papers = None
    return Row(
        name="memory",
        title=f"extractive, {DOCUMENTS} {'papers of SciTLDR' if papers else 'reviews'}, MiniLM full, 1 epoch",
        contenders=[
            _run(scale, papers, "default", "auto", ours=True),
            _run(scale, papers, "accumulation: 1", 1),
        ],
        targets={"accumulation: 1": 1.0},
        quantity="cpu",
        says="CPU seconds of the whole process",
        quick=False,
        prepare=partial(_write_reviews, scale, papers),
    )


def _run(scale: Scale, papers: Path | None, name: str, accumulation: Any, *, ours: bool = False) -> Contender:
    config = {
        "task": {"name": "summarization", "style": "extractive"},
        "source": {"kind": "checkpoint", "name": scale.model},
        "strategy": {"kind": "full"},
        "data": {
            "train": str(papers / "train.jsonl.gz" if papers else _name_file(scale)),
            "columns": {"text": "source", "summary": "target"} if papers else {},
            "limit": min(DOCUMENTS, scale.rows or DOCUMENTS),
        },
        "training": {"epochs": 1, "accumulation": accumulation, "precision": "fp32"},
    }

    def command(folder: Path, _: int) -> Sequence[str]:
        (folder / "config.yaml").write_text(json.dumps(config))
        run = [sys.executable, "-m", "nlp_transfer", "run", str(folder / "config.yaml")]
        return [*run, "--output", str(folder / "run")]

    return Contender(name=name, command=command, read=_read_training, ours=ours)


def _read_training(folder: Path) -> dict[str, Any]:
    """Seconds of the training alone."""
    return {"training": read_json(folder / "run" / "metrics.json")["seconds"]["training"]}


def _name_file(scale: Scale) -> Path:
    return scale.folder / "reviews.jsonl"


def _write_reviews(scale: Scale, papers: Path | None) -> None:
    """Without papers long reviews take their place, with their first sentences as summaries."""
    if papers is None:
        long = [one["text"] for one in reviews("imdb") if len(one["text"]) > 2000][:DOCUMENTS]
        write_records(_name_file(scale), ({"text": text, "summary": text.partition(".")[0]} for text in long))


ROWS: Sequence[Callable[[Scale], Row]] = (memory,)
