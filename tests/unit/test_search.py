"""`search`: settings are tried on validation, and test says once what that was worth."""

import importlib.util
import json
import shutil
from datetime import date

import pytest
import tiny
import yaml

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.config.space import Range, check_space, read_space
from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.runs import conclude
from nlp_transfer.runs.searching import search as verb
from nlp_transfer.runs.searching import trials

SPACE = {"training.epochs": {"low": 1, "high": 9}, "training.label_smoothing": {"low": 0.0, "high": 0.4}}
COUNT = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A configuration on reviews and word vectors, and a space."""
    folder = tmp_path_factory.mktemp("searches")
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": tiny.save_csv(folder / "reviews.csv", 60)},
    }
    (folder / "words.yaml").write_text(yaml.safe_dump(config))
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE))
    return folder


def look(place, output, count=COUNT, space=SPACE, **settings):
    return nlp_transfer.search(
        place / "words.yaml", space=space, trials=count, output=output, progress=False, **settings
    )


@pytest.fixture(scope="module")
def whole(place):
    """A finished search, and which splits were answered how often for it."""
    patch, infer, answered = pytest.MonkeyPatch(), conclude.infer_split, []
    patch.setattr(conclude, "infer_split", lambda *given, **more: answered.append(given[2]) or infer(*given, **more))
    found = look(place, place / "whole")
    patch.undo()
    return found, answered


def read(folder):
    return json.loads((folder / "search.json").read_text())


@pytest.fixture
def known(whole, monkeypatch):
    """Answer test no more: the two runs are those of the finished search."""
    monkeypatch.setattr(verb, "run_in", lambda folder, *_, **__: getattr(whole[0], folder.name))


@pytest.fixture
def judged(known, monkeypatch):
    """Let numbers stand for trainings: a function that takes the looks at validation of each trial to come."""

    def arrange(*courses):
        left = iter(courses)

        def validate(config, check, watch, *, progress):
            course = next(left)
            if isinstance(course, BaseException):
                raise course
            for score in course:
                watch({config.task_class.selection: score})
            return course[-1]

        monkeypatch.setattr(trials, "validate", validate)

    return arrange


def test_test_is_answered_twice_at_the_end_by_the_best_and_by_the_unchanged_configuration(whole):
    found, answered = whole
    assert answered == ["test", "test"]
    assert [one.state for one in found.trials] == ["whole"] * COUNT
    assert found.chosen.validation == max(one.validation for one in found.trials)
    unchanged, best = (load_config(found.folder / name / "config.yaml") for name in ("unchanged", "best"))
    assert (unchanged.training.epochs, unchanged.training.label_smoothing) == ("auto", 0.0)
    assert best.training.epochs == found.chosen.values["training.epochs"]
    assert best.training.label_smoothing == found.chosen.values["training.label_smoothing"]
    assert nlp_transfer.load(found.folder / "best").predict(["a good film"])


def test_it_says_what_was_chosen_and_what_that_was_worth_with_an_interval(whole):
    found, _ = whole
    figures = read(found.folder)
    assert figures["verdict"] == list(found.verdict)
    assert found.verdict[0] == "3 trials with seed 0: 3 trained to the end, 0 stopped early, 0 failed."
    assert "Chosen on validation: trial" in found.verdict[1]
    assert found.verdict[2].startswith("best cannot be told from unchanged: 6 test rows are too few")
    assert figures["gain"]["low"] <= figures["gain"]["difference"] <= figures["gain"]["high"]
    hits = [found.best.row.correct, found.unchanged.row.correct]
    assert found.gain.difference == pytest.approx(sum(hits[0]) / 6 - sum(hits[1]) / 6)
    assert f"of {COUNT} trials" in repr(found)


def test_a_search_that_was_killed_goes_on_to_the_same_figures(place, whole, known, tmp_path, monkeypatch, caplog):
    validate, begun = trials.validate, []

    def die(*given, **more):
        begun.append(1)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return validate(*given, **more)

    monkeypatch.setattr(trials, "validate", die)
    with pytest.raises(KeyboardInterrupt):
        look(place, tmp_path / "out")
    assert f"go on with the same command and --output {tmp_path / 'out'}" in caplog.text
    assert not (tmp_path / "out" / "search.json").exists()
    found = look(place, tmp_path / "out")
    assert len(begun) == COUNT + 1  # the second one again, under the same number and with the same values
    assert read(found.folder) == read(whole[0].folder)


def test_a_finished_search_is_read_and_takes_no_more_trials_for_test_is_known(place, whole, tmp_path, judged):
    copied = shutil.copytree(whole[0].folder, tmp_path / "copied")
    judged()
    assert look(place, copied).verdict == whole[0].verdict
    with pytest.raises(ConfigError, match="holds a finished search, which has answered test; choose another"):
        look(place, copied, COUNT + 1)
    with pytest.raises(ConfigError, match=r"space training\.epochs: .* before, unset now"):
        look(place, copied, space={"training.label_smoothing": [0.0, 0.1]})
    with pytest.raises(ConfigError, match=r"training\.seed: 0 before, 1 now"):
        look(place, copied, overrides=["training.seed=1"])


def test_a_weak_trial_ends_early_and_one_that_cannot_be_trained_is_noted(place, tmp_path, judged, caplog):
    good = [(0.6, 0.7, 0.8)] * 4
    judged(*good, TrainingError("the loss is not finite"), (0.5, 0.9, 0.9), (0.1, 0.2, 0.99), (0.1,))
    found = look(place, tmp_path / "out", 8)
    assert [one.state for one in found.trials] == [*["whole"] * 4, "failed", "whole", "stopped", "whole"]
    failed, chosen, stopped = found.trials[4:7]
    assert (failed.validation, failed.reason) == (None, "the loss is not finite")
    assert (stopped.validation, stopped.looks) == (0.2, 2)
    assert found.chosen == chosen
    assert "8 trials with seed 0: 6 trained to the end, 1 stopped early, 1 failed." in found.verdict


def test_where_no_trial_can_be_trained_the_reason_is_told(place, tmp_path, judged):
    judged(TrainingError("out of memory"), TrainingError("out of memory"))
    with pytest.raises(TrainingError, match="none of 2 trials could be trained: out of memory"):
        look(place, tmp_path / "out", 2)


def test_a_section_may_be_a_choice(place, tmp_path, judged):
    judged((0.5,), (0.6,))
    kinds = [{"kind": "frozen"}, {"kind": "frozen", "solver": "gradient"}]
    found = look(
        place, tmp_path / "o?{u}%t", 2, space={"strategy": kinds, "training.epochs": [1]} | {"training.epochs": [1, 2]}
    )
    assert all(one.values["strategy"] in kinds for one in found.trials)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "names nothing to try"),
        ({"training.epochs": 3}, r"training\.epochs: expected a list of choices, or a range .* received 3"),
        ({"training.epochs": [3]}, "expected two different choices or more"),
        ({"training.epochs": [3, 3]}, "expected two different choices or more"),
        ({"training.epochs": [3, date(2024, 5, 1)]}, "date is not JSON serializable; write a choice as a text"),
        ({"training.epochs": {"low": 3}}, "high: is required"),
        ({"training.epochs": {"low": 3, "hihg": 4}}, "Did you mean 'high'"),
        ({"training.epochs": {"low": 3, "high": 2}}, "low 3 must be less than high 2"),
        ({"training.warmup": {"low": 0.0, "high": 0.5, "log": True}}, "log: true needs numbers above 0, and low is 0"),
        ({"training.epoch": [1, 2]}, r"with training\.epoch=1: training\.epoch: unknown key.* 'epochs'"),
        ({"training.epochs": {"low": 0, "high": 4}}, r"with training\.epochs=0: .* greater than or equal to 1"),
        ({"training.epochs": {"low": 0.5, "high": 4.0}}, r"with training\.epochs=0\.5"),
        ({"data.limit": [10, 20]}, "same task, rows, seeds and score; leave it out"),
        ({"training.selection": ["accuracy", "mcc"]}, "same task, rows, seeds and score; leave it out"),
        ({"training.batch_size": [4, 32], "training.accumulation": [1, 8]}, "batch_size=4, training.accumulation=8: "),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_the_first_trial(place, space, said):
    with pytest.raises(ConfigError, match=said):
        check_space(load_config(place / "words.yaml"), read_space(space))


@pytest.mark.parametrize("schedules", [["linear", "constant"], ["constant", "linear"]])  # one begins with the default
def test_a_space_without_any_effect_is_refused_before_the_first_training(place, tmp_path, schedules):
    space = {"training.learning_rate": {"low": 1e-4, "high": 1e-2}, "training.schedule": schedules}
    unused = (
        r"space: training\.learning_rate: not used, .*training\.schedule: not used, .*; so all trials would be the same"
    )
    with pytest.raises(ConfigError, match=unused):
        look(place, tmp_path / "idle", 1, space=space)
    # Nothing was trained, so that another space may be searched into the same folder.
    with pytest.raises(ConfigError, match=unused):
        look(place, tmp_path / "idle", 1, space={**space, "training.schedule": ["cosine", "constant"]})


def test_a_space_is_a_mapping_or_the_place_of_one():
    with pytest.raises(ConfigError, match="space: expected a path or its name, received a list"):
        read_space(["training.epochs"])


def test_an_empty_space_is_told_what_a_space_needs(tmp_path):
    (tmp_path / "space.yaml").touch()
    with pytest.raises(ConfigError, match=r"space\.yaml: the file is empty; write KEY: \[CHOICE, \.\.\.\]"):
        read_space(tmp_path / "space.yaml")


def test_whole_numbers_stay_whole():
    assert read_space({"a": {"low": 1, "high": 2}})["a"] == Range(low=1, high=2)
    assert not Range(low=1, high=2.0).is_whole


def test_a_damaged_file_of_trials_is_told_in_one_line(place, tmp_path):
    (tmp_path / "trials.db").write_text("no database" * 100)
    with pytest.raises(ConfigError, match=r"trials\.db: cannot be read .*; choose another --output"):
        look(place, tmp_path)


def test_the_command_prints_table_and_verdict_and_says_what_is_missing(place, whole, command, monkeypatch, tmp_path):
    copied = shutil.copytree(whole[0].folder, tmp_path / "copied")
    words = ("search", place / "words.yaml", "--space", place / "space.yaml", "--trials", COUNT, "--output", copied)
    code, out, _ = command(*words)
    assert code == 0
    assert "3 trials with seed 0" in out
    assert f"run folders: {copied}, best of them {copied / 'best'}" in out
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, err = command(*words)
    assert (code, err) == (2, "error: search needs Optuna; pip install 'nlp-transfer[search]'\n")
