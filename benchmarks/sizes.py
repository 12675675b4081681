"""What transfer buys by the number of pairs: draws docs/results-multi30k.png from docs/results.json.

python -m benchmarks.sizes
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

DOCS = Path(__file__).parent.parent / "docs"
SIZES = {1000: "-1000", 5000: "-5000", 29_000: ""}  # pairs -> end of the study's name
TARGETS = {"de": "German", "fr": "French"}
LINES = {  # run -> label, colour, style; dashed: the control, random weights
    "minilm_full": ("MiniLM, full", "#1f77b4", "-o"),
    "minilm_lora": ("MiniLM, LoRA", "#17becf", "-o"),
    "minilm_frozen": ("MiniLM, frozen", "#9467bd", "-o"),
    "minilm_scratch": ("MiniLM from scratch", "#1f77b4", "--s"),
    "glove_transformer_full": ("GloVe + Transformer, full", "#2ca02c", "-o"),
    "glove_transformer_scratch": ("the same from random vectors", "#2ca02c", "--s"),
}


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Test BLEU over pairs, a panel a language; what was not measured is left out."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, len(TARGETS), sharey=True)
    for panel, (target, language) in zip(panels, TARGETS.items(), strict=True):
        studies = {size: results.get(f"multi30k-en-{target}{end}", {}) for size, end in SIZES.items()}
        for run, (label, colour, style) in LINES.items():
            scores = {size: runs[run]["test"]["bleu"] for size, runs in studies.items() if run in runs}
            panel.plot(list(scores), list(scores.values()), style, color=colour, label=label, markersize=5)
        panel.set_xscale("log")
        panel.set_xticks(list(SIZES), [f"{size:,}" for size in SIZES])
        panel.set_xlim(700, 42_000)
        panel.minorticks_off()
        panel.set_title(f"English to {language}", fontsize=10)
        panel.set_xlabel("training pairs")
        panel.grid(axis="y", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("test BLEU")
    panels[0].set_ylim(bottom=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    draw(json.loads((DOCS / "results.json").read_text(encoding="utf-8")), DOCS / "results-multi30k.png")
