#!/usr/bin/env bash
# transformers 5.23.0: a Trainer in two processes drops and masks the same places in both, each on its own rows.
#
# Every process is seeded with the same number, and nothing sets them apart afterwards. So dropout takes the same units
# of the same places of the batch in each, and the collator for masked language models hides the same places of each
# text. What N processes average is one draw of the noise, where N were meant; nothing is said. accelerate's own
# set_seed knows `device_specific=True`, which the Trainer does not ask for.
#
# Seen (digests of rows, of the places that are hidden, and of the units that dropout sets to zero):
#   rows: differ
#   hidden places: the same
#   dropped units: the same
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    transformers==5.23.0 tokenizers==0.23.3 accelerate==1.15.0 torch==2.13.0 numpy==2.4.6

cat > "$folder/look.py" <<'PYTHON'
import hashlib
import os
import pathlib
import sys

import torch
from tokenizers import Tokenizer, models
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

place = pathlib.Path(sys.argv[1])
words = ["[PAD]", "[UNK]", "[MASK]", *(f"w{number}" for number in range(97))]
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")),
    pad_token="[PAD]",
    mask_token="[MASK]",
)
rows = [{"input_ids": [3 + (7 * row + position) % 97 for position in range(40)]} for row in range(16)]
config = BertConfig(
    vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
)
model = BertForMaskedLM(config)
seen = {}


def note(name, tensor):
    seen.setdefault(name, hashlib.sha256(tensor.to(torch.int64).contiguous().numpy().tobytes()).hexdigest())


class Looking(Trainer):
    def compute_loss(self, model, inputs, *rest, **more):
        hidden = inputs["labels"] != -100
        note("rows", torch.where(hidden, inputs["labels"], inputs["input_ids"]))
        note("hidden places", hidden)
        return super().compute_loss(model, inputs, *rest, **more)


model.bert.embeddings.dropout.register_forward_hook(lambda module, given, made: note("dropped units", made == 0))
settings = TrainingArguments(
    str(place / "out"), use_cpu=True, max_steps=1, per_device_train_batch_size=8, report_to=[], save_strategy="no"
)
Looking(model, settings, train_dataset=rows, data_collator=DataCollatorForLanguageModeling(tokenizer)).train()
(place / f"process-{os.environ['RANK']}").write_text("\n".join(f"{name}: {digest}" for name, digest in seen.items()))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -m torch.distributed.run --standalone --nproc_per_node 2 \
    "$folder/look.py" "$folder" > "$folder/said" 2>&1 || { cat "$folder/said"; exit 1; }
"$folder/venv/bin/python" - "$folder" > "$folder/seen" <<'PYTHON'
import pathlib
import sys

first, second = (pathlib.Path(sys.argv[1], f"process-{rank}").read_text().splitlines() for rank in range(2))
for one, other in zip(first, second, strict=True):
    print(f"{one.partition(':')[0]}: {'the same' if one == other else 'differ'}")
PYTHON
diff "$folder/seen" - <<'SEEN'
rows: differ
hidden places: the same
dropped units: the same
SEEN
echo "as stated: both processes drop and mask the same places"
