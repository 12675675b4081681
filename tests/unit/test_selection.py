"""The score that chooses the checkpoint, by name."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from tiny import Training, checkpoint, run, save_checkpoint, save_csv, sentiment, texts, vectors

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.metrics import classification_scores, find_score
from nlp_transfer.evaluation.verdicts import Comparand, write_verdicts
from nlp_transfer.training.judge import Judge
from nlp_transfer_tasks.sentiment import Sentiment

FROZEN = {"kind": "frozen"}


def configured(selection, name="sentiment", **data):
    values = {"task": {"name": name}, "source": {"kind": "checkpoint"}, "data": {"train": "a.csv", **data}}
    return nlp_transfer.load_config(values, [f"training.selection={selection}"])


@pytest.mark.parametrize(("selection", "best"), [("accuracy", 0.9), ("macro_f1", 0.8)])
def test_the_checkpoint_that_is_kept_is_the_best_by_the_score_that_was_named(tmp_path, monkeypatch, selection, best):
    task = Sentiment.selecting_by(selection)(sentiment().options, sentiment().labels)
    training = Training(checkpoint(tmp_path), {"kind": "full"}, task=task, epochs=2)
    scores = [{"accuracy": 0.9, "macro_f1": 0.4}, {"accuracy": 0.7, "macro_f1": 0.8}]
    kept = list(scores)
    monkeypatch.setattr(Judge, "validate", lambda *_: kept.pop(0))
    history = training.fit()
    assert (history.best, history.scores[selection]) == (best, best)


def test_a_run_says_by_which_score_it_chose(tmp_path):
    save_checkpoint(tmp_path / "model")
    result = run(tmp_path / "run", tmp_path / "model", FROZEN, save_csv(tmp_path / "a.csv"), selection="mcc")
    assert result.metrics["selection"]["metric"] == "mcc"
    assert result.metrics["selection"]["best"] == result.metrics["validation"]["mcc"]
    card = (result.folder / "README.md").read_text()
    assert "chosen by `mcc` on validation" in card
    assert "\n- matthews_correlation\n" in card  # as the Hub calls it
    assert "mcc" in result.summary
    again = nlp_transfer.run(result.folder / "config.yaml", output=result.folder, resume="auto", progress=False)
    assert again.metrics["selection"] == result.metrics["selection"]


def test_a_run_that_another_score_chose_is_also_held_against_the_method_that_is_best_by_the_compared_one():
    def judged(name, correct, accuracy, macro_f1):
        scores = {"accuracy": accuracy, "macro_f1": macro_f1}
        return Comparand(name, name, "-", False, 0, 0, None, scores, scores, correct, (2,))

    run = judged("run", [1.0] * 80 + [0.0] * 20, 0.8, 0.7)
    simple = [
        judged("majority", [1.0] * 95 + [0.0] * 5, 0.95, 0.45),
        judged("tfidf", [1.0] * 75 + [0.0] * 25, 0.75, 0.6),
    ]
    said = write_verdicts([run], simple, task=Sentiment.selecting_by("macro_f1"))
    assert len(said) == 2
    assert any("is worse than majority" in one for one in said)
    assert len(write_verdicts([run], simple, task=Sentiment)) == 1


@pytest.mark.parametrize(("selection", "chosen"), [("accuracy", 3e-4), ("macro_f1", 1.0)])
def test_the_penalty_of_a_solved_head_is_the_best_by_the_score_that_was_named(tmp_path, selection, chosen):
    task, rows = Sentiment.selecting_by(selection)(sentiment().options, sentiment().labels), uneven()
    parts = {"train": rows.train, "validation": rows.validation}
    training = Training(vectors(tmp_path / "v.txt"), FROZEN, task=task, **parts)
    training.fit()
    assert training.records[0]["solver"] == {"inverse_penalty": chosen}


def test_tf_idf_chooses_by_the_score_that_chooses_the_model():
    found = {}
    for selection in ("accuracy", "macro_f1"):
        task = Sentiment.selecting_by(selection)(sentiment().options, sentiment().labels)
        found[selection] = task.baselines(uneven())["tfidf_logistic"]
    assert found["accuracy"].chosen == "words, C=1"
    assert found["macro_f1"].chosen == "words and characters, C=10"


def uneven():
    """One row in six is of the rare class, and labels may be wrong: then a weak penalty finds more of it."""
    rng = np.random.default_rng(2)

    def rows(count, seed):
        said, labels = texts(count, seed=seed)
        kept = [i for i, label in enumerate(labels) if label or i % 5 == 0]
        turned = [labels[i] ^ int(rng.random() < 0.3) for i in kept]
        return TaskRows({"text": [said[i] for i in kept], "label": turned})

    return SimpleNamespace(train=rows(80, 0), validation=rows(80, 1), test=rows(40, 2))


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "mcc"])
def test_scores_of_ids_are_those_of_the_report(name):
    true, said = [0, 0, 1, 1, 1, 0], [0, 1, 1, 2, 1, 0]
    assert find_score(name)(true, said) == pytest.approx(classification_scores(said, true, ("a", "b", "c"))[name])


@pytest.mark.parametrize(
    ("name", "wrong", "columns"),
    [("sentiment", "macro-f1", {}), ("translation", "ter", {}), ("summarization", "bleu", {})],
)
def test_a_score_that_cannot_choose_is_refused_with_those_that_can(name, wrong, columns):
    with pytest.raises(ConfigError, match=rf"training.selection: '{wrong}' is no score to choose by. .*Known: "):
        configured(wrong, name)


def test_configurations_that_choose_by_the_same_score_are_equal_also_when_written_and_read():
    config = configured("macro_f1")
    assert config == configured("macro_f1") == nlp_transfer.load_config(yaml.safe_load(nlp_transfer.render(config)))


def test_runs_that_choose_by_different_scores_are_not_compared(tmp_path):
    values = configured("macro_f1", train=save_csv(tmp_path / "a.csv")).model_dump(mode="json")
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(values))
    values["training"]["selection"] = "auto"
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"two chooses by accuracy, one by macro_f1; set training.selection alike"):
        nlp_transfer.compare([tmp_path / "one.yaml", tmp_path / "two.yaml"], output=tmp_path / "both")
