#!/usr/bin/env bash
# spaCy 3.8.18: with n-grams of one character (`minn` 1) vectors of floret are shorter than floret's own.
#
# floret leaves out the marks `<` and `>` where they stand alone, as fastText does; spaCy's `Vectors` hashes them too and
# counts their rows in every word's mean. A table that floret wrote has zeros there, so that directions stay and lengths
# do not, each word's by another factor; a mean over a text weights its words in another way.
#
# Seen: the vector of "x" is 10/14 as long (ten rows of its own, four of the marks); with minn 2 it is as long.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check spacy==3.8.18 floret==0.10.5

cat > "$folder/marks.py" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import floret
import numpy as np
import spacy

INIT = [sys.executable, "-m", "spacy", "init", "vectors", "en"]

place = Path(sys.argv[1])
(place / "text").write_text("a warm film and a cold day by the sea\n" * 200)
found = {}
for shortest in (1, 2):
    model = floret.train_unsupervised(
        str(place / "text"), mode="floret", dim=16, bucket=500, minn=shortest, maxn=3, hashCount=2, thread=1
    )
    model.save_floret_vectors(str(place / "table"))
    subprocess.run([*INIT, place / "table", place / "model", "--mode", "floret"], check=True, capture_output=True)
    ours, theirs = model.get_word_vector("x"), spacy.load(place / "model").vocab.vectors["x"]
    found[shortest] = float(np.linalg.norm(theirs) / np.linalg.norm(ours))
    print(f"minn {shortest}: {found[shortest]:.3f} times as long")
print(f"spacy {version('spacy')}, floret {version('floret')}")
assert abs(found[2] - 1) < 1e-3
assert found[1] < 0.8, "the marks are left out now"
PYTHON
"$folder/venv/bin/python" "$folder/marks.py" "$folder"
