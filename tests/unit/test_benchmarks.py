"""What the benchmarks do with what they measure: turns, ratios, accuracy, the table."""

import subprocess
import sys

import pytest

from benchmarks.measuring import Contender, Row, Sample, measure, run_process, summarise
from benchmarks.summary import keep, write_table


def sample(wall, cpu=1.0, memory=100.0, **facts):
    return Sample(wall, cpu, memory, facts)


def row(**settings):
    contenders = [
        Contender("quick", lambda *_: [sys.executable, "-c", ""], ours=True),
        Contender("slow", lambda *_: [sys.executable, "-c", ""]),
    ]
    return Row("name", "a title", contenders, {"slow": 2.0}, **settings)


def test_contenders_take_turns_a_b_b_a(tmp_path):
    said = []
    measure(row(), tmp_path, 2, say=said.append)
    assert [line.split(": ")[0].split()[-1] for line in said] == ["quick", "slow", "slow", "quick"]


def test_ratios_are_taken_inside_a_round():
    samples = {"quick": [sample(1.0), sample(10.0), sample(1.0)], "slow": [sample(3.0), sample(40.0), sample(5.0)]}
    (ratio,) = summarise(row(), samples)["ratios"]
    assert (ratio["least"], ratio["median"], ratio["most"]) == (3.0, 4.0, 5.0)


@pytest.mark.parametrize(("ours", "counts"), [(0.79, True), (0.75, False)])
def test_a_lower_accuracy_does_not_count(tmp_path, ours, counts):
    found = {"quick": [sample(1.0, accuracy=ours)], "slow": [sample(9.0, accuracy=0.8)]}
    keep(tmp_path / "results.json", "name", summarise(row(examples=500), found))
    write_table(tmp_path / "results.json", tmp_path / "table.md")
    (line,) = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| a title")]
    assert line.endswith("| yes |" if counts else "| no: less accurate |")


def test_a_missed_promise_is_said(tmp_path):
    keep(tmp_path / "results.json", "name", summarise(row(), {"quick": [sample(1.0)], "slow": [sample(1.9)]}))
    write_table(tmp_path / "results.json", tmp_path / "table.md")
    assert "below what is promised" in (tmp_path / "table.md").read_text()


def test_a_peer_that_predicts_nothing_has_no_accuracy_to_show(tmp_path):
    found = {"quick": [sample(1.0, accuracy=0.7)], "slow": [sample(2.1)]}
    keep(tmp_path / "results.json", "name", summarise(row(), found))
    write_table(tmp_path / "results.json", tmp_path / "table.md")
    assert "|  | yes |" in (tmp_path / "table.md").read_text()


def test_a_failed_process_shows_what_it_wrote(tmp_path):
    with pytest.raises(RuntimeError, match="the reason"):
        run_process([sys.executable, "-c", "raise SystemExit('the reason')"], tmp_path / "log.txt")


def test_cpu_time_is_that_of_the_process_alone(tmp_path):
    run_process([sys.executable, "-c", "sum(range(3 * 10**7))"], tmp_path / "log.txt")
    idle = run_process([sys.executable, "-c", "import time; time.sleep(0.3)"], tmp_path / "log.txt")
    assert idle.cpu < 0.25 < idle.wall


def test_the_measuring_process_is_light_as_its_memory_is_the_floor_of_what_is_measured():
    heavy = "import sys, benchmarks.__main__; sys.exit(str({'torch', 'numpy', 'transformers'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "set()"


def test_a_table_of_results_shows_mean_and_deviation_unless_seeds_changed_nothing():
    from benchmarks.quality import table
    from nlp_transfer.config.tasks import find_task

    spread = {"accuracy": {"mean": 0.8, "standard_deviation": 0.01}}
    scores = {"validation": {"accuracy": 0.81}, "test": {"accuracy": 0.79}}
    run = {
        **scores,
        "parameters": {"trainable": 1000, "total": 2000},
        "seconds": {"training": 9.6},
        "baselines": {"majority": scores},
        "seeds": {"values": [0, 1], "validation": spread, "test": spread, "note": None},
    }
    solved = {**run, "seeds": {**run["seeds"], "note": "the seeds changed nothing"}}
    lines = table({"glove_scratch": run, "glove_frozen": solved}, find_task("sentiment")).splitlines()
    assert lines[2] == "| majority | - | - | - | 0.8100 | 0.7900 |"
    assert lines[3] == "| glove | full, from scratch | 1,000 | 10 | 0.8000 ± 0.0100 | 0.8000 ± 0.0100 |"
    assert lines[4] == "| glove | frozen | 1,000 | 10 | 0.8100 | 0.7900 |"
