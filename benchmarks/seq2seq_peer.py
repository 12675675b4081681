"""The peer of tasks that write: the same model and job with Hugging Face's Seq2SeqTrainer.

python -m benchmarks.seq2seq_peer '{"data": FOLDER, "output": FOLDER, ...}'
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

from benchmarks.job import PairJob, shared_arguments
from nlp_transfer import DecoderOptions, GenerationOptions, build_seq2seq, translation_scores
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.translation import Translation


def main(job: PairJob) -> None:
    """Train, judge each epoch greedily on a sample, measure test once with the full search, save."""
    splits = {
        name: Dataset.from_json(str(Path(job.data) / f"{name}.jsonl")) for name in ("train", "validation", "test")
    }
    source = load_source("checkpoint", name="minilm")
    loaded = build_seq2seq(
        source,
        splits["train"]["fr"],
        decoder=DecoderOptions(**job.decoder),
        generation=GenerationOptions(),
        max_target_length=job.max_length,
    )
    model, target = loaded.model, loaded.target_tokenizer
    assert target is not None  # noqa: S101 - a fresh decoder has one
    if job.frozen:
        model.encoder.requires_grad_(False)

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        inputs = source.tokenizer(batch["en"], truncation=True, max_length=job.max_length, return_token_type_ids=False)
        labels = target(batch["fr"], truncation=True, max_length=job.max_length)["input_ids"]
        return {**inputs, "labels": labels}

    encoded = {name: rows.map(encode, batched=True, remove_columns=rows.column_names) for name, rows in splits.items()}
    sample = encoded["validation"].shuffle(seed=0).select(range(min(Translation.sample, len(encoded["validation"]))))

    def score(prediction: Any) -> dict[str, float]:
        texts = [
            target.batch_decode(np.where(ids < 0, target.pad_token_id, ids), skip_special_tokens=True)
            for ids in (prediction.predictions, prediction.label_ids)
        ]
        said, meant = ([text.strip() for text in one] for one in texts)
        return {"bleu": translation_scores(said, meant)["bleu"]}

    settings = Seq2SeqTrainingArguments(
        **shared_arguments(job),
        predict_with_generate=True,
        generation_num_beams=1,
        generation_max_length=job.max_length,
    )
    trainer = Seq2SeqTrainer(
        model=model,
        args=settings,
        train_dataset=encoded["train"],
        eval_dataset=sample,
        data_collator=DataCollatorForSeq2Seq(source.tokenizer, model=model),
        compute_metrics=score,
    )
    trainer.train()
    result = trainer.evaluate(encoded["test"], num_beams=4, max_length=job.max_length)
    trainer.save_model()
    (Path(job.output) / "facts.json").write_text(json.dumps({"accuracy": result["eval_bleu"] / 100}))


if __name__ == "__main__":
    main(PairJob(**json.loads(sys.argv[1])))
