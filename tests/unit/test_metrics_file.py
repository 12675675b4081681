"""metrics.json: written and read in one place, older and newer ones too; a damaged one is named with the key."""

import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

import nlp_transfer
from nlp_transfer.errors import CheckpointError, PublishError
from nlp_transfer.evaluation.metrics_file import Metrics, read_metrics, write_metrics

OLDER = Path(__file__).parents[1] / "older_runs"


@pytest.fixture
def values():
    return json.loads((OLDER / "finished" / "metrics.json").read_text())


def written(folder, values):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(values))
    return folder


def test_a_file_is_written_again_with_the_same_keys_in_the_same_order(values, tmp_path):
    values["baselines"]["tfidf_logistic"]["chosen"] = "words and pairs"
    values["seeds"] = {"values": [3, 5], "validation": {}, "test": {"f1": {"mean": 1, "standard_deviation": None}}}
    values["seeds"] |= {"baselines": {}, "note": None}
    values["verdict"] = values.pop("verdict")
    write_metrics(tmp_path, read_metrics(written(tmp_path / "run", values)))
    assert (tmp_path / "metrics.json").read_text() == json.dumps(values, indent=2) + "\n"


def test_what_an_older_version_did_not_write_is_not_made_up(values, tmp_path):
    again = read_metrics(written(tmp_path, values))
    assert (again.head, again.seeds, again.answers) == (None, None, 2)
    assert not {"head", "seeds", "controls", "written_back"} & again.values().keys()


def test_what_a_newer_version_adds_is_kept(values, tmp_path):
    values["selection"]["because"] = values["energy"] = "of a later version"
    again = read_metrics(written(tmp_path, values)).values()
    assert (again["energy"], again["selection"]["because"]) == ("of a later version", "of a later version")


def test_what_was_measured_cannot_be_changed(values):
    metrics = Metrics.model_validate(values)
    with pytest.raises(ValidationError, match="frozen"):
        metrics.seed = 1


def without(values, *keys):
    *above, last = keys
    for key in above:
        values = values[key]
    del values[last]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda values: without(values, "seconds", "training"), "seconds.training: missing"),
        (lambda values: without(values, "data", "splits", "test", "rows"), "data.splits.test.rows: missing"),
        (lambda values: without(values, "test", values["selection"]["metric"]), "test.accuracy: missing"),
        (lambda values: without(values, "data", "splits", "validation"), "data.splits.validation: missing"),
        (
            lambda values: without(values, "baselines", "majority", "validation", "accuracy"),
            "baselines.majority.validation.accuracy: missing",
        ),
        (lambda values: values.update(steps="many"), "steps: Input should be a valid integer"),
        (lambda values: values.update(baselines=None), "baselines: Input should be a valid dictionary"),
        (lambda values: values["test"].update(accuracy=float("nan")), "NaN is no score"),
    ],
)
def test_a_damaged_file_is_named_with_the_key_in_one_line(values, tmp_path, damage, said):
    damage(values)
    with pytest.raises(PublishError) as caught:
        read_metrics(written(tmp_path, values), PublishError)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'metrics.json'}: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:200], r"metrics\.json: damaged \(.*line \d+"),
        (lambda text: text.replace('"training"', '"trained"'), r"metrics\.json: damaged \(seconds\.training: missing"),
    ],
)
def test_a_finished_run_with_damaged_figures_says_so_instead_of_failing_in_its_midst(
    tmp_path, monkeypatch, damage, said
):
    shutil.copytree(OLDER, tmp_path / "older")
    monkeypatch.chdir(tmp_path / "older")
    path = Path("finished/metrics.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(CheckpointError, match=said):
        nlp_transfer.run("finished/config.yaml", resume="finished", progress=False)
