"""The main job on the real bundled models and reviews."""

import json
from pathlib import Path

import numpy as np
import pytest

import nlp_transfer
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import load_splits

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The keys that have a configuration of the quickstart read 120 reviews and be measured on twice 80."""
    folder = tmp_path_factory.mktemp("few")
    splits = load_splits(DataConfig(train="bundled:rotten-tomatoes"), {"text": "text", "label": "label"})
    keys = ["data.limit=null"]
    for name, size in {"train": 120, "validation": 80, "test": 80}.items():
        rows = getattr(splits, name)
        rows = rows.select(np.random.default_rng(0).permutation(len(rows))[:size])
        named = [{"text": row["text"], "label": splits.labels[row["label"]]} for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named))
        keys.append(f"data.{name}={folder / name}.jsonl")
    return keys


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, few):
    folder = tmp_path_factory.mktemp("real") / "comparison"
    configs = [ROOT / "configs" / "quickstart" / f"{name}.yaml" for name in ("glove_frozen", "minilm_frozen")]
    return nlp_transfer.compare(configs, few, output=folder, progress=False)


def test_comparison_leaves_a_run_folder_per_row_and_a_plot(comparison):
    assert (comparison.folder / "plot.png").stat().st_size > 5000
    for row in comparison.rows:
        assert {"config.yaml", "environment.json", "metrics.json", "history.jsonl", "model"} <= {
            path.name for path in (comparison.folder / row.name).iterdir()
        }


def test_metrics_hold_the_promised_keys(comparison):
    metrics = json.loads((comparison.folder / "minilm_frozen" / "metrics.json").read_text())
    assert {"validation", "test", "parameters", "seconds", "baselines", "seed"} <= metrics.keys()
    assert {"accuracy", "macro_f1", "mcc", "per_class"} <= metrics["test"].keys()
    assert metrics["parameters"] == {"total": 22_566_146, "trainable": 770}
    assert {"majority", "tfidf_logistic"} == metrics["baselines"].keys()


def test_minilm_features_carry_more_than_glove_means_and_chance(comparison):
    by_name = {row.name: row.validation["accuracy"] for row in comparison.rows}
    assert by_name["minilm_frozen"] > by_name["glove_frozen"] > 0.55


def test_predict_answers_in_order_with_probabilities(comparison, command):
    lines = "a warm , funny and deeply moving film\n\na dull , stupid and boring mess\n"
    code, out, err = command("predict", comparison.folder / "minilm_frozen", "-", stdin=lines)
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["label"] for answer in answers[::2]] == ["positive", "negative"]
    assert all(abs(sum(answer["probabilities"].values()) - 1) < 1e-5 for answer in answers[::2])
    assert answers[1] == {"label": None, "confidence": None, "probabilities": None, "reason": "the text is empty"}


def test_a_word_never_seen_in_training_gets_its_own_glove_vector(comparison):
    predictor = nlp_transfer.load(comparison.folder / "glove_frozen")
    rows = predictor.model.encoder.embeddings.weight
    ids = predictor.tokenizers.source("antediluvian xqzzyq")["input_ids"]
    assert ids[0] != predictor.tokenizers.source.unk_token_id
    assert ids[1] == predictor.tokenizers.source.unk_token_id
    assert not rows[ids[0]].equal(rows[ids[1]])


def test_scratch_has_the_same_shape_as_the_checkpoint_and_other_weights(tmp_path, few):
    config = ROOT / "configs" / "quickstart" / "minilm_scratch.yaml"
    result = nlp_transfer.run(
        config,
        [*few, "data.limit=32", "training.epochs=1", "task.max_length=16"],
        output=tmp_path / "run",
        progress=False,
    )
    assert result.metrics["parameters"]["total"] == 22_713_986
    assert result.metrics["test"]["accuracy"] < 0.65


def test_cached_features_are_used_by_the_next_run(comparison, few, tmp_path, caplog):
    config = ROOT / "configs" / "quickstart" / "minilm_frozen.yaml"
    with caplog.at_level("INFO", logger="nlp_transfer.inference.store"):
        again = nlp_transfer.run(config, few, output=tmp_path / "again", progress=False)
    first = json.loads((comparison.folder / "minilm_frozen" / "metrics.json").read_text())
    assert again.metrics["test"] == first["test"]
    assert "features: 120 of 120 from the cache" in caplog.messages
