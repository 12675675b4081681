"""The peer: the same job with Hugging Face's Trainer, as its documentation teaches it.

python -m benchmarks.trainer_peer '{"data": FOLDER, "output": FOLDER, "model": NAME, ...}'
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from benchmarks.job import Job, shared_arguments
from nlp_transfer.system.wheels import BUNDLED


def build(job: Job, labels: list[str]) -> PreTrainedModel:
    """The model with the frozen part frozen."""
    if job.pooled:
        from nlp_transfer import build_classifier
        from nlp_transfer.sources import load_source

        source = load_source("checkpoint", name=job.model)
        model = build_classifier(source, labels, head="pooled").model
    elif job.scratch:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(job.model, num_labels=len(labels))
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(job.model, num_labels=len(labels))
    if job.freeze:
        encoder: Any = model.base_model
        resting = [encoder]
        if job.freeze > 0:
            resting = [encoder.embeddings, *encoder.encoder.layer[: job.freeze]]
        for module in resting:
            module.requires_grad_(False)
    if job.lora:
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(task_type="SEQ_CLS", target_modules="all-linear", r=16, lora_alpha=32, lora_dropout=0.05)
        return get_peft_model(model, settings)  # type: ignore[return-value]
    return model


def read(job: Job, split: str, labels: list[str], tokenizer: Any) -> Dataset:
    """A tokenized split."""
    with (Path(job.data) / f"{split}.jsonl").open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    if not labels:
        labels += sorted({record["label"] for record in records})
    rows = Dataset.from_list([{"text": one["text"], "labels": labels.index(one["label"])} for one in records])
    padding = {"padding": "max_length"} if job.padding else {}
    return rows.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=job.max_length, **padding),
        batched=True,
        remove_columns="text",
    )


def accuracy(prediction: Any) -> dict[str, float]:
    """Share of right answers."""
    return {"accuracy": float((np.argmax(prediction.predictions, -1) == prediction.label_ids).mean())}


def main(job: Job) -> None:
    """Train, evaluate after each epoch, measure test once, save."""
    if job.model in BUNDLED:
        job = replace(job, model=str(BUNDLED[job.model].locate()))
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    labels: list[str] = []
    train, validation, test = (read(job, split, labels, tokenizer) for split in ("train", "validation", "test"))
    settings = TrainingArguments(
        **shared_arguments(job),
        bf16=job.bf16,
        train_sampling_strategy=job.sampling,
    )
    trainer = Trainer(
        model=build(job, labels),
        args=settings,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        compute_metrics=accuracy,
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    result = trainer.evaluate(test)
    trainer.save_model()
    facts = {"accuracy": result["eval_accuracy"], "seconds_training": seconds}
    (Path(job.output) / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Job(**json.loads(sys.argv[1])))
