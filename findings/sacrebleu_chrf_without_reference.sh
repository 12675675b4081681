#!/usr/bin/env bash
# sacrebleu 2.6.0: corpus chrF leaves out an output whose reference is empty; BLEU and TER count it.
#
# By chrF a system that writes pages where nothing should stand keeps its perfect 100.
# BLEU counts the words (its precision falls) and TER counts each as an error. So chrF and BLEU of one file rank two
# systems in opposite order as soon as some references are empty (aligned corpora with deletions, untranslated rows).
#
# Seen:
#   chrF silent=100.0 talkative=100.0
#   BLEU silent=100.0 talkative=50.0
#   TER silent=0.0 talkative=100.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sacrebleu==2.6.0

cat > "$folder/empty.py" <<'PYTHON'
from sacrebleu.metrics import BLEU, CHRF, TER

references = [["one two three four five six", ""]]
systems = {
    "silent": ["one two three four five six", ""],
    "talkative": ["one two three four five six", "words that nobody asked for here"],
}
for metric in (CHRF(), BLEU(), TER()):
    name = {"CHRF": "chrF"}.get(type(metric).__name__, type(metric).__name__)
    scores = (f"{who}={metric.corpus_score(said, references).score:.1f}" for who, said in systems.items())
    print(name, *scores)
PYTHON
"$folder/venv/bin/python" "$folder/empty.py" > "$folder/seen" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
diff "$folder/seen" - <<'SEEN'
chrF silent=100.0 talkative=100.0
BLEU silent=100.0 talkative=50.0
TER silent=0.0 talkative=100.0
SEEN
echo "as stated: corpus chrF leaves out an output whose reference is empty"
