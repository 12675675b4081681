"""Read a table, encode its texts and pool word vectors: `python -m benchmarks.row_job TABLE OUTPUT_FILE`.

Each step reports the CPU seconds that it took, and the peak of the resident memory since the process began.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np

from nlp_transfer import build_classifier, encode_documents
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import load_splits
from nlp_transfer.inference.activations import compute
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.sources import load_source

LONGEST = 64  # tokens


class Meter:
    """Notes what each step takes."""

    def __init__(self) -> None:
        self.facts: dict[str, float] = {}
        self.note("start")

    def note(self, step: str) -> None:
        """Note the end of a step."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seconds = usage.ru_utime + usage.ru_stime
        self.facts[step] = seconds - getattr(self, "last", seconds)
        self.facts[f"{step}_peak"] = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        self.last = seconds


def main() -> None:
    """Do all steps, on a table of a few rows once before, so that imports are no part of them."""
    file, output = Path(sys.argv[1]), Path(sys.argv[2])
    small = output.with_name("small.csv")
    small.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(40)), encoding="utf-8")
    source = load_source("vectors", name="glove-50d")
    model = build_classifier(source, ("bad", "good"), head="pooled").model

    for table in (small, file):
        meter = Meter()
        rows = load_splits(DataConfig(train=str(table)), {"text": "text", "label": "label"}).train
        meter.note("read")
        encoded = encode_documents(rows["text"], source.tokenizer, max_length=LONGEST, targets=rows["label"][:])
        meter.note("encode")
        units = TokenInputs(encoded, source.tokenizer.pad_token_id)
        compute(model, units, Boundary("pooled"), np.arange(len(rows)), progress=False)
        meter.note("features")

    inputs = encoded.inputs
    held = inputs.ids.nbytes + inputs.offsets.nbytes + encoded.example.nbytes + np.asarray(encoded.targets).nbytes
    meter.facts |= {"encoded": len(rows), "tokens": int(encoded.lengths.sum()), "bytes": held}
    output.write_text(json.dumps(meter.facts))


if __name__ == "__main__":
    main()
