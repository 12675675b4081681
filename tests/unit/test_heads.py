"""A head that a checkpoint brings keeps its meaning: its rows follow the names of the labels."""

import json
import shutil
from functools import cache
from itertools import permutations
from unicodedata import normalize

import pytest
import torch
from accelerate.utils import set_seed
from tiny import FAMILIES, SPREAD, checkpoint, config, plan_for, run, save_csv, save_swapped, tokenizer
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

import nlp_transfer
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.unread import find_unread
from nlp_transfer.runs.answering.predict import load, load_model
from nlp_transfer.sources import load_source
from nlp_transfer.sources.heads import find_label_rows

OWN = ("positive", "negative", "neutral")
LABELS = ("negative", "neutral", "positive")
IDS = torch.tensor([[0, 5, 13, 21, 2], [0, 7, 22, 8, 2]])
ROWS = {"classifier.weight", "classifier.bias"}
WIDTHS = {
    "bart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2},
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 24},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2},
    "funnel": {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 24, "block_sizes": [1]},
    "xlm": {"emb_dim": 16, "n_layers": 1, "n_heads": 2},
}


def named(names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def architecture(family):
    if family in FAMILIES:
        return config(family)
    tokens = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1}
    return AutoConfig.for_model(family, vocab_size=40, **tokens, **WIDTHS[family])


def save(folder, shape, auto=AutoModelForSequenceClassification, **settings):
    """Save a classifier whose rows are all different; returns it."""
    torch.manual_seed(1)
    model = auto.from_config(shape.__class__.from_dict({**shape.to_dict(), **settings})).eval()
    with torch.no_grad():
        for parameter in find_label_rows(model, auto.from_config, model.config.num_labels).values():
            parameter.normal_()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return model


def answers(model, names):
    """(texts,) logits by label name."""
    with torch.inference_mode():
        logits = model.eval()(IDS, attention_mask=torch.ones_like(IDS)).logits
    return dict(zip(names, logits.T, strict=True))


def assert_same(found, expected, *names):
    for name in names:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-5)


def load_for(folder, labels):
    set_seed(0)
    return load_source("checkpoint", name=str(folder)).model(AutoModelForSequenceClassification, **named(labels))


@pytest.mark.parametrize("family", [*FAMILIES, *WIDTHS])
def test_the_rows_of_every_family_follow_the_names(family, tmp_path):
    own = save(tmp_path, architecture(family), **named(OWN))
    loaded = load_for(tmp_path, LABELS)
    assert_same(answers(loaded.model, LABELS), answers(own, OWN), *OWN)
    assert not loaded.new
    assert loaded.model.config.id2label == dict(enumerate(LABELS))
    assert loaded.note == ("head: starts as the checkpoint's own, with its rows of 'negative', 'neutral', 'positive'")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A checkpoint of BERT's with a head of three labels: the model and its folder."""
    folder = tmp_path_factory.mktemp("own")
    return save(folder, config(), **named(OWN)), folder


@pytest.mark.parametrize("labels", list(permutations(OWN)), ids=" ".join)
def test_a_head_answers_the_same_in_each_order_of_labels(own, labels):
    model, folder = own
    assert_same(answers(load_for(folder, labels).model, labels), answers(model, OWN), *OWN)


@pytest.mark.parametrize("labels", [("negative", "positive"), ("neutral", "positive")])
def test_fewer_labels_keep_their_rows_and_nothing_is_new(own, labels):
    model, folder = own
    loaded = load_for(folder, labels)
    assert_same(answers(loaded.model, labels), answers(model, OWN), *labels)
    assert not loaded.new
    assert loaded.note.endswith(f"left out is its '{({*OWN} - {*labels}).pop()}'")


@pytest.mark.parametrize(
    "labels", [("mixed", *LABELS), ("mixed", "negative", "positive"), ("a", "b", "neutral", "c", "d")], ids=len
)
def test_labels_that_the_checkpoint_lacks_are_drawn_and_listed_as_new(own, labels):
    model, folder = own
    loaded = load_for(folder, labels)
    assert_same(answers(loaded.model, labels), answers(model, OWN), *({*labels} & {*OWN}))
    assert loaded.new == ROWS
    assert "new is 'mixed'" in loaded.note or "new is 'a', 'b', 'c', 'd'" in loaded.note
    drawn = [loaded.model.classifier.weight[i] for i, label in enumerate(labels) if label not in OWN]
    for row in drawn:  # as the architecture draws them, not what stood there
        assert (row - model.classifier.weight).norm(dim=1).min() > 1
        assert 0.3 * SPREAD["initializer_range"] < row.std() < 2 * SPREAD["initializer_range"]
    assert torch.equal(load_for(folder, labels).model.classifier.weight, loaded.model.classifier.weight)


def test_spellings_of_a_name_are_one_name(tmp_path):
    own = save(tmp_path, config(), **named(["très bon", "bad", "Plain"]))
    labels = ("BAD", "plain ", normalize("NFD", "Très  bon"))
    loaded = load_for(tmp_path, labels)
    assert_same(
        dict(zip(["bad", "plain", "bon"], answers(loaded.model, labels).values(), strict=True)),
        dict(zip(["bon", "bad", "plain"], answers(own, labels).values(), strict=True)),
        "bad", "plain", "bon",
    )  # fmt: skip


def test_of_two_labels_that_are_like_one_name_one_has_its_row(tmp_path):
    save(tmp_path, config(), **named(["I", "you"]))
    loaded = load_for(tmp_path, ("I", "i", "you"))
    assert loaded.new == ROWS
    assert "with its rows of 'I', 'you'; new is 'i'" in loaded.note


def test_labels_without_names_are_kept_by_id_and_said_where_they_are_as_many(tmp_path):
    own = save(tmp_path, config(), num_labels=3)
    loaded = load_for(tmp_path, LABELS)
    assert_same(answers(loaded.model, LABELS), answers(own, LABELS), *LABELS)
    assert not loaded.new
    assert "by id, for its labels have no names: LABEL_0 is 'negative', LABEL_1 is 'neutral'" in loaded.note
    fewer = load_for(tmp_path, ("bad", "good"))
    assert fewer.new == ROWS
    assert fewer.note.startswith("head: new, for none of the checkpoint's labels ('LABEL_0', 'LABEL_1', 'LABEL_2')")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"num_labels": 1}, "gives one number (a regression)"),
        ({"problem_type": "multi_label_classification"}, "(problem_type: 'multi_label_classification')"),
        ({"problem_type": "regression"}, "(problem_type: 'regression')"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_head_that_does_not_choose_one_of_several_labels_is_not_kept(tmp_path, settings, reason):
    own = save(tmp_path, config(), **{**named(OWN), **settings})
    loaded = load_for(tmp_path, OWN)
    assert loaded.new == ROWS
    assert reason in loaded.note
    assert (loaded.model.classifier.weight[0] - own.classifier.weight[0]).norm() > 1
    assert loaded.model.config.num_labels == 3


def test_a_head_of_another_task_is_not_kept(tmp_path):
    save(tmp_path, config(), AutoModelForTokenClassification, **named(OWN))
    loaded = load_for(tmp_path, OWN)
    assert loaded.new >= ROWS
    assert loaded.note == "head: new, for the checkpoint's own is of another task ('BertForTokenClassification')"


def test_a_checkpoint_without_a_head_has_nothing_to_say(tmp_path):
    loaded = build_classifier(checkpoint(tmp_path), LABELS, head="native")
    assert loaded.new >= ROWS
    assert not loaded.note


def test_a_head_whose_weights_are_of_several_numbers_of_labels_is_not_kept(tmp_path):
    model = save(tmp_path, config(), **named(OWN))
    model.classifier.bias = torch.nn.Parameter(torch.zeros(4))
    model.save_pretrained(tmp_path)
    loaded = load_for(tmp_path, LABELS)
    assert loaded.new == ROWS
    assert "different numbers of labels" in loaded.note


def test_only_what_is_new_of_a_head_is_trained_whole_beside_adapters(own):
    _, folder = own
    for labels, saved in ((LABELS, False), (("mixed", *LABELS), True)):
        plan = plan_for(load_for(folder, labels), {"kind": "lora"}, learning_rate=0.01, epochs=1)
        assert any("classifier.modules_to_save" in name for name in plan.moving) == saved


# Runs: whatever the strategy, a head that has not moved answers as it did.


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a tuned classifier whose labels stand in another order, its data, and its score."""
    folder = tmp_path_factory.mktemp("tuned")
    data = save_csv(folder / "train.csv", 80)
    first = run(folder / "run", checkpoint(folder / "bert").name, {"kind": "full"}, data, epochs=6, learning_rate=0.01)
    model, tokenizers = load_model(folder / "run" / "model", "AutoModelForSequenceClassification")
    save_swapped(model, tokenizers.source, folder / "swapped")
    assert first.metrics["test"]["accuracy"] > 0.8
    return folder / "swapped", data, first.metrics["test"]["accuracy"]


STILL = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "rank": 2},
    "ulmfit": {"kind": "gradual"},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}


@pytest.fixture(scope="module")
def still(tuned, tmp_path_factory):
    """A function that trains it at a rate that moves nothing, once by each strategy."""
    source, data, _ = tuned
    folder = tmp_path_factory.mktemp("still")
    return cache(lambda name: run(folder / name, source, STILL[name], data, learning_rate=1e-12))


@pytest.mark.parametrize("strategy", STILL)
def test_a_head_that_has_not_moved_scores_as_it_did(tuned, still, strategy):
    _, _, accuracy = tuned
    result = still(strategy)
    assert result.metrics["test"]["accuracy"] == accuracy
    assert "'negative', 'positive'" in result.metrics["head"]
    assert load(result.folder).task.labels == ("negative", "positive")


@pytest.mark.parametrize(("family", "strategy"), [("bart", "lp_ft"), ("t5", "full")])
def test_a_classifier_with_a_decoder_is_trained_and_read_back(family, strategy, tmp_path):
    own = save(tmp_path / "own", architecture(family), **named(("positive", "negative")))
    result = run(
        tmp_path / "run", tmp_path / "own", STILL[strategy], save_csv(tmp_path / "a.csv", 30), learning_rate=1e-12
    )
    text = "a good warm film"
    (answer,) = load(result.folder).predict([text])
    with torch.inference_mode():
        logits = own(input_ids=torch.tensor([tokenizer()(text)["input_ids"]])).logits
    found = [answer["probabilities"][name] for name in ("positive", "negative")]
    assert found == pytest.approx(logits.softmax(-1)[0].tolist(), abs=1e-5)
    assert not [one for one in result.metrics["warnings"] if "padding" in one]


WITHOUT_USE = {  # families whose classifiers hold parameters that they do not read, and one of them
    "big_bird": ("bert.pooler.weight", {"attention_type": "original_full"}),
    "canine": ("canine.final_char_encoder.layer.0.intermediate.dense.weight", {"num_hash_buckets": 50}),
    "xlnet": ("transformer.layer.0.rel_attn.seg_embed", WIDTHS["xlnet"]),
}


@pytest.mark.parametrize(("family", "strategy"), [("big_bird", "lora"), ("canine", "full"), ("xlnet", "full")])
def test_what_a_head_does_not_read_stays_as_it_is(family, strategy, tmp_path):
    name, widths = WITHOUT_USE[family]
    own = save(tmp_path / "own", config(family, **widths), **named(("positive", "negative")))
    data = save_csv(tmp_path / "a.csv", 30)
    result = run(tmp_path / "run", tmp_path / "own", STILL[strategy], data, batch_size=24, learning_rate=0.01)
    model = load(result.folder).model
    assert torch.equal(model.get_parameter(name), own.get_parameter(name))
    moved = {one for one, value in own.named_parameters() if not torch.equal(model.get_parameter(one), value)}
    assert moved
    assert moved.isdisjoint(find_unread(own, tokenizer()))


def test_the_embeddings_of_characters_that_are_hashed_cannot_be_adapted(tmp_path):
    save(tmp_path / "own", config("canine"), **named(("positive", "negative")))
    with pytest.raises(ConfigError, match="embeddings: the architecture has no table of word embeddings"):
        run(tmp_path / "run", tmp_path / "own", {"kind": "lora", "embeddings": True}, save_csv(tmp_path / "a.csv", 30))


def test_looking_for_what_is_not_read_changes_nothing(tmp_path):
    model = save(tmp_path, config()).train()
    torch.manual_seed(0)
    assert find_unread(model, tokenizer()) == frozenset()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
    assert model.training
    assert all(one.requires_grad and one.grad is None for one in model.parameters())


def test_the_same_holds_for_each_seed(tuned, tmp_path):
    source, data, accuracy = tuned
    run(tmp_path / "run", source, {"kind": "full"}, data, seeds=[0, 1], learning_rate=1e-12)
    for seed in (0, 1):
        metrics = json.loads((tmp_path / "run" / f"seed-{seed}" / "metrics.json").read_text())
        assert metrics["test"]["accuracy"] == accuracy


def test_what_became_of_a_head_is_shown_before_anything_trains(tuned):
    source, data, _ = tuned
    settings = {"source": {"kind": "checkpoint", "name": str(source)}, "data": {"train": data}}
    found = nlp_transfer.check({"task": {"name": "sentiment"}, **settings})
    assert "head: starts as the checkpoint's own, with its rows of 'negative', 'positive'" in found.text


def test_adapters_of_a_time_when_rows_did_not_follow_names_are_put_on_rows_that_do_not(still, tmp_path):
    result = still("lora")
    alone = tmp_path / "alone"  # as --adapter-only publishes it
    shutil.copytree(result.folder / "adapter", alone)
    for name in ("config.yaml", "metrics.json"):
        shutil.copy(result.folder / name, alone)
    tokenizer().save_pretrained(alone)
    texts = ["a good warm film", "a bad dull film"]
    now = load(result.folder).predict(texts)
    assert load(alone).predict(texts) == now

    metrics = json.loads((alone / "metrics.json").read_text())
    del metrics["head"]
    (alone / "metrics.json").write_text(json.dumps(metrics))
    swapped = {"negative": "positive", "positive": "negative"}
    assert [one["label"] for one in load(alone).predict(texts)] == [swapped[one["label"]] for one in now]
