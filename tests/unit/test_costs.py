"""What a run costs stands beside what it scores: training, answers, room, and a price where the user names a rate."""

import json
from dataclasses import replace

import pytest
from rich.console import Console
from tiny import save_csv, save_vectors

import nlp_transfer as nt
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.costs import describe_cost, list_cost, list_titles, price_thousand, render_costs
from nlp_transfer.evaluation.metrics_file import Cost, Method
from nlp_transfer.evaluation.verdicts import make_baseline
from nlp_transfer.runs import costs

COST = Cost(alone=8.0, together=1.8, batch=100, megabytes=91.25)


class Counting:
    """Counts the texts of each call."""

    def __init__(self):
        self.calls = []

    def predict(self, inputs):
        self.calls.append(len(inputs))


@pytest.mark.parametrize(("budget", "calls"), [(0.0, [1, 1]), (1e9, [*[1] * 20, 256])])
def test_few_texts_are_answered_alone_and_as_many_together_as_predict_takes(tmp_path, monkeypatch, budget, calls):
    (tmp_path / "weights").write_bytes(bytes(1_500_000))
    monkeypatch.setattr(costs, "BUDGET", budget)
    predictor = Counting()
    found = costs.measure_cost(predictor, ["a", "b"], tmp_path)
    assert predictor.calls == calls
    assert (found.batch, found.megabytes) == (calls[-1], 1.5)


def test_a_thousand_texts_cost_what_the_machine_costs_in_their_time():
    assert price_thousand(COST, 2.0) == pytest.approx(1.8 / 3600 * 2.0)
    assert describe_cost(COST) == "8 ms a text one at a time, 1.8 ms in a batch of 100; 91.2 MB on the disk"
    assert describe_cost(COST, 2.0).endswith("; 1,000 texts in batches cost 0.001, where an hour costs 2")


@pytest.mark.parametrize(("size", "written"), [(1234.56, "1,234.6"), (1.0, "1.0"), (0.0342, "0.034"), (0.0, "0")])
def test_a_small_model_has_a_size_too(size, written):
    cost = COST.model_copy(update={"megabytes": size})
    assert describe_cost(cost).endswith(f" {written} MB on the disk")
    assert list_cost(make_baseline("tfidf", Method(validation={}, test={}, cost=cost), correct=()))[-1] == written


def test_what_was_not_measured_is_a_dash():
    row = make_baseline("majority", Method(validation={}, test={}), correct=())
    assert list_cost(row) == ["-"] * len(list_titles())
    assert list_cost(row, 1.0) == ["-"] * len(list_titles(1.0))


@pytest.mark.parametrize("rate", [-1, float("inf"), float("nan"), "cheap"])
def test_a_rate_that_is_no_price_is_refused(rate):
    with pytest.raises(ConfigError, match="rate: expected what an hour of the machine costs"):
        nt.compare(["quickstart/glove_frozen"], rate=rate)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    root = tmp_path_factory.mktemp("costs")
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": save_vectors(root / "v.txt")},
        "strategy": {"kind": "frozen", "cache": "memory"},
        "data": {"train": save_csv(root / "a.csv")},
    }
    (root / "frozen.yaml").write_text(nt.render(nt.load_config(config)))
    (root / "seeds.yaml").write_text(nt.render(nt.load_config({**config, "training": {"seeds": [0, 1]}})))
    return nt.compare([root / "frozen.yaml", root / "seeds.yaml"], output=root / "c", rate=3.6, progress=False)


def test_a_comparison_shows_what_each_run_costs_beside_its_score(compared):
    console = Console(width=200)
    with console.capture() as shown:
        console.print(compared.costs)
    text = shown.get()
    assert all(word in text for word in ("one at a time", "in batches", "MB", "per 1,000 texts", "accuracy"))
    assert "where an hour of the machine costs 3.6" in text
    row = compared.rows[0]
    assert f"{price_thousand(row.cost, 3.6):.3g}" in text


def test_the_simple_method_that_was_fitted_stands_beside_the_runs_with_its_cost(compared):
    console = Console(width=200)
    with console.capture() as shown:
        console.print(compared.costs)
    (line,) = (line for line in shown.get().splitlines() if "tfidf_logistic" in line)
    assert line.count(" - ") == 0
    values = json.loads((compared.folder / "comparison.json").read_text())
    found = values["runs"]["frozen"]["baselines"]["tfidf_logistic"]
    assert found["seconds"] > 0
    assert 0 < found["cost"]["together"] <= 2 * found["cost"]["alone"]
    assert values["price_of_1000"]["tfidf_logistic"] == pytest.approx(found["cost"]["together"] / 1000)
    card = (compared.folder / "frozen/README.md").read_text().replace("\\", "")
    assert "tfidf_logistic, on one thread: " in card
    assert "cost" not in values["runs"]["frozen"]["baselines"]["majority"]


def test_costs_and_prices_are_in_the_files(compared):
    values = json.loads((compared.folder / "comparison.json").read_text())
    costs = {name: run["cost"] for name, run in values["runs"].items()}
    assert all(cost.keys() == {"alone", "together", "batch", "megabytes"} for cost in costs.values())
    assert values["rate"] == 3.6
    assert values["price_of_1000"]["frozen"] == pytest.approx(costs["frozen"]["together"] / 1000)
    assert "\n## Cost\n\nOn the hardware named under Training: " in (compared.folder / "frozen/README.md").read_text()


def test_a_published_card_has_the_price_where_a_rate_is_named(compared, tmp_path):
    done = nt.publish(
        compared.folder / "frozen", "me/it", dry_run=True, output=tmp_path / "tree", licence="mit", rate=2.0
    )
    assert "1,000 texts in batches cost " in (done.folder / "README.md").read_text()


def test_runs_of_versions_that_measured_no_cost_stand_in_the_table(compared):
    table = render_costs(
        [replace(compared.rows[0], cost=None)], task=nt.load_config("quickstart/glove_frozen").task_class
    )
    assert table.row_count == 1
