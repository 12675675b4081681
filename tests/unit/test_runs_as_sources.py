"""What a run left as the source of another: its model is found, its encoder lent, its head kept by names."""

import json
import shutil

import pytest
import torch
from tiny import Training, checkpoint, run, save_checkpoint, save_csv, save_swapped, save_vectors, vectors
from transformers import AutoModelForSeq2SeqLM

import nlp_transfer
from nlp_transfer.config.generation import DecoderOptions, GenerationOptions
from nlp_transfer.errors import SourceError
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.digests import hash_weights
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.extractive import build_extractive
from nlp_transfer.models.saving import save_model
from nlp_transfer.models.seq2seq import build_seq2seq
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.sentiment import HeadOptions, Sentiment, SentimentOptions

LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="module", params=["glove", "bert"])
def pooled(request, tmp_path_factory):
    """The folder of a frozen run, its data, and its score; its head has a hidden layer."""
    folder = tmp_path_factory.mktemp("pooled")
    data = save_csv(folder / "train.csv", 120)
    source = {"kind": "checkpoint", "name": save_checkpoint(folder / "bert", num_hidden_layers=1)}
    if request.param == "glove":
        source = {"kind": "vectors", "name": save_vectors(folder / "words.txt")}
    frozen = {"kind": "frozen", "cache": "memory"}
    result = run(folder / "run", source, frozen, data, head={"hidden": [8]}, epochs=8, learning_rate=0.02)
    model, tokenizers = load_model(folder / "run" / "model", "AutoModelForSequenceClassification")
    save_swapped(model, tokenizers.source, folder / "run" / "model")
    note_weights(folder / "run", hash_weights(folder / "run" / "model"))
    return folder / "run", data, result.metrics["test"]["accuracy"]


def note_weights(folder, digests):
    figures = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**figures, "weights": digests, "checksums": {}}))


KEPT = {  # the strategies that go on with the head, and what else of it is told
    "glove": [({"kind": "lora", "rank": 2}, None), ({"kind": "frozen", "cache": "memory"}, {"hidden": [8]})],
    "bert": [  # of which the frozen run chose to read four layers
        ({"kind": "full"}, {"kind": "pooled", "hidden": [8], "layers": "last_four"}),
        ({"kind": "gradual"}, None),
    ],
}


def test_the_head_of_a_run_is_kept_by_names(pooled, tmp_path):
    folder, data, accuracy = pooled
    for strategy, head in KEPT["glove" if on_vectors(folder) else "bert"]:
        result = run(tmp_path / strategy["kind"], folder, strategy, data, head=head, learning_rate=1e-12)
        assert result.metrics["test"]["accuracy"] == accuracy
        assert "'negative', 'positive'" in result.metrics["head"]


def test_of_a_head_that_is_solved_none_is_said_to_start(tmp_path):
    data = save_csv(tmp_path / "train.csv")
    source = {"kind": "vectors", "name": save_vectors(tmp_path / "words.txt")}
    folder = run(tmp_path / "run", source, {"kind": "frozen"}, data).folder
    for number, strategy in enumerate(({"kind": "frozen"}, {"kind": "gradual", "schedule": "lp_ft"})):
        again = run(tmp_path / f"again{number}", folder, strategy, data)
        assert again.metrics["head"] == "head: solved anew, without the one that the checkpoint brings"


def test_another_head_than_the_run_has_is_a_new_one(pooled):
    folder, _, _ = pooled
    loaded = build_classifier(load_source("checkpoint", name=str(folder)), LABELS, head="pooled", hidden=[4])
    assert {name for name, _ in loaded.model.named_parameters() if name.startswith("head.")} <= loaded.new
    assert not loaded.note


def test_the_scale_of_a_head_stays_where_rows_of_it_are_kept(pooled):
    folder, _, _ = pooled
    training = Training(
        load_source("checkpoint", name=str(folder)),
        {"kind": "full"},
        task=Sentiment(SentimentOptions(name="sentiment", max_length=32), LABELS),
        learning_rate=1e-12,
    )
    before = {name: one.clone() for name, one in training.loaded.model.head.named_buffers()}
    assert training.loaded.new == {"head.output.weight", "head.output.bias"}
    training.fit()
    assert all(torch.equal(one, before[name]) for name, one in training.plan.model.head.named_buffers())


def on_vectors(folder):
    return "vectors" in (folder / "config.yaml").read_text()


def test_a_run_lends_its_encoder_to_other_tasks(pooled):
    folder, _, _ = pooled
    source = load_source("checkpoint", name=str(folder))
    assert {name for name in source.encoder().new if not name.startswith("pooler.")} == set()
    assert source.has_layers != on_vectors(folder)
    scorer = build_extractive(source).model
    decoder = DecoderOptions(layers=1, width=64, vocabulary=300)
    options = {"decoder": decoder, "generation": GenerationOptions(), "max_target_length": 16}
    writer = build_seq2seq(source, ["a good film"] * 20, **options).model
    own = load_model(folder / "model", "AutoModelForSequenceClassification")[0].encoder.state_dict()
    for model in (scorer.encoder, writer.encoder):
        state = model.state_dict()
        assert all(torch.equal(state[name], one) for name, one in own.items())


def test_a_model_that_writes_is_saved_whole_beside_the_encoder_of_a_run(pooled, tmp_path):
    folder, _, _ = pooled
    source = load_source("checkpoint", name=str(folder))
    decoder = DecoderOptions(layers=1, width=64, vocabulary=300)
    options = {"decoder": decoder, "generation": GenerationOptions(), "max_target_length": 16}
    writer = build_seq2seq(source, ["a good film"] * 20, **options)
    save_model(writer.model, Tokenizers(source.tokenizer, writer.target_tokenizer), tmp_path)
    load_model(tmp_path, "AutoModelForSeq2SeqLM")  # the encoder's pooler was left out by the head that stood on it


def test_a_scorer_of_sentences_lends_its_encoder_to_a_classifier(tmp_path):
    source = checkpoint(tmp_path / "bert")
    save_model(build_extractive(source).model, Tokenizers(source.tokenizer), tmp_path / "model")
    scorer = load_source("checkpoint", name=str(tmp_path / "model"))
    task = Sentiment(SentimentOptions(name="sentiment"), LABELS)
    assert task.build(scorer, None, frozen=False).model.config.num_labels == 3
    native = Sentiment(SentimentOptions(name="sentiment", head=HeadOptions(kind="native")), LABELS)
    with pytest.raises(SourceError, match=r"is a sentence_scorer, which .* cannot open .* task.head.kind: pooled$"):
        native.build(scorer, None, frozen=False)


WRITERS = {
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
    "bart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2},
}
WRITERS["bart"] |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}


def save_writer(kind, folder):
    """Save a model that writes: of a family, or an encoder of ours beside a decoder."""
    if kind in WRITERS:
        return save_checkpoint(folder, kind, AutoModelForSeq2SeqLM, **WRITERS[kind])
    place = folder.parent
    source = vectors(place / "v.txt") if kind == "vectors" else checkpoint(place / "bert", num_hidden_layers=1)
    options = {"generation": GenerationOptions(), "max_target_length": 16}
    decoder = DecoderOptions(layers=1, width=64, vocabulary=300)
    writer = build_seq2seq(source, ["a good film"] * 20, decoder=decoder, **options)
    save_model(writer.model, Tokenizers(source.tokenizer, writer.target_tokenizer), folder)
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [("bert", "full"), ("vectors", "gradual"), ("t5", "lora"), ("bart", "full")],
)
def test_a_model_that_writes_lends_its_encoder_to_a_classifier(tmp_path, kind, strategy):
    name = save_writer(kind, tmp_path / "writer")
    source = load_source("checkpoint", name=name)
    loaded = source.encoder()
    assert loaded.new <= {name for name in loaded.model.state_dict() if name.startswith("pooler.")}
    assert source.has_layers == (kind != "vectors")
    whole = AutoModelForSeq2SeqLM.from_pretrained(name).get_encoder().state_dict()
    assert all(torch.equal(one, whole[name]) for name, one in loaded.model.state_dict().items() if name in whole)

    data = save_csv(tmp_path / "train.csv", 24)
    section = {"kind": "checkpoint", "name": name}
    result = run(tmp_path / "run", section, {"kind": strategy}, data, head={"kind": "pooled"})
    answers = nlp_transfer.load(result.folder).predict(["a good film", "dull"])
    if kind == "t5":
        done = nlp_transfer.publish(result.folder, "someone/model", dry_run=True, licence="mit")
        assert nlp_transfer.load(done.folder).predict(["a good film", "dull"]) == answers


def test_a_run_that_is_found_is_said(pooled, caplog):
    folder, _, _ = pooled
    with caplog.at_level("INFO", "nlp_transfer"):
        assert load_source("checkpoint", name=str(folder)).location == str(folder / "model")
    assert f"{folder} is a run; its model is {folder / 'model'}" in caplog.text


def test_the_weights_of_a_run_are_those_that_it_left(pooled, tmp_path, caplog):
    folder = shutil.copytree(pooled[0], tmp_path / "run")
    note_weights(folder, {})
    load_source("checkpoint", name=str(folder)).encoder()
    assert f"{folder / 'model' / 'model.safetensors'}: loaded unchecked" in caplog.text
    note_weights(folder, {"model.safetensors": "0" * 64})  # as older versions noted them
    with pytest.raises(SourceError, match=r"model\.safetensors: damaged or exchanged: its digest is not the one in"):
        load_source("checkpoint", name=str(folder)).encoder()
    (folder / "metrics.json").write_text("no figures")
    with pytest.raises(SourceError, match=r"metrics\.json: damaged"):
        load_source("checkpoint", name=str(folder)).encoder()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config.yaml"], "not a finished run: it lacks metrics.json, model; train it again"),
        (["config.yaml", "merge.json"], "it lacks metrics.json, model; merge the same runs into it again"),
        (
            ["config.yaml", "checkpoints/x"],
            "it lacks metrics.json, model; go on with it by `run CONFIG --resume /.*/run`",
        ),
        (["comparison.json"], "it is a comparison: name the folder of one of its runs"),
        (["config.yaml", "metrics.json", "../metrics.json"], "this seed was the best, and its model stands in"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_run_that_has_no_model_is_refused_with_the_way_out(tmp_path, files, message):
    folder = tmp_path / "run"
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(SourceError, match=message):
        load_source("checkpoint", name=str(folder)).encoder()


def test_a_run_is_no_table_of_vectors(pooled):
    with pytest.raises(SourceError, match=r"is a run, whose model is a checkpoint: use source.kind=checkpoint"):
        load_source("vectors", name=str(pooled[0])).encoder()
