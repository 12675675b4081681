"""The simple methods: fitted on train, tuned on validation, blind to test."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny import save_csv, save_vectors, texts

import nlp_transfer
from nlp_transfer import baselines
from nlp_transfer.baselines import classification_baselines, majority, tfidf_logistic
from nlp_transfer.errors import ConfigError
from nlp_transfer_tasks.sentiment import Sentiment


class Rows(dict):
    """Columns whose length is their number of rows, like a data set that can be changed."""

    def __len__(self):
        return len(self["text"])


def part(found, labels):
    return Rows(text=list(found), label=list(labels))


@pytest.fixture
def splits():
    return SimpleNamespace(
        train=part(*texts(60, seed=0)), validation=part(*texts(20, seed=1)), test=part(*texts(24, seed=2))
    )


def noisy(splits):
    """The same with every fourth label of train and validation turned round: the penalty matters then."""
    for rows in (splits.train, splits.validation):
        rows["label"] = [label ^ (i % 4 == 0) for i, label in enumerate(rows["label"])]
    return splits


def accuracy(rows, predicted):
    return float(np.mean(np.asarray(rows["label"]) == np.asarray(predicted)))


def test_majority_is_the_most_frequent_label_of_train(splits):
    splits.train["label"] = [0] * 20 + [1] * 40
    splits.validation["label"] = [0] * 20
    assert majority(splits) == {"validation": [1] * 20, "test": [1] * 24}


def test_majority_takes_the_first_of_equals(splits):
    assert set(majority(splits)["test"]) == {0}


def test_tfidf_learns_words_that_decide(splits):
    found = tfidf_logistic(splits)
    assert accuracy(splits.test, found["test"]) > 0.9


def test_penalty_is_the_one_that_validation_likes_best(splits, monkeypatch):
    noisy(splits)
    alone = {}
    for strength in (0.001, 0.3, 100.0):
        monkeypatch.setattr(baselines, "STRENGTHS", (strength,))
        alone[strength] = tfidf_logistic(splits)
    scores = {strength: accuracy(splits.validation, found["validation"]) for strength, found in alone.items()}
    best = max(scores, key=scores.get)
    assert min(scores.values()) < scores[best]  # else nothing is chosen
    for order in ((0.001, 0.3, 100.0), (100.0, 0.3, 0.001)):
        monkeypatch.setattr(baselines, "STRENGTHS", order)
        chosen = tfidf_logistic(splits)
        assert accuracy(splits.validation, chosen["validation"]) == scores[best]
        assert chosen["test"] in [
            found["test"] for strength, found in alone.items() if scores[strength] == scores[best]
        ]


def test_labels_of_test_do_not_matter(splits):
    before = classification_baselines(splits)
    splits.test["label"] = [1 - label for label in splits.test["label"]]
    assert classification_baselines(splits) == before


def test_words_of_test_alone_do_not_matter(splits):
    before = tfidf_logistic(splits)["validation"]
    splits.test["text"] = ["unseen words only"] * 24
    assert tfidf_logistic(splits)["validation"] == before


def test_predictions_are_plain_label_ids_in_order(splits):
    found = classification_baselines(splits)
    assert found.keys() == {"majority", "tfidf_logistic"}
    for by_split in found.values():
        assert {name: len(ids) for name, ids in by_split.items()} == {"validation": 20, "test": 24}
        assert all(type(label) is int for ids in by_split.values() for label in ids)


def test_more_than_two_classes_and_a_language_without_spaces_are_no_obstacle():
    train = part(["好 电影", "坏 电影", "一般 电影"] * 5, [0, 1, 2] * 5)
    splits = SimpleNamespace(train=train, validation=train, test=part(["坏 电影", "?"], [1, 0]))
    assert tfidf_logistic(splits)["test"][0] == 1


def test_a_task_whose_scores_lack_the_one_it_chooses_by_is_told_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Sentiment, "selection", "profit")
    config = {
        "task": {"name": "sentiment"},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "v.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": save_csv(tmp_path / "train.csv")},
    }
    with pytest.raises(ConfigError, match=r"Sentiment\.score gives accuracy, .* and not 'profit'"):
        nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "history.jsonl").exists()
