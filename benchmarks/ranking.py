"""Does `rank` tell which source to train? Sources are ranked, then trained, and the two orders are compared on test.

python -m benchmarks.ranking --output runs/ranking --data rotten-tomatoes=bundled:rotten-tomatoes tweets=tweets.csv \
    --sources minilm glove-50d minilm:scratch --epochs 3 --epochs-of glove-50d=10

A study that was stopped goes on with the same command; what is finished is not repeated.
"""

import argparse
import functools
import json
import resource
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import nlp_transfer
from nlp_transfer.config.flags import guess_kind
from nlp_transfer.evaluation.metrics import bootstrap_difference
from nlp_transfer.system.layout import RANKING

SCORES: dict[str, Callable[[dict[str, Any]], float]] = {
    "probe": lambda one: one["probe"]["score"],
    "H-score": lambda one: one["h_score"],
    "LogME": lambda one: one["log_me"],
}
STRATEGIES = ("frozen", "full")
SECONDS = "seconds.json"  # CPU seconds of each command of a data set


def read_section(source: str) -> dict[str, Any]:
    """minilm -> a section `source`; minilm:scratch -> its control."""
    name, _, scratch = source.partition(":")
    return {"kind": guess_kind(name), "name": name, "scratch": scratch == "scratch"}


def count_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def time_once(folder: Path, name: str, work: Callable[[], Any]) -> None:
    """Do a piece of work and note its CPU seconds, unless they are noted already."""
    path = folder / SECONDS
    known = json.loads(path.read_text()) if path.exists() else {}
    if name not in known:
        before = count_seconds()
        work()
        path.write_text(json.dumps({**known, name: round(count_seconds() - before, 1)}, indent=1))


def measure(folder: Path, place: str, arguments: argparse.Namespace) -> None:
    """Rank on the train rows of one data set, then train every source both ways."""
    folder.mkdir(parents=True, exist_ok=True)
    base = {
        "task": {"name": "classification", "max_length": arguments.max_length},
        "data": {"train": place, "test_share": 0.3},
    }
    sections = [read_section(one) for one in arguments.sources]
    rank = functools.partial(nlp_transfer.rank, base, sources=sections, output=folder / "rank", resume="auto")
    time_once(folder, "rank", rank)

    epochs = dict(one.rsplit("=", 1) for one in arguments.epochs_of)
    for number, (source, section) in enumerate(zip(arguments.sources, sections, strict=True)):
        for strategy in STRATEGIES:
            training = {"epochs": int(epochs.get(source, arguments.epochs))}
            config = {**base, "source": section, "strategy": {"kind": strategy}, "training": training}
            name = f"{number}-{strategy}"
            time_once(folder, name, functools.partial(nlp_transfer.run, config, output=folder / name, resume="auto"))


def read_runs(folder: Path, sources: Sequence[str]) -> list[dict[str, Any]]:
    """For each source in the order of the ranking what was ranked, and test accuracy and hits of both strategies."""
    sections = [json.dumps(read_section(one), sort_keys=True) for one in sources]
    places = [json.loads(line)["section"] for line in (folder / "rank" / "measured.jsonl").read_text().splitlines()]
    ranked = {one["source"]: one for one in json.loads((folder / "rank" / RANKING).read_text())["sources"]}
    measured = [json.loads(line)["measured"]["source"] for line in (folder / "rank" / "measured.jsonl").open()]

    found = []
    for label, section in zip(measured, places, strict=True):
        one = {**ranked[label], "name": Path(sources[sections.index(section)]).name}
        for strategy in STRATEGIES:
            run = folder / f"{sections.index(section)}-{strategy}"
            one[strategy] = json.loads((run / "metrics.json").read_text())["test"]["accuracy"]
            one[f"{strategy} hits"] = json.loads((run / "hits.json").read_text())["run"]
        found.append(one)
    return sorted(found, key=lambda one: -SCORES["probe"](one))


class Judgement(NamedTuple):
    """How many pairs that differ on test a score orders right, of how many; its regret in points; and its misses."""

    right: int
    apart: int
    regret: float
    misses: list[str]


def judge(runs: Sequence[dict[str, Any]], strategy: str, score: str) -> Judgement:
    value = SCORES[score]
    right, apart, misses = 0, 0, []
    for one, other in combinations(runs, 2):
        found = bootstrap_difference(one[f"{strategy} hits"], other[f"{strategy} hits"])
        if found.low <= 0 <= found.high:
            continue
        apart += 1
        better, worse = (one, other) if found.difference > 0 else (other, one)
        if value(better) > value(worse):
            right += 1
        else:
            misses.append(f"{better['name']} over {worse['name']} by {100 * abs(found.difference):.1f}")
    regret = max(one[strategy] for one in runs) - max(runs, key=value)[strategy]
    return Judgement(right, apart, 100 * regret, misses)


def write_judgement(studies: dict[str, list[dict[str, Any]]], strategy: str, score: str) -> str:
    found = {name: judge(runs, strategy, score) for name, runs in studies.items()}
    right, apart = sum(one.right for one in found.values()), sum(one.apart for one in found.values())
    regrets = ", ".join(f"{one.regret:.1f}" for one in found.values())
    misses = "; ".join(f"{name}: {', '.join(one.misses)}" for name, one in found.items() if one.misses)
    return f"{right} of {apart} | {regrets} | {misses or '-'}"


def write_tables(studies: dict[str, list[dict[str, Any]]], seconds: dict[str, dict[str, float]]) -> str:
    """A line for each source on each data set; then how the scores did."""
    lines = ["| data | source | probe | H-score | LogME | frozen, test | full, test |", "|---|---|---|---|---|---|---|"]
    for name, runs in studies.items():
        for one in runs:
            probe = one["probe"]
            said = f"{probe['score']:.3f} ({probe['low']:.3f} to {probe['high']:.3f})"
            said += " =" if one["level_with_best"] else ""
            cells = [name, one["name"], said, f"{one['h_score']:.3f}", f"{one['log_me']:.3f}"]
            lines.append(f"| {' | '.join([*cells, *(f'{one[strategy]:.3f}' for strategy in STRATEGIES)])} |")

    titles = ("among", "trained", "by", "pairs in order", "regret in points, by data set", "misses")
    lines += ["", f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    pretrained = {name: [one for one in runs if ":scratch" not in one["name"]] for name, runs in studies.items()}
    for among, chosen in (("all", studies), ("pretrained", pretrained)):
        for strategy in STRATEGIES:
            lines += [
                f"| {among} | {strategy} | {score} | {write_judgement(chosen, strategy, score)} |" for score in SCORES
            ]

    shares = []
    for name, known in seconds.items():
        full = sum(taken for run, taken in known.items() if run.endswith("-full"))
        shares.append(f"{name} {known['rank']:.0f} of {full:.0f} s ({100 * known['rank'] / full:.0f} %)")
    return "\n".join(
        [*lines, "", f"CPU seconds of the ranking, of those of all trainings in full: {', '.join(shares)}."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PLACE", help="with columns text and label")
    parser.add_argument("--sources", nargs="+", required=True, metavar="NAME[:scratch]")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--epochs-of", nargs="*", default=[], metavar="NAME=EPOCHS", help="where they differ")
    parser.add_argument("--max-length", type=int, default=48)
    arguments = parser.parse_args()

    studies, seconds = {}, {}
    for one in arguments.data:
        name, _, place = one.partition("=")
        folder = arguments.output / name
        measure(folder, place, arguments)
        studies[name] = read_runs(folder, arguments.sources)
        seconds[name] = json.loads((folder / SECONDS).read_text())
    print(write_tables(studies, seconds))


if __name__ == "__main__":
    main()
