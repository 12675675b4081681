"""Find out what a run would do, before any training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.filesize import decimal

from nlp_transfer.config.load import load_config, render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.several import SeveralConfig, has_tasks, load_several
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.data.given import take_splits
from nlp_transfer.data.report import SplitReport
from nlp_transfer.errors import ConfigError, list_first
from nlp_transfer.evaluation.verdicts import FEWEST_TESTED, format_scores
from nlp_transfer.models.encoding.flat import Ragged
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.prepare import LONGEST_SAMPLED, Prepared, prepare
from nlp_transfer.runs.several_tasks.joint import adapt_all, join, prepare_all
from nlp_transfer.strategies import Plan
from nlp_transfer.strategies.summary import count_parameters, render_trainable
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.memory import WAYS_OUT
from nlp_transfer.training.memory import Need, estimate, free_memory
from nlp_transfer.training.mixture import Mixture

SHOWN_LABELS = 8  # shown by name and count
SAMPLED = 5_000  # rows of a split that are turned into tokens


@dataclass(frozen=True)
class CheckReport:
    """The findings of `check`: the text to read, the warnings, and the numbers of parameters."""

    text: str = field(repr=False)
    warnings: tuple[str, ...] = field(repr=False)
    parameters: Mapping[str, int]


def check(
    config: RunConfig | SeveralConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
) -> CheckReport:
    """Validate a configuration, read its data, load its source and list what would train.

    Args:
        config: as of `run`, or of `run_tasks`.
        overrides: as of `run`.
        data: rows in memory, as of `run`.

    Raises:
        TransferError: whatever would stop the run.
    """
    with claim_process():  # it draws random numbers, which would change those of a training in this process
        if not isinstance(config, RunConfig) and has_tasks(config, overrides):
            if data is not None:
                raise ConfigError("data: each of several tasks names its own; put them in tasks")
            return _check_tasks(load_several(config, overrides))
        assert not isinstance(config, SeveralConfig)  # noqa: S101 - it has tasks
        return _check(load_config(config, overrides, take_splits(data)))


def _check(checked: RunConfig) -> CheckReport:
    prepared = prepare(checked.each_seed()[0], sampled=SAMPLED)
    plan = prepared.adapt()
    warnings = _list_warnings(prepared, plan)
    sections = {
        **_describe_inputs(prepared),
        "what trains": f"{render_trainable(plan)}\n{plan.head}",
        "memory": _describe_memory(estimate_needs(prepared, plan), prepared.config.training, _tell_sample(prepared)),
        "warnings": "\n".join(warnings) or "none",
    }
    return CheckReport(_join_sections(sections), warnings, count_parameters(plan))


def _check_tasks(checked: SeveralConfig) -> CheckReport:
    """Check several tasks: each by itself, or together where they move something together."""
    if not checked.is_joint:
        reports = {}
        for name, own in checked.each_task().items():
            with name_fault(f"task '{name}'"):
                reports[name] = _check(own)
        text = "\n\n".join(f"==== {name}\n{one.text}" for name, one in reports.items())
        warnings = tuple(f"{name}: {said}" for name, one in reports.items() for said in one.warnings)
        counted = [one.parameters for one in reports.values()]
        return CheckReport(text, warnings, {key: sum(one[key] for one in counted) for key in counted[0]})

    joint = join(adapt_all(prepare_all(checked.each_seed()[0].each_task(), sampled=SAMPLED)))
    parts = {name: one.prepared for name, one in joint.members.items()}
    warnings = tuple(
        f"{name}: {said}"
        for name, one in joint.members.items()
        for said in _list_warnings(one.prepared, one.plan, alone=False)
    )
    sections = {
        f"{name}: {title}": body for name, one in parts.items() for title, body in _describe_inputs(one).items()
    }
    sections |= {
        "what trains": render_trainable(joint.plan),
        "memory": _describe_memory(joint.estimate_needs(), checked.training),
        "warnings": "\n".join(warnings) or "none",
    }
    return CheckReport(_join_sections(sections), warnings, count_parameters(joint.plan))


def _join_sections(sections: Mapping[str, str]) -> str:
    return "\n\n".join(f"== {title}\n{body.rstrip()}" for title, body in sections.items())


def _list_warnings(prepared: Prepared, plan: Plan, *, alone: bool = True) -> tuple[str, ...]:
    return (
        *prepared.splits.report.warnings,
        *prepared.warnings,
        *prepared.list_unused(plan, alone=alone),
        *_warn_of_few(len(prepared.splits.test)),
    )


def _describe_inputs(prepared: Prepared) -> dict[str, str]:
    """Describe configuration, data and tokens: title -> text."""
    report = prepared.splits.report
    return {
        "configuration": render(prepared.config),
        "data": "\n".join(
            _describe_rows(name, split)
            for name, split in (*report.splits.items(), ("unlabelled", report.unlabelled))
            if split is not None
        ),
        "tokens": "\n".join(
            [
                *(_describe_tokens(name, prepared) for name in prepared.encoded),
                *_describe_prompt(prepared),
                *_describe_written_back(prepared),
            ]
        ),
    }


def _warn_of_few(rows: int) -> Sequence[str]:
    if rows >= FEWEST_TESTED:
        return ()
    return (f"test: {rows} rows are too few to compare methods; verdicts need {FEWEST_TESTED}",)


def estimate_needs(prepared: Prepared, plan: Plan) -> list[Need]:
    """Estimate the memory of each phase of a run that is prepared and adapted."""
    training = prepared.config.training
    units = TokenInputs(prepared.encoded["train"], prepared.tokenizers.source.pad_token_id)
    passes = None if training.accumulation == "auto" else training.accumulation
    mixture = None
    if plan.masked is not None and prepared.unlabelled is not None:
        mixture = Mixture.make(
            plan.masked,
            prepared.unlabelled,
            prepared.tokenizers.source,
            labelled=len(units.encoded.inputs),
            batch_size=training.batch_size,
            seed=training.seed,
        )
    return estimate(plan, prepared.task, units, batch_size=training.batch_size, accumulation=passes, mixture=mixture)


def _tell_sample(prepared: Prepared) -> str:
    rows, whole = len(prepared.rows["train"]), len(prepared.splits.train)
    return f"as {rows} of {whole} rows tell" if rows < whole else ""


def _describe_memory(needs: Sequence[Need], training: TrainingConfig, note: str = "") -> str:
    """Describe the memory that each phase needs and the memory that is free; if it does not fit, suggest what does."""
    worst = max(needs, key=lambda need: need.total)
    free, where = free_memory(worst.weights)

    lines = [
        f"{need.phase}: {decimal(need.total)} = weights {decimal(need.weights)} + gradients, moments and best state "
        f"{decimal(need.training)} + activations of {need.units} of the longest units {decimal(need.units * need.each)}"
        for need in needs
    ]
    if note:
        lines.append(note)

    lines.append(f"{decimal(free)} free on {where}")
    if worst.total > free:
        fits = (free - worst.weights - worst.training) // max(1, worst.each)
        way_out = f"training.accumulation={math.ceil(training.batch_size / fits)}" if fits > 0 else WAYS_OUT
        lines.append(f"that does not fit; try {way_out}")
    return "\n".join(lines)


def _describe_rows(name: str, split: SplitReport) -> str:
    """Write one line on the rows of a split, such as `train: 64 rows (negative 32, positive 32); ...`."""
    labels = [f"{label} {count}" for label, count in split.labels.items()]
    facts = [
        f"{split.rows} rows" + (f" ({list_first(labels, SHOWN_LABELS)})" if labels else ""),
        *(
            f"{role}: {one.median:.0f} characters in the middle, {one.longest} at most"
            for role, one in split.lengths.items()
        ),
        *(
            f"{role}: mean {one.mean:.4g}, deviation {one.deviation:.4g}, {one.lowest:.4g} to {one.highest:.4g}"
            for role, one in split.numbers.items()
        ),
        *(f"{drop.count} dropped: {drop.reason}" for drop in split.dropped),
        f"{split.duplicates} repeated",
    ]
    return f"{name}: {'; '.join(facts)}; {split.origin}"


def _describe_tokens(split: str, prepared: Prepared) -> str:
    """Write one line on the units of a split, and one on its target texts if the task writes text."""
    encoded = prepared.encoded[split]
    total = len(getattr(prepared.splits, split))
    words = sum(
        len((text if isinstance(text, str) else " ".join(text)).split())
        for role in prepared.task.input_roles()
        for text in prepared.rows[split][role][:]
    )

    whole = encoded.truncated == 0 and len(encoded.lengths) == encoded.examples
    cost = f"{encoded.lengths.sum() / max(1, words):.2f} tokens a word; " if whole else ""
    sampled = "" if encoded.examples == total else f" of {total} sampled, the {LONGEST_SAMPLED} longest among them,"
    spread = _format_spread(encoded.lengths)

    said = (
        f"{split}: {encoded.examples} examples{sampled} in {len(encoded.lengths)} units of {spread}; "
        f"{encoded.truncated / encoded.examples:.1%} truncated; "
        f"{cost}{encoded.unknown:.2%} unknown"
    )
    if unread := len(encoded.unknown_examples):
        said += f"; {unread} without a known word"
    if isinstance(encoded.targets, Ragged):
        said += f"\n{split}: targets of {_format_spread(encoded.targets.lengths)}"
    return said


def _describe_prompt(prepared: Prepared) -> Sequence[str]:
    prompt = read_prompt(prepared.tokenizers.source)
    return (f"{prompt!r} is put before every text",) if prompt else ()


def _describe_written_back(prepared: Prepared) -> Sequence[str]:
    """Write one line on how many references the target tokenizer can write, if the task writes text."""
    back = prepared.written_back
    if back is None:
        return ()
    same = back.references - back.changed
    return (
        f"validation: {same} of {back.references} references come back from the target tokenizer as they were; "
        f"they score {format_scores(back.scores)}",
    )


def _format_spread(lengths: Sequence[int] | np.ndarray) -> str:
    low, middle, high = np.percentile(lengths, [5, 50, 95])
    return f"{low:.0f} / {middle:.0f} / {high:.0f} tokens (5th, 50th, 95th percentile), longest {max(lengths)}"
