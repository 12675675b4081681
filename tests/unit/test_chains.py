"""A run that starts from a run: where its weights came from is told, and what the first left is checked."""

import json
import shutil

import pytest
from tiny import checkpoint, run, save_csv

from nlp_transfer.errors import PublishError, SourceError
from nlp_transfer.publishing.provenance import shorten
from nlp_transfer.runs.publish import publish
from nlp_transfer.sources import load_source

ONCE = {"epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """The folder of a run that started from a run of LoRA, and the data."""
    folder = tmp_path_factory.mktemp("chain")
    data = save_csv(folder / "reviews.csv", 60)
    source = {"kind": "checkpoint", "name": checkpoint(folder / "bert").name}
    run(folder / "first", source, {"kind": "lora", "rank": 2}, data, **ONCE)
    run(folder / "second", folder / "first", {"kind": "frozen", "cache": "memory"}, data)
    return folder / "second", data


def chain_of(folder):
    return json.loads((folder / "metrics.json").read_text())["provenance"].get("chain", [])


def first(data):
    return {"name": "first", "task": "sentiment", "source": "bert", "strategy": "lora", "data": data}


def test_a_run_records_the_run_that_it_started_from_by_names_and_no_places(second):
    folder, _ = second
    assert chain_of(folder) == [first("reviews.csv")]
    assert not chain_of(folder.parent / "first")


@pytest.mark.parametrize("published", [False, True], ids=["the model in the run", "a published tree"])
def test_the_chain_goes_on(second, tmp_path, published):
    folder, data = second
    place = folder / "model"
    if published:
        place = publish(folder, "me/second", dry_run=True, licence="mit", output=tmp_path / "second").folder
    third = run(tmp_path / "third", place, {"kind": "lora", "rank": 2}, data, **ONCE)
    assert [one["name"] for one in chain_of(third.folder)] == ["first", "second"]
    assert third.row.source == "second"
    assert third.figures.provenance.licence == ("mit" if published else None)

    card = (third.folder / "README.md").read_text()
    assert "started from the run `second`" in card
    assert "`bert`, then `first` (sentiment, strategy `lora`, on `reviews.csv`), then `second` (sentiment" in card
    if published:
        assert publish(third.folder, "me/third", dry_run=True, licence="mit").files
        assert "name: second\n" in (third.folder / "publish" / "config.yaml").read_text()


def test_an_adapter_on_a_run_of_this_machine_is_not_published_as_one_on_what_that_run_started_from(second, tmp_path):
    folder, data = second
    base = shutil.copytree(folder, tmp_path / "base")
    figures = json.loads((base / "metrics.json").read_text())
    figures["provenance"]["base_models"] = ["someone/bert"]
    (base / "metrics.json").write_text(json.dumps(figures))
    adapted = run(tmp_path / "adapted", base, {"kind": "lora", "rank": 2}, data, **ONCE)
    assert adapted.figures.provenance.base_models == ("someone/bert",)
    with pytest.raises(PublishError, match="its base 'base' is not on the Hub"):
        publish(adapted.folder, "me/adapted", dry_run=True, licence="mit", adapter_only=True)
    publish(adapted.folder, "me/adapted", dry_run=True, licence="mit")
    told = json.loads((adapted.folder / "publish" / "adapter" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] != "someone/bert"


def test_new_weights_have_no_past(second, tmp_path):
    folder, data = second
    source = {"kind": "checkpoint", "name": str(folder), "scratch": True}
    assert not chain_of(run(tmp_path / "scratch", source, {"kind": "full"}, data, **ONCE).folder)


def test_the_model_in_a_run_is_checked_as_the_run_is(second, tmp_path):
    folder = shutil.copytree(second[0], tmp_path / "run")
    figures = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**figures, "checksums": {"model.safetensors": "0" * 32}}))
    with pytest.raises(SourceError, match="damaged or exchanged"):
        load_source("checkpoint", name=str(folder / "model")).encoder()


def test_a_run_whose_record_cannot_be_read_is_said_to_leave_a_gap(second, tmp_path, caplog):
    folder = shutil.copytree(second[0], tmp_path / "run")
    (folder / "config.yaml").write_text("task: {}")
    again = run(tmp_path / "again", folder, {"kind": "frozen", "cache": "memory"}, second[1])
    assert not chain_of(again.folder)
    assert "will not say what it was trained on before" in caplog.text


def test_an_adapter_alone_is_no_source_and_its_run_is_named(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(SourceError, match="holds an adapter alone: name the run that it is of"):
        load_source("checkpoint", name=str(tmp_path)).encoder()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("minilm", "minilm"),
        ("bundled:imdb", "bundled:imdb"),
        ("me/reviews", "me/reviews"),
        ("/home/me/runs/a/", "a"),
        ("/home/me/runs/a/model", "a"),
        (r"C:\data\train.csv", "train.csv"),
    ],
)
def test_a_place_is_shortened_to_what_says_nothing_of_a_machine(place, name):
    assert shorten(place) == name
