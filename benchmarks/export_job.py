"""Classify the texts of a file by an exported model: `python -m benchmarks.export_job FOLDER FILE OUTPUT_FILE`."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Answer the texts by the script that lies in the folder."""
    folder, file, output = sys.argv[1:]
    sys.path.insert(0, folder)
    from predict import compute_logits, load_config  # type: ignore[import-not-found]

    labels = list(load_config()["id2label"].values())
    texts = [json.loads(line)["text"] for line in Path(file).read_text(encoding="utf-8").splitlines()]
    said = [labels[at] for at in compute_logits(texts).argmax(axis=1)]
    Path(output).write_text("".join(json.dumps({"label": label}) + "\n" for label in said))


if __name__ == "__main__":
    main()
