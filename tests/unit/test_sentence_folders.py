"""Folders of sentence-transformers: features are those of its `encode`; what is not computed is said."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import HIDDEN, Training, dense, rows, run, save_csv, save_sentence_folder, sentiment, texts

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.saving import save_model
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.sources import load_source
from nlp_transfer.sources.sentence_folder import copy_modules
from nlp_transfer_tasks.sentiment import HeadOptions

TEXTS = ["good film", "the plot is awful .", "a very good and funny story is some of the bad plot"]
PROMPTS = {"query": "the story is ", "document": "some film . "}
OLD_MEAN_MAX = {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True, "pooling_mode_cls_token": False}
NEW_PROMPTED = {"pooling_mode": "mean", "include_prompt": False}
FOLDERS = {
    "mean of version 2": ([("Pooling", {"pooling_mode_mean_tokens": True}), ("Normalize", {})], {"newer": False}),
    "first state, dense": ([("Pooling", {"pooling_mode": "cls"}), ("Dense", dense(HIDDEN, 6))], {}),
    "two side by side": ([("Pooling", OLD_MEAN_MAX), ("Normalize", {})], {"newer": False}),
    "weighted by place": ([("Pooling", {"pooling_mode": "weightedmean"})], {}),
    "last token": ([("Pooling", {"pooling_mode": "lasttoken"})], {}),
    "root of the length": ([("Pooling", {"pooling_mode": "mean_sqrt_len_tokens"})], {}),
    "two dense layers": (
        [
            ("Pooling", {"pooling_mode": "mean"}),
            ("Dense", dense(HIDDEN, 12, "Identity", bias=False)),
            ("Dense", dense(12, 5, "GELU")),
            ("Normalize", {"module_input_name": "sentence_embedding"}),
        ],
        {"newer": True},
    ),
    "default prompt": ([("Pooling", {"pooling_mode": "mean"})], {"prompts": PROMPTS, "default": "document"}),
    "prompt left out": ([("Pooling", NEW_PROMPTED), ("Normalize", {})], {"prompts": PROMPTS, "default": "query"}),
    "first behind prompt": (
        [("Pooling", {"pooling_mode": ["cls", "weightedmean"], "include_prompt": False})],
        {"prompts": PROMPTS, "default": "query"},
    ),
}
# What sentence-transformers 6.2 made of `TEXTS` with each of these folders.
STORED = json.loads(Path(__file__).with_name("sentence_embeddings.json").read_text())


@pytest.fixture(params=FOLDERS)
def folder(request, tmp_path):
    modules, settings = FOLDERS[request.param]
    save_sentence_folder(tmp_path / "model", modules, **settings)
    return request.param, tmp_path / "model"


def embed(source):
    """The features (texts, F) that a head on the frozen source reads."""
    model = sentiment().build(source, rows(), frozen=True).model.eval()
    encoded = sentiment().encode(TaskRows({"text": TEXTS}), Tokenizers(source.tokenizer))
    batch = TokenInputs(encoded, source.tokenizer.pad_token_id).make_batch(np.arange(len(TEXTS)))
    with torch.inference_mode():
        return model.stacked(list(model.features(**batch.inputs))).numpy()


def are_same(ours, theirs):
    """Whether each text has the same embedding: cosine 1 within 1e-5, and the same length."""
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return ours.shape == theirs.shape and (abs(cosines - 1) < 1e-5).all() and np.allclose(ours, theirs, atol=1e-5)


def test_features_of_a_frozen_one_are_those_that_its_encode_gave(folder):
    name, place = folder
    assert are_same(embed(load_source("checkpoint", name=str(place))), np.array(STORED[name]))


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is None, reason="needs sentence-transformers")
def test_features_of_a_frozen_one_are_those_that_its_encode_gives(folder):
    from sentence_transformers import SentenceTransformer

    _, place = folder
    assert are_same(embed(load_source("checkpoint", name=str(place))), SentenceTransformer(str(place)).encode(TEXTS))


@pytest.mark.parametrize(
    "folder",
    ["mean of version 2", "two side by side", "last token", "two dense layers", "first behind prompt"],
    indirect=True,
)
def test_a_trained_head_on_it_answers_the_same_after_reloading(folder, tmp_path):
    _, place = folder
    source = load_source("checkpoint", name=str(place))
    training = Training(source, {"kind": "frozen", "solver": "gradient"}, train=rows(8))
    before = embed(source)
    training.fit()
    assert training.plan.moving == {"head.output.weight", "head.output.bias"}
    save_model(training.plan.model, Tokenizers(source.tokenizer), tmp_path / "saved")
    reloaded, again = load_model(tmp_path / "saved", "AutoModelForSequenceClassification")
    assert read_prompt(again.source) == read_prompt(source.tokenizer)
    said = Predictor(training.task, training.plan.model, Tokenizers(source.tokenizer), {}).predict(texts(8)[0])
    assert Predictor(training.task, reloaded, again, {}).predict(texts(8)[0]) == said
    assert np.array_equal(before, embed(source))


MEAN = [("Pooling", {"pooling_mode": "mean"})]


def open_folder(place, modules=MEAN, *, prompt=None, **settings):
    return load_source("checkpoint", name=save_sentence_folder(place, modules, **settings), prompt=prompt)


@pytest.mark.parametrize(
    ("head", "frozen", "read"),
    [
        ({}, True, ["own"]),
        ({"layers": "last"}, True, ["own"]),
        ({"layers": "last_four"}, True, ["cls"]),
        ({"pooling": "mean"}, True, ["mean"]),
        ({"kind": "pooled"}, False, ["cls"]),
        ({"pooling": "own"}, False, ["own"]),
    ],
)
def test_a_head_on_it_pools_as_the_folder_does_unless_told_otherwise(tmp_path, head, frozen, read):
    source = open_folder(tmp_path, [("Pooling", {"pooling_mode": "cls"}), ("Dense", dense(HIDDEN, 6))])
    model = HeadOptions(**head).build(source, ("a", "b"), frozen=frozen).model
    assert model.config.pooling == read
    assert (model.embedding is not None) == (read == ["own"])


def test_own_pooling_is_refused_where_there_is_none_or_other_layers_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"pooling: own reads the last layer"):
        HeadOptions(pooling="own", layers="last_four")
    save_sentence_folder(tmp_path, MEAN)
    (tmp_path / "modules.json").unlink()
    with pytest.raises(ConfigError, match=r"task\.head\.pooling: own .* is no sentence-transformers folder"):
        HeadOptions(pooling="own").build(load_source("checkpoint", name=str(tmp_path)), ("a", "b"), frozen=True)


@pytest.mark.parametrize("wanted", ["query", "the story is "])
def test_a_prompt_is_put_before_every_text_by_name_or_as_it_is(tmp_path, wanted):
    source = open_folder(tmp_path, prompts=PROMPTS, prompt=wanted)
    assert read_prompt(source.tokenizer) == "the story is "
    plain = open_folder(tmp_path, prompts=PROMPTS, prompt="")
    behind = [f"the story is {text}" for text in TEXTS]
    for policy in ("head", "window"):
        task = sentiment(long_documents=policy)
        encoded = task.encode(TaskRows({"text": TEXTS}), Tokenizers(source.tokenizer))
        expected = task.encode(TaskRows({"text": behind}), Tokenizers(plain.tokenizer))
        assert list(encoded.inputs) == list(expected.inputs)


def test_a_prompt_stands_before_later_windows_and_before_each_of_two_texts_that_are_read_apart(tmp_path):
    tokenizer = open_folder(tmp_path, prompt="story . ").tokenizer
    story, stop = tokenizer("story .", add_special_tokens=False)["input_ids"]
    units = nlp_transfer.encode_documents(
        ["the plot is bad and sad"] * 2, tokenizer, max_length=8, policy="window"
    ).inputs
    assert len(units) > 2
    assert {tuple(unit["input_ids"][1:3]) for unit in units} == {(story, stop)}

    for apart, count in ((False, 1), (True, 2)):
        tokenizer.init_kwargs["texts_apart"] = apart
        pair = nlp_transfer.encode_text_pairs(["good"], ["bad"], tokenizer, max_length=20).inputs[0]
        assert pair["input_ids"].count(story) == count

    window = nlp_transfer.encode_sentences([["good", "bad"]], tokenizer, max_length=20, max_sentences=4).inputs[0]
    assert window["input_ids"][1:3] == [story, stop]
    assert window["sentence_ids"][:4] == [-1, -1, -1, 0]


def test_a_prompt_of_no_name_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(SourceError, match=r"no prompt of the name 'passage', but 'query', 'document'"):
        embed(open_folder(tmp_path, prompts=PROMPTS, prompt="passage"))


@pytest.mark.parametrize(
    ("settings", "card", "said"),
    [
        ({"prompts": PROMPTS}, "", r"trained with prompts before its texts, query \('the story is '\), document"),
        ({"prompts": PROMPTS, "prompt": ""}, "", None),
        ({"prompts": PROMPTS, "prompt": "query"}, "", None),
        ({"prompts": PROMPTS, "default": "query"}, "", None),
        ({}, 'Each text should start with "query: " or "passage: ".', r"speaks of prompts .* 'query: ', 'passage: '"),
        ({}, "Use `classification: ` for that.", r"'classification: '"),
        ({}, 'instruction = "Represent this sentence for searching relevant passages: "', r"'Represent this sentence"),
        ({"prompt": ""}, 'It wants "query: ".', None),
        ({}, "A query: what is it?", None),
        ({"prompts": {"query": "", "document": ""}}, "", None),
    ],
)
def test_a_source_that_wants_a_prompt_says_so_where_none_is_set(tmp_path, settings, card, said):
    source = open_folder(tmp_path, **settings)
    (tmp_path / "README.md").write_text(card)
    if said is None:
        assert source.advice == []
    else:
        (line,) = source.advice
        assert re.search(said, line)
        assert "source.prompt" in line


def test_a_module_that_is_not_computed_is_said_and_the_states_are_pooled_as_everywhere(tmp_path):
    source = open_folder(tmp_path, [*MEAN, ("LSTM", {"hidden_dim": 4}), ("Dropout", {"dropout": 0.1})])
    assert source.advice == [f"'{tmp_path.name}': these of its modules are not computed here: 2_LSTM (LSTM)"]
    assert HeadOptions().build(source, ("a", "b"), frozen=True).model.config.pooling == ["mean"]


def test_a_dense_layer_that_nothing_reads_is_said(tmp_path):
    folder = save_sentence_folder(tmp_path / "model", [*MEAN, ("Dense", dense(HIDDEN, 6))], longest=16)
    report = nlp_transfer.check(
        {
            "task": {"name": "sentiment", "max_length": 24},
            "source": {"kind": "checkpoint", "name": folder, "prompt": "some "},
            "data": {"train": save_csv(tmp_path / "data.csv")},
        }
    )
    said = "\n".join(report.warnings)
    assert "1 dense layer(s) behind its encoder are not used" in said
    assert "24 tokens, but 'model' was made for 16 (max_seq_length)" in said
    assert "'some ' is put before every text" in report.text


def test_a_folder_of_the_first_versions_holds_its_encoder_in_a_folder_of_its_own(tmp_path):
    save_sentence_folder(tmp_path / "new", MEAN)
    (tmp_path / "old" / "0_BERT").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.move(tmp_path / "new" / name, tmp_path / "old" / "0_BERT" / name)
    for name in ("modules.json", "1_Pooling"):
        shutil.move(tmp_path / "new" / name, tmp_path / "old" / name)
    modules = json.loads((tmp_path / "old" / "modules.json").read_text())
    modules[0]["path"] = "0_BERT"
    (tmp_path / "old" / "modules.json").write_text(json.dumps(modules))
    assert embed(load_source("checkpoint", name=str(tmp_path / "old"))).shape == (3, HIDDEN)


def spoil(name, change):
    def spoiled(folder):
        path = folder / name
        path.write_text(change(path.read_text()))

    return spoiled


FAULTS = {
    "too deep a list": (spoil("modules.json", lambda _: "[" * 100_000), r"modules\.json: damaged"),
    "a number as pooling": (
        spoil("1_Pooling/config.json", lambda _: '{"pooling_mode": 5}'),
        r"unknown pooling_mode 5",
    ),
    "damaged list": (spoil("modules.json", lambda text: text[:-5]), r"modules\.json: damaged"),
    "no list": (spoil("modules.json", lambda _: "{}"), r"expected a list, found a dict"),
    "outside": (spoil("modules.json", lambda text: text.replace("1_Pooling", "../x")), r"lies outside of the folder"),
    "no path": (
        spoil("modules.json", lambda text: text.replace('"path"', '"place"')),
        r"a module has a type and a path",
    ),
    "odd pooling": (
        spoil("1_Pooling/config.json", lambda text: text.replace("mean", "sum")),
        r"unknown pooling_mode 'sum'",
    ),
    "odd prompts": (
        spoil("config_sentence_transformers.json", lambda _: '{"prompts": {"query": 3}}'),
        r"prompts are names with a text each",
    ),
    "no default": (
        spoil("config_sentence_transformers.json", lambda _: '{"default_prompt_name": "query"}'),
        r"default_prompt_name is 'query', and there is no prompt of this name",
    ),
    "no name of a prompt": (
        spoil("config_sentence_transformers.json", lambda _: '{"default_prompt_name": ["query"]}'),
        r"default_prompt_name is \['query'\], and there is no prompt of this name",
    ),
    "wrong width": (spoil("2_Dense/config.json", lambda text: text.replace("16", "8")), r"16 numbers come in"),
    "a pickle": (
        lambda folder: (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin"),
        r"a pickle that could run code",
    ),
    "cut short": (
        lambda folder: (folder / "2_Dense" / "model.safetensors").write_bytes(b"x"),
        r"malformed or cut short",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_folder_is_refused_by_the_name_of_its_file(tmp_path, fault):
    source = open_folder(tmp_path, [*MEAN, ("Dense", dense(HIDDEN, 6))])
    change, said = FAULTS[fault]
    change(tmp_path)
    with pytest.raises(SourceError, match=said):
        HeadOptions().build(source, ("a", "b"), frozen=True)


def test_a_static_embedding_is_sent_to_vectors(tmp_path):
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]')
    with pytest.raises(SourceError, match=r"StaticEmbedding.*source\.kind=vectors"):
        load_source("checkpoint", name=str(tmp_path)).encoder()


def test_a_run_trains_answers_and_publishes_with_its_prompt(tmp_path):
    folder = save_sentence_folder(tmp_path / "model", MEAN, prompts=PROMPTS)
    data = save_csv(tmp_path / "data.csv")
    source = {"kind": "checkpoint", "name": folder, "prompt": "query"}
    result = run(tmp_path / "run", source, {"kind": "frozen"}, data)
    predictor = nlp_transfer.load(result.folder)
    assert read_prompt(predictor.tokenizers.source) == "the story is "
    said = predictor.predict(TEXTS)
    assert predictor.evaluate(data)["accuracy"] > 0.5

    predictor.tokenizers.source.init_kwargs["prompt"] = ""
    assert predictor.predict(TEXTS) != said
    assert predictor.predict([f"the story is {text}" for text in TEXTS]) == said

    published = nlp_transfer.publish(result.folder, "me/it", dry_run=True, licence="mit", output=tmp_path / "tree")
    assert {"embedding.py", "pooled.py"} <= set(published.files)
    card = (tmp_path / "tree" / "README.md").read_text()
    assert 'Every text is read behind the prompt `"the story is "`' in card
    assert 'print(classify("the story is It was better' in card


def test_modules_are_copied_from_folders_in_folders_too(tmp_path):
    (tmp_path / "model" / "parts" / "dense").mkdir(parents=True)
    modules = [{"type": "a.Transformer", "path": "0_Transformer"}, {"type": "a.Dense", "path": "parts/dense"}]
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "model" / "parts" / "dense" / "config.json").write_text("{}")

    def find(name):
        path = tmp_path / "model" / name
        return path if path.is_file() else None

    copy_modules(find, tmp_path / "copy")
    assert (tmp_path / "copy" / "1_Dense" / "config.json").read_text() == "{}"
    said = json.loads((tmp_path / "copy" / "modules.json").read_text())
    assert [(one["type"], one["path"]) for one in said] == [("a.Transformer", ""), ("a.Dense", "1_Dense")]
