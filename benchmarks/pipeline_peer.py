"""The peer: classify the texts of a file with the pipeline of transformers, as its documentation teaches it.

python -m benchmarks.pipeline_peer MODEL_FOLDER TEXTS OUTPUT_FILE
"""

import json
import sys
from pathlib import Path

from transformers import pipeline


def main() -> None:
    """Read, classify in batches of 32 in the order of the file, write."""
    model, file, output = map(Path, sys.argv[1:])
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    classify = pipeline("text-classification", model=str(model))
    found = classify(texts, batch_size=32)
    output.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")


if __name__ == "__main__":
    main()
