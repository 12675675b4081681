"""Name weights of other programs, which are not read, and the way from them to a checkpoint that is."""

from pathlib import Path

_CONVERT = (
    "convert them once with transformers 4: AutoModel.from_pretrained(FOLDER, {}=True).save_pretrained(OUT), and the "
    "tokenizer beside it"
)
_EXPORTED = "take the checkpoint that they were exported from"
WEIGHTS = {  # ending -> whose weights, and the way
    ".h5": ("TensorFlow", _CONVERT.format("from_tf")),
    ".msgpack": ("Flax", _CONVERT.format("from_flax")),
    ".onnx": ("ONNX", _EXPORTED),
    ".gguf": ("GGUF", _EXPORTED),
    ".tflite": ("TensorFlow Lite", _EXPORTED),
}


def explain_other_weights(place: Path) -> str | None:
    """Say that a file, or a folder without safetensors, holds weights of another program; None if it does not."""
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    found = next((file for file in files if file.suffix.lower() in WEIGHTS), None)
    if found is None or any(file.suffix == ".safetensors" for file in files):
        return None
    maker, way = WEIGHTS[found.suffix.lower()]
    return (
        f"{found}: weights of {maker}, which are not read; the nearest that is read is a folder of config.json, "
        f"tokenizer and model.safetensors: {way}"
    )
