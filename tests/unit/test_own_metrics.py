"""Functions of other people score too: in tables and cards, and as what chooses the checkpoint."""

import sys
import tracemalloc

import pytest
import tiny

import nlp_transfer
from nlp_transfer.config import metrics
from nlp_transfer.config.load import load_config, load_saved, render
from nlp_transfer.config.metrics import add_metrics, pair_answers
from nlp_transfer.config.tasks import find_task
from nlp_transfer.config.yaml_file import parse_yaml
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation import intervals
from nlp_transfer.evaluation.intervals import resample_metrics
from nlp_transfer.publishing.tree import write_card

CODE = """
def cost(right, said):
    return sum(5.0 if one == "negative" else 1.0 for one, other in zip(right, said) if one != other) / len(right)

def fails(right, said):
    raise KeyError("x")

def talks(right, said):
    raise ValueError("first line\\n  second line")

def leaves(right, said):
    raise SystemExit(3)

def needs_both(right, said):
    assert len(set(right)) == 2 and len(right) == len(said)
    return 1

def words(right, said):
    return "good"

number = 3
"""
OWN = [{"function": "own_scores:cost", "better": "lower"}, "sklearn.metrics:balanced_accuracy_score"]


@pytest.fixture(autouse=True, scope="module")
def module(tmp_path_factory):
    """A module of somebody's, while it is there."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_scores.py").write_text(CODE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("own_scores", None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    return {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": tiny.save_csv(folder / "data.csv"), "validation_share": 0.3},
    }


def score_by(place, functions, **training):
    return {**place, "task": {**place["task"], "metrics": functions}, "training": training}


def run_with_few_draws(config, output):
    """A run whose intervals are of forty draws: a thousand take two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DRAWS", "FEWEST_DRAWS"):
            patch.setattr(intervals, name, 40)
        return nlp_transfer.run(config, output=output, progress=False)


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    config = score_by(place, OWN, selection="neg_cost")
    return run_with_few_draws(config, tmp_path_factory.mktemp("runs") / "run")


def test_a_function_scores_the_model_and_the_simple_methods_and_chooses_the_checkpoint(whole):
    metrics = whole.metrics
    assert metrics["selection"]["metric"] == "neg_cost"
    assert {"neg_cost", "balanced_accuracy_score", "accuracy"} <= metrics["test"].keys()
    wrong = 1 - metrics["baselines"]["majority"]["validation"]["accuracy"]
    assert metrics["baselines"]["majority"]["validation"]["neg_cost"] in (
        pytest.approx(-wrong),
        pytest.approx(-5 * wrong),
    )


def test_its_interval_is_a_bootstrap_of_the_test_rows_and_stands_in_summary_and_card(whole):
    low, high = whole.metrics["intervals"]["neg_cost"]
    assert low <= whole.metrics["test"]["neg_cost"] <= high
    assert f"95 % interval {low:.4f} to {high:.4f}" in whole.summary
    card = (whole.folder / "README.md").read_text()
    assert "test neg_cost" in card
    assert "was chosen by `neg_cost` on validation" in card
    assert f"interval {low:.4f} to {high:.4f} (bootstrap)" in card


def test_the_schema_knows_a_single_function_beside_a_list_of_them():
    options = nlp_transfer.config_schema()["$defs"]["SentimentOptions"]["properties"]["metrics"]
    assert [one.get("type", "section") for one in options["anyOf"]] == ["string", "section", "array"]


def test_of_several_seeds_the_interval_is_that_of_the_model_that_is_kept(place, tmp_path):
    config = score_by(place, OWN, seeds=[0, 1])
    config["data"] = {**place["data"], "split_seed": "seed"}
    found = run_with_few_draws(config, tmp_path / "run")
    low, high = found.metrics["intervals"]["neg_cost"]
    interval = f"{found.metrics['test']['neg_cost']:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    assert f"kept: the model of seed {found.metrics['seed']}, the best on validation" in found.summary
    assert f"neg_cost {interval}" in found.summary
    card = (found.folder / "README.md").read_text()
    assert f"`neg_cost` on test by the model of seed {found.metrics['seed']}: {interval} (bootstrap)." in card


def test_a_run_folder_is_loaded_without_the_functions_that_it_names(whole, monkeypatch):
    def refuse(function):
        raise AssertionError(f"{function} was imported")

    monkeypatch.setattr(metrics, "_import", refuse)
    metrics.add_metrics.cache_clear()
    saved = load_saved(whole.folder)
    assert saved.task_class.selection == "accuracy"
    assert nlp_transfer.predict(whole.folder, ["a good film"])
    assert "neg_cost" not in nlp_transfer.evaluate(whole.folder, saved.data.train)

    before = (whole.folder / "README.md").read_text()
    write_card(whole.folder, whole.figures, saved.task_class)
    assert (whole.folder / "README.md").read_text() == before


def test_a_configuration_with_functions_is_rendered_and_read_back(place):
    config = load_config(score_by(place, OWN, selection="neg_cost"))
    assert load_config(parse_yaml(render(config))) == config
    assert load_config(score_by(place, "own_scores:cost")) == load_config(score_by(place, ["own_scores:cost"]))
    assert load_config(score_by(place, OWN[0])) == load_config(score_by(place, OWN[:1]))
    assert config.task_class is load_config(config.model_dump()).task_class


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        (["own_scores:fails"], "task.metrics: own_scores:fails failed: KeyError: 'x'"),
        (["own_scores:talks"], "task.metrics: own_scores:talks failed: ValueError: first line second line"),
        (["own_scores:leaves"], "task.metrics: own_scores:leaves failed: SystemExit: 3"),
        (["own_scores:words"], "task.metrics: own_scores:words gave 'good', where a finite number is expected"),
    ],
)
def test_a_function_that_fails_is_told_in_one_line_before_the_training(place, functions, said, tmp_path, command):
    path = tmp_path / "c.yaml"
    path.write_text(render(load_config(score_by(place, functions))))
    code, _, err = command("run", path, "--output", tmp_path / "run")
    assert code == 2
    assert err.splitlines()[-1] == f"error: {said}"
    assert not (tmp_path / "run").exists()  # nothing is in the way of the same command


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        (["own_scores:nothing"], "own_scores:nothing cannot be imported: .* is own_scores on PYTHONPATH"),
        (["no_such_scores:cost"], "no_such_scores:cost cannot be imported: ModuleNotFoundError: No module named"),
        (["own_scores:number"], "own_scores:number is no function"),
        (
            ["own_scores.cost"],
            r"^task\.metrics\.0: write module:function, such as sklearn\.metrics:cohen_kappa_score "
            r"\(received 'own_scores\.cost'\)$",
        ),
        ([{"function": "own_scores:cost", "beter": "lower"}], r"task\.metrics\.0"),
        (["sklearn.metrics:accuracy_score", "own_scores:cost", "own_scores:cost"], "a score 'cost' already"),
        (["own_scores:accuracy"], "a score 'accuracy' already"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_with_the_configuration(place, functions, said):
    with pytest.raises(ConfigError, match=said):
        load_config(score_by(place, functions))


def test_a_task_without_answers_takes_no_functions():
    with pytest.raises(ConfigError, match="rows of this task have no answer"):
        load_config({"task": {"name": "adaptation", "metrics": OWN}, "data": {"train": "x.csv"}})


def test_answers_are_given_by_their_names_and_a_function_that_needs_all_classes_has_no_interval(caplog):
    options = {"name": "sentiment", "metrics": ["own_scores:needs_both"]}
    config = load_config({"task": options, "data": {"train": "x.csv"}})
    task = config.task_class(config.task, ("bad", "good"))
    rows, said = tiny.TaskRows({"text": ["a", "b"], "label": [1, 0]}), [{"label": "good"}, {"label": "bad"}]
    assert pair_answers(task, said, rows) == (["good", "bad"], ["good", "bad"])
    assert task.score(said, rows)["needs_both"] == 1.0
    assert resample_metrics(task, said, rows) == {}
    assert "no interval of needs_both" in caplog.text


def test_the_draws_of_an_interval_do_not_stand_in_memory_together():
    options = {"name": "sentiment", "metrics": ["own_scores:fails"]}
    config = load_config({"task": options, "data": {"train": "x.csv"}})
    task = config.task_class(config.task, ("bad", "good"))
    rows = tiny.TaskRows({"text": ["a"] * 4000, "label": [1] * 4000})
    tracemalloc.start()
    resample_metrics(task, [{"label": "good"}] * 4000, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(("most", "draws"), [(10_000, 1000), (500, 250), (2, 200)])
def test_of_many_rows_an_interval_takes_fewer_draws(monkeypatch, most, draws):
    options = {"name": "sentiment", "metrics": ["own_scores:cost"]}
    config = load_config({"task": options, "data": {"train": "x.csv"}})
    task = config.task_class(config.task, ("bad", "good"))
    rows, scores = tiny.TaskRows({"text": ["a", "b"], "label": [1, 0]}), []
    monkeypatch.setattr(intervals, "MOST_ROWS", most)
    monkeypatch.setattr(intervals, "measure", lambda *_: scores.append(0.5) or 0.5)
    assert resample_metrics(task, [{"label": "good"}, {"label": "bad"}], rows) == {"cost": (0.5, 0.5)}
    assert len(scores) == draws


def test_without_functions_a_task_stays_as_it_is():
    assert add_metrics(find_task("sentiment"), (), imported=True) is find_task("sentiment")
