"""The estimator of scikit-learn: its checks, cross-validation and grids over texts, and the same model as a run."""

import logging
import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data
from tiny import LABELS, save_checkpoint, save_vectors, texts

import nlp_transfer
from nlp_transfer import ConfigError, TransferClassifier
from nlp_transfer.inference import activations
from nlp_transfer.training import solver

SETTINGS = {"task": {"max_length": 32}, "training": {"epochs": 1, "batch_size": 16, "precision": "fp32"}}
VALUES = [*range(-60, 61), *range(950, 1050)]  # ten times the numbers that the checks give


@pytest.fixture(scope="module", autouse=True)
def _one_penalty():
    """There are seventy fits, and other tests show how a penalty is chosen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver, "STRENGTHS", (0.3,))
        patch.setattr(solver, "FEW", 0)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return save_vectors(tmp_path_factory.mktemp("vectors") / "words.txt")


@pytest.fixture(scope="module")
def data():
    found, labels = texts(90)
    return np.array(found, dtype=object), np.array(LABELS)[labels]


@pytest.fixture(scope="module")
def fitted(table, data):
    return TransferClassifier(table, settings=SETTINGS).fit(*data)


def spell(feature, value):
    return f"f{feature}{'n' if value < 0 else 'p'}{abs(value)}"


class OnNumbers(TransferClassifier):
    """Writes numbers as words, for scikit-learn checks estimators on tables of numbers alone."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        return super().fit(self.write(X), y)

    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(self.write(validate_data(self, X, reset=False)))

    def write(self, X):
        return [" ".join(spell(feature, round(10 * value)) for feature, value in enumerate(row)) for row in X]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")  # of array APIs other than numpy's
def test_every_check_of_scikit_learn_passes(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    lines = [f"{spell(i, v)} {' '.join(map(str, np.eye(10, dtype=int)[i] * v))}" for i in range(10) for v in VALUES]
    (tmp_path / "numbers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    nlp_transfer.import_vectors(tmp_path / "numbers.txt", tmp_path / "numbers")
    done = check_estimator(OnNumbers(str(tmp_path / "numbers"), {"kind": "frozen", "cache": "memory"}))
    assert {one["check_name"] for one in done if one["status"] != "passed"} <= {"check_array_api_input"}
    assert len(done) > 40


def test_texts_are_cross_validated_and_searched_and_the_features_of_each_are_computed_once(tmp_path, data, monkeypatch):
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path))
    computed, compute = [], activations.compute

    def note(model, units, boundary, chosen, **settings):
        computed.append(len(chosen))
        return compute(model, units, boundary, chosen, **settings)

    monkeypatch.setattr(activations, "compute", note)
    source = save_checkpoint(tmp_path / "bert")
    search = GridSearchCV(
        make_pipeline(TransferClassifier(source, settings=SETTINGS)),
        {"transferclassifier__settings": [SETTINGS, {**SETTINGS, "task": {"head": {"layers": "last_four"}}}]},
        cv=2,
    ).fit(*data)
    assert len(search.cv_results_["params"]) == 2
    first = sum(computed)
    assert 0 < first <= 2 * len(data[0])  # the layers of the two settings differ
    assert cross_val_score(search.best_estimator_, *data, cv=2).min() > 0.5
    assert sum(computed) == first


def test_labels_and_probabilities_stand_in_the_order_of_the_sorted_classes(fitted, table, data):
    found, labels = data
    assert fitted.score(found, labels) > 0.9
    assert fitted.classes_.tolist() == sorted(LABELS)
    assert fitted.predict_proba(found[:3]) == pytest.approx(fitted.predictor_.probabilities(list(found[:3])))

    numbers = np.where(labels == LABELS[0], 10, 9)  # as names "10" stands before "9"
    other = clone(fitted).fit(pandas.DataFrame({"text": found}), numbers)
    assert other.classes_.tolist() == [9, 10]
    assert other.predict(found).tolist() == other.classes_[other.predict_proba(found).argmax(1)].tolist()
    assert other.score(found, numbers) > 0.9


def test_a_fitted_one_embeds_and_answers_the_same_in_another_process(fitted, data):
    found = data[0][:20]
    assert fitted.embed(found).shape == (20, 8)
    twin = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own
    assert twin.predict_proba(found) == pytest.approx(fitted.predict_proba(found))
    with pytest.raises(NotFittedError):
        clone(fitted).embed(found)


@pytest.mark.parametrize("strategy", ["full", {"kind": "lora", "rank": 2}])
def test_the_model_is_that_of_a_run_on_the_same_rows(tmp_path, data, strategy):
    found, labels = data
    source = save_checkpoint(tmp_path / "bert")
    estimator = TransferClassifier(source, strategy, settings=SETTINGS).fit(found, labels)

    # A run cuts test before validation: it gets the rows as the estimator has cut them.
    parts = nlp_transfer.data.splits.load_splits(
        estimator._configure(list(found), labels).data, {"text": "text", "label": "label"}, tested=False
    )
    rows = {name: {"text": part["text"][:], "label": [LABELS[i] for i in part["label"][:]]}
            for name, part in (("train", parts.train), ("validation", parts.validation))}  # fmt: skip
    config = {
        "task": {"name": "classification", **SETTINGS["task"]},
        "source": {"kind": "checkpoint", "name": source},
        "strategy": {"kind": strategy} if isinstance(strategy, str) else strategy,
        "training": SETTINGS["training"],
    }
    done = nlp_transfer.run(config, data={**rows, "test": rows["validation"]}, output=tmp_path / "run", progress=False)
    expected = nlp_transfer.load(done.folder).probabilities(list(found))
    assert estimator.predict_proba(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "labels", "told"),
    [
        (["good", " "], ["a", "b"], r"X\[1\] is no text, or an empty one: ' '"),
        (["good", None], ["a", "b"], r"X\[1\] is no text"),
        ([["good", "bad"]] * 2, ["a", "b"], r"received an array of \(2, 2\)"),
        ("good", ["a"], "received one text"),
        ([], [], "received none"),
        (["good", "bad"], ["a", "a"], "y has one class, 'a'"),
        (["good", "bad"], ["a"], "inconsistent numbers of samples"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_as_scikit_learn_does(given, labels, told):
    with pytest.raises((TypeError, ValueError), match=told):
        TransferClassifier().fit(given, labels)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(fitted, data):
    found = list(data[0][:20])
    tried = clone(fitted)
    with pytest.raises(ConfigError):
        tried.set_params(settings={"training": {"epoch": 3}}).fit(found, ["x", "y"] * 10)
    with pytest.raises(NotFittedError):
        tried.predict(found)

    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own
    with pytest.raises(ConfigError):
        again.set_params(settings={"training": {"epoch": 3}}).fit(found, ["x", "y"] * 10)
    with pytest.raises(ValueError, match="y has one class"):
        again.fit(found, ["x"] * 20)
    assert again.classes_.tolist() == sorted(LABELS)
    assert again.predict(found).tolist() == fitted.predict(found).tolist()


def test_a_wrong_setting_is_refused_as_in_a_configuration(table):
    with pytest.raises(ConfigError, match=r"training\.epoch\b.*epochs"):
        TransferClassifier(table, settings={"training": {"epoch": 3}}).fit(["good", "bad"], ["a", "b"])
