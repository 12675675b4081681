"""Adapt a checkpoint to texts as `nlp-transfer adapt` does, and note what the training alone costs.

python -m benchmarks.adaptation_job '{"data": FOLDER, "output": FOLDER, "model": NAME, ...}'
"""

import json
import sys
import time
from pathlib import Path

import nlp_transfer
from benchmarks.job import MaskedJob
from nlp_transfer.runs import train
from nlp_transfer.runs.result import RunResult
from nlp_transfer.training.history import History
from nlp_transfer.training.loop import Trainer


class TimedTrainer(Trainer):
    """A trainer that notes its processor time."""

    seconds = 0.0

    def fit(self) -> History:
        """Train, and note it."""
        started = time.process_time()
        history = super().fit()
        TimedTrainer.seconds = time.process_time() - started
        return history


def main(job: MaskedJob) -> None:
    """Adapt, and write the facts."""
    vars(train)["Trainer"] = TimedTrainer
    result = nlp_transfer.adapt(
        job.model,
        f"{job.data}/train.jsonl",
        Path(job.output) / "run",
        [
            f"data.validation={job.data}/validation.jsonl",
            f"data.test={job.data}/test.jsonl",
            "training.precision=fp32",
            f"training.batch_size={job.batch_size}",
            f"training.learning_rate={job.learning_rate}",
        ],
        epochs=job.epochs,
        seed=job.seed,
        max_length=job.max_length,
        progress=False,
    )
    assert isinstance(result, RunResult)  # noqa: S101 - of a checkpoint
    facts = {"training_seconds": TimedTrainer.seconds, "perplexity": result.row.test["pseudo_perplexity"]}
    (Path(job.output) / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(MaskedJob(**json.loads(sys.argv[1])))
