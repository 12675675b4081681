#!/usr/bin/env bash
# transformers 5.23.0: a model can be pickled until it is asked for its hidden states or attentions once.
#
# The first such call leaves hooks on the modules for good, and these are local functions. What pickles a model breaks
# from then on, though the same call without them had not: joblib's workers that get a fitted pipeline, a process pool,
# torch.save of a whole model. copy.deepcopy still works.
#
# Seen:
#   new: pickled
#   after an answer: pickled
#   after its states: AttributeError, local object
#   a copy of it: AttributeError, local object
#   made anew from config and weights: pickled
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.6

cat > "$folder/states.py" <<'PYTHON'
import copy
import pickle

import torch
from transformers import BertConfig, BertForSequenceClassification


def show(when, model):
    try:
        pickle.dumps(model)
        print(f"{when}: pickled")
    except AttributeError as error:
        print(f"{when}: AttributeError, {'local object' if 'local object' in str(error) else error}")


sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
model = BertForSequenceClassification(BertConfig(vocab_size=30, **sizes)).eval()
tokens = torch.tensor([[1, 2, 3]])
show("new", model)
model(tokens)
show("after an answer", model)
model(tokens, output_hidden_states=True)
show("after its states", model)
show("a copy of it", copy.deepcopy(model))
again = BertForSequenceClassification(model.config)
again.load_state_dict(model.state_dict())
show("made anew from config and weights", again)
PYTHON
"$folder/venv/bin/python" "$folder/states.py" > "$folder/seen" 2> "$folder/errors" \
    || { cat "$folder/errors"; exit 1; }
diff "$folder/seen" - <<'SEEN'
new: pickled
after an answer: pickled
after its states: AttributeError, local object
a copy of it: AttributeError, local object
made anew from config and weights: pickled
SEEN
echo "as stated: states that were asked for once end pickling"
