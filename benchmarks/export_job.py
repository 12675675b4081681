"""Classify the texts of a file by an exported model: `python -m benchmarks.export_job FOLDER FILE OUTPUT_FILE`."""

import json
import sys
from pathlib import Path

BATCH = 32  # texts, which are sorted by length


def main() -> None:
    """Answer the texts in batches, by the script that lies in the folder."""
    folder, file, output = sys.argv[1:]
    sys.path.insert(0, folder)
    from predict import compute_logits, load  # type: ignore[import-not-found]

    labels = list(load()[0]["id2label"].values())
    texts = [json.loads(line)["text"] for line in Path(file).read_text(encoding="utf-8").splitlines()]
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    said: dict[int, str] = {}
    for start in range(0, len(texts), BATCH):
        batch = order[start : start + BATCH]
        found = compute_logits([texts[at] for at in batch]).argmax(axis=1).tolist()
        said |= {at: labels[label] for at, label in zip(batch, found, strict=True)}
    Path(output).write_text("".join(json.dumps({"label": said[at]}) + "\n" for at in range(len(texts))))


if __name__ == "__main__":
    main()
