#!/usr/bin/env bash
# torch 2.13.0: the export of an LSTM over packed rows warns of wrong shapes, past every filter of Python.
#
# The exporter writes "The shape inference of prim::PackPadded type is missing, so it may result in wrong shape
# inference" three times, from C++ to the descriptor of standard error: `warnings.simplefilter`, `logging.disable` and
# `contextlib.redirect_stderr` do not see it. TORCH_CPP_LOG_LEVEL=ERROR leaves it out, if it is set before torch is
# imported, and does nothing afterwards. The graph computes what the module does, for other lengths too.
#
# Seen: 3 lines of Warning with all filters of Python, 3 with the variable set after the import, 0 before it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0

cat > "$folder/lstm.py" <<'PYTHON'
import contextlib
import io
import logging
import os
import sys
import warnings

if sys.argv[2] == "before":
    os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

assert torch.__version__.startswith("2.13.0"), "another version"
if sys.argv[2] == "after":
    os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


class Packed(nn.Module):
    """An LSTM over rows (rows, steps, 4) of the given lengths."""

    def __init__(self):
        super().__init__()
        self.inner = nn.LSTM(4, 8, batch_first=True)

    def forward(self, rows, lengths):
        packed = pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.inner(packed)[0], batch_first=True)[0]


module, path = Packed().eval(), f"{sys.argv[1]}/{sys.argv[2]}.onnx"
axes = {"rows": {0: "rows", 1: "steps"}, "lengths": {0: "rows"}, "out": {0: "rows", 1: "steps"}}
names = {"input_names": ["rows", "lengths"], "output_names": ["out"], "dynamic_axes": axes}
with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
    torch.onnx.export(module, (torch.randn(2, 5, 4), torch.tensor([5, 3])), path, dynamo=False, **names)

options = onnxruntime.SessionOptions()
options.log_severity_level = 4
session = onnxruntime.InferenceSession(path, options)
for lengths in ([5, 3], [2, 7, 4]):
    rows = torch.randn(len(lengths), max(lengths), 4)
    (out,) = session.run(None, {"rows": rows.numpy(), "lengths": torch.tensor(lengths).numpy()})
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(out), module(rows, torch.tensor(lengths)), atol=1e-5)
PYTHON

count() {
    "$folder/venv/bin/python" "$folder/lstm.py" "$folder" "$1" 2> "$folder/$1.txt" || { cat "$folder/$1.txt"; exit 1; }
    grep -c "Warning: The shape inference of prim::" "$folder/$1.txt" || true
}
filters=$(count never) after=$(count after) before=$(count before)
echo "lines of Warning with all filters of Python: $filters; variable set after the import: $after; before it: $before"
[ "$filters" = 3 ] && [ "$after" = 3 ] && [ "$before" = 0 ]
