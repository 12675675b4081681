#!/usr/bin/env bash
# wikipedia2vec 2.0.0: save_text writes every number with three decimals, in all its formats; small ones become zero.
#
# load_text reads as many decimals as there are, and the binary form of the library keeps float32. So a table that goes
# through text comes back rounded to a thousandth, whatever its scale, without a word: a vector of small numbers comes
# back as zeros, and its direction, which similarities rest on, is gone.
#
# Seen:
#   loaded: [0.00012, -0.00043]
#   default film 0.000 -0.000
#   word2vec film 0.000 -0.000
#   glove film 0.000 -0.000
#   loaded again: [0.0, -0.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wikipedia2vec==2.0.0

cat > "$folder/decimals.py" <<'PYTHON'
from pathlib import Path

from wikipedia2vec import Wikipedia2Vec


def show(table):
    return [round(float(one), 5) for one in table.get_word_vector("film")]


Path("given.txt").write_text("2 2\nfilm 0.00012 -0.00043\nplot 0.5 0.25\n")
table = Wikipedia2Vec.load_text("given.txt")
print("loaded:", show(table))
for form in ("default", "word2vec", "glove"):
    table.save_text("saved.txt", out_format=form)
    (line,) = [line for line in Path("saved.txt").read_text().splitlines() if line.startswith("film")]
    print(form, *line.split())
table.save_text("saved.txt", out_format="word2vec")
print("loaded again:", show(Wikipedia2Vec.load_text("saved.txt")))
PYTHON
cd "$folder"
venv/bin/python decimals.py > seen 2> errors || { cat errors; exit 1; }
diff seen - <<'SEEN'
loaded: [0.00012, -0.00043]
default film 0.000 -0.000
word2vec film 0.000 -0.000
glove film 0.000 -0.000
loaded again: [0.0, -0.0]
SEEN
echo "as stated: text keeps three decimals"
