"""Answer the texts of a file by an exported model: `python -m benchmarks.export_job FOLDER FILE OUTPUT_FILE`."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Answer by the script that lies in the folder."""
    folder, file, output = sys.argv[1:]
    sys.path.insert(0, folder)
    import predict  # type: ignore[import-not-found]
    from reading import load_config  # type: ignore[import-not-found]

    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    if "writing" in load_config():
        said = [{"translation": text} for text in predict.write([row["en"] for row in rows])]
    else:
        labels = list(load_config()["id2label"].values())
        chosen = predict.compute_logits([row["text"] for row in rows]).argmax(axis=1)
        said = [{"label": labels[at]} for at in chosen]
    Path(output).write_text("".join(json.dumps(one) + "\n" for one in said), encoding="utf-8")


if __name__ == "__main__":
    main()
