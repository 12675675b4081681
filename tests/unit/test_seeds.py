"""Runs of several seeds: what is shown is all of them, what is kept is one, and each keeps its own."""

import csv
import io
import json
import shutil
import statistics

import pytest
import yaml
from rich.console import Console
from tiny import save_checkpoint, save_csv, save_vectors

import nlp_transfer
from nlp_transfer.errors import CheckpointError, ConfigError, DataError
from nlp_transfer_tasks.sentiment import Sentiment

SEEDS = [0, 1]
OF_CUTS = "data.split_seed=seed", f"training.seeds={SEEDS[::-1]}"
STRATEGIES = {"full": {"kind": "full"}, "frozen": {"kind": "frozen"}, "scratch": {"kind": "full"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A checkpoint, reviews, and a configuration for each strategy."""
    root = tmp_path_factory.mktemp("seeds")
    source = {"kind": "checkpoint", "name": save_checkpoint(root / "bert", num_hidden_layers=1)}
    for name, strategy in STRATEGIES.items():
        config = {
            "task": {"name": "sentiment", "max_length": 32},
            "source": {**source, "scratch": name == "scratch"},
            "strategy": strategy,
            "data": {"train": save_csv(root / "reviews.csv", 120), "test_share": 0.3},
            "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.003, "precision": "fp32", "seeds": SEEDS},
        }
        (root / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return root


def compared(place, output, *overrides, names=("full", "frozen", "scratch"), **settings):
    configs = [place / f"{name}.yaml" for name in names]
    return nlp_transfer.compare(configs, overrides, output=output, progress=False, **settings)


def count_fits(place, output, *overrides, **settings):
    """Compare, and count how often simple methods were fitted; returns the comparison and that number."""
    fit, fitted = Sentiment.baselines, []

    def count(task, splits):
        fitted.append(fit(task, splits))
        return fitted[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sentiment, "baselines", count)
        return compared(place, output, *overrides, **settings), len(fitted)


@pytest.fixture(scope="module")
def counted_whole(place):
    """All strategies on one cut of the data, and how often simple methods were fitted."""
    return count_fits(place, place / "whole")


@pytest.fixture(scope="module")
def whole(counted_whole):
    return counted_whole[0]


@pytest.fixture(scope="module")
def counted_cuts(place):
    """The same with a cut for each seed, and the seeds the other way round."""
    return count_fits(place, place / "cuts", *OF_CUTS, names=("full", "frozen"))


@pytest.fixture(scope="module")
def cuts(counted_cuts):
    return counted_cuts[0]


def read(*parts):
    return json.loads(parts[0].joinpath(*parts[1:]).read_text())


def accuracies(folder, split="test"):
    return [read(folder, f"seed-{seed}", "metrics.json")[split]["accuracy"] for seed in SEEDS]


def text(comparison):
    console = Console(width=200, file=io.StringIO())
    console.print(comparison.table)
    return console.file.getvalue()


def test_a_comparison_shows_the_mean_and_the_spread_of_the_seeds(whole):
    each = accuracies(whole.folder / "full")
    shown = f"{statistics.mean(each):.4f} ± {statistics.stdev(each):.4f}"
    assert statistics.stdev(each) > 0
    line = next(line for line in text(whole).splitlines() if "full (2 seeds)" in line)
    assert shown in line
    assert "mean ± standard deviation over the seeds" in text(whole)


def test_the_file_of_a_comparison_holds_means_and_spread_and_the_kept_one_apart(whole):
    told = read(whole.folder, "comparison.json")["runs"]["full"]
    for split in ("validation", "test"):
        each = accuracies(whole.folder / "full", split)
        assert told[split]["accuracy"] == pytest.approx(statistics.mean(each))
        assert told[split]["standard_deviation"]["accuracy"] == pytest.approx(statistics.stdev(each))
    own = read(whole.folder, "full", "metrics.json")
    assert told["kept"] == {name: own[name] for name in ("seed", "validation", "test")}


def test_the_model_of_the_best_seed_on_validation_is_kept_first_or_last(whole, cuts):
    kept = []
    for folder, seeds in ((whole.folder / "full", SEEDS), (cuts.folder / "full", SEEDS[::-1])):
        own = read(folder, "metrics.json")
        assert own["validation"]["accuracy"] == max(accuracies(folder, "validation"))
        assert len(set(accuracies(folder, "validation"))) > 1
        kept.append(seeds.index(own["seed"]))
    assert set(kept) == {0, 1}


def test_the_file_of_a_run_holds_the_scores_of_the_model_it_keeps_beside_those_of_all(whole):
    own = read(whole.folder, "full", "metrics.json")
    each = accuracies(whole.folder / "full")
    assert own["test"] == read(whole.folder, "full", f"seed-{own['seed']}", "metrics.json")["test"]
    assert own["seeds"]["values"] == SEEDS
    assert own["seeds"]["test"]["accuracy"] == {
        "mean": pytest.approx(statistics.mean(each)), "standard_deviation": pytest.approx(statistics.stdev(each)),
    }  # fmt: skip
    assert len(set(each)) > 1


def test_verdicts_speak_of_all_seeds(whole):
    assert any(line.startswith("bert, full (2 seeds) is worse than tfidf_logistic: ") for line in whole.verdicts)
    hits = [read(whole.folder, "full", f"seed-{seed}", "hits.json")["run"] for seed in SEEDS]
    assert read(whole.folder, "full", "hits.json")["run"] == [
        pytest.approx(sum(row) / 2) for row in zip(*hits, strict=True)
    ]


def test_a_control_of_several_seeds_stands_in_the_metrics_of_its_run_with_its_spread(whole):
    controls = read(whole.folder, "full", "metrics.json")["controls"]
    each = accuracies(whole.folder / "scratch")
    (scores,) = controls.values()
    assert list(controls) == ["bert from scratch, full (2 seeds)"]
    assert scores["test"]["standard_deviation"]["accuracy"] == pytest.approx(statistics.stdev(each))
    assert f"{statistics.mean(each):.4f} ± " in (whole.folder / "full" / "README.md").read_text()


def test_seeds_that_change_nothing_are_said_and_have_no_spread(whole):
    said = "2 seeds gave one and the same result: a solved head draws nothing at random; set data.split_seed: seed"
    assert any(line.startswith(f"bert, frozen: {said}") for line in whole.verdicts)
    line = next(line for line in text(whole).splitlines() if "frozen" in line)
    assert "±" not in line
    told = read(whole.folder, "frozen", "metrics.json")["seeds"]
    assert told["test"]["accuracy"]["standard_deviation"] is None
    assert told["note"].startswith(said)
    card = (whole.folder / "frozen" / "README.md").read_text()
    assert said in card
    assert "mean of all seeds" not in card


def test_seeds_that_only_score_alike_have_a_spread_of_zero(place, whole, tmp_path):
    run = shutil.copytree(whole.folder / "frozen", tmp_path / "run")
    metrics = read(run, "seed-1", "metrics.json")
    metrics["weights"] = {"model.safetensors": "another"}
    (run / "seed-1" / "metrics.json").write_text(json.dumps(metrics))
    summary = nlp_transfer.run(place / "frozen.yaml", resume=run, progress=False).summary
    assert " ± 0.0000" in summary
    assert "one and the same result" not in summary


def test_a_summary_tells_the_mean_from_the_model_that_is_kept(place, whole):
    again = nlp_transfer.run(place / "full.yaml", resume=whole.folder / "full", progress=False)
    lines = again.summary.splitlines()
    assert any("test: bert, full (2 seeds): accuracy " in line and " ± " in line for line in lines)
    assert any(line.startswith(f"kept: the model of seed {again.metrics['seed']}, the best on valid") for line in lines)
    frozen = nlp_transfer.run(place / "frozen.yaml", resume=whole.folder / "frozen", progress=False)
    assert "±" not in frozen.summary
    assert "2 seeds gave one and the same result" in frozen.summary


def test_results_are_one_line_in_an_interpreter(place, whole):
    again = nlp_transfer.run(place / "full.yaml", resume=whole.folder / "full", progress=False)
    assert repr(again).startswith(f"RunResult({whole.folder / 'full'}: bert, full (2 seeds), test accuracy 0.")
    assert repr(whole) == (
        f"Comparison({whole.folder}: bert, full (2 seeds); bert, frozen; bert from scratch, full (2 seeds))"
    )


def test_each_seed_has_a_cut_of_its_own(cuts):
    parts = [read(cuts.folder, "full", f"seed-{seed}", "metrics.json")["data"]["splits"] for seed in SEEDS]
    assert len({part["test"]["fingerprint"] for part in parts}) == len(SEEDS)
    assert [part["test"]["origin"].rpartition(" ")[2] for part in parts] == ["0", "1"]


def test_a_solved_head_has_a_spread_over_cuts(cuts):
    each = accuracies(cuts.folder / "frozen")
    shown = f"{statistics.mean(each):.4f} ± {statistics.stdev(each):.4f}"
    assert shown in next(line for line in text(cuts).splitlines() if "frozen (2 seeds)" in line)


def test_simple_methods_are_measured_on_each_cut_and_averaged(cuts):
    told = read(cuts.folder, "comparison.json")["runs"]["full"]["baselines"]["tfidf_logistic"]["test"]
    parts = [read(cuts.folder, "full", f"seed-{seed}", "metrics.json")["baselines"] for seed in SEEDS]
    each = [part["tfidf_logistic"]["test"]["accuracy"] for part in parts]
    assert told["accuracy"] == pytest.approx(statistics.mean(each))
    assert told["standard_deviation"]["accuracy"] == pytest.approx(statistics.stdev(each))


def test_verdicts_over_cuts_hold_seed_against_seed(cuts):
    own, hits = read(cuts.folder, "frozen", "hits.json"), {}
    for seed in SEEDS:
        part = read(cuts.folder, "frozen", f"seed-{seed}", "hits.json")
        for place, score in zip(part["rows"], part["run"], strict=True):
            hits.setdefault(place, []).append(score)
    assert dict(zip(own["rows"], own["counts"], strict=True)) == {place: len(found) for place, found in hits.items()}
    assert max(own["counts"]) > 1
    assert any("bert, frozen (2 seeds) " in line and " points (" in line for line in cuts.verdicts)


def test_the_card_of_a_run_over_cuts_says_whose_rows_it_lists(cuts):
    seed = read(cuts.folder, "full", "metrics.json")["seed"]
    card = (cuts.folder / "full" / "README.md").read_text()
    assert f"Each seed has rows of its own; these are those of seed {seed}." in card
    assert "tfidf_logistic, mean of all seeds" in card


def test_runs_whose_rows_follow_the_seed_are_compared_on_the_same_seeds_only(place, tmp_path):
    config = yaml.safe_load((place / "full.yaml").read_text())
    config["training"]["seeds"] = [0, 4]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"compare: other has other seeds than full, .*data\.split_seed.* alike"):
        nlp_transfer.compare(
            [place / "full.yaml", tmp_path / "other.yaml"], ["data.split_seed=seed"], output=tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_comparison_over_cuts_goes_on_as_it_was(place, cuts, tmp_path):
    again = shutil.copytree(cuts.folder, tmp_path / "again")
    (again / "comparison.json").unlink()
    resumed = compared(place, None, *OF_CUTS, names=("full", "frozen"), resume=again)
    assert resumed.verdicts == cuts.verdicts
    assert text(resumed) == text(cuts)


def test_data_that_changed_between_two_seeds_are_refused_also_where_each_has_its_own_cut(place, tmp_path):
    config = yaml.safe_load((place / "frozen.yaml").read_text())
    config["source"] = {"kind": "vectors", "name": save_vectors(tmp_path / "words.txt")}
    config["data"] |= {"train": save_csv(tmp_path / "reviews.csv", 40), "split_seed": "seed"}
    config["training"]["seeds"] = [0, 1]
    run = nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    shutil.rmtree(run.folder / "seed-1")
    (run.folder / "metrics.json").unlink()
    with (tmp_path / "reviews.csv").open("a", newline="") as file:
        csv.writer(file).writerow(("one more row", "negative"))
    with pytest.raises(DataError, match=r"seed-1: its train rows are not those of .*seed-0: the data changed"):
        nlp_transfer.run(config, resume=run.folder, progress=False)


def test_runs_that_an_earlier_version_left_are_told_as_new_ones(place, whole, tmp_path):
    old = shutil.copytree(whole.folder, tmp_path / "old")
    for path in old.rglob("hits.json"):
        path.write_text(json.dumps({name: part for name, part in read(path).items() if name != "rows"}))
    for path in old.rglob("metrics.json"):
        metrics = read(path)
        del metrics["data"]["contents"]
        metrics.get("seeds", {}).pop("note", None)
        path.write_text(json.dumps(metrics))
    resumed = compared(place, None, resume=old)
    assert resumed.verdicts == whole.verdicts
    assert text(resumed) == text(whole)


def test_a_run_that_has_lost_one_of_its_seeds_says_so(place, whole, tmp_path):
    lost = shutil.copytree(whole.folder / "full", tmp_path / "lost")
    shutil.rmtree(lost / "seed-1")
    with pytest.raises(CheckpointError, match=r"seed-1: lacks metrics\.json, with the scores of this seed"):
        nlp_transfer.run(place / "full.yaml", resume=lost, progress=False)
    assert nlp_transfer.load(lost).predict(["good"])  # the model is there


def test_warnings_that_are_true_of_several_runs_are_said_once(place, tmp_path, caplog):
    data = tmp_path / "reviews.csv"
    data.write_text((place / "reviews.csv").read_text() + "\n".join(["an odd one,positive", "an odd one,negative"] * 9))
    source = f"source={{kind: vectors, name: {save_vectors(tmp_path / 'words.txt')}}}"
    compared(place, tmp_path / "out", f"data.train={data}", source, names=("full", "frozen"))
    said = [message for message in caplog.messages if "repeat a text" in message]
    assert len(said) == len(set(said)) > 0


@pytest.mark.parametrize(("comparison", "times"), [("counted_whole", 1), ("counted_cuts", len(SEEDS))])
def test_simple_methods_are_fitted_once_for_the_runs_of_a_command_that_share_their_rows(request, comparison, times):
    both, fitted = request.getfixturevalue(comparison)
    assert fitted == times
    one, two = (read(both.folder, "frozen", f"seed-{seed}", "hits.json") for seed in (0, 1))
    assert (one["rows"] == two["rows"]) == (times == 1)
    assert one["baselines"].keys() == two["baselines"].keys() == {"majority", "tfidf_logistic"}
    assert read(both.folder, "full", "seed-1", "hits.json")["baselines"] == two["baselines"]
