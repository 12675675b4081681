#!/usr/bin/env bash
# model2vec 0.10.0: a table quantised to int8 is saved without its scale, so the vectors of a text that are not
# normalised come out longer, by 127 over the largest number of the table.
#
# `quantize_to="int8"` divides by the largest number, multiplies by 127, rounds, and keeps neither factor in the file or
# in config.json. Directions survive, so cosines are right; lengths, dot products and distances are not, and a model that
# was trained on the float32 table reads the int8 one as numbers a hundred times too large. Whoever opens such a table
# can only guess the scale, or normalise.
#
# Seen (a table whose largest number is 1):
#   float32: length of "warm film" 1.42;  int8: 180.52, which is 127 times as long;  cosine of the two 1.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check model2vec==0.10.0

cat > "$folder/scale.py" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from model2vec import StaticModel
from safetensors import safe_open
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ["[PAD]", "[UNK]", "warm", "cold", "film"]
tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = Whitespace()
table = np.random.default_rng(0).uniform(-1, 1, (len(WORDS), 16)).astype(np.float32)
table /= np.abs(table).max()

place = Path(sys.argv[1])
StaticModel(table, tokenizer, normalize=False).save_pretrained(place / "whole")
StaticModel.from_pretrained(place / "whole", quantize_to="int8").save_pretrained(place / "small")
found = {}
for name in ("whole", "small"):
    with safe_open(place / name / "model.safetensors", "np") as file:
        held = sorted(file.keys())
    settings = json.loads((place / name / "config.json").read_text())
    found[name] = StaticModel.from_pretrained(place / name).encode(["warm film"])[0].astype(np.float64)
    print(name, held, sorted(settings), f"length {np.linalg.norm(found[name]):.2f}")
    assert not [key for key in (*held, *settings) if "scale" in key], "a scale is saved now"

whole, small = found["whole"], found["small"]
times = np.linalg.norm(small) / np.linalg.norm(whole)
cosine = whole @ small / np.linalg.norm(whole) / np.linalg.norm(small)
print(f"model2vec {version('model2vec')}: {times:.1f} times as long, cosine {cosine:.4f}")
assert version("model2vec") == "0.10.0", "another version"
assert cosine > 0.999
assert abs(times - 127) < 2, "the length is kept now"
PYTHON
"$folder/venv/bin/python" "$folder/scale.py" "$folder"
