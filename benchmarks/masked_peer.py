"""The peer: masked-language-model training as the script `run_mlm` of transformers does it.

python -m benchmarks.masked_peer '{"data": FOLDER, "output": FOLDER, "model": NAME, ...}'
"""

import json
import math
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

from benchmarks.job import MaskedJob, shared_arguments
from nlp_transfer.system.wheels import BUNDLED


def read(job: MaskedJob, split: str, tokenizer: Any) -> Dataset:
    """A tokenized split: a text a row, or all texts in a row, cut every `max_length` tokens."""
    with (Path(job.data) / f"{split}.jsonl").open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    if not job.grouped:
        return Dataset.from_dict(dict(tokenizer(texts, truncation=True, max_length=job.max_length)))
    ids = list(chain.from_iterable(tokenizer(texts)["input_ids"]))
    whole = len(ids) - len(ids) % job.max_length
    return Dataset.from_dict({"input_ids": [ids[at : at + job.max_length] for at in range(0, whole, job.max_length)]})


def main(job: MaskedJob) -> None:
    """Train, measure after each epoch and at the end, save."""
    if job.model in BUNDLED:
        job = replace(job, model=str(BUNDLED[job.model].locate()))
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    train, validation, test = (read(job, split, tokenizer) for split in ("train", "validation", "test"))
    trainer = Trainer(
        model=AutoModelForMaskedLM.from_pretrained(job.model),
        args=TrainingArguments(**shared_arguments(job)),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
    )
    started = time.process_time()
    trainer.train()
    seconds = time.process_time() - started
    loss = trainer.evaluate(test)["eval_loss"]
    trainer.save_model()
    (Path(job.output) / "facts.json").write_text(
        json.dumps({"training_seconds": seconds, "perplexity": math.exp(loss)})
    )


if __name__ == "__main__":
    main(MaskedJob(**json.loads(sys.argv[1])))
