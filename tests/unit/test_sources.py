"""Every family of encoders goes through the whole of the library: found, headed, trained, replayed, reloaded."""

import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny import (
    FAMILIES,
    HIDDEN,
    LABELS,
    Training,
    checkpoint,
    config,
    plan_for,
    rows,
    save_checkpoint,
    save_csv,
    sentiment,
    texts,
    tokenizer,
)
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

import nlp_transfer
from nlp_transfer.errors import SourceError
from nlp_transfer.inference.activations import compute, find_boundary, replay
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, TokenInputs
from nlp_transfer.models.extractive import build_extractive
from nlp_transfer.models.portable.pooled import PooledClassifier, pool
from nlp_transfer.models.saving import save_model
from nlp_transfer.models.source import refuse_nonfinite, run_quietly
from nlp_transfer.models.surgery.entry import enter_at_layer
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.sources import list_sources, load_source
from nlp_transfer.sources.shapes import build_empty


@pytest.fixture(scope="module", params=FAMILIES)
def source(request, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp(request.param), request.param)


def logits(model, texts):
    encoded = sentiment().encode(rows().select(range(len(texts))), Tokenizers(tokenizer()))
    batch = TokenInputs(encoded, 1).make_batch(np.arange(len(texts)))
    with torch.inference_mode():
        return model.eval()(**batch.inputs).logits


@pytest.mark.parametrize("propagates", [False, True])  # as transformers sets it under CI
def test_while_something_loads_transformers_reports_errors_alone(caplog, monkeypatch, propagates):
    heard, logger = logging.StreamHandler(io.StringIO()), logging.getLogger("transformers")
    own = logging.getLogger("nlp_transfer.heard")
    monkeypatch.setattr(logger, "handlers", [heard])
    monkeypatch.setattr(logger, "propagate", propagates)
    monkeypatch.setattr(own, "handlers", [heard])  # which hears us too

    def say():
        own.warning("ours,")
        for level in (logging.WARNING, logging.ERROR):
            logging.getLogger("transformers.modeling_utils").log(level, f"{logging.getLevelName(level)},")

    run_quietly(lambda: (run_quietly(int), say()))
    assert heard.stream.getvalue().split() == ["ours,", "ERROR,"]
    assert caplog.messages == (["ours,", "ERROR,"] if propagates else ["ours,"])
    caplog.clear()
    say()
    assert heard.stream.getvalue().split()[2:] == ["ours,", "WARNING,", "ERROR,"]
    assert caplog.messages == (["ours,", "WARNING,", "ERROR,"] if propagates else ["ours,"])


def test_a_model_that_is_built_for_its_shapes_alone_takes_no_values_from_one_that_another_thread_builds(source):
    meanwhile = []

    def build(configuration):
        with ThreadPoolExecutor(1) as other:
            meanwhile.append(other.submit(torch.nn.Linear, 50, 50).result())
        return AutoModelForSequenceClassification.from_config(configuration)

    model = build_empty(build, source.config)
    assert {one.device.type for one in model.parameters()} == {"meta"}
    whole = AutoModelForSequenceClassification.from_config(source.config)
    shapes = [{name: one.shape for name, one in each.named_parameters()} for each in (model, whole)]
    assert shapes[0] == shapes[1]
    assert len(meanwhile[0].weight.unique()) > 2000  # of 2,500: it was drawn


def test_new_parameters_of_a_native_head_are_those_the_checkpoint_lacks(source):
    loaded = build_classifier(source, LABELS, head="native")
    held = {name for name, _ in AutoModel.from_pretrained(source.name).named_parameters()}
    prefix = f"{loaded.model.base_model_prefix}."
    names = {name for name, _ in loaded.model.named_parameters()}
    assert loaded.new == {name for name in names if name.removeprefix(prefix) not in held}
    assert loaded.new


def test_new_parameters_of_a_pooled_head_are_the_head_alone(source):
    loaded = build_classifier(source, LABELS, head="pooled", hidden=[4])
    assert loaded.new == {"head.hidden.0.weight", "head.hidden.0.bias", "head.output.weight", "head.output.bias"}
    assert loaded.model.encoder.config.hidden_size == HIDDEN


@pytest.mark.parametrize(
    ("strategy", "head"),
    [({"kind": "full"}, {"kind": "pooled", "layers": "last_four"}), ({"kind": "lora", "rank": 2}, {"kind": "native"})],
    ids=["full-pooled", "lora-native"],
)
def test_a_trained_model_predicts_the_same_after_reloading(source, strategy, head, tmp_path):
    training = Training(source, strategy, task=sentiment(head=head), train=rows(8))
    training.fit()
    model = training.plan.finish(training.plan.model)
    save_model(model, Tokenizers(source.tokenizer), tmp_path / "model")
    reloaded, again = load_model(tmp_path / "model", "AutoModelForSequenceClassification")
    said = Predictor(training.task, model, Tokenizers(source.tokenizer), {}).predict(texts(16)[0])
    assert Predictor(training.task, reloaded, again, {}).predict(texts(16)[0]) == said
    assert len({one["probabilities"]["positive"] for one in said}) > 10
    assert reloaded.config.id2label == dict(enumerate(LABELS))


REPLAYED = [(family, "native") for family in FAMILIES if family != "albert"]  # whose layers share their weights


@pytest.mark.parametrize(("source", "head"), [*REPLAYED, ("bert", "pooled")], indirect=["source"])
def test_replayed_activations_give_the_logits_of_the_whole_model(source, head):
    loaded = build_classifier(source, LABELS, head=head)
    model = loaded.model.eval()
    units = TokenInputs(sentiment().encode(rows(), Tokenizers(source.tokenizer)), 1)
    boundary = find_boundary(model, plan_for(loaded, {"kind": "full", "freeze_below": 1}).moving)
    assert boundary == Boundary("layer", 1)
    stored = replay(model, units, boundary, None, progress=False)
    assert isinstance(stored, CachedInputs), "fell back to recomputing"
    chosen = np.arange(12)
    with torch.inference_mode():
        expected = model(**units.make_batch(chosen).inputs).logits
        with enter_at_layer(model, boundary):
            replayed = model(**stored.make_batch(chosen).inputs).logits
        after = model(**units.make_batch(chosen).inputs).logits
    torch.testing.assert_close(replayed, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(after, expected)
    assert expected.std(0).max() > 1e-3


@pytest.mark.parametrize("source", ["bert", "deberta-v2", "modernbert"], indirect=True)
def test_a_partly_frozen_training_is_the_same_with_and_without_stored_activations(source):
    histories = {}
    for cache in ("none", "memory"):
        training = Training(source, {"kind": "full", "freeze_below": 1, "cache": cache}, train=rows(16), epochs=2)
        for module in training.plan.model.modules():
            if isinstance(module, torch.nn.Dropout) or type(module).__name__ == "StableDropout":
                module.p = 0.0
            for name in ("attention_dropout", "dropout_prob", "attention_probs_dropout_prob"):
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, 0.0)
        training.fit()
        histories[cache] = [record["loss"] for record in training.records]
    assert histories["memory"] == pytest.approx(histories["none"], abs=2e-4)


def test_a_missing_pooler_counts_as_new_for_a_native_head_and_not_at_all_for_a_pooled_one(tmp_path):
    name = save_checkpoint(tmp_path, "bert", AutoModelForMaskedLM)
    native = build_classifier(load_source("checkpoint", name=name), LABELS, head="native")
    assert {"bert.pooler.dense.weight", "classifier.weight"} < native.new
    pooled = build_classifier(load_source("checkpoint", name=name), LABELS, head="pooled")
    assert pooled.new == {"head.output.weight", "head.output.bias"}


def test_scratch_keeps_the_architecture_and_draws_other_weights(tmp_path):
    name = save_checkpoint(tmp_path)
    trained = load_source("checkpoint", name=name).encoder().model
    scratch = load_source("checkpoint", name=name, scratch=True).encoder().model
    assert trained.config.hidden_size == scratch.config.hidden_size
    weights = [model.embeddings.word_embeddings.weight for model in (trained, scratch)]
    assert not torch.equal(*weights)


def test_a_checkpoint_in_half_precision_is_trained_in_single_precision(tmp_path):
    AutoModel.from_config(config()).half().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded = build_classifier(load_source("checkpoint", name=str(tmp_path)), LABELS, head="native")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


def test_layers_may_be_mixed_or_chosen_and_a_layer_that_is_not_there_is_refused(tmp_path):
    from nlp_transfer.errors import ConfigError

    source = checkpoint(tmp_path)
    mixed = build_classifier(source, LABELS, head="pooled", layers="mix").model
    assert mixed.head.mix.shape == (3,)
    assert logits(mixed, range(4)).shape == (4, 2)
    chosen = build_classifier(source, LABELS, head="pooled", layers=[0, -1], pooling=["cls", "mean", "max"]).model
    assert chosen.head.output.in_features == 2 * 3 * HIDDEN
    with pytest.raises(ConfigError, match="5 is not one of"):
        build_classifier(source, LABELS, head="pooled", layers=[5])
    with pytest.raises(ConfigError, match=r"\[0, 1\] leaves the layers above it without a gradient; add -1"):
        build_classifier(source, LABELS, head="pooled", layers=[0, 1])
    assert build_classifier(source, LABELS, head="pooled", layers=[0, 1], frozen=True).model.config.reads == [0, 1]


@pytest.mark.parametrize("layers", [2, 6])
def test_the_mean_of_the_last_four_layers_is_stored_as_one(tmp_path, layers):
    source = checkpoint(tmp_path, num_hidden_layers=layers)
    model = build_classifier(source, LABELS, head="pooled", layers="last_four").model.eval()
    batch = TokenInputs(sentiment().encode(rows(), Tokenizers(source.tokenizer)), 1).make_batch(np.arange(3))
    with torch.inference_mode():
        states = model.encoder(**batch.inputs, output_hidden_states=True).hidden_states
        features = model.features(**batch.inputs)
    mean = torch.stack(states[1:][-4:]).mean(0)  # without the embeddings
    assert features.shape == (3, 1, 3, HIDDEN)
    torch.testing.assert_close(features[:, 0], pool(mean, batch.inputs["attention_mask"]))
    assert model.feature_size({}) == features[0].numel()
    scorer = build_extractive(source, encoder_layers="last_four").model.eval()
    with torch.inference_mode():
        sentences = scorer.features(**batch.inputs)  # each text is one
    expected = pool(mean, batch.inputs["attention_mask"])[:, 1:].flatten(1)
    torch.testing.assert_close(torch.cat(sentences), expected)


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification])
@pytest.mark.parametrize(("built", "said"), [(3, ""), (1, "2 layers that its config.json leaves out (layers 1 to 2)")])
def test_layers_of_the_weights_that_the_configuration_leaves_out_are_said(tmp_path, caplog, auto, built, said):
    folder = save_checkpoint(tmp_path, auto=auto, num_hidden_layers=3, num_labels=5)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": built}))
    with caplog.at_level("WARNING"):
        for head in ("pooled", "native"):
            build_classifier(load_source("checkpoint", name=folder), LABELS, head=head)
    assert caplog.text.count(said or "config.json") == (2 if said else 0)


@pytest.mark.parametrize(("frozen", "layers"), [(True, [-2, -1]), (False, [-1])])
def test_a_frozen_checkpoint_is_read_by_its_last_four_layers_unless_others_are_named(tmp_path, frozen, layers):
    source = checkpoint(tmp_path)  # of two layers
    heads = [{"kind": "pooled"}, {"kind": "pooled", "layers": "last"}]
    models = [sentiment(head=head).build(source, rows(), frozen=frozen).model for head in heads]
    assert [model.config.reads for model in models] == [layers, [-1]]
    assert build_extractive(source, encoder_layers="auto", frozen=frozen).model.config.reads == layers


def test_pooling_ignores_padding(tmp_path):
    source = checkpoint(tmp_path)
    model = build_classifier(source, LABELS, head="pooled", pooling=["cls", "mean", "max"]).model.eval()
    encoded = sentiment().encode(rows(), Tokenizers(source.tokenizer))
    units = TokenInputs(encoded, 1)
    shortest, longest = int(encoded.lengths.argmin()), int(encoded.lengths.argmax())
    with torch.inference_mode():
        alone = model(**units.make_batch(np.array([shortest])).inputs).logits[0]
        beside = model(**units.make_batch(np.array([shortest, longest])).inputs).logits[0]
    torch.testing.assert_close(alone, beside, atol=1e-6, rtol=1e-5)


def test_the_list_of_sources_names_the_bundled_ones_and_the_kinds_of_files():
    names = [source.name for source in list_sources()]
    assert {"minilm", "glove-50d"} < set(names)
    assert {source.kind for source in list_sources()} == {"checkpoint", "vectors"}


def test_features_of_a_classifier_come_in_the_order_asked_for_whatever_the_lengths(tmp_path):
    source = checkpoint(tmp_path)
    model = build_classifier(source, LABELS, head="pooled").model.eval()
    assert isinstance(model, PooledClassifier)
    units = TokenInputs(sentiment().encode(rows(), Tokenizers(source.tokenizer)), 1)
    order = np.array([7, 3, 40, 0])
    together = compute(model, units, Boundary("pooled"), order, progress=False)
    alone = [compute(model, units, Boundary("pooled"), np.array([i]), progress=False)[0] for i in order]
    np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-6)


def test_a_native_head_is_the_class_that_transformers_would_load(source):
    assert type(build_classifier(source, LABELS, head="native").model) is type(
        AutoModelForSequenceClassification.from_config(source.config)
    )


def test_a_tokenizer_without_a_padding_token_is_refused_before_anything_is_built(tmp_path):
    name, data = save_checkpoint(tmp_path / "bert"), save_csv(tmp_path / "reviews.csv")
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        if (path := tmp_path / "bert" / file).is_file():
            path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "pad_token"}))
    source = {"kind": "checkpoint", "name": name}
    with pytest.raises(SourceError, match="bert: the tokenizer has no padding token"):
        nlp_transfer.check({"task": {"name": "sentiment"}, "source": source, "data": {"train": data}})


@pytest.mark.parametrize(
    ("values", "bad"), [([torch.nan, 0.0], 1), ([torch.inf, -torch.inf], 2), ([1.0, -torch.inf], 1)]
)
def test_weights_that_are_not_finite_are_refused_and_counted(values, bad):
    model = torch.nn.ParameterDict({"fine": torch.zeros(2), "broken": torch.tensor(values)})
    with pytest.raises(SourceError, match=f"it: broken holds {bad} values that are NaN or infinite"):
        refuse_nonfinite(model, "it")


def test_finite_weights_pass_even_if_their_sum_is_too_large_for_a_float():
    refuse_nonfinite(torch.nn.ParameterDict({"large": torch.full((4,), 3e38)}), "it")


@pytest.mark.parametrize("file", ["tf_model.h5", "flax_model.msgpack", "model.onnx", "model.gguf"])
@pytest.mark.parametrize("kind", ["checkpoint", "vectors"])
def test_weights_of_other_programs_are_refused_with_the_nearest_that_are_read(tmp_path, kind, file):
    (tmp_path / file).touch()
    said = rf"{file}: weights of .*; the nearest that is read is .* model\.safetensors: (convert|take)"
    for place in (tmp_path, tmp_path / file) if kind == "vectors" else (tmp_path,):
        with pytest.raises(SourceError, match=said):
            load_source(kind, name=str(place)).encoder()
