"""Summaries: sentences are scored and picked by every source and strategy, or written; windows, labels and order."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import yaml
from tiny import BAD, GOOD, PLAIN, Training, checkpoint, save_checkpoint, tokenizer, vectors
from transformers import AutoConfig, AutoModelForSeq2SeqLM, NllbTokenizer

import nlp_transfer as nt
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import DataReport, Splits
from nlp_transfer.errors import ConfigError
from nlp_transfer.inference.activations import compute, find_boundary, replay
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models import anatomy as blocks
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.portable.sentence_scorer import pool_sentences
from nlp_transfer.models.saving import save_model
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.prepare import _stream_texts, prepare
from nlp_transfer.sources import load_source
from nlp_transfer.strategies.frozen import is_linear_on_features
from nlp_transfer_tasks.summarization import Summarization, SummarizationOptions

STRATEGIES = [
    {"kind": "full"},
    {"kind": "full", "freeze_below": 1},
    {"kind": "lora", "rank": 2},
    {"kind": "frozen", "cache": "memory"},
    {"kind": "gradual", "blocks_per_phase": 1},
    {"kind": "gradual", "schedule": "lp_ft"},
]
SOURCES = ["bert", "bag", "bilstm"]


def source_of(kind, folder):
    return checkpoint(folder / "bert") if kind == "bert" else vectors(folder / "v.txt", kind)


def summarization(**options):
    settings = {"max_length": 64, **options}
    if settings.get("style") != "abstractive":
        settings.setdefault("scorer", {"width": 8})
    return Summarization(SummarizationOptions(name="summarization", **settings))


def documents(count=24, seed=0):
    """Documents of 3 to 6 sentences, one of which is good and is the summary, wherever it stands."""
    rng = np.random.default_rng(seed)
    texts, summaries = [], []
    for _ in range(count):
        sentences = [" ".join(rng.choice([*BAD, *PLAIN[:5]], rng.integers(3, 7))) for _ in range(rng.integers(3, 7))]
        best = " ".join(rng.choice(GOOD, 4, replace=False))
        sentences[rng.integers(len(sentences))] = best
        texts.append(sentences)
        summaries.append([best, "another reference"])
    return TaskRows({"text": texts, "summary": summaries})


def training(source, strategy, **settings):
    given = {"task": summarization(), "train": documents(), "validation": documents(8, seed=1)}
    return Training(source, strategy, **{**given, **settings})


def encode(texts, **settings):
    return nt.encode_sentences(texts, tokenizer(), **{"max_length": 12, "max_sentences": 100, **settings})


KINDS = ["bag", *["bert"] * 4, "bilstm"]  # each source and each strategy once: neither knows of the other
CELLS = [
    pytest.param(kind, strategy, id="-".join(map(str, (kind, *strategy.values()))))
    for kind, strategy in zip(KINDS, STRATEGIES, strict=True)
]


@pytest.mark.parametrize(("kind", "strategy"), CELLS)
def test_every_source_and_strategy_trains_and_predicts_the_same_once_saved(kind, strategy, tmp_path):
    one = training(source_of(kind, tmp_path), strategy, train=documents(8), epochs=2)
    before = {name: parameter.clone() for name, parameter in one.plan.model.named_parameters()}
    one.fit()
    after = dict(one.plan.model.named_parameters())
    assert all(name in one.plan.moving or torch.equal(before[name], after[name]) for name in before)
    model = one.plan.finish(one.plan.model)
    said = Predictor(one.task, model, one.tokenizers, {}).predict(one.validation["text"][:])
    save_model(model, one.tokenizers, tmp_path / "model")
    loaded, tokenizers = load_model(tmp_path / "model", one.task.auto_class)
    assert Predictor(one.task, loaded, tokenizers, {}).predict(one.validation["text"][:]) == said
    units = TokenInputs(one.task.encode(one.validation, tokenizers), tokenizers.source.pad_token_id)
    for score, other in zip(infer(model, one.task, units), infer(loaded, one.task, units), strict=True):
        np.testing.assert_allclose(score[0], other[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "bag"])
def test_a_frozen_encoder_sees_every_document_once_whatever_the_epochs(kind, tmp_path):
    one = training(source_of(kind, tmp_path), {"kind": "frozen", "cache": "memory"}, epochs=4)
    seen = []
    one.plan.model.encoder.register_forward_pre_hook(
        lambda _, __, inputs: seen.append(len(inputs["input_ids"])), with_kwargs=True
    )
    one.fit()
    assert sum(seen) == len(one.train) + len(one.validation)


@pytest.mark.parametrize("kind", ["bert", "bag"])
def test_stored_sentence_features_give_the_scores_of_the_model_itself(kind, tmp_path):
    one = training(source_of(kind, tmp_path), {"kind": "frozen"})
    model = one.plan.model.eval()
    units = TokenInputs(one.task.encode(one.train, one.tokenizers), one.source.tokenizer.pad_token_id)
    boundary = find_boundary(model, one.plan.moving)
    assert boundary == Boundary("pooled")
    stored = replay(model, units, boundary, None, progress=False)
    few = np.array([3, 1, 2, 17])
    with torch.inference_mode():
        expected = model(**units.make_batch(few).inputs).logits
        torch.testing.assert_close(model(**stored.make_batch(few).inputs).logits, expected, atol=1e-5, rtol=1e-5)
    assert [len(row) for row in stored.rows] == [len(text) for text in one.train["text"]]


@pytest.mark.parametrize("strategy", [{"kind": "full"}, {"kind": "frozen"}], ids=["full", "frozen"])
def test_the_head_starts_from_standardised_features(strategy, tmp_path):
    one = training(vectors(tmp_path / "v.txt"), strategy)
    model = one.plan.model
    units = TokenInputs(one.task.encode(one.train, one.tokenizers), one.source.tokenizer.pad_token_id)
    rows = np.concatenate(compute(model, units, Boundary("pooled"), np.arange(24), progress=False))
    one.fit()
    np.testing.assert_allclose(model.head.shift, rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(model.head.scale, 1 / rows.std(0), rtol=1e-3)


def test_stored_activations_of_lower_layers_are_replayed_with_their_sentences(tmp_path):
    one = training(checkpoint(tmp_path, num_hidden_layers=3), {"kind": "full", "freeze_below": 2}, epochs=3)
    lower, upper = [], []
    layers = one.plan.model.encoder.encoder.layer
    layers[1].register_forward_pre_hook(lambda *_: lower.append(1))
    layers[2].register_forward_pre_hook(lambda *_: upper.append(1))
    one.fit()
    assert len(upper) > 2 * len(lower)


def test_the_head_stands_above_the_layers_and_is_never_solved_as_if_it_were_linear(tmp_path):
    loaded = nt.build_extractive(checkpoint(tmp_path))
    stack = blocks.list_blocks(loaded.model)
    assert set(stack[-1]) == loaded.new
    assert all(name.startswith("head.") for name in stack[-1])
    assert not is_linear_on_features(loaded)


def test_a_scorer_keeps_the_pretrained_weights_it_is_built_on(tmp_path):
    source = checkpoint(tmp_path)
    before, after = source.encoder().model.state_dict(), nt.build_extractive(source).model.encoder.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after)
    assert not [name for name in after if name.startswith("pooler")]


@pytest.mark.parametrize("kind", ["bert", "bag"])
def test_a_scorer_learns_to_pick_the_sentence_that_is_the_summary(kind, tmp_path):
    few, pace = documents(8), {"epochs": 15, "learning_rate": 0.02}
    one = training(source_of(kind, tmp_path), {"kind": "full"}, train=few, validation=few, **pace)
    assert one.fit().best == 100.0
    said = Predictor(one.task, one.plan.model, one.tokenizers, {}).predict(one.train["text"][:])
    assert [answer["summary"] for answer in said] == [several[0] for several in one.train["summary"]]


def test_predictions_follow_the_order_of_the_texts_whether_cut_or_not(tmp_path):
    task = summarization(sentences=2, max_length=16)
    one = training(checkpoint(tmp_path), {"kind": "full"}, task=task, train=documents(8))
    predictor = Predictor(one.task, one.plan.model, one.tokenizers, {})
    texts = [" . ".join(sentences) for sentences in one.train["text"]]
    for given in (one.train["text"][:], texts):
        together = predictor.predict(given)
        assert together == [predictor.predict([text])[0] for text in given]
    for said, sentences in zip(predictor.predict(one.train["text"][:]), one.train["text"], strict=True):
        assert said["sentences"] == sorted(set(said["sentences"]))
        assert said["summary"] == " ".join(sentences[index] for index in said["sentences"])


def test_running_text_is_cut_into_sentences_before_they_are_scored(tmp_path):
    one = training(checkpoint(tmp_path), {"kind": "full"}, task=summarization(sentences=1))
    predictor = Predictor(one.task, one.plan.model, one.tokenizers, {})
    text, sentences = "Good film. Bad plot! Was it dull?", ["Good film.", "Bad plot!", "Was it dull?"]
    assert predictor.predict([text]) == predictor.predict([sentences])


@pytest.mark.parametrize("kind", SOURCES)
def test_scores_do_not_depend_on_the_documents_beside_one(kind, tmp_path):
    one = training(source_of(kind, tmp_path), {"kind": "full"})
    units = TokenInputs(one.task.encode(one.train, one.tokenizers), one.source.tokenizer.pad_token_id)
    model = one.plan.model.eval()
    with torch.inference_mode():
        together = nt.sentence_scores(model, units.make_batch(np.arange(24)))
        alone = [nt.sentence_scores(model, units.make_batch(np.array([index])))[0] for index in range(24)]
    for one_score, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one_score, other, atol=1e-5)


def test_windows_hold_every_sentence_once_and_cut_between_them():
    text = ["good film"] * 3 + ["bad plot . " * 2] * 3 + ["a very long story and plot it is was some fresh film good"]
    encoded = encode([text, ["good"]], max_length=10)
    assert max(encoded.lengths) <= 10
    pieces = []
    for unit in list(encoded.inputs)[:-1]:
        ids, owners = np.array(unit["input_ids"]), np.array(unit["sentence_ids"])
        assert owners[[0, -1]].tolist() == [-1, -1]
        pieces += [ids[owners == index].tolist() for index in range(owners.max() + 1)]
    whole = [tokenizer()(sentence, add_special_tokens=False)["input_ids"][:8] for sentence in text]
    assert pieces == whole
    assert encoded.truncated == 1
    assert encoded.example.tolist() == [0] * (len(encoded.inputs) - 1) + [1]


def test_a_document_that_fits_is_one_window():
    assert len(encode([["good film", "bad plot", "it was ."]], max_length=10).inputs) == 1


def test_an_empty_sentence_still_has_a_score():
    unit = encode([["good", "", "bad", " "]]).inputs[0]
    assert unit["sentence_ids"] == [-1, 0, 1, 2, 3, -1]


def test_sentences_beyond_the_limit_are_left_out_and_counted():
    encoded = encode([["good"] * 5, ["bad"] * 2], max_sentences=3)
    assert [max(unit["sentence_ids"]) + 1 for unit in encoded.inputs] == [3, 2]
    assert encoded.truncated == 1


def test_documents_that_are_mostly_one_sentence_are_warned_of():
    said = encode([["good"], ["bad"], ["good", "bad"]]).warnings[0]
    assert said.startswith("2 of 3 documents are one sentence")
    assert said.endswith("give lists of texts, or see task.line_breaks")
    assert encode([["good"], ["good", "bad"]]).warnings == ()


@pytest.mark.parametrize(
    ("shares", "warning"),
    [
        (
            [[0.0, 0.0], [0.0, 0.0, 0.0], [0.2, 0.8]],
            "2 of 3 documents have no sentence that shares a word",
        ),
        ([[0.5, 0.5], [1.0]], "in no document is one sentence nearer to the summary than another"),
        ([[0.9, 0.1], [0.5, 0.5, 0.0], [1.0]], "in all 2 documents where there is a choice the first sentences are"),
        ([[0.1, 0.9], [0.9, 0.1]], None),
    ],
)
def test_targets_that_teach_nothing_are_warned_of(shares, warning):
    texts = [["good film"] * len(row) for row in shares]
    found = encode(texts, targets=[np.array(row, np.float32) for row in shares]).warnings
    assert [one.startswith(warning) for one in found] == [True] if warning else found == ()


def test_a_summary_that_is_always_the_first_sentence_is_said_before_any_training(tmp_path):
    rows = [{"text": ["good film", f"the {word} story"], "summary": "good film"} for word in (*BAD, *GOOD)]
    (tmp_path / "lead.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": {"name": "summarization"},
        "source": {"kind": "vectors", "name": vectors(tmp_path / "v.txt").name},
        "data": {"train": str(tmp_path / "lead.jsonl")},
    }
    said = [one for one in nt.check(config).warnings if "no more than `lead` does" in one]
    assert len(said) == 1
    assert said[0].startswith("train: ")


@pytest.mark.parametrize(("family", "most"), [("roberta", 78), ("modernbert", 80)])
def test_windows_are_no_longer_than_the_encoder_has_positions_for(family, most, tmp_path):
    rows = [{"text": ["good film"] * (90 + number), "summary": "good"} for number in range(9)]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": {"name": "summarization", "max_length": 8192},
        "source": {"kind": "checkpoint", "name": save_checkpoint(tmp_path / family, family)},
        "data": {"train": str(tmp_path / "long.jsonl")},
    }
    one = prepare(RunConfig.model_validate(config))
    encoded = one.encoded["test"]
    assert max(encoded.lengths) == min(most, 2 + 2 * len(one.splits.test["text"][0]))
    assert any("positions for" in warning for warning in one.warnings)
    assert len(infer(one.loaded.model, one.task, TokenInputs(encoded, 1))[0]) == len(encoded.inputs)


def test_a_documents_label_mass_counts_once_however_many_windows_it_has():
    targets = [np.array([0.0, 0.25, 0.75, 0.0], dtype=np.float32), np.array([1.0], dtype=np.float32)]
    encoded = encode([["good film good film good film good film"] * 4, ["bad"]], targets=targets)
    assert [target.tolist() for target in encoded.targets] == [[0.0], [0.25], [0.75], [0.0], [1.0]]
    mass = [target.sum() * weight for target, weight in zip(encoded.targets, encoded.weights, strict=True)]
    assert np.bincount(encoded.example, mass).tolist() == [1.0, 1.0]


def test_the_best_sentences_are_those_found_by_hand():
    sentences = ["the cat sat", "a dog ran home", "the sun", "red roof tiles"]
    assert nt.best_sentences(sentences, ["a dog ran home"], 2) == [1]  # a second sentence would only cost precision
    assert nt.best_sentences(sentences, ["a dog ran home the cat sat"], 1) == [1]
    assert nt.best_sentences(sentences, ["a dog ran home the cat sat"], 3) == [0, 1]
    assert nt.best_sentences(sentences, ["nothing alike", "red roof"], 1) == [3]
    assert nt.best_sentences(sentences, ["nothing alike"], 2) == []


def test_targets_for_one_sentence_are_a_softmax_of_its_rouge():
    # ROUGE-1, -2, -L F1 of "a b c" against "a b d": 2/3, 1/2, 2/3; of "d e f": 1/3, 0, 1/3; of the rest none.
    worth = np.array([100 * 11 / 18, 100 * 2 / 9, 0.0])
    expected = np.exp(worth / 5) / np.exp(worth / 5).sum()
    np.testing.assert_allclose(nt.sentence_targets(["a b c", "d e f", "x"], ["a b d"], 1), expected, rtol=1e-4)


def test_targets_for_several_sentences_are_equal_shares_of_the_best():
    sentences = ["the cat sat", "a dog ran home", "the sun", "red roof tiles"]
    assert nt.sentence_targets(sentences, ["a dog ran home the cat sat"], 3).tolist() == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("most", [1, 3])
def test_a_document_that_shares_nothing_with_its_summary_has_no_targets(most):
    assert nt.sentence_targets(["a b", "c d"], ["x y"], most).tolist() == [0.0, 0.0]


def given(logits, targets, weights=(1.0, 1.0)):
    model = lambda **_: type("Output", (), {"logits": torch.tensor(logits)})  # noqa: E731
    return model, Batch({}, torch.tensor(targets), torch.tensor(weights), np.arange(2))


def test_the_loss_is_the_weighted_cross_entropy_over_the_sentences_of_each_unit():
    model, batch = given([[0.0, 0.0, -torch.inf], [1.0, 2.0, 3.0]], [[0.5, 0.5, -100], [0.0, 0.0, 1.0]], (1.0, 3.0))
    expected = np.log(2) + 3 * (np.log(np.exp([1, 2, 3]).sum()) - 3)
    assert nt.sentence_loss(model, batch).item() == pytest.approx(expected, rel=1e-5)


def test_a_unit_without_label_mass_gives_no_loss_and_no_gradient_is_lost_to_padding():
    model, batch = given([[0.0, 1.0, -torch.inf], [1.0, 2.0, 3.0]], [[0.0, 0.0, -100], [0.0, 0.0, 0.0]])
    assert nt.sentence_loss(model, batch, smoothing=0.1).item() == 0.0
    logits = torch.tensor([[0.0, 1.0, -torch.inf], [1.0, 2.0, 3.0]], requires_grad=True)
    batch = dataclasses.replace(batch, targets=torch.tensor([[1.0, 0.0, -100], [0.0, 0.0, 1.0]]))
    nt.sentence_loss(lambda **_: type("Output", (), {"logits": logits}), batch, smoothing=0.1).backward()
    assert torch.isfinite(logits.grad).all()


def test_sentences_are_pooled_to_the_mean_and_maximum_of_their_tokens():
    states = torch.tensor([[[9.0], [1.0], [3.0], [-4.0], [9.0]], [[9.0], [5.0], [9.0], [9.0], [9.0]]])
    ids = torch.tensor([[-1, 0, 0, 1, -1], [-1, 0, -1, -1, -1]])
    assert [row.tolist() for row in pool_sentences(states, ids)] == [[[2.0, 3.0], [-4.0, -4.0]], [[5.0, 5.0]]]


def test_the_highest_scores_are_picked_and_told_in_the_order_of_the_document():
    assert nt.pick_sentences([0.1, 0.9, 0.3, 0.9], ["a", "b", "c", "d"], 3) == [1, 2, 3]
    assert nt.pick_sentences([0.1], ["a"], 3) == [0]


def test_trigram_blocking_passes_over_a_sentence_that_says_three_words_again():
    sentences = ["we show that it works", "Then we show that again", "other words entirely"]
    assert nt.pick_sentences([3.0, 2.0, 1.0], sentences, 2) == [0, 1]
    assert nt.pick_sentences([3.0, 2.0, 1.0], sentences, 2, trigram_blocking=True) == [0, 2]


def test_baselines_are_the_first_sentences_and_those_nearest_to_the_reference():
    texts = [["one two", "three four", "five"], ["Only this."]]
    rows = TaskRows({"text": texts, "summary": [["five"], ["x"]]})
    found = summarization(sentences=2).baselines(Splits(rows, rows, rows, (), DataReport({}, [], [])))
    assert [one["sentences"] for one in found["lead"]["test"]] == [[0, 1], [0]]
    assert [one["sentences"] for one in found["oracle"]["validation"]] == [[2], []]
    assert summarization().hits(found["oracle"]["test"], rows) == [100.0, 0.0]


@pytest.mark.parametrize(
    "options", [{"long_documents": "chunks"}, {"style": "abstractive", "trigram_blocking": True}], ids=str
)
def test_settings_that_the_style_would_ignore_are_refused_by_name(options):
    task = {"name": "summarization", **options}
    with pytest.raises(nt.ConfigError, match=rf"task: {list(options)[-1]}.*style"):
        nt.load_config({"task": task, "data": {"train": "x.jsonl"}})


def test_a_rendered_configuration_is_accepted_again():
    checked = nt.load_config({"task": {"name": "summarization", "sentences": 3}, "data": {"train": "x.jsonl"}})
    assert nt.load_config(yaml.safe_load(nt.render(checked))) == checked


@pytest.mark.parametrize(("kind", "long_documents"), [("bert", "chunks"), ("bag", "head"), ("bilstm", "head")])
def test_a_summary_is_written_by_every_source_and_the_same_once_saved(kind, long_documents, tmp_path):
    task = summarization(
        style="abstractive",
        max_length=16,
        max_target_length=8,
        long_documents=long_documents,
        decoder={"layers": 1, "width": 64, "vocabulary": 300},
        generation={"beams": 2},
    )
    one = training(source_of(kind, tmp_path), {"kind": "full"}, task=task, train=documents(8))
    units = one.task.encode(one.train, one.tokenizers, training=True)
    assert (len(units.inputs) > len(one.train)) == (long_documents == "chunks")
    one.fit()
    said = Predictor(task, one.plan.model, one.tokenizers, {}).predict(one.validation["text"][:])
    assert all(answer["sentences"] == [] for answer in said)
    nothing = Predictor(task, one.plan.model, one.tokenizers, {}).predict([[], [""], [" ", "\n"], None])
    assert [answer["summary"] for answer in nothing] == [None] * 4
    assert nothing[0] == {"summary": None, "sentences": None, "reason": "the text is empty"}
    save_model(one.plan.model, one.tokenizers, tmp_path / "model")
    again = Predictor(task, *load_model(tmp_path / "model", task.auto_class), {})
    assert again.predict(one.validation["text"][:]) == said


def test_a_trained_scorer_lends_its_encoder_to_the_next_run(tmp_path):
    first = training(checkpoint(tmp_path / "bert"), {"kind": "full"})
    first.fit()
    save_model(first.plan.model, first.tokenizers, tmp_path / "model")
    encoder = load_source("checkpoint", name=str(tmp_path / "model")).encoder()
    assert {name.partition(".")[0] for name in encoder.new} == {"pooler"}  # which the scorer had left out
    for name, tensor in first.plan.model.encoder.state_dict().items():
        assert torch.equal(encoder.model.state_dict()[name], tensor)


def test_a_vocabulary_of_the_datas_words_is_taken_from_all_sentences_of_a_document():
    assert list(_stream_texts([["good film", "bad plot"], "dull"])) == ["good film", "bad plot", "dull"]


@pytest.mark.parametrize("kind", ["bert", "fasttext"])
def test_a_blank_sentence_keeps_its_place_and_is_never_chosen(kind, tmp_path):
    if kind == "fasttext":
        from gensim.models import FastText
        from gensim.models.fasttext import save_facebook_model

        made = FastText([PLAIN] * 20, vector_size=6, min_count=1, bucket=50, epochs=1, workers=1, seed=3)
        save_facebook_model(made, str(tmp_path / "f.bin"))
        source = load_source("vectors", name=str(tmp_path / "f.bin"), vocabulary="all")
    else:
        source = source_of(kind, tmp_path)
    run = training(source, {"kind": "full"})
    answers = Predictor(run.task, run.plan.model, run.tokenizers, {}).predict([["", "filmstories, unheard film", " "]])
    assert answers == [{"summary": "filmstories, unheard film", "sentences": [1]}]


def test_a_checkpoint_with_a_decoder_lends_its_encoder_to_a_scorer(tmp_path):
    made = AutoConfig.for_model("t5", d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2, vocab_size=40)
    AutoModelForSeq2SeqLM.from_config(made).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    run = training(load_source("checkpoint", name=str(tmp_path)), {"kind": "full"})
    assert not [name for name, _ in run.plan.model.named_parameters() if "decoder" in name]


def test_a_multilingual_checkpoint_summarizes_in_the_language_asked_for(tmp_path):
    small = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    made = AutoConfig.for_model(
        "m2m_100", vocab_size=300, **small, encoder_attention_heads=2, decoder_attention_heads=2
    )
    AutoModelForSeq2SeqLM.from_config(made).save_pretrained(tmp_path)
    words = {word: row for row, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *PLAIN])}
    NllbTokenizer(vocab=words, merges=[], src_lang="eng_Latn", tgt_lang="fra_Latn").save_pretrained(tmp_path)
    source = load_source("checkpoint", name=str(tmp_path))
    codes = {"source_language": "eng_Latn", "target_language": "deu_Latn"}
    loaded = summarization(style="abstractive", **codes).build(source, documents(), frozen=False)
    assert loaded.model.generation_config.forced_bos_token_id == source.tokenizer.convert_tokens_to_ids("deu_Latn")
    with pytest.raises(ConfigError, match=r"task\.source_language: is missing"):
        summarization(style="abstractive").build(source, documents(), frozen=False)


def test_an_epoch_of_a_scorer_is_judged_on_all_rows_and_one_of_a_writer_on_some():
    assert (summarization().sample, summarization(style="abstractive").sample) == (None, 200)
