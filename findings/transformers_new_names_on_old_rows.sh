#!/usr/bin/env bash
# transformers 5.23.0: id2label given to from_pretrained renames the rows of a trained head; it never moves them.
#
# Label lists are often sorted (by scikit-learn, by data sets, by pandas), and the checkpoint's are in the order of its
# own data. With as many labels nothing has another shape, so nothing is reported: no missing, unexpected or mismatched
# weight. The same text gets the same row and another name; fine-tuning has to unlearn the head first.
#
# Seen:
#   the checkpoint says: neutral
#   loaded with the same labels, sorted: positive
#   reported: nothing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

cat > "$folder/rows.py" <<'PYTHON'
import sys

import torch
from transformers import BertConfig, BertForSequenceClassification


def named(labels):
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def answer(model):
    return model.config.id2label[int(model.eval()(torch.tensor([[5, 6, 7, 8, 9, 10, 11]])).logits.argmax())]


torch.manual_seed(0)
labels = ["positive", "negative", "neutral"]
size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
model = BertForSequenceClassification(BertConfig(vocab_size=20, **size, **named(labels)))
with torch.no_grad():
    model.classifier.bias.copy_(torch.tensor([0.0, 0.0, 9.0]))  # it calls everything neutral
print("the checkpoint says:", answer(model))
model.save_pretrained(sys.argv[1])
again, report = BertForSequenceClassification.from_pretrained(
    sys.argv[1], output_loading_info=True, **named(sorted(labels))
)
print("loaded with the same labels, sorted:", answer(again))
print("reported:", {key: found for key, found in report.items() if found} or "nothing")
PYTHON
mkdir "$folder/saved"
"$folder/venv/bin/python" "$folder/rows.py" "$folder/saved" > "$folder/seen" 2> "$folder/errors" \
    || { cat "$folder/errors"; exit 1; }
diff "$folder/seen" - <<'SEEN'
the checkpoint says: neutral
loaded with the same labels, sorted: positive
reported: nothing
SEEN
echo "as stated: the rows stay, their names change"
