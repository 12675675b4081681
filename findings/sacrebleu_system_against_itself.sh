#!/usr/bin/env bash
# sacrebleu 2.6.0: a paired test of a system against itself finds a significant difference.
#
# The two outputs are equal to the letter, so no resampling can tell them apart and p should be 1. Both paired tests,
# bootstrap (bs) and approximate randomisation (ar), give p = 1 / (n + 1), the smallest value they can give at all, and
# smaller the longer they try. Whoever runs a grid and calls p < 0.05 significant marks runs that changed nothing (a
# seed without effect, a setting that is ignored). Compare the outputs first.
#
# Seen:
#   bs n=100 difference=0.0 p=0.0099
#   bs n=1000 difference=0.0 p=0.0010
#   ar n=100 difference=0.0 p=0.0099
#   ar n=1000 difference=0.0 p=0.0010
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sacrebleu==2.6.0

cat > "$folder/paired.py" <<'PYTHON'
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

references = [[f"the cat number {i} sat on the mat near door {i % 7}" for i in range(50)]]
outputs = [f"the cat number {i} sat on a mat near the door {i % 5}" for i in range(50)]
for kind in ("bs", "ar"):
    for samples in (100, 1000):
        systems = [("baseline", outputs), ("the same", list(outputs))]
        _, found = PairedTest(systems, {"BLEU": BLEU()}, references, test_type=kind, n_samples=samples)()
        base, same = found["BLEU"]
        print(f"{kind} n={samples} difference={same.score - base.score} p={same.p_value:.4f}")
PYTHON
"$folder/venv/bin/python" "$folder/paired.py" > "$folder/seen" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
diff "$folder/seen" - <<'SEEN'
bs n=100 difference=0.0 p=0.0099
bs n=1000 difference=0.0 p=0.0010
ar n=100 difference=0.0 p=0.0099
ar n=1000 difference=0.0 p=0.0010
SEEN
echo "as stated: a system differs from itself with p = 1 / (n + 1)"
