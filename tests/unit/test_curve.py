"""`curve`: how many labels are enough, and what pretraining is worth in labels."""

import json
import shutil
from html import escape

import pytest
import tiny
import yaml
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.runs.curves import contenders as runs
from nlp_transfer.runs.curves import curve as verb
from nlp_transfer.runs.curves.plan import plan_contenders

SIZES = (8, 48)


def write(folder, name, source, strategy="frozen", **changes):
    """Write a configuration on the reviews in the folder, and return its name."""
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": source,
        "strategy": {"kind": strategy},
        "data": {"train": str(folder / "reviews.csv"), "test_share": 0.3, **changes.pop("data", {})},
        "training": {"epochs": 1, "batch_size": 32, "precision": "fp32", "learning_rate": 0.01},
        **changes,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return str(folder / f"{name}.yaml")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Reviews, and word vectors that know good from bad."""
    folder = tmp_path_factory.mktemp("curves")
    tiny.save_csv(folder / "reviews.csv", 120)
    vectors = {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")}
    write(folder, "words", vectors)
    return folder


def draw(place, output, *names, sizes=SIZES, seeds=2, **settings):
    configs = [place / f"{name}.yaml" for name in names or ("words",)]
    return nlp_transfer.curve(configs, sizes=sizes, seeds=seeds, output=output, progress=False, **settings)


@pytest.fixture(scope="module")
def whole(place):
    return draw(place, place / "whole")


def read_figures(folder):
    """The contents of curve.json but for the time and what else this machine decides."""
    return _leave_out_time(json.loads((folder / "curve.json").read_text()))


def _leave_out_time(values):
    if isinstance(values, dict):
        return {
            key: _leave_out_time(value)
            for key, value in values.items()
            if "seconds" not in key and key not in ("timing", "costs")
        }
    return [_leave_out_time(value) for value in values] if isinstance(values, list) else values


def list_rows(folder):
    """The texts that a run of one seed has learned from are not kept, but their fingerprint and number are."""
    return json.loads((folder / "metrics.json").read_text())["data"]["splits"]


def test_every_method_is_measured_at_every_size_beside_its_control_and_the_simple_methods(whole):
    figures = json.loads((whole.folder / "curve.json").read_text())
    assert list(figures["methods"]) == ["words"]
    assert list(figures["simple"]) == ["majority", "tfidf_logistic"]
    words = figures["methods"]["words"]
    for one in (words, words["scratch"], *figures["simple"].values()):
        assert [point["size"] for point in one["points"]] == list(SIZES)
        assert all(len(point["scores"]) == 2 for point in one["points"])
        assert all(point["low"] <= point["mean"] <= point["high"] for point in one["points"])
    assert words["scratch"]["role"] == "scratch"
    assert words["points"][-1]["mean"] > 0.9 > words["scratch"]["points"][0]["mean"]
    assert [one["size"] for one in words["worth"]] == list(SIZES)
    assert words["convergence"][0]["steps"] == 0  # a solved head


def test_scores_are_those_of_the_runs_and_models_are_not_kept(whole):
    run = whole.folder / "rows-48" / "words"
    scores = [json.loads((run / f"seed-{seed}" / "metrics.json").read_text())["test"]["accuracy"] for seed in (0, 1)]
    assert list(whole.methods[0].points[1].scores) == pytest.approx(scores)
    assert not list(whole.folder.rglob("*.safetensors"))


def test_all_sizes_and_methods_are_tested_on_the_same_rows_and_seeds_learn_from_their_own(whole):
    splits = {
        (size, name, seed): list_rows(whole.folder / f"rows-{size}" / name / f"seed-{seed}")
        for size in SIZES
        for name in ("words", "scratch")
        for seed in (0, 1)
    }
    assert len({one["test"]["fingerprint"] for one in splits.values()}) == 1
    assert len({one["validation"]["fingerprint"] for one in splits.values()}) == 1
    for size in SIZES:
        trains = {seed: splits[size, "words", seed]["train"] for seed in (0, 1)}
        assert [one["rows"] for one in trains.values()] == [size, size]
        assert trains[0]["fingerprint"] != trains[1]["fingerprint"]
        assert trains[0]["fingerprint"] == splits[size, "scratch", 0]["train"]["fingerprint"]


def test_what_answers_cost_stands_beside_the_scores(place, whole, copied, undrawn):
    figures = json.loads((whole.folder / "curve.json").read_text())
    cost = json.loads((whole.folder / "rows-48" / "words" / "seed-0" / "metrics.json").read_text())["cost"]
    assert figures["costs"]["words"].keys() == cost.keys()
    assert figures["costs"]["words"]["megabytes"] == cost["megabytes"] > 0
    assert any("ms a text one at a time" in sentence and "MB on the disk" in sentence for sentence in whole.timing)
    assert "ms a text" in (whole.folder / "curve.md").read_text()
    priced = draw(place, copied, resume="auto", rate=0.9)
    assert any("where an hour costs 0.9" in sentence for sentence in priced.timing)


@pytest.fixture
def undrawn(monkeypatch):
    """Draw no figure: that takes a second each time."""
    monkeypatch.setattr(verb, "plot_curves", lambda *_, **__: None)


@pytest.fixture
def copied(whole, tmp_path):
    """The finished curve in another place."""
    return shutil.copytree(whole.folder, tmp_path / "copied")


def test_a_curve_that_was_killed_goes_on_to_the_same_figures(place, whole, copied, undrawn, monkeypatch):
    shutil.rmtree(copied / "rows-48")
    (copied / "curve.json").unlink()
    run = runs.run_in

    def die(folder, *given, **settings):
        if folder == copied / "rows-48" / "scratch":
            raise KeyboardInterrupt
        return run(folder, *given, **settings)

    monkeypatch.setattr(runs, "run_in", die)
    with pytest.raises(KeyboardInterrupt):
        draw(place, copied, resume="auto")
    assert (copied / "rows-48" / "words" / "metrics.json").exists()
    assert not (copied / "curve.json").exists()

    monkeypatch.setattr(runs, "run_in", run)
    draw(place, copied, resume="auto")
    assert read_figures(copied) == read_figures(whole.folder)


def test_a_curve_takes_other_sizes_and_trains_only_these(place, copied, monkeypatch, caplog):
    with pytest.raises(ConfigError, match="holds a learning curve; go on with it, also with more sizes, by --resume"):
        draw(place, copied, sizes=(8, 24))

    run, trained = runs.run_in, []

    def note(folder, *given, **settings):
        if not (folder / "metrics.json").exists():
            trained.append(str(folder.relative_to(copied)))
            raise KeyboardInterrupt
        return run(folder, *given, **settings)

    monkeypatch.setattr(runs, "run_in", note)
    with pytest.raises(KeyboardInterrupt):
        draw(place, copied, sizes=(8, 24), resume=copied)
    assert trained == ["rows-24/words"]
    assert f"go on with the same command and --resume {copied}" in caplog.text

    (copied / "curve.json").unlink()  # as if it had been stopped
    with pytest.raises(KeyboardInterrupt):
        draw(place, copied, sizes=(24, 32), resume=copied)


def test_data_that_changed_between_two_attempts_are_refused(place, copied):
    for path in (copied / "rows-48").rglob("metrics.json"):
        figures = json.loads(path.read_text())
        figures["data"]["contents"]["train"] = "0" * 32
        path.write_text(json.dumps(figures))
    with pytest.raises(DataError, match="the data changed between the two"):
        draw(place, copied, resume="auto")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sizes": (8,)}, r"sizes: expected two or more numbers of rows, such as 16,64,256, received \[8\]"),
        ({"sizes": (8, 8)}, "expected two or more"),
        ({"sizes": (0, 8)}, "sizes: 0 is no number of rows, which is 1 or more"),
        ({"sizes": (8, 500)}, "sizes: 500 rows, but train has 7[0-9]; leave it out"),
        ({"seeds": 0}, "seeds: expected how many there are, 1 or more, received 0"),
        ({"overrides": ["data.split_seed=seed"]}, "measured on one test; set data.split_seed to a number"),
    ],
)
def test_sizes_and_seeds_that_make_no_curve_are_refused_before_anything_is_written(place, tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        draw(place, tmp_path / "c", **settings)
    assert not (tmp_path / "c").exists()


def plan(folder, **sources):
    configs = {}
    for name, (source, strategy) in sources.items():
        configs[name] = nlp_transfer.load_config(write(folder, name, source, strategy))
    return {one.name: one for one in plan_contenders(configs)}


BERT, WORDS = {"kind": "checkpoint", "name": "bert"}, {"kind": "vectors", "name": "words.txt"}


def test_a_source_has_one_control_trained_in_full_and_made_like_its_full_run(tmp_path):
    planned = plan(tmp_path, frozen=(BERT, "frozen"), full=(BERT, "full"))
    assert {name: one.control for name, one in planned.items()} == {
        "frozen": "scratch",
        "full": "scratch",
        "scratch": "",
    }
    control = planned["scratch"].config
    assert (control.source.name, control.source.scratch, control.strategy.kind) == ("bert", True, "full")
    assert control.training == planned["full"].config.training


def test_class_weights_that_a_solved_head_chooses_are_chosen_after_the_steps_of_a_control(tmp_path):
    task = {"name": "sentiment", "max_length": 32, "class_weights": "auto"}
    own, control = plan_contenders({"frozen": nlp_transfer.load_config(write(tmp_path, "frozen", BERT, task=task))})
    chosen = [(one.config.task.class_weights, one.config.training.rebalance) for one in (own, control)]
    assert chosen == [("auto", "none"), ("none", "auto")]


def test_controls_of_several_sources_are_named_after_their_runs(tmp_path):
    planned = plan(
        tmp_path, frozen=(BERT, "frozen"), words=(WORDS, "frozen"), cnn=({**WORDS, "contextualizer": "cnn"}, "full")
    )
    assert [one.control for one in planned.values()] == ["scratch-frozen", "scratch-words", "scratch-cnn", "", "", ""]


def test_a_control_that_is_given_is_used(tmp_path):
    planned = plan(tmp_path, frozen=(BERT, "frozen"), mine=({**BERT, "scratch": True}, "full"))
    assert {name: one.control for name, one in planned.items()} == {"frozen": "mine", "mine": ""}
    with pytest.raises(ConfigError, match="all configurations are scratch controls"):
        plan(tmp_path, mine=({**BERT, "scratch": True}, "full"))
    with pytest.raises(ConfigError, match="scratch is the name of a control here; rename that configuration"):
        plan(tmp_path, scratch=(BERT, "frozen"))


def test_a_control_that_would_be_trained_for_nothing_is_refused(tmp_path):
    control = {**BERT, "scratch": True}
    with pytest.raises(ConfigError, match="mine is a control, but nothing here starts from its source; leave it out"):
        plan(tmp_path, words=(WORDS, "frozen"), mine=(control, "full"))
    with pytest.raises(ConfigError, match="one and two are controls of one source; leave one out"):
        plan(tmp_path, bert=(BERT, "frozen"), one=(control, "full"), two=(control, "frozen"))


def test_figure_table_and_sentences_stand_beside_the_figures(whole, tmp_path):
    assert (whole.folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (whole.folder / "curve.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (whole.folder / "curve.svg").read_text()
    shown = (whole.folder / "report.html").read_text()
    assert shown.count("<svg") == 2  # one for a narrow page
    assert "could not be drawn" not in shown
    assert all(escape(sentence) in shown for sentence in (*whole.verdict, *whole.timing))
    assert 'href="rows-8/' in shown
    again = nlp_transfer.report([whole.folder], tmp_path / "again.html").file
    assert again.read_text().count("<table") == shown.count("<table")
    page = (whole.folder / "curve.md").read_text()
    assert "| rows of train | 8 | 48 |" in page
    assert all(f"- {sentence}\n" in page for sentence in (*whole.verdict, *whole.timing))
    assert whole.verdict[0].startswith(
        "What pretraining is worth to words.txt, frozen, in labels beside words.txt from scratch, full: at 8 rows "
    )
    assert whole.verdict[1].startswith("words.txt, frozen does not beat tfidf_logistic by more than chance at 48 rows")
    assert whole.timing[0].startswith("With 48 rows words.txt, frozen reaches the best validation accuracy of words")
    assert any(sentence.startswith("Training on 48 rows takes: words.txt, frozen ") for sentence in whole.timing)
    assert repr(whole) == f"Curve({whole.folder}: words.txt, frozen at [8, 48] rows)"


DECODER = {"layers": 1, "width": 64, "vocabulary": 320}
TRANSLATION = {"name": "translation", "decoder": DECODER, "max_target_length": 8, "generation": {"beams": 1}}


@pytest.mark.parametrize(
    ("task", "columns", "score"),
    [
        (TRANSLATION, "target", "sentence chrF"),
        ({"name": "summarization", "scorer": {"width": 8}}, "summary", "rouge1"),
    ],
    ids=lambda value: value.get("name") if isinstance(value, dict) else None,
)
def test_text_that_is_written_has_curves_too(tmp_path, undrawn, task, columns, score):
    rows = [{"text": text, "source": text, columns: text.split(" ", 2)[1]} for text in tiny.texts(40)[0]]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    data = {"train": str(tmp_path / "rows.jsonl")}
    write(tmp_path, "words", source, task={"max_length": 32, **task}, data=data)
    found = draw(tmp_path, tmp_path / "c", sizes=(8, 16), seeds=1)
    assert found.score == score
    assert all(0 <= point.mean.difference <= 100 for point in found.methods[0].points)
    assert len(found.methods[0].scratch.points) == 2


def test_checkpoints_are_trained_with_frozen_layers_too(tmp_path, undrawn):
    tiny.save_csv(tmp_path / "reviews.csv", 40)
    bert = {"kind": "checkpoint", "name": tiny.save_checkpoint(tmp_path / "bert", num_hidden_layers=1)}
    write(tmp_path, "bert", bert, "full")
    with pytest.raises(ConfigError, match=r"bert-freeze-2: freeze: 2 layers, but bert has 1"):
        draw(tmp_path, tmp_path / "c", "bert", sizes=(6, 8), seeds=1, freeze=[2])

    found = draw(tmp_path, tmp_path / "c", "bert", sizes=(6, 8), seeds=1, freeze=[1, 0])
    assert [one.layers for one in found.frozen] == [0, 1]
    whole, head = found.frozen
    assert whole.trainable > head.trainable
    assert whole.memory > head.memory
    assert whole.curve.points[0].scores == found.methods[0].points[-1].scores  # it is that run
    assert sorted(path.name for path in (tmp_path / "c" / "rows-8").iterdir()) == ["bert", "bert-freeze-1", "scratch"]
    figures = json.loads((tmp_path / "c" / "curve.json").read_text())["frozen_layers"]
    assert [one["memory"] for one in figures] == [one.memory for one in found.frozen]
    with pytest.raises(ConfigError, match="freeze: expected numbers of layers, such as 0,2,4, received -1"):
        draw(tmp_path, tmp_path / "d", "bert", sizes=(6, 8), seeds=1, freeze=[-1])


def test_layers_are_frozen_in_checkpoints_only(place, tmp_path):
    with pytest.raises(ConfigError, match="freeze: layers are those of a checkpoint, and none of the configurations"):
        draw(place, tmp_path / "c", freeze=[1])


def test_a_mistyped_size_is_told_in_a_line(place):
    done = CliRunner().invoke(app, ["curve", str(place / "words.yaml"), "--sizes", "16,many"])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == "--sizes: expected whole numbers between commas, received '16,many'"
