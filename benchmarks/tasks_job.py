"""Train tasks together, or one after the other, and report the processor time of the training.

python -m benchmarks.tasks_job CONFIG together|alone FOLDER
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import nlp_transfer
from nlp_transfer.config.several import load_several
from nlp_transfer.training.loop import Trainer


def main() -> None:
    """Train, and write facts.json."""
    config, way, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    fit, spent = Trainer.fit, []

    def timed(trainer: Trainer) -> Any:
        before = time.process_time()
        history = fit(trainer)
        spent.append(time.process_time() - before)
        return history

    Trainer.fit = timed  # type: ignore[assignment, method-assign]
    if way == "together":
        nlp_transfer.run_tasks(config, output=folder / "runs", progress=False)
    else:
        for name, own in load_several(config).each_task().items():
            nlp_transfer.run(own, output=folder / name, progress=False)
    (folder / "facts.json").write_text(json.dumps({"training_seconds": sum(spent)}))


if __name__ == "__main__":
    main()
