"""The model card: what it says is what was measured, and what the Hub would refuse is refused here."""

import ast
import json
import re
import shutil

import hub_server
import pytest
import yaml
from hub_client import TRAINING, run_of
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from tiny import LABELS, ROOT, save_checkpoint, save_csv

import nlp_transfer
from nlp_transfer.errors import PublishError
from nlp_transfer.evaluation.metrics_file import Metrics
from nlp_transfer.publishing import tree
from nlp_transfer.publishing.card import check_card
from nlp_transfer.publishing.provenance import find_hub_dataset
from nlp_transfer.publishing.tree import write_card


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two seeds, a shared text, and words that the model does not know."""
    root = tmp_path_factory.mktemp("card")
    data = save_csv(root / "reviews.csv")
    with (root / "reviews.csv").open("a") as file:
        file.write("unheard of | film,positive\nunheard of | film,positive\n" * 4)
    sections = {
        "task": {"name": "sentiment", "max_length": 8},
        "source": {"kind": "checkpoint", "name": save_checkpoint(root / "bert")},
        "data": {"train": data},
        "training": {**TRAINING, "seeds": [3, 5]},
    }
    return run_of(root / "two-seeds", **sections)


@pytest.fixture
def card(run):
    return (run / "README.md").read_text()


@pytest.fixture
def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def tables(card):
    """The tables of the rendered page: lists of rows of cells."""
    page = MarkdownIt().enable("table").render(card.split("---\n", 2)[2])
    found = re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    rows = [re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL) for table in found]
    return [[re.findall(r"<t[hd]>(.*?)</t[hd]>", row, re.DOTALL) for row in table] for table in rows]


def test_every_run_writes_a_card_that_the_hub_accepts(card):
    assert hub_server.card_errors(card.replace("library_name", "license: mit\nlibrary_name", 1)) == []


def test_the_scores_of_the_metadata_are_those_of_the_metrics(card, metrics):
    said = {one.metric_name: one.metric_value for one in ModelCard(card).data.eval_results}
    assert said == {name: metrics["test"][name] for name in ("accuracy", "macro_f1")}


def test_a_test_set_of_its_own_is_told_from_one_that_was_cut(run, card, metrics, tmp_path):
    said = yaml.safe_load(card.split("---")[1])["model-index"][0]["results"][0]["dataset"]
    assert (said["name"], "split" in said) == ("reviews.csv", False)
    assert said["args"]["test"].startswith("cut from train: 7 of 68 rows (10.3 %)")
    copy = shutil.copytree(run, tmp_path / "run")
    metrics["data"]["splits"]["test"] |= {"cut": False, "place": "cut from train; really.csv"}
    write_card(copy, Metrics.model_validate(metrics))
    said = ModelCard.load(copy / "README.md").data.eval_results[0]
    assert (said.dataset_name, said.dataset_split, said.dataset_args) == ("cut from train; really.csv", "test", None)


PREFIX = 'say "it" \\ now\n```\n: '


def test_an_odd_prefix_stays_a_string_in_the_snippet():
    from types import SimpleNamespace

    from nlp_transfer.publishing import card_page

    options = SimpleNamespace(prefix=PREFIX)
    task = SimpleNamespace(auto_class="AutoModelForSeq2SeqLM", example='a "b"')
    subject = SimpleNamespace(
        task=task, config=SimpleNamespace(task=options, source=SimpleNamespace()), name="x", repo="me/x", model={},
        adapter_only=False, composed=False, own_code=False, prompt="",
    )  # fmt: skip
    blocks = re.findall(r"^```python\n(.*?)^```$", card_page._write_usage(subject), re.DOTALL | re.MULTILINE)
    strings = {node.value for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Constant)}
    assert len(blocks) == 2
    assert {PREFIX + 'a "b"', 'a "b"'} <= strings


def test_every_table_of_the_page_is_well_formed(card):
    found = tables(card)
    assert len(found) == 4
    for table in found:
        assert len({len(row) for row in table}) == 1, table
        assert len(table) > 2


def test_the_baselines_stand_beside_the_model(card, metrics):
    rows = {row[0]: row for row in tables(card)[0]}
    models = {"<strong>this model</strong>", "<strong>mean of all seeds</strong>"}
    assert set(rows) == {"method", *models, "majority", "tfidf_logistic"}
    assert rows["majority"][2] == f"{metrics['baselines']['majority']['test']['accuracy']:.4f}"


def test_seeds_and_their_spread_are_told(card, metrics):
    rows = {row[0]: row for row in tables(card)[0]}
    spread = metrics["seeds"]["test"]["accuracy"]
    shown = f"{spread['mean']:.4f} ± {spread['standard_deviation']:.4f}"
    assert rows["<strong>mean of all seeds</strong>"][2] == shown
    assert rows["<strong>this model</strong>"][2] == f"{metrics['test']['accuracy']:.4f}"
    assert f"This is the model of seed {metrics['seed']}, of the seeds 3, 5 the best on validation" in card


def test_sizes_and_fingerprints_of_the_splits_are_told(card, metrics):
    rows = {row[0]: row for row in tables(card)[2]}
    for name, split in metrics["data"]["splits"].items():
        assert rows[name][2] == str(split["rows"])
        assert rows[name][4] == f"<code>{split['fingerprint'][:16]}</code>"


def test_texts_in_two_splits_are_called_a_leak(run, card, metrics, tmp_path):
    assert "No text stands in two splits." in card
    copy = shutil.copytree(run, tmp_path / "run")
    metrics["data"]["overlap"]["train/test"] = 3
    write_card(copy, Metrics.model_validate(metrics))
    assert "**Leak**: 3 of the test rows have a text that is also in train." in (copy / "README.md").read_text()


def test_limits_name_truncation_unknown_words_and_the_verdict(card, metrics):
    share = metrics["truncated"]["test"] / metrics["data"]["splits"]["test"]["rows"]
    assert f"test {share:.1%}" in card
    assert f"test {metrics['unknown_tokens']['test']:.2%}" in card
    assert metrics["unknown_tokens"]["train"] > 0
    assert all(sentence in card for sentence in metrics["verdict"])


def test_a_source_on_this_machine_goes_by_its_name_and_is_no_base_model(card, run):
    assert "started from `bert`" in card
    assert "base_model" not in card
    assert str(run.parent) not in card
    assert all(f"`{label}`" in card for label in LABELS)


def test_a_licence_that_asks_for_a_notice_gets_it(run):
    done = nlp_transfer.publish(run, "me/llama", dry_run=True, licence="llama2")
    card = (done.folder / "README.md").read_text(encoding="utf-8")
    assert "Copyright (c) Meta Platforms, Inc. All Rights Reserved." in card
    assert "ai.meta.com/llama/license" in card


def test_a_bundled_source_brings_its_licence_and_its_name_on_the_hub(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "minilm")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["source"]["name"] = "minilm"
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    from dataclasses import asdict

    from nlp_transfer.config.load import load_config
    from nlp_transfer.publishing.provenance import find_provenance

    found = find_provenance(load_config(copy / "config.yaml"))
    metrics = {**json.loads((copy / "metrics.json").read_text()), "provenance": asdict(found)}
    (copy / "metrics.json").write_text(json.dumps(metrics))
    done = nlp_transfer.publish(copy, "me/minilm", dry_run=True)
    said = ModelCard.load(done.folder / "README.md").data
    assert (said.license, said.base_model) == ("apache-2.0", ["sentence-transformers/all-MiniLM-L6-v2"])
    assert said.base_model_relation == "finetune"


GOOD = """---
license: mit
base_model:
- some/base
model-index:
- name: x
  results:
  - task: {type: text-classification}
    dataset: {name: d, type: d}
    metrics:
    - {type: accuracy, value: 0.5, name: accuracy}
---
# x
"""
MEASURED = {"accuracy": 0.5}


def test_a_card_that_keeps_the_rules_passes_here_and_there():
    check_card(GOOD, MEASURED)
    assert hub_server.card_errors(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("license: mit", "license: MIT License", "does not know 'MIT License'"),
        ("license: mit\n", "", "license: not known"),
        ("value: 0.5", "value: .nan", "accuracy is nan, not a finite number"),
        ("value: 0.5", "value: 0.6", r"accuracy is 0\.6, but metrics\.json says 0\.5"),
        ("- some/base", "- /root/base", "'/root/base' is no id on the Hub"),
        ("- some/base", "- ''", "'' is no id on the Hub"),
        ("base_model:\n- some/base", "base_model: []", "base_model: empty"),
        ("base_model:\n- some/base", "base_model: ''", "base_model: empty"),
    ],
)
def test_a_card_that_breaks_a_rule_is_refused(old, new, reason):
    with pytest.raises(PublishError, match=reason):
        check_card(GOOD.replace(old, new), MEASURED)


def test_the_sample_in_the_documentation_keeps_the_rules_and_shows_a_control():
    sample = (ROOT / "docs" / "sample_card.md").read_text(encoding="utf-8")
    assert hub_server.card_errors(sample) == []
    assert any(row[0] == "minilm from scratch, full" for row in tables(sample)[0])


def test_scores_on_a_file_are_not_credited_to_the_hub_set_that_trained(run, metrics, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    values = yaml.safe_load((copy / "config.yaml").read_text())
    values["data"] |= {"train": "bundled:rotten-tomatoes", "test": "mine.csv"}
    (copy / "config.yaml").write_text(yaml.safe_dump(values))
    known = "cornell-movie-review-data/rotten_tomatoes"
    for cut, datasets, kind in ((False, [known], "custom"), (True, [known], known), (True, [], "custom")):
        metrics["data"]["splits"]["test"] |= {"cut": cut}
        metrics["provenance"] |= {"datasets": datasets}
        write_card(copy, Metrics.model_validate(metrics))
        assert ModelCard.load(copy / "README.md").data.eval_results[0].dataset_type == kind


def test_a_folder_with_the_name_of_a_bundled_set_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_hub_dataset("rotten-tomatoes") == "rotten-tomatoes"
    (tmp_path / "rotten-tomatoes").mkdir()
    assert find_hub_dataset("rotten-tomatoes") is None
    assert find_hub_dataset("bundled:rotten-tomatoes") == "cornell-movie-review-data/rotten_tomatoes"


def test_a_control_is_not_said_to_have_started_from_weights(run, metrics, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    values = yaml.safe_load((copy / "config.yaml").read_text())
    values["source"]["scratch"] = True
    (copy / "config.yaml").write_text(yaml.safe_dump(values))
    metrics["provenance"] |= {"licence": "apache-2.0"}
    write_card(copy, Metrics.model_validate(metrics))
    said = (copy / "README.md").read_text()
    assert "`apache-2.0`, as the weights whose architecture it has." in said
    assert "weights that it started from" not in said


@pytest.mark.parametrize("key", ["device", "cores", "threads", "packages", "torch"])
def test_a_fact_that_is_gone_from_the_environment_is_named_with_its_file(tmp_path, key):
    packages = {"nlp-transfer": "0.2.0", "torch": "2.13.0", "transformers": "5.23.0"}
    values = {"device": "CPU", "cores": 2, "threads": 1, "packages": packages}
    del (packages if key == "torch" else values)[key]
    (tmp_path / "environment.json").write_text(json.dumps(values))
    with pytest.raises(PublishError, match=rf"environment\.json: damaged \(KeyError: '{key}'\); bring the file back"):
        tree._read_environment(tmp_path / "environment.json")
