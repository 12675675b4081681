"""Tables whose rows belong to tokens: model2vec, StaticEmbedding and wordllama, laid out by tiny writers."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tiny import WORDS, run, save_csv
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoTokenizer

import nlp_transfer
from nlp_transfer import encode_documents
from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.saving import save_model
from nlp_transfer.sources import list_sources, load_source
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "##b", "\n", *(word for word in WORDS if len(word) > 1)]
TEXTS = ["a b", "ab ba Abab", "a 日 b", "b"]
RNG = np.random.default_rng(0)
DIM = 8
TABLE = RNG.normal(size=(len(PIECES), DIM)).astype(np.float32)


def tokenizer():
    """A tokenizer as BERT has one, that puts special tokens around a text, cuts it at three tokens and pads it."""
    backend = Tokenizer(models.WordPiece({piece: row for row, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    backend.add_special_tokens(PIECES[:4])
    backend.enable_truncation(3)
    backend.enable_padding()
    return backend


def save_model2vec(folder, tensors, **config):
    folder.mkdir()
    save_file({name: np.ascontiguousarray(one) for name, one in tensors.items()}, folder / "model.safetensors")
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"normalize": True, **config}))
    (folder / "modules.json").write_text(json.dumps([{"path": ".", "type": "x.models.StaticEmbedding"}]))
    return folder


def save_static_embedding(folder, table, place=".", modules=("StaticEmbedding", "Normalize")):
    inside = folder / place
    inside.mkdir(parents=True)
    save_file({"embedding.weight": table}, inside / "model.safetensors")
    tokenizer().save(str(inside / "tokenizer.json"))
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": f"x.{name}"} for name in modules]))
    return folder


def save_wordllama(folder, table):
    for name in ("weights", "tokenizers"):
        (folder / name).mkdir(parents=True)
    save_file({"embedding.weight": table.astype(np.float16)}, folder / "weights" / "l2_supercat_8.safetensors")
    tokenizer().save(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    return folder


MAPPING = np.array([row % 7 for row in range(len(PIECES))])
WEIGHTS = np.linspace(0.5, 2, len(PIECES))
INT8 = np.round(TABLE / abs(TABLE).max() * 127).astype(np.int8)
MODEL2VEC = {  # tensors -> the row of each token, by model2vec's formula
    "float32": ({"embeddings": TABLE}, TABLE),
    "float16": ({"embeddings": TABLE.astype(np.float16)}, TABLE.astype(np.float16).astype(np.float32)),
    "int8": ({"embeddings": INT8}, INT8 / 127),
    "weights": ({"embeddings": TABLE, "weights": WEIGHTS}, TABLE * WEIGHTS[:, None]),
    "mapping": (
        {"embeddings": TABLE[:7], "mapping": MAPPING, "weights": WEIGHTS},
        TABLE[MAPPING] * WEIGHTS[:, None],
    ),
}


def mean_of(source, text):
    """The mean over the rows of a text, as the bag of a classifier computes it."""
    encoded = encode_documents([text], source.tokenizer, max_length=16)
    model = source.encoder().model
    return model(torch.tensor(encoded.inputs.ids[None].astype(np.int64))).last_hidden_state[0].mean(0).detach().numpy()


def expect(table, text, *, drops):
    ids = [row for row in tokenizer().encode(text, add_special_tokens=False).ids if not (drops and row == 1)]
    return table[ids].mean(0)


@pytest.mark.parametrize("kind", MODEL2VEC)
@pytest.mark.parametrize("text", ["a b", "ab a", "a 日 b"])
def test_the_mean_of_a_text_is_that_of_model2vec(tmp_path, kind, text):
    tensors, table = MODEL2VEC[kind]
    source = load_source("vectors", name=str(save_model2vec(tmp_path / "m", tensors)))
    np.testing.assert_allclose(mean_of(source, text), expect(table, text, drops=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [".", "0_StaticEmbedding"])
def test_the_mean_of_a_text_is_that_of_static_embedding_which_keeps_unknown_tokens(tmp_path, place):
    source = load_source("vectors", name=str(save_static_embedding(tmp_path / "m", TABLE, place)))
    np.testing.assert_allclose(mean_of(source, "a 日 b"), expect(TABLE, "a 日 b", drops=False), rtol=1e-5)


@pytest.mark.parametrize("named", [".", "weights/l2_supercat_8.safetensors"])
def test_wordllamas_folder_and_file_are_read_with_its_tokenizer(tmp_path, named):
    source = load_source("vectors", name=str(save_wordllama(tmp_path / "w", TABLE) / named))
    np.testing.assert_allclose(mean_of(source, "ab a"), expect(TABLE, "ab a", drops=False), rtol=2e-3, atol=1e-3)


def test_a_text_longer_than_the_tokenizer_cuts_is_read_whole_and_without_special_tokens(tmp_path):
    source = load_source("vectors", name=str(save_model2vec(tmp_path / "m", {"embeddings": TABLE})))
    assert source.tokenizer("a b ab a")["input_ids"] == [4, 5, 4, 7, 4]


def test_a_text_of_unknown_tokens_alone_is_zero_and_counts_as_unknown(tmp_path):
    source = load_source("vectors", name=str(save_model2vec(tmp_path / "m", {"embeddings": TABLE})))
    assert encode_documents(["日 本"], source.tokenizer, max_length=16).unknown == 1
    assert not mean_of(source, "日 本").any()


def test_dropped_tokens_leave_rows_that_were_padded_as_long_as_before(tmp_path):
    tokenize = load_source("vectors", name=str(save_model2vec(tmp_path / "m", {"embeddings": TABLE}))).tokenizer
    both = tokenize(["a 日 b", "a b a b"], padding=True, return_tensors="pt")
    assert both["input_ids"].tolist() == [[4, 5, 0, 0], [4, 5, 4, 5]]
    assert both["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert tokenize("a 日 b")["input_ids"] == [4, 5]
    assert tokenize(["a 日", "b a"])["input_ids"] == [[4], [5, 4]]


def test_float32_rows_are_mapped_into_memory_and_an_import_opens_the_same(tmp_path):
    folder = save_model2vec(tmp_path / "m", {"embeddings": TABLE})
    assert isinstance(open_vectors(folder).vectors, np.memmap)
    table = import_vectors(folder, tmp_path / "imported")
    assert table.words == PIECES
    assert isinstance(table.vectors, np.memmap)
    np.testing.assert_array_equal(table.vectors, TABLE)
    texts = ["a 日 b", "ab a"]
    read = [load_source("vectors", name=str(place)).tokenizer(texts) for place in (folder, tmp_path / "imported")]
    assert read[0]["input_ids"] == read[1]["input_ids"]


def test_bfloat16_is_widened(tmp_path):
    folder = save_static_embedding(tmp_path / "m", TABLE)
    halves = (TABLE.view(np.uint32) >> 16).astype(np.uint16)
    told = {"embedding.weight": {"dtype": "BF16", "shape": halves.shape, "data_offsets": [0, halves.nbytes]}}
    header = json.dumps(told).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + halves.tobytes())
    np.testing.assert_allclose(open_vectors(folder).vectors, TABLE, rtol=1e-2)


def test_a_tokenizer_without_padding_gets_a_row_of_zeros_for_it(tmp_path):
    folder = save_model2vec(tmp_path / "m", {"embeddings": TABLE[:3]})
    Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])).save(str(folder / "tokenizer.json"))
    source = load_source("vectors", name=str(folder))
    assert (source.config.vocab_size, source.tokenizer.pad_token_id) == (4, 3)
    assert not source.encoder().model.embeddings.weight[3].any()
    assert source.tokenizer("abb")["input_ids"] == [2, 1]


@pytest.mark.parametrize("strategy", ["full", "frozen", "lora", "gradual"])
def test_every_strategy_trains_it_and_answers_are_the_same_after_reload_and_publication(tmp_path, strategy):
    folder = save_model2vec(tmp_path / "m", {"embeddings": TABLE})
    source = {"kind": "vectors", "name": str(folder)}
    result = run(tmp_path / "run", source, {"kind": strategy}, str(save_csv(tmp_path / "data.csv", 24)))
    texts = ["good film", "a bad 日 film", ""]
    first = nlp_transfer.load(result.folder).predict(texts)
    done = nlp_transfer.publish(result.folder, "someone/model", dry_run=True, licence="mit")
    assert nlp_transfer.load(done.folder).predict(texts) == first


def test_the_saved_model_opens_in_transformers_with_the_same_states(tmp_path):
    source = load_source("vectors", name=str(save_model2vec(tmp_path / "m", {"embeddings": TABLE})))
    model = source.encoder().model
    save_model(model, Tokenizers(source.tokenizer), tmp_path / "saved")
    again = AutoModel.from_pretrained(tmp_path / "saved")
    tokenize = AutoTokenizer.from_pretrained(tmp_path / "saved", trust_remote_code=False)
    assert tokenize(TEXTS)["input_ids"] == source.tokenizer(TEXTS)["input_ids"]
    ids = torch.tensor([tokenize("ab a")["input_ids"]])
    torch.testing.assert_close(again(ids).last_hidden_state, model(ids).last_hidden_state)


BROKEN = {
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer beside it"),
    "no tokenizer at all": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "not a tokenizer"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "lacks model.safetensors"),
    "cut": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\0\0\1" + 5 * b"\0" + b"{"),
        "damaged",
    ),
    "too few rows": (lambda folder: save_file({"embeddings": TABLE[:5]}, folder / "model.safetensors"), "5 rows for"),
    "infinite": (
        lambda folder: save_file({"embeddings": TABLE / np.float32(0)}, folder / "model.safetensors"),
        "NaN or infinity",
    ),
    "mapping": (
        lambda folder: save_file({"embeddings": TABLE[:3], "mapping": MAPPING}, folder / "model.safetensors"),
        "mapping names rows",
    ),
    "weights": (
        lambda folder: save_file({"embeddings": TABLE, "weights": WEIGHTS[:3]}, folder / "model.safetensors"),
        "do not fit",
    ),
    "dense": (
        lambda folder: (folder / "modules.json").write_text(
            '[{"type": "x.StaticEmbedding", "path": ""}, {"type": "x.Dense", "path": "1_Dense"}]'
        ),
        "module Dense above the table",
    ),
    "several": (
        lambda folder: save_file({"embeddings": TABLE}, folder / "other.safetensors"),
        "holds several tables",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_broken_folder_is_refused_with_what_is_wrong(tmp_path, how):
    folder = save_model2vec(tmp_path / "m", {"embeddings": TABLE})
    spoil, said = BROKEN[how]
    spoil(folder)
    with pytest.raises(SourceError, match=said):
        open_vectors(folder).refuse_broken()


def test_a_checkpoint_is_sent_to_its_kind_and_an_unknown_folder_to_the_nearest(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SourceError, match=r"architecture 'bert', no table: use source\.kind=checkpoint"):
        open_vectors(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "tokenizer.json").touch()
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(
        SourceError, match=r"nearest .* of model2vec .* lacks model\.safetensors; pytorch_model\.bin is a"
    ):
        open_vectors(tmp_path)


@pytest.mark.parametrize("vocabulary", ["data", 3])
def test_rows_of_tokens_cannot_be_chosen_among(tmp_path, vocabulary):
    folder = save_model2vec(tmp_path / "m", {"embeddings": TABLE})
    with pytest.raises(SourceError, match="take all of them"):
        load_source("vectors", name=str(folder), vocabulary=vocabulary, texts=["a"]).table  # noqa: B018


def test_the_list_of_sources_names_them():
    assert any("model2vec" in one.description and "wordllama" in one.description for one in list_sources())
