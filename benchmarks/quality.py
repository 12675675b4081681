"""Sources by strategies on real data, with controls: keeps docs/results.json and writes the tables of docs/results.md.

python -m benchmarks.quality rotten-tomatoes --output runs/quality
python -m benchmarks.quality scitldr --data FOLDER --output runs/scitldr --only minilm_full

A study that was stopped goes on with the same command.
"""

import argparse
import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import nlp_transfer
from benchmarks.studies import STUDIES, Study
from nlp_transfer.plotting import plot
from nlp_transfer.report import Row
from nlp_transfer.task import Task, find_task

DOCS = Path(__file__).parent.parent / "docs"
KEPT = ("parameters", "seconds", "baselines", "validation", "test", "seed", "precision")


def write_configs(folder: Path, study: Study, names: Sequence[str], data: Path) -> list[Path]:
    """One file per run."""
    paths = []
    for name in names:
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(study.config(name, data)), encoding="utf-8")
        paths.append(path)
    return paths


def unpack(found: Path, folder: Path) -> Path:
    """The study's files without their packing, which nothing but their size is for."""
    for file in found.glob("*.jsonl*"):
        target = folder / file.name.removesuffix(".gz")
        if file.suffix == ".gz":
            with gzip.open(file, "rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        else:
            shutil.copy(file, target)
    return folder


def keep(path: Path, study: str, found: dict[str, Any]) -> dict[str, Any]:
    """Add runs to those that results.json holds, in the study's order; return all of the study."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    runs = known.get(study, {}) | {name: {part: one[part] for part in KEPT} for name, one in found.items()}
    known[study] = {name: runs[name] for name in STUDIES[study].runs if name in runs}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return dict(known[study])


def table(runs: dict[str, Any], task: type[Task]) -> str:
    """A line per simple method and per run."""
    measured = task.measured(*(one["test"] for one in runs.values()))
    shown = [(split, score) for split in ("validation", "test") for score in measured]
    titles = ["source", "strategy", "trainable", "seconds", *(f"{split} {score}" for split, score in shown)]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    digits = 4 if task.points == 100 else 2
    for name, scores in next(iter(runs.values()))["baselines"].items():
        cells = [f"{scores[split][score]:.{digits}f}" for split, score in shown]
        lines.append(f"| {' | '.join([name, '-', '-', '-', *cells])} |")
    for name, metrics in runs.items():
        source, _, strategy = name.rpartition("_")
        strategy = "full, from scratch" if strategy == "scratch" else strategy
        sizes = [f"{metrics['parameters']['trainable']:,}", f"{metrics['seconds']['training']:.0f}"]
        cells = [f"{metrics[split][score]:.{digits}f}" for split, score in shown]
        lines.append(f"| {' | '.join([source, strategy, *sizes, *cells])} |")
    return "\n".join(lines)


def write_table(page: Path, study: str, text: str) -> None:
    """Put a table between a study's markers of a page."""
    begin, end = f"<!-- {study}: written by benchmarks.quality -->", f"<!-- {study}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def draw(runs: dict[str, Any], path: Path, task: type[Task]) -> None:
    """Test scores of all runs, beside the simple methods."""

    def row(name: str, metrics: dict[str, Any], source: str = "", strategy: str = "") -> Row:
        return Row(
            name=name,
            source=source,
            strategy=strategy.replace("scratch", "full"),
            scratch=strategy == "scratch",
            **metrics.get("parameters", {"trainable": 0, "total": 0}),
            seconds=None,
            validation=metrics["validation"],
            test=metrics["test"],
            correct=[],
        )

    rows = [row(name, metrics, *name.rsplit("_", 1)) for name, metrics in runs.items()]
    baselines = [row(name, scores) for name, scores in next(iter(runs.values()))["baselines"].items()]
    plot(rows, baselines, path, task=task)


def main() -> None:
    """Train what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with the study's folder, where it is not bundled")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="runs; default all")
    arguments = parser.parse_args()
    study = STUDIES[arguments.study]
    found = None if study.folder is None or arguments.data is None else arguments.data / study.folder
    if study.folder is not None and (found is None or not found.is_dir()):
        parser.error(f"{arguments.study} needs --data with a folder {study.folder}")
    configs, data = arguments.output / "configs", arguments.output / "data"
    for folder in (configs, data):
        folder.mkdir(parents=True, exist_ok=True)
    if found is not None:
        unpack(found, data)
    names = arguments.only or study.runs
    study.prepare(data, names)
    paths = write_configs(configs, study, names, data)
    task = find_task(study.task["name"])
    for path in paths:
        folder = arguments.output / "runs" / path.stem
        nlp_transfer.run(path, output=folder, resume="auto", progress=False)
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        runs = keep(DOCS / "results.json", arguments.study, {path.stem: metrics})
        write_table(DOCS / "results.md", arguments.study, table(runs, task))
        draw(runs, DOCS / f"results-{arguments.study}.png", task)


if __name__ == "__main__":
    main()
