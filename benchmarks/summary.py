"""Keep results as JSON, and write the table that docs/benchmarks.md shows from nothing else."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "gensim", "numpy")
INTRODUCTION = """# Speed

Written by `python -m benchmarks`; the numbers are those of [benchmarks.json](benchmarks.json).

Every number is of a fresh process. Contenders take turns, A B B A, and a ratio is taken inside a round; the table shows
the median and, in brackets, the least and the most over the rounds. Where a model trains, both sides share checkpoint,
rows, seed, epochs, batch size 32, peak learning rate, schedule and maximum length 128 (64 where texts are written);
both evaluate validation after each epoch and test once, and save the model; ours also computes baselines and checks the
saved model.
Accuracy is the mean on test (for texts that are written BLEU or chrF as a share); where ours is lower by more than its
standard error, the speed does not count. How it grows with rows and epochs (`python -m benchmarks.growth`): what is
computed once pays by the epoch. With a frozen encoder one epoch of 500 rows takes as long as the Trainer's, ten of
1,000 an eighth.

![CPU seconds over rows and epochs](benchmark_growth.png)

What a row costs when a table grows to a million of them: [scaling.md](scaling.md#memory-and-time-a-row).
"""


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, memory, threads, versions."""
    facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "threads": os.environ.get("OMP_NUM_THREADS", "all cores"),
        "python": platform.python_version(),
    }
    return facts | {name: version(name) for name in PACKAGES}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    notable = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{name} ({', '.join(notable)})" if notable else name


def keep(path: Path, name: str, summary: Mapping[str, Any]) -> None:
    """Add a row's results to the file, in place of older ones."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results[name] = {**summary, "machine": machine()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def write_table(results: Path, target: Path) -> None:
    """Write the markdown of a results file."""
    rows = json.loads(results.read_text(encoding="utf-8"))
    sections = [INTRODUCTION, "\n".join(_ratios(rows)), "\n".join(_costs(rows)), "\n".join(_machines(rows))]
    target.write_text("\n\n".join(section.strip() for section in sections) + "\n", encoding="utf-8")


def _ratios(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "| what | ours | against | promised | time ratio | CPU ratio | memory ratio | accuracy | counts |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows.values():
        for ratio in row["ratios"]:
            rounds = f"{row['rounds']} round{'s' * (row['rounds'] > 1)}"
            spread = f"({_times(ratio['least'])} - {_times(ratio['most'])}, {rounds})"
            ours, peer = (row["contenders"][ratio[side]]["accuracy"] for side in ("ours", "peer"))
            accuracies = "" if None in (ours, peer) else f"{ours:.3f} / {peer:.3f}"
            cells = (
                row["title"],
                ratio["ours"],
                ratio["peer"],
                _times(ratio["target"]),
                f"**{_times(ratio['median'])}** {spread}",
                _times(ratio["cpu"]),
                _times(ratio["memory"]),
                accuracies,
                _verdict(ratio),
            )
            yield f"| {' | '.join(cells)} |"


def _verdict(ratio: Mapping[str, Any]) -> str:
    if ratio["accuracy"] is False:
        return "no: less accurate"
    if ratio["target"] is None:
        return ""
    return "yes" if ratio["median"] >= ratio["target"] else "below what is promised"


def _times(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}x" if value >= 20 else f"{value:.3g}x"


def _costs(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "## What each took\n"
    yield "Medians over the rounds. Time is what the row counts; the other columns are of whole processes.\n"
    yield "| row | contender | time | process | CPU | peak memory |"
    yield "|---|---|---|---|---|---|"
    for name, row in rows.items():
        for contender, cost in row["contenders"].items():
            seconds = " | ".join(f"{cost[column]:.3g} s" for column in ("seconds", "wall", "cpu"))
            yield f"| {name} | {contender} | {seconds} | {cost['memory']:,.0f} MB |"
    yield "\nTime counts:\n"
    for name, row in rows.items():
        yield f"- {name}: {row['says']}."


def _machines(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "## Machines\n"
    by_machine: dict[str, list[str]] = {}
    for name, row in rows.items():
        facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row["machine"].items())
        by_machine.setdefault(facts, []).append(name)
    for facts, names in by_machine.items():
        yield f"- {', '.join(names)}: {facts}."
