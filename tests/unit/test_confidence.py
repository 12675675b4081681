"""Confidence: a temperature fitted on validation is part of the saved weights, and what it is worth is measured."""

import csv
import json
import shutil
from functools import cache, partial

import numpy as np
import pytest
from tiny import LABELS, save_checkpoint, save_csv, save_vectors, texts
from transformers import pipeline

import nlp_transfer as nt
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.confidence import (
    COLDEST,
    FEWEST,
    choose_temperature,
    fit_temperature,
    list_answers,
    measure_confidence,
)
from nlp_transfer.evaluation.metrics_file import Bin, Confidence
from nlp_transfer.evaluation.plotting import draw_reliability
from nlp_transfer.runs import calibrate
from nlp_transfer.runs.answering.predictor import Seen
from nlp_transfer_tasks.multilabel import Multilabel
from nlp_transfer_tasks.pairs import NumberPairs, Pairs
from nlp_transfer_tasks.sentiment import Sentiment

TEXTS = ["a good film", "a bad and boring plot", "it is a film", "great and awful"]


def draw(count, temperature, classes=3, seed=0):
    """Logits that are `temperature` times too large, and classes drawn from the ones that are not."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits * temperature, np.array([rng.choice(classes, p=share) for share in shares])


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_temperature_by_which_logits_are_too_large_is_found(temperature):
    assert fit_temperature(*draw(4000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_few_rows_fit_no_temperature_and_that_is_said():
    logits, right = draw(FEWEST - 1, 5.0)
    assert choose_temperature(logits, right, len(right)) == (
        1.0,
        "not fitted: 99 rows of validation are too few, 100 are needed",
    )


def test_rows_that_cannot_tell_a_temperature_from_one_fit_none():
    found, note = choose_temperature(*draw(200, 1.0), 200)
    assert found == 1.0
    assert note.startswith("not fitted: 200 rows of validation do not tell ")


def test_validation_without_a_mistake_asks_for_no_endless_confidence():
    logits = np.where(np.arange(120)[:, None] % 2 == [0, 1], 1.0, -1.0)
    found, note = choose_temperature(logits, np.arange(120) % 2, 120)
    assert (found > 4 * COLDEST, note) == (True, "fitted on 120 rows of validation")


def test_a_class_that_train_lacks_moves_no_temperature():
    logits, right = draw(400, 2.0, classes=2)
    more = np.column_stack([logits, np.full(400, -1e4)])
    assert fit_temperature(more, right) == pytest.approx(fit_temperature(logits, right), rel=1e-3)
    assert fit_temperature(np.vstack([more, more[:1]]), np.append(right, 2)) == pytest.approx(
        fit_temperature(logits, right), rel=1e-2
    )
    assert fit_temperature(np.array([[0.0, -1e4]] * 3), np.zeros(3, int)) == 1.0


def test_of_several_labels_each_is_answered_yes_or_no():
    logits, right = list_answers(np.array([[2.0, -1.0]]), [[0]], "sigmoid")
    assert logits.tolist() == [[-1.0, 1.0], [0.5, -0.5]]
    assert right.tolist() == [1, 0]


def test_the_error_is_the_mean_distance_of_confidence_and_right_answers():
    shares = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10)
    right = np.array([0] * 7 + [1] * 3 + [1] * 6 + [0] * 4)
    found = measure_confidence(np.log(shares), right, 1.0, "as it is")
    assert found.error == found.error_before == pytest.approx((10 * 0.2 + 10 * 0.0) / 20)
    assert [(one.least, one.rows, round(one.right, 9)) for one in found.bins] == [(0.6, 10, 0.6), (0.9, 10, 0.7)]


def test_what_is_kept_is_counted_from_the_bin_of_the_wanted_confidence_on():
    bins = [Bin(least=least, rows=10, confidence=least, right=right) for least, right in ((0.5, 0.5), (0.8, 0.9))]
    found = Confidence(temperature=1.0, note="", error_before=0.0, error=0.0, bins=bins)
    assert found.find_kept(0.8) == (0.8, 0.5, 0.9)
    assert found.find_kept(0.78) == (0.75, 0.5, 0.9)
    assert found.find_kept(0.0) == (0.0, 1.0, 0.7)
    assert found.find_kept(1.0) == (0.95, 0.0, None)


def test_a_task_that_decodes_in_its_own_way_has_to_say_again_what_its_probabilities_are():
    class Other(Sentiment):
        def decode(self, results, rows, tokenizers):
            return []

    found = [kind.probabilities for kind in (Sentiment, Pairs, Multilabel, NumberPairs, TaskDeclaration, Other)]
    assert found == ["softmax", "softmax", "sigmoid", None, None, None]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data of which every third label of validation and test is wrong: a trained model is too sure; and right ones."""
    root = tmp_path_factory.mktemp("confidence")
    save_vectors(root / "v.txt")
    for family in ("bert", "roberta"):
        save_checkpoint(root / family, family)
    save_csv(root / "train.csv", 60)
    for name, count, seed in (("validation", 120, 1), ("test", 48, 2), ("drawn", 100, 2)):
        for every, kind in ((3, "wrong"), (1000, "right")):
            found, labels = texts(count, seed)
            names = [LABELS[label ^ (i % every == 1)] for i, label in enumerate(labels)]
            with (root / f"{kind}-{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "label"), *zip(found, names, strict=True)])
    return root


CELLS = {
    "vectors, solved": ({"kind": "vectors"}, {"kind": "frozen", "cache": "memory"}, {}),
    "bert, native": ({"kind": "checkpoint", "name": "bert"}, {"kind": "full"}, {"kind": "native"}),
    "roberta, lora": ({"kind": "checkpoint", "name": "roberta"}, {"kind": "lora", "rank": 2}, {"hidden": [4]}),
}


def train(place, folder, cell="vectors, solved", test="test", **training):
    source, strategy, head = CELLS[cell]
    kind = "right" if cell == "vectors, solved" else "wrong"  # a solved head is not sure enough
    data = {"train": "train.csv", "validation": f"{kind}-validation.csv", "test": f"{kind}-{test}.csv"}
    return nt.run(
        {
            "task": {"name": "sentiment", "max_length": 32, "head": head},
            "source": {**source, "name": str(place / source.get("name", "v.txt"))},
            "strategy": strategy,
            "data": {split: str(place / name) for split, name in data.items()},
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.03, "precision": "fp32", **training},
        },
        output=folder,
        progress=False,
    )


@pytest.fixture(scope="module")
def finished(place, tmp_path_factory):
    """A function that gives a finished run; each is trained once."""
    return cache(lambda cell: train(place, tmp_path_factory.mktemp("finished") / "run", cell))


@pytest.fixture(scope="module")
def plain(place, tmp_path_factory):
    """A function that gives a run without a temperature; each is trained once."""
    return cache(lambda cell: train(place, tmp_path_factory.mktemp("plain") / "run", cell, temperature="none"))


def read_logits(said):
    """The difference of the two logits of each answer."""
    return np.array(
        [np.log(one["probabilities"]["positive"]) - np.log(one["probabilities"]["negative"]) for one in said]
    )


@pytest.mark.parametrize("cell", CELLS)
def test_logits_are_divided_and_every_label_stays(finished, plain, cell):
    without, fitted = plain(cell), finished(cell).figures.confidence
    assert without.figures.confidence.temperature == 1.0
    assert fitted.note == "fitted on 120 rows of validation"
    assert without.figures.confidence.error == pytest.approx(fitted.error_before, abs=1e-6)
    assert fitted.error < fitted.error_before
    before, after = (nt.load(one.folder).predict(TEXTS) for one in (without, finished(cell)))
    assert [one["label"] for one in before] == [one["label"] for one in after]
    assert read_logits(after) * fitted.temperature == pytest.approx(read_logits(before), rel=1e-3, abs=1e-4)
    assert without.metrics["test"] == finished(cell).metrics["test"]
    assert without.metrics["validation"] == finished(cell).metrics["validation"]


def test_results_for_validation_are_what_the_calibrated_model_gives(place, tmp_path, monkeypatch):
    asked, infer, settle = [], calibrate.infer_split, calibrate.settle_answers

    def keep(*given, **options):
        asked.append(partial(infer, *given, **options))
        return asked[-1]()

    def compare(prepared, model, results):
        decided = settle(prepared, model, results)
        assert decided[1].temperature != 1
        for said, again in zip(decided[2], asked[-1](), strict=True):
            assert np.array(said) == pytest.approx(np.array(again), rel=1e-4)
        asked.append("compared")
        return decided

    monkeypatch.setattr(calibrate, "infer_split", keep)
    monkeypatch.setattr(calibrate, "settle_answers", compare)
    train(place, tmp_path / "run", "bert, native")
    assert asked[-1] == "compared"


def test_a_plain_pipeline_has_the_same_confidence(finished):
    folder = finished("bert, native").folder
    classify = pipeline("text-classification", model=str(folder / "model"))
    expected = nt.load(folder).predict(TEXTS)
    assert [one["score"] for one in classify(TEXTS)] == pytest.approx([one["confidence"] for one in expected], abs=1e-5)


def take_adapter(folder):
    """Put beside a run what a publication of its adapter alone holds."""
    target = folder.with_name("alone")
    shutil.copytree(folder / "adapter", target)
    for file in ("model/tokenizer.json", "model/tokenizer_config.json", "config.yaml", "metrics.json"):
        shutil.copy(folder / file, target)
    return target


def test_an_adapter_alone_answers_as_the_merged_model(finished, tmp_path):
    folder = shutil.copytree(finished("roberta, lora").folder, tmp_path / "run")
    whole, alone = nt.load(folder).predict(TEXTS), nt.load(take_adapter(folder)).predict(TEXTS)
    assert read_logits(alone) == pytest.approx(read_logits(whole), abs=1e-4)


def test_a_run_that_is_resumed_has_the_same_temperature(place, finished, tmp_path):
    before = finished("vectors, solved")
    shutil.copytree(before.folder, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()  # as if it had been stopped before
    shutil.rmtree(tmp_path / "run" / "model")
    again = nt.run(tmp_path / "run" / "config.yaml", output=tmp_path / "run", resume="auto", progress=False)
    assert again.metrics["confidence"] == before.metrics["confidence"]
    assert again.metrics["weights"] == before.metrics["weights"]


def test_why_no_temperature_is_fitted_is_recorded(place, plain, tmp_path):
    runs = {
        "not fitted, as training.temperature says": plain("vectors, solved"),
        "not fitted: training.label_smoothing has set the confidence": train(
            place, tmp_path / "run", label_smoothing=0.1
        ),
    }
    assert {found.figures.confidence.note: found for found in runs.values()} == runs
    assert {found.figures.confidence.temperature for found in runs.values()} == {1.0}


def test_a_layer_that_does_not_give_the_logits_stays_as_it_is(place, plain, tmp_path, monkeypatch):

    def find_another(model, outputs):
        return "another", model.head.hidden[0]

    expected = plain("roberta, lora").figures.weights
    monkeypatch.setattr(calibrate, "find_output_layer", find_another)
    wrong = train(place, tmp_path / "wrong", "roberta, lora").figures
    assert wrong.confidence.note == "not fitted: the head of PooledClassifier ends in no linear layer"
    assert wrong.weights == expected


def test_rare_labels_are_helped_as_far_as_validation_likes_and_an_adapter_alone_follows(tmp_path):
    """Of words that say little, the frequent label is the likeliest answer to everything, unless it is held back."""
    rng = np.random.default_rng(0)
    save_checkpoint(tmp_path / "bert")

    def make(count, seed):
        found, _ = texts(2 * count, seed)
        return [
            {"text": one, "label": LABELS[int(rng.random() < (0.6 if "good" in one or "warm" in one else 0.08))]}
            for one in dict.fromkeys(found)
        ]

    data = {"train": make(80, 1), "validation": make(100, 2), "test": make(30, 3)}
    config = {
        "task": {"name": "sentiment", "max_length": 32, "head": {"kind": "pooled"}},
        "source": {"kind": "checkpoint", "name": str(tmp_path / "bert")},
        "strategy": {"kind": "lora", "rank": 2},
        "training": {"epochs": 3, "learning_rate": 0.03, "precision": "fp32", "selection": "macro_f1"},
    }
    plain = nt.run(config, data=data, output=tmp_path / "plain", progress=False).figures
    helped = nt.run(config, ["training.rebalance=auto"], data=data, output=tmp_path / "run", progress=False).figures
    assert helped.confidence.rebalanced > 0
    assert "rebalanced" not in plain.values()["confidence"]
    assert helped.validation["macro_f1"] > plain.validation["macro_f1"]
    assert "lowered by" in (tmp_path / "run" / "README.md").read_text()
    whole, alone = (nt.load(folder).predict(TEXTS) for folder in (tmp_path / "run", take_adapter(tmp_path / "run")))
    assert read_logits(alone) == pytest.approx(read_logits(whole), abs=1e-4)


def test_the_card_says_what_confidence_is_worth_and_shows_it(place, tmp_path):
    folder = train(place, tmp_path / "run", "roberta, lora", "drawn").folder  # fewer answers are not drawn
    card = (folder / "README.md").read_text(encoding="utf-8")
    found = json.loads((folder / "metrics.json").read_text())["confidence"]
    assert f"{found['error']:.4f}; without a temperature {found['error_before']:.4f}" in card
    assert "The adapter alone lacks it" in card
    assert "| confidence of at least | share of test answers | right of these |" in card
    assert "![confidence and right answers](reliability.png)" in card
    assert (folder / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert "ms a text one at a time" in card


def test_few_answers_are_not_drawn(tmp_path):
    bins = [Bin(least=0.5, rows=99, confidence=0.6, right=0.6)]
    few = Confidence(temperature=1.0, note="", error_before=0.0, error=0.0, bins=bins)
    assert not draw_reliability(few, tmp_path / "few.png")
    assert not draw_reliability(None, tmp_path / "none.png")
    assert not list(tmp_path.iterdir())


def test_answers_below_the_least_confidence_are_null_with_the_rest_kept(finished):
    folder = finished("vectors, solved").folder
    every = nt.predict(folder, [*TEXTS, ""])
    least = sorted(one["confidence"] for one in every[:-1])[2]
    found = nt.predict(folder, [*TEXTS, ""], least=least)
    for before, after in zip(every, found, strict=True):
        if before["label"] is None or before["confidence"] >= least:
            assert after == before
        else:
            assert after == {**before, "label": None, "reason": f"the confidence is below {least:g}"}
    assert sum(one["label"] is None for one in found) == 3
    (strange,) = nt.predict(folder, ["zzzqqq"], least=1)
    assert strange["reason"] == "the model knows no word of the text; the confidence is below 1"


@pytest.mark.parametrize("least", [-0.1, 1.5, "much"])
def test_a_least_confidence_that_is_no_share_is_refused(finished, least):
    with pytest.raises(ConfigError, match="least: expected a confidence from 0 to 1"):
        nt.load(finished("vectors, solved").folder, least=least)


def test_the_command_line_says_how_many_are_null_and_what_the_others_were_worth_on_test(finished, tmp_path, command):
    folder = finished("vectors, solved").folder
    (tmp_path / "new.csv").write_text("text\n" + "\n".join(TEXTS) + "\n")
    code, _, err = command("predict", folder, tmp_path / "new.csv", "--least", "1", "--output", tmp_path / "a.csv")
    assert code == 0
    assert "4 of 4 answers (100.0%) are null, for their confidence is below 1; on test " in err
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [(row["label"], row["reason"]) for row in csv.DictReader(file)] == [
            ("", "the confidence is below 1")
        ] * 4
    _, out, err = command("predict", folder, "--least", "0.5", stdin="a good film\n")
    begin, share, right = finished("vectors, solved").figures.confidence.find_kept(0.5)
    assert (begin, share, json.loads(out)["label"]) == (0.5, 1.0, nt.predict(folder, TEXTS[:1])[0]["label"])
    assert f"below 0.5; on test 100.0% of the answers have that confidence or more, and {right:.1%} of these" in err


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (
            0.99,
            "below 0.99; on test 0.99 was not measured, but 0.95: 25.0% of the answers have that confidence or more",
        ),
        (0.95, "below 0.95; on test 25.0% of the answers have that confidence or more, and 90.0% of these are right"),
        (0.7, "below 0.7; on test 25.0% of the answers have that confidence or more, and 90.0% of these are right"),
        (1, "below 1; on test 1 was not measured, but 0.95: 25.0% of the answers"),
    ],
)
def test_what_was_measured_at_another_limit_is_not_said_of_the_one_that_was_asked(finished, least, said):
    bins = [Bin(least=0.5, rows=30, confidence=0.6, right=0.6), Bin(least=0.95, rows=10, confidence=0.98, right=0.9)]
    predictor = nt.load(finished("vectors, solved").folder, least=least)
    predictor.measured = Confidence(temperature=1.0, note="", error_before=0.0, error=0.0, bins=bins)
    assert said in predictor.describe_withheld(Seen(texts=4, unsure=2))


def test_a_run_that_did_not_measure_confidence_says_so(finished, tmp_path):
    folder = shutil.copytree(finished("vectors, solved").folder, tmp_path / "run")
    values = json.loads((folder / "metrics.json").read_text())
    del values["confidence"], values["cost"]
    (folder / "metrics.json").write_text(json.dumps(values))
    predictor = nt.load(folder, least=0.8)
    predictor.predict(TEXTS)
    assert "was not measured" in predictor.describe_withheld(predictor.seen)
    assert nt.load(folder).predict(TEXTS) == nt.load(finished("vectors, solved").folder).predict(TEXTS)


def test_sets_of_labels_have_thresholds_and_no_least_confidence(tmp_path):
    found, labels = texts(40)
    data = [{"text": text, "labels": [LABELS[label]]} for text, label in zip(found, labels, strict=True)]
    config = {
        "task": {"name": "multilabel", "max_length": 32},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "v.txt")},
        "strategy": {"kind": "frozen", "cache": "memory"},
    }
    result = nt.run(config, data=data, output=tmp_path / "run", progress=False)
    assert result.figures.confidence.note.startswith("not fitted: 4 rows")
    with pytest.raises(ConfigError, match=r"no confidence \(they hold labels, probabilities, thresholds\)"):
        nt.load(tmp_path / "run", least=0.8)
