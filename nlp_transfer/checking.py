"""What a run would do, found out before any training."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nlp_transfer.config import RunConfig, load_config, render
from nlp_transfer.prepared import Prepared, prepare
from nlp_transfer.trainable import parameter_counts, trainable_table


@dataclass(frozen=True)
class CheckReport:
    """The findings, as text for a person and as values."""

    text: str
    warnings: tuple[str, ...]
    parameters: Mapping[str, int]


def check(config: RunConfig | Mapping[str, Any] | str | Path, overrides: Sequence[str] = ()) -> CheckReport:
    """Validate a configuration, read its data, load its source and list what would train.

    Raises:
        TransferError: whatever would stop the run.
    """
    checked = load_config(config, overrides)
    prepared = prepare(checked)
    plan = prepared.plan()
    lengths = "\n".join(_lengths(name, prepared) for name in prepared.encoded)
    warnings = (*prepared.splits.report.warnings, *prepared.warnings)
    sections = {
        "configuration": render(checked),
        "data": _data(prepared),
        "tokens": lengths,
        "what trains": trainable_table(plan),
        "warnings": "\n".join(warnings) or "none",
    }
    text = "\n\n".join(f"== {title}\n{body.rstrip()}" for title, body in sections.items())
    return CheckReport(text, warnings, parameter_counts(plan))


def _data(prepared: Prepared) -> str:
    report = dataclasses.asdict(prepared.splits.report)
    del report["warnings"]
    return yaml.safe_dump({"labels": list(prepared.splits.labels), **report}, sort_keys=False, allow_unicode=True)


def _lengths(split: str, prepared: Prepared) -> str:
    encoded = prepared.encoded[split]
    lengths = encoded.lengths
    texts = getattr(prepared.splits, split)[prepared.task.input_role]
    words = sum(len((text if isinstance(text, str) else " ".join(text)).split()) for text in texts)
    low, middle, high = np.percentile(lengths, [5, 50, 95])
    return (
        f"{split}: {encoded.examples} examples in {len(lengths)} units of {low:.0f} / {middle:.0f} / {high:.0f} tokens "
        f"(5th, 50th, 95th percentile), longest {lengths.max()}; {encoded.truncated / encoded.examples:.1%} truncated; "
        f"{lengths.sum() / max(1, words):.2f} tokens a word; {encoded.unknown:.2%} unknown"
    )
