"""Train with mixed batches, or make the two steps that each holds apart; report the processor time of the steps alone.

python -m benchmarks.mixing_job FOLDER mixed|apart
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import nlp_transfer
from benchmarks.mixing_rows import BATCH_SIZE, TIMES
from nlp_transfer.strategies.mixing import WARM_UP
from nlp_transfer.training.phase_steps import PhaseSteps


def main() -> None:
    """Do as the command line says; the folder holds the data, and gets facts.json."""
    folder, way = Path(sys.argv[1]), sys.argv[2]
    seconds, train_epoch = 0.0, PhaseSteps.train_epoch

    def count(steps: PhaseSteps) -> Any:
        nonlocal seconds
        started = time.process_time()
        facts = train_epoch(steps)
        if steps.phase.name != WARM_UP:
            seconds += time.process_time() - started
        return facts

    PhaseSteps.train_epoch = count  # type: ignore[assignment, method-assign]
    texts = str(folder / "texts.txt")
    _train(folder, {"kind": "full", "adaptation": "mlm"} if way == "mixed" else {"kind": "full"}, texts)
    if way == "apart":
        wished = ["training.precision=fp32", f"training.batch_size={TIMES * BATCH_SIZE}"]
        nlp_transfer.adapt("minilm", texts, folder / "adapted", wished, epochs=1, max_length=128, progress=False)
    (folder / "facts.json").write_text(json.dumps({"step_seconds": seconds}))


def _train(folder: Path, strategy: dict[str, Any], texts: str) -> None:
    config = {
        "task": {"name": "sentiment", "max_length": 128},
        "source": {"kind": "checkpoint", "name": "minilm"},
        "strategy": strategy,
        "data": {
            **{name: str(folder / f"{name}.jsonl") for name in ("train", "validation", "test")},
            "unlabelled": texts,
        },
        "training": {"epochs": 1, "batch_size": BATCH_SIZE, "precision": "fp32"},
    }
    nlp_transfer.run(config, output=folder / "run", progress=False)


if __name__ == "__main__":
    main()
