#!/usr/bin/env bash
# torch 2.13.0: nn.TransformerEncoderLayer exported to ONNX by tracing keeps the number of tokens of the example.
#
# `dynamic_axes` names that axis, the export is silent, the checker is content, and onnxruntime runs the graph on texts
# of the traced length. Any other length stops in a Reshape of the self-attention. Keys, values and queries are one
# tensor there, so torch projects them together, and the exporter takes the first size of the keys behind that
# projection for a constant. It is enough to give the attention other objects with the same numbers (`view_as`).
#
# Seen: RuntimeException ... node Reshape_4 ... Input shape:{5,1,8}, requested shape:{7,2,4}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0

cat > "$folder/layer.py" <<'PYTHON'
import sys
import warnings

import onnxruntime
import torch
from torch import nn

warnings.simplefilter("ignore")
torch.backends.mha.set_fastpath_enabled(False)  # whose operator ONNX does not have
class Layer(nn.Module):
    """One layer over texts (texts, tokens, 8), with a mask of their padding (texts, tokens)."""

    def __init__(self):
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, states, padding):
        return self.inner(states, src_key_padding_mask=padding)


layer = Layer().eval()


def lengths(name):
    """The lengths of a text, of 5, 7 and 9 tokens, that a graph traced with 7 computes as the layer does."""
    path = f"{sys.argv[1]}/{name}.onnx"
    axes = {name: {0: "texts", 1: "tokens"} for name in ("states", "padding", "out")}
    names = {"input_names": ["states", "padding"], "output_names": ["out"], "dynamic_axes": axes}
    example = torch.randn(1, 7, 8), torch.zeros(1, 7)
    torch.onnx.export(layer, example, path, dynamo=False, opset_version=17, **names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options)
    found = []
    for length in (5, 7, 9):
        states, padding = torch.randn(1, length, 8), torch.zeros(1, length)
        try:
            (out,) = session.run(None, {"states": states.numpy(), "padding": padding.numpy()})
        except Exception:
            continue
        with torch.no_grad():
            assert torch.allclose(torch.from_numpy(out), layer(states, padding), atol=1e-5)
        found.append(length)
    return found


def part(module, given, settings):
    query, key, value = given
    return (query, key.view_as(key), value.view_as(value)), settings


plain = lengths("plain")
layer.inner.self_attn.register_forward_pre_hook(part, with_kwargs=True)
parted = lengths("parted")
print(f"torch {torch.__version__}: lengths that the graph computes: {plain}; with three tensors: {parted}")
assert torch.__version__.startswith("2.13.0"), "another version"
assert plain == [7], "the length is free now"
assert parted == [5, 7, 9]
PYTHON
"$folder/venv/bin/python" "$folder/layer.py" "$folder"
