"""Several labels a text: every source and strategy trains, saves, answers the same and publishes."""

import ast
import json
import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch
import yaml
from tiny import BAD, GOOD, PLAIN, Training, save_checkpoint, save_vectors
from transformers import AutoModelForSequenceClassification, pipeline

import nlp_transfer as nt
from nlp_transfer.config.load import load_saved
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.runs.run import complete
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.multilabel import Multilabel, MultilabelOptions

LABELS = ("bad", "good", "long")
TEXTS = ["a good film", "a bad and boring plot", "it is a film", "great and awful"]
STRATEGIES = {
    "full": {"kind": "full"},
    "frozen": {"kind": "frozen", "cache": "memory"},
    "by steps": {"kind": "frozen", "solver": "gradient", "cache": "memory"},
    "lora": {"kind": "lora", "rank": 2, "alpha": 4},
    "gradual": {"kind": "gradual"},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}
HEADS = {"native": {"kind": "native"}, "pooled": {"kind": "pooled"}}


def examples(count, seed=0):
    """Texts with good words, bad ones, both or none; `long` from ten words on."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        words = [*rng.choice(PLAIN, rng.integers(2, 12))]
        words += [*rng.choice(GOOD, 2)] if number % 2 else []
        words += [*rng.choice(BAD, 2)] if number % 3 == 0 else []
        sizes = {"bad": number % 3 == 0, "good": number % 2, "long": len(words) > 9}
        yield {"text": " ".join(rng.permutation(words)), "labels": [name for name, has in sizes.items() if has]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("multilabel")
    save_checkpoint(root / "model", num_hidden_layers=1)
    save_vectors(root / "v.txt")
    (root / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples(90)), encoding="utf-8")
    return root


def run(place, output, strategy="frozen", *, source="vectors", task=None, **training):
    name = "v.txt" if source == "vectors" else "model"
    return nt.run(
        {
            "task": {"name": "multilabel", "max_length": 32, **(task or {})},
            "source": {"kind": source, "name": str(place / name)},
            "strategy": STRATEGIES[strategy],
            "data": {"train": str(place / "a.jsonl")},
            "training": {"epochs": 1, "precision": "fp32", "learning_rate": 0.01, **training},
        },
        output=output,
        progress=False,
    )


@pytest.fixture(scope="module")
def finished(place, tmp_path_factory):
    return run(place, tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """The folder of a checkpoint that was trained whole under a native head."""
    output = tmp_path_factory.mktemp("whole") / "run"
    return run(place, output, "full", source="checkpoint", task={"head": HEADS["native"]}).folder


CELLS = [("vectors", "pooled", strategy) for strategy in ("frozen", "gradual")]  # `frozen` is solved
CELLS += [("checkpoint", "native", strategy) for strategy in ("by steps", "lp_ft")]
CELLS += [("checkpoint", "pooled", "lora")]  # the one of `whole` is trained whole


@pytest.mark.parametrize(("source", "head", "strategy"), CELLS)
def test_every_source_head_and_strategy_answers_the_same_when_loaded_again(place, tmp_path, source, head, strategy):
    result = run(place, tmp_path / "run", strategy, source=source, task={"head": HEADS[head]})
    assert 0 <= result.metrics["test"]["micro_f1"] <= 1
    assert set(result.metrics["test"]["per_label"]) == set(LABELS)
    answers = nt.load(tmp_path / "run").predict([*TEXTS, ""])
    assert all(set(one) == {"labels", "probabilities", "thresholds"} for one in answers[:-1])
    for one in answers[:-1]:
        given = [name for name, value in one["probabilities"].items() if value >= one["thresholds"][name]]
        assert one["labels"] == given
    assert answers[-1] == {"labels": None, "probabilities": None, "thresholds": None, "reason": "the text is empty"}
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["thresholds"] == answers[0]["thresholds"]


def test_it_is_learned_and_beats_answering_alike(finished):
    metrics = finished.metrics
    assert metrics["test"]["per_label"]["good"]["f1"] > 0.7
    assert metrics["steps"] == 0  # solved
    assert set(metrics["baselines"]) == {"most_frequent_set", "most_frequent_labels", "tfidf_logistic"}
    assert metrics["test"]["micro_f1"] > metrics["baselines"]["most_frequent_set"]["test"]["micro_f1"]


def test_thresholds_are_chosen_on_validation_and_saved_with_the_run(finished):
    saved = load_saved(finished.folder).task.thresholds
    assert set(saved) == set(LABELS)
    assert any(value != 0.5 for value in saved.values())
    again = nt.load(finished.folder)
    assert again.predict(TEXTS)[0]["thresholds"] == saved


def test_thresholds_may_be_given(place, tmp_path):
    given = run(place, tmp_path / "one", task={"thresholds": 0.9})
    assert set(nt.load(given.folder).predict(TEXTS)[0]["thresholds"].values()) == {0.9}
    some = run(place, tmp_path / "some", task={"thresholds": {"good": 0.2}})
    assert nt.load(some.folder).predict(TEXTS)[0]["thresholds"] == {"bad": 0.5, "good": 0.2, "long": 0.5}
    with pytest.raises(ConfigError, match=r"task\.thresholds: no label 'god' in the data; there are 'bad', 'good'"):
        run(place, tmp_path / "odd", task={"thresholds": {"god": 0.2}})


def test_transformers_alone_gives_the_same_probabilities(whole, finished):
    for folder in (whole, finished.folder):
        classify = pipeline("text-classification", model=str(folder / "model"), trust_remote_code=False)
        told = {one["label"]: one["score"] for one in classify(TEXTS[0], top_k=None)}
        assert told == pytest.approx(nt.load(folder).predict(TEXTS)[0]["probabilities"], abs=1e-5)


def test_the_loss_of_the_saved_model_is_that_of_several_labels(finished):
    model = AutoModelForSequenceClassification.from_pretrained(finished.folder / "model")
    inputs = {"input_ids": torch.tensor([[5, 6]]), "labels": torch.tensor([[1.0, 0.0, 1.0]])}
    output = model(**inputs)
    assert output.loss == torch.nn.functional.binary_cross_entropy_with_logits(output.logits, inputs["labels"])


def test_the_snippet_of_the_card_shows_probabilities_and_what_they_are_compared_with(finished, monkeypatch, capsys):
    snippet, *_ = re.findall(r"```python\n(.*?)```", (finished.folder / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(finished.folder)
    exec(snippet, {})  # noqa: S102 - what we advise
    probabilities, thresholds = map(ast.literal_eval, capsys.readouterr().out.splitlines()[-2:])
    assert {one["label"] for one in probabilities} == {"bad", "good", "long"} == thresholds.keys()


def test_predictions_and_card_name_the_labels(finished):
    lines = [json.loads(line) for line in (finished.folder / "predictions.jsonl").read_text().splitlines()]
    assert {name for line in lines for name in line["reference"]["labels"]} <= set(LABELS)
    assert any(line["reference"]["labels"] == [] for line in lines)
    card = (finished.folder / "README.md").read_text()
    assert "Labels: `bad`, `good`, `long`." in card
    assert "top_k=None" in card
    assert "stratified by the rarest label" in card


def test_check_and_evaluate_serve_sets_of_labels(place, finished):
    checked = nt.check(finished.folder / "config.yaml")
    assert "train: 72 rows (bad " in checked.text
    assert "solved" in checked.text
    scores = nt.evaluate(finished.folder, place / "a.jsonl", limit=40)
    assert scores["rows"] == 40
    assert set(scores["simple"]) == {"most_frequent_set", "most_frequent_labels", "tfidf_logistic"}


def test_seeds_keep_the_thresholds_of_the_best(place, tmp_path):
    result = run(place, tmp_path / "run", "by steps", seeds=[0, 1])
    assert set(load_saved(result.folder).task.thresholds) == set(LABELS)
    best = result.folder / f"seed-{result.metrics['seed']}"
    assert load_saved(best).task.thresholds == load_saved(result.folder).task.thresholds


def test_a_finished_run_is_gone_on_with_by_its_first_configuration(place, finished):
    saved = yaml.safe_load((finished.folder / "config.yaml").read_text())
    saved["task"]["thresholds"] = "auto"
    again = nt.run(saved, output=finished.folder, resume="auto", progress=False)
    assert again.metrics["test"] == finished.metrics["test"]
    assert again.metrics["verdict"] == finished.metrics["verdict"]


def test_thresholds_that_an_unfinished_run_has_saved_are_decided_anew(place, tmp_path, finished):
    shutil.copy(finished.folder / "config.yaml", tmp_path)
    saved = load_saved(tmp_path)
    first = nt.load_config(saved, ["task.thresholds=auto"])
    assert complete(tmp_path, first).task.thresholds == "auto"
    shutil.copy(finished.folder / "metrics.json", tmp_path)
    assert complete(tmp_path, first).task.thresholds == saved.task.thresholds


def test_the_verdict_says_where_all_texts_get_one_set(place, finished, tmp_path):
    (place / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples(220)), encoding="utf-8")
    settings = yaml.safe_load((finished.folder / "config.yaml").read_text())
    settings["data"]["train"] = str(place / "many.jsonl")
    few = nt.run(settings, ["task.thresholds=1.0"], output=tmp_path / "none", progress=False)
    assert "gives one and the same answer to all" in few.summary
    several = nt.run(settings, ["task.thresholds=auto"], output=tmp_path / "several", progress=False)
    assert "different answers" not in several.summary
    assert "of test example_f1" in several.summary


def test_rows_of_a_head_for_several_labels_follow_the_names(whole):
    source = load_source("checkpoint", name=str(whole))
    loaded = build_classifier(source, ("long", "bad", "good"), head="native", several=True)
    ours = AutoModelForSequenceClassification.from_pretrained(whole / "model").classifier.weight
    assert torch.equal(loaded.model.classifier.weight, ours[[2, 0, 1]])
    assert "starts as the checkpoint's own" in loaded.note
    single = build_classifier(source, ("long", "bad", "good"), head="native")
    assert "does not choose one of several labels" in single.note


def test_a_pooled_model_for_several_labels_is_no_start_for_the_head_of_one_label(finished):
    source = load_source("checkpoint", name=str(finished.folder))
    single = build_classifier(source, LABELS, head="pooled")
    assert single.model.config.problem_type is None
    assert "does not choose one of several labels" in single.note
    several = build_classifier(source, LABELS, head="pooled", several=True)
    assert several.model.config.problem_type == "multi_label_classification"
    assert not several.new


def test_a_head_for_one_label_of_several_is_not_taken_for_sets(tmp_path):
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    save_checkpoint(tmp_path / "model", auto=AutoModelForSequenceClassification, num_labels=3, **names)
    loaded = build_classifier(
        load_source("checkpoint", name=str(tmp_path / "model")), LABELS, head="native", several=True
    )
    assert "chooses one of several labels" in loaded.note
    assert loaded.new


def test_smoothing_moves_each_label_towards_a_half():
    class Fixed(torch.nn.Module):
        def forward(self, **_):
            from types import SimpleNamespace

            return SimpleNamespace(logits=torch.tensor([[2.0, -2.0]]))

    from nlp_transfer.models.encoding.batches import Batch

    batch = Batch({}, torch.tensor([[1.0, 0.0]]), torch.tensor([3.0]), np.array([0]))
    losses = [float(nt.label_set_loss(Fixed(), batch, smoothing=share)) for share in (0.0, 0.2, 0.4)]
    assert losses[0] == pytest.approx(3 * np.log1p(np.exp(-2)))
    assert [b - a for a, b in pairwise(losses)] == pytest.approx([3 * 0.1 * 2, 3 * 0.1 * 2], abs=1e-5)


def test_thresholds_are_decided_anew_whenever_an_epoch_is_judged(place):
    rows = list(examples(60, seed=2))
    ids = [[LABELS.index(name) for name in row["labels"]] for row in rows]
    data = TaskRows({"text": [row["text"] for row in rows], "labels": ids})
    task = Multilabel(MultilabelOptions(name="multilabel", max_length=32), LABELS)
    source = load_source("vectors", name=str(place / "v.txt"))
    training = Training(source, {"kind": "full"}, task=task, train=data, validation=data.select(range(30)), epochs=2)
    training.fit()
    assert all(
        record["validation"]["micro_f1"] > 0.3 for record in training.records
    )  # at a half it would be 0 at first
    assert task.options.thresholds == "auto"
