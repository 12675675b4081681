#!/usr/bin/env bash
# numpy 2.4.6: np.unique of a million different int64 takes several times as long as np.unique(return_index=True).
#
# The call that asks for less does more: without an index numpy fills a hash table and sorts what came out, with one it
# sorts at once. Where most values differ (keys of texts, ids of rows) the table only costs; where few values repeat it
# wins. `sorted=False` changes little. The values found are the same.
#
# Seen (CPU seconds, one machine; the ratios are what counts):
#   a million different keys: plain 0.68, with the index 0.09, np.sort 0.05 -> 7 times as long as with the index
#   a million keys of 8192 values: plain 0.03, with the index 0.07 -> a third
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6

cat > "$folder/unique.py" <<'PYTHON'
import time

import numpy as np


def least(work):
    """The CPU seconds of the quickest of five calls."""
    times = []
    for _ in range(5):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def ratio(keys):
    """How many times as long the plain call takes."""
    assert np.array_equal(np.unique(keys), np.unique(keys, return_index=True)[0])
    return least(lambda: np.unique(keys)) / least(lambda: np.unique(keys, return_index=True))


different = np.random.default_rng(0).integers(-(2**62), 2**62, 1_000_000)
assert len(np.unique(different)) == len(different)
many, few = ratio(different), ratio(different // 2**50)
print(f"numpy {np.__version__}: {many:.1f} times as long where all keys differ, {few:.1f} where few do")
assert np.__version__ == "2.4.6", "another version"
assert many > 2, "the plain call is no longer much slower where all keys differ"
assert few < 1, "the plain call is no longer quicker where few values repeat"
PYTHON
"$folder/venv/bin/python" "$folder/unique.py"
