"""How far classes count alike is chosen where a head is solved, by the score that the user names."""

import json
import logging
from typing import get_args

import numpy as np
import pytest
from tiny import save_checkpoint, save_vectors

import nlp_transfer as nt
from nlp_transfer.config.tasks import find_task, task_names
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.class_weights import SHARES, weigh_classes
from nlp_transfer.evaluation.folds import deal_folds
from nlp_transfer.evaluation.metrics import find_score
from nlp_transfer.task import make_task
from nlp_transfer.training import solver
from nlp_transfer.training.regression import Rows
from nlp_transfer.training.solver import choose_solution


def make_rows(count, seed):
    """Rows of two classes, one in ten of the second, that overlap."""
    rng = np.random.default_rng(seed)
    y = (np.arange(count) % 10 == 0).astype(int)
    return Rows(rng.normal(size=(count, 2)) + 1.5 * y[:, None], y, np.ones(count))


def test_with_a_share_of_one_classes_count_alike_and_with_none_rows_do():
    labels = np.array([0, 0, 0, 1])
    assert weigh_classes(labels, 0.0).tolist() == [1, 1, 1, 1]
    weights = weigh_classes(labels, 1.0)
    assert weights[:3].sum() == pytest.approx(weights[3])
    assert np.allclose(weigh_classes(labels, 0.5), np.sqrt(weights))


def test_windows_of_a_document_count_as_one():
    weights = weigh_classes(np.array([0, 0, 1]), 1.0, np.array([0.5, 0.5, 1.0]))
    assert weights.tolist() == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("selection", ["accuracy", "macro_f1"])
def test_the_share_that_scores_best_on_validation_is_chosen_with_its_penalty(selection):
    known, judges = make_rows(400, 0), make_rows(400, 1)
    found = choose_solution(known, judges, solved_as="softmax", count=2, selection=selection, weighing=True)
    plain = choose_solution(known, judges, solved_as="softmax", count=2, selection=selection)
    assert tuple(found.scores) == SHARES
    assert plain.share == 0.0
    assert plain.scores == {0.0: found.scores[0.0]}
    assert found.scores[found.share] == max(found.scores.values())
    said = found.solution.predict(judges.x).argmax(1)
    assert find_score(selection)(judges.y, said) == pytest.approx(found.scores[found.share])
    assert found.share > 0 or selection == "accuracy"


def test_rows_of_train_that_judge_are_not_weighed_by_their_class():
    known, judges = make_rows(60, 0), make_rows(10, 1)
    folds = deal_folds(known.y, np.arange(60))
    asked = {"solved_as": "softmax", "count": 2, "folds": folds}
    found = choose_solution(known, judges, weighing=True, **asked)
    assert found.scores[0.0] == pytest.approx(choose_solution(known, judges, **asked).scores[0.0])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A configuration, and data of which one row in five is of the rare class, in words that say little."""
    place = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)

    def make(count):
        words = np.where(rng.random(count) < 0.5, "warm", "dull")
        likely = np.where(words == "warm", 0.4, 0.02)
        return [
            {"text": f"a {word} film, {number}", "label": ["common", "rare"][int(rng.random() < share)]}
            for number, (word, share) in enumerate(zip(words, likely, strict=True))
        ]

    values = {
        "task": {"name": "classification", "class_weights": "auto", "max_length": 32},
        "source": {"kind": "vectors", "name": str(save_vectors(place / "v.txt"))},
        "strategy": {"kind": "frozen", "cache": "memory"},
        "training": {"selection": "macro_f1"},
    }
    return values, {"train": make(200), "validation": make(120), "test": make(30)}


def test_a_run_records_what_was_chosen_by_what_and_on_how_many_rows(config, tmp_path, caplog):
    values, data = config
    for split, rows in data.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    places = {split: str(tmp_path / f"{split}.jsonl") for split in data}
    with caplog.at_level(logging.INFO):
        result = nt.run({**values, "data": places}, output=tmp_path / "run", progress=False)
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["class_weights"]
    assert found["rows"] == 120
    assert found["scores"].keys() == {"0", "0.5", "1"}
    assert found["share"] > 0
    assert max(found["scores"].values()) == pytest.approx(result.metrics["validation"]["macro_f1"])
    assert f"class weights: {found['share']:g} of balanced ones, by macro_f1 on 120 rows" in caplog.text
    assert "of balanced class weights, chosen by `macro_f1` on 120 rows" in (tmp_path / "run" / "README.md").read_text()
    assert "of balanced class weights" in result.metrics["baselines"]["tfidf_logistic"]["chosen"]
    assert "The head was solved with " in (tmp_path / "run" / "report.html").read_text()

    half = nt.merge([tmp_path / "run"], tmp_path / "half", share=0.5, head="solve")
    assert half.metrics["class_weights"]["scores"].keys() == {"0", "0.5", "1"}


def test_few_rows_of_validation_choose_beside_train_and_the_last_solution_keeps_the_share(
    config, tmp_path, monkeypatch
):
    asked, real = [], solver.weigh
    monkeypatch.setattr(solver, "weigh", lambda rows, share: asked.append((len(rows.y), share)) or real(rows, share))
    values, data = config
    found = nt.run(values, data=data["train"][:120], output=tmp_path / "run", progress=False).metrics
    (epoch,) = (json.loads(line) for line in (tmp_path / "run" / "history.jsonl").open())
    assert "again" in epoch["solver"]
    rows = found["data"]["splits"]
    known = rows["train"]["rows"] + rows["validation"]["rows"]
    assert found["class_weights"]["rows"] == known
    assert asked[-1] == (known, found["class_weights"]["share"])
    assert found["class_weights"]["share"] > 0


@pytest.mark.parametrize("strategy", ["full", "gradual", "frozen, by steps"])
def test_a_training_by_steps_is_refused_with_the_ways_to_choose_there(config, tmp_path, strategy):
    values, data = config
    save_checkpoint(tmp_path / "model")
    kind, _, steps = strategy.partition(",")
    source = {"kind": "checkpoint", "name": str(tmp_path / "model")}
    changed = {**values, "strategy": {"kind": kind, **({"solver": "gradient"} if steps else {})}, "source": source}
    with pytest.raises(ConfigError, match=r"task\.class_weights: auto is chosen as a head is solved .* `search`"):
        nt.run(changed, data=data, output=tmp_path / "run", progress=False)


def test_every_shipped_task_that_offers_auto_leaves_the_choice_to_the_solver():
    offering = [
        kind
        for kind in map(find_task, task_names())
        if (field := kind.Options.model_fields.get("class_weights")) and "auto" in get_args(field.annotation)
    ]
    assert len(offering) >= 3
    for kind in offering:
        for choice in ("none", "balanced", "auto"):
            options = kind.Options(name="any", class_weights=choice)
            assert make_task(kind, options, ("no", "yes")).chooses_weights == (choice == "auto"), kind
