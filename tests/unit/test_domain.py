"""Texts without labels are read as what they are, and a solved head moves towards them in three ways."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import tiny

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.data.splits import load_splits
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.evaluation.verdicts import Comparand, write_verdicts
from nlp_transfer.publishing.tree import write_publication
from nlp_transfer.strategies import Adaptation
from nlp_transfer.training.domain import follow_confident, recolour, weigh
from nlp_transfer.training.regression import Rows, fit_outputs
from nlp_transfer_tasks.sentiment import Sentiment

ROLES = {"text": "text", "label": "label"}
THERE = [f"{text} indeed" for text in tiny.texts(30, seed=7)[0]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny.save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def train(tmp_path):
    return tiny.save_csv(tmp_path / "train.csv")


def settings(train, source, strategy, **data):
    return {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": source},
        "strategy": strategy,
        "data": {"train": train, **data},
        "training": {"precision": "fp32"},
    }


def read(train, **data):
    config = load_config(settings(train, "minilm", {"kind": "frozen", "adaptation": "coral"}, **data))
    return load_splits(config.data, ROLES, adapting=True)


def save(path, ending):
    """The texts in a file without a column of labels."""
    file = path / f"there{ending}"
    frame = pandas.DataFrame({"text": THERE})
    match ending:
        case ".csv":
            frame.to_csv(file, index=False)
        case ".jsonl":
            frame.to_json(file, orient="records", lines=True)
        case ".parquet":
            frame.to_parquet(file)
        case ".txt":
            file.write_text("\n".join(THERE), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".txt"])
def test_only_the_column_of_texts_is_needed_and_a_limit_leaves_it_whole(train, tmp_path, ending):
    splits = read(train, unlabelled=save(tmp_path, ending), limit=10)
    assert splits.unlabelled["text"][:] == THERE
    assert len(splits.train) == 10
    assert splits.report.unlabelled.rows == 30
    assert "unlabelled" not in splits.report.splits


@pytest.mark.parametrize(
    "given", [THERE, pandas.DataFrame({"text": THERE}), pandas.DataFrame({"body": THERE})], ids=["list", "frame", "one"]
)
def test_texts_in_memory_are_taken(train, given):
    config = settings(train, "minilm", {"kind": "frozen", "adaptation": "coral"})
    checked = load_config(config, data=nlp_transfer.data.given.take_splits({"unlabelled": given}))
    assert load_splits(checked.data, ROLES, adapting=True).unlabelled["text"][:] == THERE


def test_blank_texts_are_left_out_and_counted(train, tmp_path):
    (tmp_path / "there.csv").write_text('text\na film\n" "\nthe plot\n', encoding="utf-8")
    report = read(train, unlabelled=str(tmp_path / "there.csv")).report
    assert report.unlabelled.rows == 2
    assert any("unlabelled: 1 row dropped" in one for one in report.warnings)


def test_texts_that_test_holds_too_are_told(train):
    report = read(train, test=train, unlabelled=train).report
    assert any("unlabelled: 60 of 60 test rows have a text that is among them" in one for one in report.warnings)


def test_a_missing_column_is_refused(train, tmp_path):
    (tmp_path / "there.csv").write_text("body\na film\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'text'"):
        read(train, unlabelled=str(tmp_path / "there.csv"))
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"empty\.txt: holds nothing; give at least one row"):
        read(train, unlabelled=str(tmp_path / "empty.txt"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": {"kind": "frozen", "adaptation": "coral"}}, "coral reads data.unlabelled; name texts"),
        (
            {"strategy": {"kind": "frozen", "adaptation": "coral", "solver": "gradient"}, "there": True},
            "needs a head that is solved, and strategy.solver is gradient",
        ),
        ({"task": {"name": "translation"}, "there": True}, "data.unlabelled: is for tasks that answer with labels"),
        (
            {"task": {"name": "pairs", "target": "number"}, "strategy": "self_training", "there": True},
            "have no probability; take importance or coral",
        ),
        ({"strategy": {"kind": "full", "adaptation": "coral"}, "there": True}, "strategy.adaptation"),
    ],
)
def test_what_no_run_can_honour_is_refused_in_one_line(train, changes, message):
    config = settings(train, "minilm", {"kind": "frozen"}, **({"unlabelled": train} if "there" in changes else {}))
    config["task"] = changes.get("task", config["task"])
    strategy = changes.get("strategy", config["strategy"])
    config["strategy"] = {"kind": "frozen", "adaptation": strategy} if isinstance(strategy, str) else strategy
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")) as caught:
        load_config(config)
    assert "\n" not in str(caught.value)


def test_a_head_with_hidden_layers_is_refused(train, source):
    config = settings(train, source, {"kind": "frozen", "adaptation": "coral"}, unlabelled=train)
    config["task"]["head"] = {"hidden": [4]}
    with pytest.raises(ConfigError, match="coral needs a linear pooled head"):
        nlp_transfer.check(config)


def test_without_adaptation_texts_are_not_read_and_that_is_said(train, source):
    report = nlp_transfer.check(settings(train, source, {"kind": "frozen"}, unlabelled=train))
    assert "data.unlabelled: not used without strategy.adaptation" in report.warnings


@pytest.mark.parametrize(
    ("way", "kind"), [("self_training", "checkpoint"), ("coral", "checkpoint"), ("importance", "vectors")]
)
def test_a_model_that_moved_answers_alike_after_reload_and_publication(train, source, tmp_path, way, kind):
    config = settings(train, source, {"kind": "frozen", "adaptation": way}, unlabelled=save(tmp_path, ".txt"))
    if kind == "vectors":
        config["source"] = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "table.txt")}

    result = nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    model = nlp_transfer.load(result.folder)
    said = model.predict(THERE[:4])
    assert result.metrics["data"]["unlabelled"]["rows"] == 30
    assert "| unlabelled |" in Path(result.folder, "README.md").read_text(encoding="utf-8")

    (tmp_path / "tree").mkdir()
    write_publication(result.folder, tmp_path / "tree", "me/it", licence="mit", adapter_only=False)
    assert nlp_transfer.load(tmp_path / "tree").predict(THERE[:4]) == said
    assert str(tmp_path) not in Path(tmp_path, "tree", "config.yaml").read_text(encoding="utf-8")


def draw(count=400, shift=1.5, seed=0):
    """Rows of two classes, and rows elsewhere: moved along a direction that says nothing of the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    x[:, 0] += 2 * y - 1
    there = rng.normal(size=(count, 3)).astype(np.float32) * [1.0, 3.0, 1.0] + [0.0, shift, 0.0]
    weights = np.ones(count, np.float32)
    return Rows(x, y, weights), Rows(there.astype(np.float32), np.zeros(count), weights)


def test_weights_are_larger_where_rows_look_like_those_elsewhere():
    known, there = draw()
    weighed, _ = weigh(known, known, there, clip=3.0)
    assert weighed.weights.mean() == pytest.approx(1.0, abs=1e-4)
    near, far = known.x[:, 1] > 1, known.x[:, 1] < -1
    assert weighed.weights[near].mean() > 2 * weighed.weights[far].mean()
    assert np.array_equal(weighed.x, known.x)


def test_features_get_the_mean_and_nearly_the_covariance_of_those_elsewhere():
    known, there = draw()
    moved, _ = recolour(known, known, there)
    assert np.allclose(moved.x.mean(0), there.x.mean(0), atol=1e-4)
    before, after, wanted = (rows.x[:, 1].var() for rows in (known, moved, there))
    assert 4 * before < after < wanted  # the ridge keeps it short of the whole way


def test_features_move_to_the_mean_of_a_single_text_which_has_no_covariance():
    known, there = draw()
    there = Rows(*(part[:1] for part in there))
    moved, _ = recolour(known, known, there)
    assert np.allclose(moved.x.mean(0), there.x[0], atol=1e-4)


def test_each_round_takes_the_same_share_of_each_answer():
    known, there = draw()
    (before,) = fit_outputs(known, [1.0], 2, solved_as="softmax")
    way = Adaptation("self_training", rounds=2, confident=(0.5, 1.0))
    after = follow_confident(way, before, known, there, strength=1.0, solved_as="softmax", smoothing=0.0)
    assert np.abs(after.weights).sum() > np.abs(before.weights).sum()  # surer, for it has learned its own answers
    said = after.predict(known.x).argmax(1)
    assert (said == known.y).mean() > 0.7


def test_a_comparison_says_whether_adaptation_paid():
    def method(strategy, right, unmoved=""):
        scores = {"accuracy": float(right)}
        return Comparand(
            strategy, "minilm", strategy, scratch=False, trainable=1, total=1, seconds=1.0,
            validation=scores, test=scores, correct=[float(right)] * 30, unmoved=unmoved,
        )  # fmt: skip

    rows = [method("frozen", 0), method("frozen + coral", 1, "frozen")]
    said = write_verdicts(rows, [], task=Sentiment)
    assert any("minilm, frozen + coral beats minilm, frozen, so adaptation paid: +100.0" in one for one in said)
    said = write_verdicts([method("frozen", 1), rows[1]], [], task=Sentiment)
    assert any("so adaptation did not pay: +0.0 points" in one for one in said)
