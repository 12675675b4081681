"""A linear head on fixed features is solved where the task says how, and trained by the task's own loss elsewhere."""

import json
import logging

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from tiny import LABELS, Training, rows, run, save_checkpoint, save_csv, sentiment, texts, vectors

import nlp_transfer as nt
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.folds import FOLDS, deal_folds, hold_out
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.training.regression import Rows, fit_binary, fit_multinomial, fit_ridge
from nlp_transfer.training.solver import FEW, STRENGTHS, choose_solution
from nlp_transfer_tasks.sentiment import Sentiment

FROZEN = {"kind": "frozen"}
LP_FT = {"kind": "gradual", "schedule": "lp_ft"}


class Swapped(Sentiment):
    """Learns the opposite of the labels, by a loss of its own on the same model."""

    def loss(self, model, batch, *, smoothing):
        assert batch.targets is not None
        logits = model(**batch.inputs).logits
        return torch.nn.functional.cross_entropy(logits, 1 - batch.targets, reduction="sum")


@pytest.fixture
def source(tmp_path):
    return vectors(tmp_path / "vectors.txt")


@pytest.mark.parametrize("strategy", [FROZEN, LP_FT], ids=["frozen", "lp_ft"])
def test_a_task_with_a_loss_of_its_own_is_trained_by_that_loss(source, strategy, caplog):
    task = Swapped(sentiment().options, LABELS)
    with caplog.at_level(logging.INFO):
        training = Training(source, strategy, task=task, epochs=4, learning_rate=0.05)
    assert [phase.solver for phase in training.plan.phases] == ["gradient"] * len(training.plan.phases)
    assert "trained by steps, for the task does not declare how it is solved (solved_as)" in caplog.text
    training.fit()
    said = training.records[-1]["validation"]["accuracy"]
    assert said < 0.2  # it says the opposite


def test_a_solver_that_is_asked_for_is_refused_where_the_task_does_not_declare_how(source):
    with pytest.raises(ConfigError, match=r"strategy\.solver: lbfgs needs a task that declares solved_as"):
        Training(source, {**FROZEN, "solver": "lbfgs"}, task=Swapped(sentiment().options, LABELS))


def test_a_run_of_sentiment_is_solved(tmp_path):
    save_checkpoint(tmp_path / "model")
    result = run(tmp_path / "run", tmp_path / "model", FROZEN, save_csv(tmp_path / "a.csv"))
    assert result.metrics["steps"] == 0


class Numbers(nt.Task):
    """One or two numbers a text, out of how good and how bad its words are."""

    roles = {"text": "text"}  # noqa: RUF012
    selection = "negated_error"
    shown = ("negated_error",)
    auto_class = "AutoModelForSequenceClassification"
    solved_as = "identity"

    def build(self, source, rows, *, frozen):
        return build_classifier(source, ("first", "second"), head="pooled", frozen=frozen)

    def encode(self, rows, tokenizers, *, training=False):
        numbers = rows["numbers"][:] if "numbers" in rows.column_names else None
        return nt.encode_documents(rows["text"][:], tokenizers.source, max_length=32, targets=numbers)

    def loss(self, model, batch, *, smoothing):
        return self.differences(model(**batch.inputs).logits, batch.targets).mean(1).sum()

    def infer(self, model, batch, *, quick=False):
        return list(model(**batch.inputs).logits.cpu().numpy())

    def decode(self, results, rows, tokenizers):
        return [{"numbers": [float(one) for one in units[0]]} for units in results]

    def differences(self, said, true):
        return (said - true) ** 2

    def score(self, predictions, rows):
        said, true = (torch.tensor(one) for one in ([p["numbers"] for p in predictions], rows["numbers"][:]))
        return {"negated_error": -float(self.differences(said, true).mean())}

    def hits(self, predictions, rows):
        return [0.0] * len(predictions)


class Labels(Numbers):
    """The same, each a label that a text has or has not."""

    solved_as = "sigmoid"

    def differences(self, said, true):
        return torch.nn.functional.binary_cross_entropy_with_logits(said, true, reduction="none")


def numbered(count, seed):
    found, labels = texts(count, seed)
    return TaskRows({"text": found, "numbers": [[float(label), float(1 - label)] for label in labels]})


@pytest.mark.parametrize("kind", [Numbers, Labels])
@pytest.mark.parametrize("strategy", [FROZEN, LP_FT], ids=["frozen", "lp_ft"])
def test_numbers_and_several_labels_are_solved_too(source, kind, strategy):
    task = kind(nt.TaskOptions(name="numbers"))
    training = Training(source, strategy, task=task, train=numbered(48, 0), validation=numbered(16, 1))
    assert training.plan.phases[0].solver == "lbfgs"
    training.fit()
    first = training.records[0]
    assert first["validation"]["negated_error"] > (-0.15 if kind is Numbers else -0.4)
    assert first["solver"]["inverse_penalty"] > 0


@pytest.mark.parametrize(
    ("given", "again"), [({}, True), ({"limit": 30}, False), ({"validation": "c.csv"}, False)], ids=str
)
def test_few_rows_of_validation_that_were_cut_from_train_are_learned_from_after_they_have_judged(
    tmp_path, monkeypatch, given, again
):
    data = {"train": save_csv(tmp_path / "a.csv", 60), "test": save_csv(tmp_path / "b.csv", 20, seed=1)}
    save_csv(tmp_path / "c.csv", 20, seed=2)
    monkeypatch.chdir(tmp_path)
    config = {"task": {"name": "sentiment", "max_length": 32}, "data": {**data, **given}, "strategy": FROZEN}
    config["source"] = {"kind": "vectors", "name": vectors(tmp_path / "v.txt").name}
    found = nt.run(config, output=tmp_path / "again", progress=False)
    (first,) = (json.loads(line) for line in (tmp_path / "again" / "history.jsonl").open())
    assert ("again" in first["solver"]) == again
    assert found.figures.selection.learned == again
    for page in ("README.md", "report.html"):
        said = (tmp_path / "again" / page).read_text()
        assert ("The head was then solved again, on train and validation together." in said) == again

    if again:
        monkeypatch.setattr("nlp_transfer.training.loop.solve_again", lambda *_, **__: None)
        once = nt.run(config, output=tmp_path / "once", progress=False)
        assert once.metrics["selection"] == found.metrics["selection"]
        assert once.metrics["weights"] != found.metrics["weights"]


def test_rows_that_a_head_learns_from_in_the_end_do_not_score_it(tmp_path, monkeypatch):
    def solve_wrongly(model, *_, **__):  # so that each answer of this head differs from that of the first
        model.head.output.weight.data.neg_()
        model.head.output.bias.data.neg_()

    monkeypatch.setattr("nlp_transfer.training.loop.solve_again", solve_wrongly)
    data = {"train": save_csv(tmp_path / "a.csv", 60), "test": save_csv(tmp_path / "b.csv", 20, seed=1)}
    source = {"kind": "vectors", "name": vectors(tmp_path / "v.txt").name}
    config = {"task": {"name": "sentiment", "max_length": 32}, "data": data, "strategy": FROZEN, "source": source}
    config["training"] = {"precision": "bf16"}  # the scores of other trainings are measured anew, in single precision
    found = nt.run(config, output=tmp_path / "run", progress=False).metrics
    (judged,) = (json.loads(line)["validation"] for line in (tmp_path / "run" / "history.jsonl").open())
    assert found["test"]["accuracy"] < 0.5 < judged["accuracy"]
    assert judged == {name: found["validation"][name] for name in judged}
    assert found["selection"]["best"] == found["validation"][found["selection"]["metric"]]


RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
WEIGHTS = RNG.uniform(0.5, 2, 60)


def test_each_regression_is_that_of_scikit_learn():
    truth = X[:, 0] + RNG.normal(size=60) * 0.3
    classes = np.digitize(truth, [-0.5, 0.5])
    (found,) = fit_multinomial(Rows(X, classes, WEIGHTS), [0.1], 3)
    model = LogisticRegression(C=0.1, max_iter=1000).fit(X, classes, sample_weight=WEIGHTS)
    assert np.allclose(found.predict(X), model.decision_function(X), atol=0.02)

    both = np.stack([truth > 0, X[:, 1] > 0.3], 1).astype(float)
    (found,) = fit_binary(Rows(X, both, WEIGHTS), [0.1])
    for label in (0, 1):
        model = LogisticRegression(C=0.1, max_iter=1000).fit(X, both[:, label], sample_weight=WEIGHTS)
        assert np.allclose(found.predict(X)[:, label], model.decision_function(X), atol=0.02)

    (found,) = fit_ridge(Rows(X, truth, WEIGHTS), [0.1])
    model = Ridge(alpha=10).fit(X, truth, sample_weight=WEIGHTS)
    assert np.allclose(found.predict(X)[:, 0], model.predict(X))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_label_that_all_or_no_rows_have_keeps_its_frequency(smoothing):
    y = np.zeros((60, 2))
    y[:, 1] = 1
    (found,) = fit_binary(Rows(X, y, WEIGHTS), [0.1], smoothing=smoothing)
    said = 1 / (1 + np.exp(-found.predict(X)))
    assert np.all(said[:, 0] < 0.05)
    assert np.all(said[:, 1] > 0.95)


def classes(count, *, seed):
    """Rows of two classes, one in four of the second, in 40 features of which the first says a little."""
    rng = np.random.default_rng(seed)
    y = (np.arange(count) % 4 == 0).astype(int)
    x = rng.normal(size=(count, 40))
    x[:, 0] += 3 * y
    return Rows(x, y, np.ones(count))


def test_train_is_cross_validated_where_a_handful_of_rows_would_choose_the_penalty():
    known, handful, many = classes(60, seed=0), classes(5, seed=1), classes(400, seed=2)
    handful = handful._replace(y=np.zeros(5, dtype=int))  # all are answered right by a penalty that learns nothing
    alone = choose_solution(known, handful, solved_as="softmax", count=2).strength
    folds = deal_folds(known.y, np.arange(60))
    chosen = choose_solution(known, handful, solved_as="softmax", count=2, folds=folds)
    assert alone == STRENGTHS[0] < chosen.strength
    (again,) = fit_multinomial(known, [chosen.strength], 2)
    assert np.array_equal(chosen.solution.weights, again.weights)  # fitted to all rows, not to four parts of five
    assert (chosen.solution.predict(many.x).argmax(1) == many.y).mean() > 0.8


@pytest.mark.parametrize("y", [np.arange(2), np.array([0]), np.zeros(3, dtype=int), np.eye(4), np.linspace(0, 1, 4)])
def test_two_or_three_rows_of_train_can_be_held_out_in_turn_and_one_is_not(y):
    known = Rows(RNG.normal(size=(len(y), 3)), y, np.ones(len(y)))
    folds = deal_folds(y, np.arange(len(y)))
    parts = list(hold_out(folds))
    assert len(parts) == (len(y) if len(y) > 1 else 0)
    assert all(out.sum() == 1 for out in parts)
    chosen = choose_solution(
        known, known, solved_as="identity" if y.dtype == float else "softmax", count=2, folds=folds
    )
    assert chosen.strength in STRENGTHS


def test_windows_of_a_document_are_held_out_together_and_classes_are_dealt_alike():
    example = np.repeat(np.arange(20), 3)
    label = np.arange(20) % 2
    folds = deal_folds(label[example], example)
    of_documents = folds.reshape(20, 3)
    assert np.array_equal(of_documents, np.repeat(of_documents[:, :1], 3, axis=1))
    for fold in range(FOLDS):
        assert sorted(label[of_documents[:, 0] == fold]) == [0, 0, 1, 1]
    assert not [*hold_out(deal_folds(np.zeros(3), np.zeros(3, dtype=int)))]


@pytest.mark.parametrize(("validation", "judges"), [(20, "cross-validation on train too"), (120, "validation")])
def test_it_is_said_which_rows_chose_the_penalty(source, caplog, validation, judges):
    with caplog.at_level(logging.INFO):
        Training(source, FROZEN, validation=rows(validation, 1)).fit()
    assert f"chosen by {judges}" in caplog.text


def test_few_documents_of_many_windows_do_not_choose_a_penalty_alone(source, caplog):
    found, labels = texts(FEW // 2, 1)
    few = TaskRows({"text": [f"{text} " * 30 for text in found], "label": labels})
    training = Training(source, FROZEN, task=sentiment(long_documents="window", max_windows=3), validation=few)
    assert len(training.trainer().validation.inputs) > FEW
    with caplog.at_level(logging.INFO):
        training.fit()
    assert f"chosen by cross-validation on train too, for {FEW // 2} rows are too few" in caplog.text
