"""Sources by strategies on real data, with controls: keeps docs/results.json and writes the tables of docs/results.md.

python -m benchmarks.quality rotten-tomatoes --output runs/quality
python -m benchmarks.quality scitldr --data FOLDER --output runs/scitldr --only minilm_full
python -m benchmarks.quality sst2 --data FOLDER --output runs/sst2 --simple

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
from nlp_transfer.config.load import load_config
from nlp_transfer.config.tasks import TaskDeclaration, find_task
from nlp_transfer.evaluation.plotting import plot
from nlp_transfer.evaluation.verdicts import SPREAD, Comparand
from nlp_transfer.runs.measure import measure_baselines
from nlp_transfer.runs.prepare import prepare

DOCS = Path(__file__).parent.parent / "docs"
KEPT = ("parameters", "seconds", "baselines", "validation", "test", "seed", "seeds", "epochs", "precision")


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
    runs = known.get(study, {}) | {
        name: {part: one[part] for part in KEPT if part in one} for name, one in found.items()
    }
    known[study] = {name: runs[name] for name in STUDIES[study].runs if name in runs}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return dict(known[study])


def measure_again(study: Study, data: Path) -> dict[str, Any]:
    """The simple methods of a study, on the rows of its runs."""
    prepared = prepare(load_config(study.config(study.runs[0], data)))
    return {one.name: one.collect_scores().model_dump(exclude_unset=True) for one in measure_baselines(prepared)}


def to_row(name: str, metrics: dict[str, Any], source: str = "", strategy: str = "") -> Comparand:
    """Turn the figures of a run, or of a simple method, into a row; of several seeds it has mean and deviation."""
    scores = {split: metrics[split] for split in ("validation", "test")}
    several = metrics.get("seeds") or {}
    moved = several and not several.get("note")  # a head that is solved is the same for all seeds
    if moved:
        for split in scores:
            mean, deviation = (
                {score: one[part] for score, one in several[split].items()} for part in ("mean", "standard_deviation")
            )
            scores[split] = {**mean, SPREAD: deviation}

    return Comparand(
        name=name,
        source=source,
        strategy=strategy.replace("scratch", "full"),
        scratch=strategy == "scratch",
        **metrics.get("parameters", {"trainable": 0, "total": 0}),
        seconds=metrics["seconds"]["training"] if source else None,
        **scores,
        correct=[],
        seeds=several["values"] if moved else (),
    )


def list_rows(runs: dict[str, Any]) -> tuple[list[Comparand], list[Comparand]]:
    """List the simple methods, and the runs."""
    simple = next(iter(runs.values()))["baselines"]
    rows = [to_row(name, metrics, *name.rsplit("_", 1)) for name, metrics in runs.items()]
    return [to_row(name, scores) for name, scores in simple.items()], rows


def table(runs: dict[str, Any], task: type[TaskDeclaration]) -> str:
    """A line per simple method and per run."""
    measured = task.measured(*(one["test"] for one in runs.values()))
    shown = [(split, score) for split in ("validation", "test") for score in measured]
    titles = ["source", "strategy", "trainable", "seconds", *(f"{split} {score}" for split, score in shown)]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    simple, rows = list_rows(runs)
    for one in (*simple, *rows):
        strategy = "full, from scratch" if one.scratch else one.strategy
        facts = [strategy, f"{one.trainable:,}", f"{one.seconds:.0f}"] if one.seconds is not None else ["-"] * 3
        cells = [one.format_score(split, score, points=task.points) for split, score in shown]
        lines.append(f"| {' | '.join([one.source or one.name, *facts, *cells])} |")
    return "\n".join(lines)


def write_table(page: Path, study: str, text: str) -> None:
    """Put a table between a study's markers of a page."""
    begin, end = f"<!-- {study}: written by benchmarks.quality -->", f"<!-- {study}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def write_up(study: str, found: dict[str, Any]) -> None:
    """Keep the figures of some runs, and write table and picture of all of their study anew."""
    task = find_task(STUDIES[study].task["name"])
    runs = keep(DOCS / "results.json", study, found)
    write_table(DOCS / "results.md", study, table(runs, task))
    simple, rows = list_rows(runs)
    plot(rows, simple, DOCS / f"results-{study}.png", task=task)


def main() -> None:
    """Train what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with the study's folder, where it is not bundled")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="runs; default all")
    parser.add_argument("--simple", action="store_true", help="measure the simple methods again, and train nothing")
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
    if arguments.simple:
        known = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))[arguments.study]
        baselines = measure_again(study, data)
        write_up(arguments.study, {name: {**metrics, "baselines": baselines} for name, metrics in known.items()})
        return
    for path in write_configs(configs, study, names, data):
        folder = arguments.output / "runs" / path.stem
        result = nlp_transfer.run(path, output=folder, resume="auto", progress=False)
        write_up(arguments.study, {path.stem: result.metrics})


if __name__ == "__main__":
    main()
