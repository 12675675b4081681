#!/usr/bin/env bash
# pyarrow 26.0.1: making an array of a list, or of a NumPy array, imports pandas wherever that is installed.
#
# `pa.array(["a"])` asks whether it was given something of pandas', and imports pandas to know; so do `pa.scalar`,
# `pa.table({"a": ["x"]})` and `Array.to_numpy`. That took 0.24 s of processor time, in programs that never use pandas.
# What was given could be told by `sys.modules`: who holds a Series has imported pandas. An array made of buffers
# imports nothing.
#
# Seen:
#   of a list: pandas is imported
#   of a NumPy array: pandas is imported
#   of buffers: pandas is not imported
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6

cat > "$folder/make.py" <<'PYTHON'
import sys

import numpy as np
import pyarrow as pa

made = {
    "a list": lambda: pa.array(["a"]),
    "a NumPy array": lambda: pa.array(np.arange(3)),
    "buffers": lambda: pa.Array.from_buffers(pa.int64(), 3, [None, pa.py_buffer(np.arange(3))]),
}
made[sys.argv[1]]()
print(f"of {sys.argv[1]}: pandas is {'' if 'pandas' in sys.modules else 'not '}imported")
PYTHON
for made in "a list" "a NumPy array" "buffers"; do "$folder/venv/bin/python" "$folder/make.py" "$made"; done |
    tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
of a list: pandas is imported
of a NumPy array: pandas is imported
of buffers: pandas is not imported
SEEN
