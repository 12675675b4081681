"""The simple methods: fitted on train, tuned on validation, blind to test."""

import json
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl
from tiny import run_python, save_csv, save_vectors, texts

import nlp_transfer
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation import baselines, tfidf
from nlp_transfer.evaluation.baselines import classification_baselines, fit_tfidf_logistic, predict_majority
from nlp_transfer.evaluation.metrics import find_score
from nlp_transfer.evaluation.tfidf import add_characters, weigh_words
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
    assert predict_majority(splits) == {"validation": [1] * 20, "test": [1] * 24}


def test_majority_takes_the_first_of_equals(splits):
    assert set(predict_majority(splits)["test"]) == {0}


def test_tfidf_learns_words_that_decide(splits):
    found = fit_tfidf_logistic(splits)
    assert accuracy(splits.test, found["test"]) > 0.9


def test_penalty_is_the_one_that_validation_likes_best(splits, monkeypatch):
    noisy(splits)
    monkeypatch.setattr(baselines, "JUDGES", 0)  # validation alone
    monkeypatch.setattr(baselines, "LARGE", 0)  # words alone
    alone = {}
    for strength in (0.001, 0.3, 100.0):
        monkeypatch.setattr(baselines, "STRENGTHS", (strength,))
        alone[strength] = fit_tfidf_logistic(splits)
    scores = {strength: accuracy(splits.validation, found["validation"]) for strength, found in alone.items()}
    best = max(scores, key=scores.get)
    assert min(scores.values()) < scores[best]  # else nothing is chosen
    for order in ((0.001, 0.3, 100.0), (100.0, 0.3, 0.001), (100.0, 90.0, 0.3)):
        monkeypatch.setattr(baselines, "STRENGTHS", order)
        chosen = fit_tfidf_logistic(splits)
        assert accuracy(splits.validation, chosen["validation"]) == scores[best]
        assert chosen["test"] in [
            found["test"] for strength, found in alone.items() if scores[strength] == scores[best]
        ]


def test_parts_of_train_judge_where_validation_is_small():
    labels = np.array([0, 1] * 50)
    parts = list(baselines._choose_judges(labels, 100))
    assert np.sum(parts, axis=0).tolist() == [1] * 100  # each row once
    assert all(labels[part].mean() == 0.5 for part in parts)
    assert [part.sum() for part in baselines._choose_judges(labels, 25)] == [20, 20]  # no more than are wanted
    assert list(baselines._choose_judges(labels, 0)) == []


def test_no_part_takes_all_of_a_class_of_two():
    parts = list(baselines._choose_judges(np.array([0] * 9 + [1]), 10))
    assert len(parts) == 4


def test_words_are_split_from_the_marks_beside_them(splits):
    for rows in (splits.train, splits.validation):
        rows["text"] = [text.replace(" ", ", ") for text in rows["text"]]
    splits.test["text"] = [f"({text.upper()})!" for text in splits.test["text"]]
    assert accuracy(splits.test, fit_tfidf_logistic(splits)["test"]) > 0.9


UNSPACED = {
    "Chinese": (["很好", "喜欢", "推荐"], ["失望", "讨厌", "退货"], ["这家餐厅", "这本书", "这部电影", "房间"]),
    "Japanese": (["とても良い", "大好き"], ["がっかり", "最悪だ"], ["この映画は", "この本は", "部屋が"]),
    "Thai": (["ดีมาก", "ชอบ"], ["แย่", "ผิดหวัง"], ["หนังเรื่องนี้", "หนังสือเล่มนี้", "ห้องนี้"]),
    "Khmer": (["ល្អណាស់", "ចូលចិត្ត"], ["អន់", "ខកចិត្ត"], ["ភាពយន្តនេះ", "សៀវភៅនេះ", "បន្ទប់នេះ"]),
}


@pytest.mark.parametrize("moods", UNSPACED.values(), ids=UNSPACED)
def test_reviews_in_a_script_without_blanks_are_read(moods):
    good, bad, things = moods
    rng = np.random.default_rng(0)

    def rows(count):
        labels = [i % 2 for i in range(count)]
        return part(["".join([*rng.choice(things, 2), rng.choice([bad, good][label])]) for label in labels], labels)

    found = SimpleNamespace(train=rows(30), validation=rows(6), test=rows(20))
    assert accuracy(found.test, fit_tfidf_logistic(found)["test"]) == 1.0


def test_characters_know_a_word_by_its_stem_and_stay_away_from_what_is_large(splits, monkeypatch):
    splits.test = part(["unlikeableness", "loveliness"], [0, 1])
    for rows in (splits.train, splits.validation):
        rows["text"] = [["unlikeable thing", "lovely thing"][label] for label in rows["label"]]
    found = fit_tfidf_logistic(splits)
    assert found["test"] == [0, 1]
    assert found.chosen.startswith("words and characters, C=")
    monkeypatch.setattr(baselines, "LARGE", 0)
    assert fit_tfidf_logistic(splits).chosen.startswith("words, C=")


def test_classes_weigh_as_they_do_for_the_model(splits):
    kept = [i for i, label in enumerate(splits.train["label"]) if label == 0 or i < 6]
    splits.train = part([splits.train["text"][i] for i in kept], [splits.train["label"][i] for i in kept])
    splits.test["text"] = ["a film"] * 24  # tells nothing
    by_weights = {
        weights: classification_baselines(splits, class_weights=weights, selection="macro_f1")["tfidf_logistic"]
        for weights in ("none", "balanced", "auto")
    }
    assert by_weights["none"]["test"] == [0] * 24
    assert sum(by_weights["balanced"]["validation"]) > sum(by_weights["none"]["validation"])
    assert by_weights["auto"].chosen.endswith("of balanced class weights")
    score = find_score("macro_f1")
    scores = {name: score(splits.validation["label"], one["validation"]) for name, one in by_weights.items()}
    assert scores["auto"] >= max(scores.values())


def test_what_is_timed_computes_the_features_that_were_fitted():
    texts = ["Good, really good!", "a bad FILM", "很好 indeed", "a new word"]
    words = weigh_words(texts, 3, most=9)
    both = add_characters(words, texts, 3, most=50)
    for features in (words, both):
        assert np.allclose(features.compute(texts).toarray(), features.rows.toarray(), atol=1e-6)
        assert features.size > 0
    assert both.size > words.size


def test_a_decomposed_text_is_answered_as_the_composed_one(splits):
    for rows in (splits.train, splits.validation):
        rows["text"] = [["très déçu", "très charmé"][label] for label in rows["label"]]
    splits.test = part([unicodedata.normalize("NFD", text) for text in ("déçu", "charmé")], [0, 1])
    assert fit_tfidf_logistic(splits)["test"] == [0, 1]


def test_it_works_on_one_thread_and_gives_the_others_back(splits, monkeypatch):
    seen = []

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    answer = baselines._answer
    monkeypatch.setattr(baselines, "_answer", lambda *args, **kw: seen.append(threads()) or answer(*args, **kw))
    with threadpoolctl.threadpool_limits(2):
        before = threads()
        fit_tfidf_logistic(splits)
        assert threads() == before
    assert {count for counts in seen for count in counts} == {1}


def test_one_thread_holds_for_libraries_that_nothing_has_loaded_before():
    code = """
import os
os.environ["OMP_NUM_THREADS"] = "4"
from nlp_transfer.evaluation.one_thread import use_one_thread
with use_one_thread():
    from sklearn.linear_model import Ridge
    Ridge().fit([[1.0], [2.0]], [1.0, 2.0])
    import threadpoolctl
    print({pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
"""
    assert run_python(code).strip() == "{1}"


def test_the_same_splits_give_the_same_answers(splits):
    assert fit_tfidf_logistic(noisy(splits)) == fit_tfidf_logistic(splits)


def test_words_of_a_single_row_are_left_out_of_many_rows_unless_all_are(monkeypatch):
    monkeypatch.setattr(tfidf, "COMMON", 3)
    assert weigh_words(["a b", "a", "a"], 3, most=9).rows.shape == (3, 1)
    assert weigh_words(["a", "b", "c"], 3, most=9).rows.shape == (3, 3)


def test_a_model_of_many_classes_keeps_to_the_commonest_features(splits):
    features = weigh_words(["a b", "a c", "a b d"], 2, most=2).rows
    assert features.shape == (3, 2)
    assert features.toarray()[1, 0] > 0  # of "a"


def test_labels_of_test_do_not_matter(splits):
    before = classification_baselines(splits)
    splits.test["label"] = [1 - label for label in splits.test["label"]]
    assert classification_baselines(splits) == before


def test_words_of_test_alone_do_not_matter(splits):
    before = fit_tfidf_logistic(splits)["validation"]
    splits.test["text"] = ["unseen words only"] * 24
    assert fit_tfidf_logistic(splits)["validation"] == before


def test_predictions_are_plain_label_ids_in_order(splits):
    found = classification_baselines(splits)
    assert found.keys() == {"majority", "tfidf_logistic"}
    for by_split in found.values():
        assert {name: len(ids) for name, ids in by_split.items()} == {"validation": 20, "test": 24}
        assert all(type(label) is int for ids in by_split.values() for label in ids)


def test_more_than_two_classes_and_a_language_without_spaces_are_no_obstacle():
    train = part(["好电影", "坏电影", "一般电影"] * 5, [0, 1, 2] * 5)
    splits = SimpleNamespace(train=train, validation=train, test=part(["坏电影", "?"], [1, 0]))
    assert fit_tfidf_logistic(splits)["test"][0] == 1


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


def test_a_run_keeps_what_was_chosen_and_weighs_classes_as_the_model_does(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "nlp_transfer.evaluation.baselines.fit_tfidf_logistic",
        lambda splits, *, class_weights, selection, texts: (
            asked.append(class_weights) or fit_tfidf_logistic(splits, class_weights=class_weights)
        ),
    )
    config = {
        "task": {"name": "sentiment", "class_weights": "balanced"},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "v.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": save_csv(tmp_path / "train.csv")},
    }
    result = nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())["baselines"]
    assert kept["tfidf_logistic"]["chosen"].startswith("words")
    assert kept["majority"].keys() == {"validation", "test"}
    assert asked == ["balanced"]
    again = nlp_transfer.run(config, output=tmp_path / "run", resume="auto", progress=False)
    assert again.baselines == result.baselines
