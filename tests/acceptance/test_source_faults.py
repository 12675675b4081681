"""Promises 25 to 29: a source that cannot be used is refused in one line, before anything trains; pickles never run."""

import io
import json
import pickle
import re
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import CONFIG, DATA, SOURCE, TASKS, case, gz, refused, save_data, write
from safetensors.torch import load_file, save_file
from tiny import config, save_checkpoint, save_vectors, tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification

import nlp_transfer
from nlp_transfer.errors import SourceError
from nlp_transfer.sources import load_source


def weights(folder, change):
    """Rewrite the weights of a checkpoint."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def settings(folder, file="config.json", **changes):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def nan_weight(folder):
    weights(folder, lambda tensors: tensors["encoder.layer.1.output.dense.weight"].view(-1)[:3].fill_(torch.nan))


def infinite_weight(folder):
    weights(folder, lambda tensors: tensors["embeddings.LayerNorm.bias"].view(-1)[0].fill_(torch.inf))


def lost_weight(folder):
    weights(folder, lambda tensors: tensors.pop("encoder.layer.0.attention.self.query.weight"))


def all_lost(folder):
    weights(folder, lambda tensors: [tensors.pop(name) for name in list(tensors)[1:]])


def other_shape(folder):
    weights(folder, lambda tensors: tensors.update({"encoder.layer.0.output.dense.bias": torch.zeros(3)}))


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def empty_weights(folder):
    (folder / "model.safetensors").write_bytes(b"")


def garbage_weights(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 1000)


def only_pickle(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def own_code(folder):
    settings(folder, auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text("raise SystemExit('their code ran')")


def own_code_of_ours(folder):
    settings(folder, model_type="pooled_classifier", auto_map={"AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text("raise SystemExit('their code ran')")


def own_tokenizer_code(folder):
    settings(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "evil.T"]}, tokenizer_class="Odd")
    (folder / "evil.py").write_text("raise SystemExit('their code ran')")


def strange_kernel(folder):
    settings(folder, attn_implementation="someone/some-kernel")


def quantised(folder):
    settings(folder, quantization_config={"quant_method": "gptq", "bits": 4})


def larger_tokenizer(folder):
    larger = tokenizer()
    larger.add_tokens([f"extra{i}" for i in range(5)])
    larger.save_pretrained(folder)


def no_tokenizer(folder):
    for file in folder.glob("*token*"):
        file.unlink()


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


def other_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Nothing"}}')


def broken_tokenizer_config(folder):
    (folder / "tokenizer_config.json").write_text("[")


def no_config(folder):
    (folder / "config.json").unlink()


def broken_config(folder):
    (folder / "config.json").write_text('{"model_type": "bert",')


def config_is_a_list(folder):
    (folder / "config.json").write_text("[1, 2]")


def unknown_type(folder):
    settings(folder, model_type="starlight")


def no_type(folder):
    settings(folder, model_type=None, architectures=None)


def absurd_config(folder):
    settings(folder, hidden_size="large")


def other_depth(folder):
    settings(folder, num_hidden_layers=4)


def huge_vocabulary(folder):
    settings(folder, vocab_size=10**9)


def huge_width(folder):
    settings(folder, hidden_size=10**6)


def huge_depth(folder):
    settings(folder, num_hidden_layers=10**6)


def no_width(folder):
    settings(folder, hidden_size=0)


def no_activation(folder):
    settings(folder, hidden_act="nowhere")


def empty_folder(folder):
    for file in folder.iterdir():
        file.unlink()


FAULTS = {  # what is done to a checkpoint: what the line must hold
    nan_weight: ["encoder.layer.1.output.dense.weight holds 3 values that are NaN"],
    infinite_weight: ["embeddings.LayerNorm.bias holds 1 values that are NaN or infinite"],
    lost_weight: ["lacks 1 encoder weights: ", "encoder.layer.0.attention.self.query.weight"],
    all_lost: ["encoder weights: ", " and ", " more"],
    other_shape: ["another shape than config.json says: ", "encoder.layer.0.output.dense.bias"],
    other_depth: ["lacks 32 encoder weights"],
    huge_vocabulary: ["config.json says: embeddings.word_embeddings.weight is [33, 16], not [1000000000, 16]"],
    huge_width: ["config.json says: embeddings.word_embeddings.weight is [33, 16], not [33, 1000000]"],
    huge_depth: ["config.json says 1000000 layers, its weights are 39 tensors"],
    no_width: ["its model cannot be loaded"],
    no_activation: ["its model cannot be loaded: nothing is called 'nowhere'"],
    cut_short: ["malformed or cut short"],
    empty_weights: ["malformed or cut short"],
    garbage_weights: ["malformed or cut short"],
    only_pickle: ["has only pytorch_model.bin, a pickle that could run code", "convert it to safetensors"],
    no_weights: ["model.safetensors"],
    own_code: ["asks to run Python code of its own (auto_map), which this tool never does"],
    own_code_of_ours: ["lacks 1 encoder weights: embeddings.weight"],
    own_tokenizer_code: ["asks to run Python code of its own"],
    strange_kernel: ["config.json asks for attn_implementation: someone/some-kernel, which is not followed"],
    quantised: ["config.json asks for quantization_config", "use the weights that it was quantised from"],
    larger_tokenizer: ["the tokenizer's largest id is 37, the embedding table has 33 rows"],
    no_tokenizer: ["has no tokenizer"],
    broken_tokenizer: ["bert/tokenizer.json: damaged (Expecting property name", "fetch or save the model again"],
    other_tokenizer: ["bert/tokenizer.json: damaged (", "fetch or save the model again"],
    broken_tokenizer_config: ["bert/tokenizer_config.json: damaged (", "fetch or save the model again"],
    no_config: ["bert: no checkpoint, for it has no config.json"],
    broken_config: ["bert/config.json: not valid JSON"],
    config_is_a_list: ["bert/config.json: expected an object, found a list"],
    unknown_type: ["names the architecture 'starlight', which transformers", "does not have; take a checkpoint of"],
    no_type: ["model type"],
    absurd_config: ["hidden_size"],
    empty_folder: ["config.json"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {task: f"data.train={file}" for task, file in save_data(tmp_path_factory.mktemp("data")).items()}


@pytest.mark.parametrize("task", ["sentiment", "translation"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_checkpoint_with_a_fault_is_refused_in_one_line(command, configs, here, monkeypatch, data, fault, task):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    shutil.copytree(configs / "bert", here / "bert")
    fault(here / "bert")
    arguments = ["check", configs / f"{task}.yaml", data[task], "source={kind: checkpoint, name: bert}"]
    message = refused(command, here, arguments, SOURCE, "", *FAULTS[fault])
    assert "bert" in message


def rewrite(file):
    def damage(folder):
        (folder / "model" / file).write_text("{")

    return damage


def remove(file):
    def damage(folder):
        (folder / file).unlink()

    return damage


def in_model(fault):
    def damage(folder):
        fault(folder / "model")

    return damage


def resized(size):
    """Set every number of a configuration that is the length of something, in its parts too."""

    def resize(values):
        sizes = ("size", "width")
        return {
            key: resize(value) if isinstance(value, dict) else size if key.endswith(sizes) and value else value
            for key, value in values.items()
        }

    def damage(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(resize(json.loads(path.read_text()))))

    return damage


RUNS = {  # what is done to a finished run: what the line must hold
    "tokenizer.json is damaged": (rewrite("tokenizer.json"), ["run/model/tokenizer.json: damaged ("]),
    "tokenizer_config.json is damaged": (
        rewrite("tokenizer_config.json"),
        ["run/model/tokenizer_config.json: damaged"],
    ),
    "config.json is damaged": (rewrite("config.json"), ["run/model/config.json: damaged ("]),
    "weights are cut short": (
        in_model(cut_short),
        ["run/model: the weights file is malformed or cut short (", "bring the file back, or train again"],
    ),
    "weights are empty": (in_model(empty_weights), ["run/model: the weights file is malformed or cut short"]),
    "sizes are huge": (in_model(resized(10**7)), ["run/model: weights of another shape than config.json says: "]),
    "sizes are zero": (in_model(resized(0)), ["run/model: "]),
    "a kernel is asked for": (in_model(strange_kernel), ["run/model: its config.json asks for attn_implementation"]),
    "weights are quantised": (in_model(quantised), ["run/model: its config.json asks for quantization_config"]),
    "weights are missing": (in_model(no_weights), ["run/model: cannot be loaded: ", "model.safetensors"]),
    "tokenizer is missing": (
        remove("model/tokenizer.json"),
        ["run/model: cannot be loaded: tokenizer.json is missing"],
    ),
    "config.json is missing": (remove("model/config.json"), ["run/model: cannot be loaded: config.json is missing"]),
    "unfinished": (remove("metrics.json"), ["run: not a finished run: it lacks metrics.json"]),
    "configuration is missing": (remove("config.yaml"), ["run: not a finished run: it lacks config.yaml"]),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("task", TASKS)
def test_a_damaged_run_is_refused_in_one_line(command, runs, here, task, name):
    damage, words = RUNS[name]
    shutil.copytree(runs[task], here / "run")
    damage(here / "run")
    refused(command, here, ["predict", "run"], SOURCE, *words, stdin="a film\n")


@pytest.mark.parametrize("task", ["sentiment", "extractive"])
def test_a_run_whose_head_is_said_to_read_other_layers_is_refused(command, runs, here, task):
    shutil.copytree(runs[task], here / "run")
    path = here / "run/model/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "reads": [-1, -2], "combine": "concatenate"}))
    words = ("run/model: weights of another shape than config.json says: head.",)
    refused(command, here, ["predict", "run"], SOURCE, *words, stdin="a film\n")


def npy(array, *, allow_pickle=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def binary(count, dim, rows):
    return b"%d %d\n" % (count, dim) + b"".join(
        b"w%d " % row + struct.pack(f"<{dim}f", *range(dim)) for row in range(rows)
    )


TABLE = b"".join(b"w%d %d 1.5\n" % (i, i) for i in range(9))
VECTORS = {
    "a short line": case("v.txt", TABLE + b"bad 3\n", "v.txt:10: expected a word and 2 numbers, received 1 number"),
    "a single number": case("v.txt", b"3 2\na 1 2\nb 3\nc 1 2\n", "v.txt:3: expected a word and 2 numbers"),
    "a long line": case("v.txt", TABLE + b"bad .1 .2 .3\n", "v.txt:10: expected a word and 2 numbers"),
    "NaN": case("v.txt", TABLE + b"bad nan 1\n", "v.txt:10: the vector of 'bad' holds NaN"),
    "infinity": case("v.txt", TABLE + b"bad 1e39 1\n", "v.txt:10: the vector of 'bad' holds NaN or infinity"),
    "bad UTF-8": case("v.txt", TABLE + b"caf\xe9 1 2\n", "v.txt:10: not UTF-8: byte 0xe9"),
    "no number": case("v.txt", TABLE + b"bad 1 x\n", "v.txt:10: expected a word and 2 numbers"),
    "floret": case("v.vec", b"2 3 4 5 2 21 < >\n0 .1 .2 .3\n2 .1 .2 .3\n", "v.vec:3: expected row 1 of 2"),
    "prose": case("v.txt", b"Once upon a time.\nThe end.\n", "v.txt:1: ", "this is no vector file"),
    "empty": case("v.txt", b"", "v.txt: the file is empty"),
    "a huge count": case("v.txt", b"999999999 300\n" + TABLE, "v.txt: the header promises 999999999 x 300"),
    "a negative count": case("v.txt", b"-5 2\n" + TABLE, "v.txt: the header promises -5 x 2 vectors"),
    "a huge dimension": case("v.bin", b"9 999999999\n" + TABLE, "v.bin: the header promises 9 x 999999999"),
    "fewer rows than promised": case("v.txt", b"12 2\n" + TABLE, "v.txt: the header promises 12 vectors"),
    "binary cut short": case("v.bin", binary(90, 50, 90)[:-9], "v.bin: ", "truncated"),
    "binary with a huge count": case("v.bin", binary(10**17, 50, 3), "v.bin: the header promises 1000", "can hold"),
    "binary that goes on": case("v.bin", binary(3, 5, 4), "v.bin: goes on after the 3 rows"),
    "gzip cut short": case("v.txt.gz", gz(TABLE * 500)[:-30], "v.txt.gz: truncated or damaged gzip"),
    "an archive": case("v.zip", b"PK\x03\x04" + bytes(40), "v.zip: an archive; unpack it"),
    "fastText cut short": case("v.bin", struct.pack("<i", 793712314) + bytes(20), "v.bin: ", "truncated"),
    "npy without words": case("v.npy", npy(np.ones((3, 2), "f4")), "v.npy: no words beside it", "v.txt"),
    "npy with other words": case("v.npy", npy(np.ones((3, 2), "f4")), "v.txt: 2 words for the", v__txt=b"a\nb\n"),
    "npy cut short": case("v.npy", npy(np.ones((3, 2), "f4"))[:-4], "v.npy: not a readable .npy", v__txt=b"a\nb\nc\n"),
    "npy of integers": case("v.npy", npy(np.ones((3, 2), "i4")), "v.npy: expected floats", v__txt=b"a\nb\nc\n"),
    "npy with a damaged header": case(
        "v.npy", npy(np.ones((3, 2), "f4")).replace(b"(3", b"((3"), "v.npy: not a readable .npy", v__txt=b"a\nb\nc\n"
    ),
    "npy with infinity": case(
        "v.npy", npy(np.full((3, 2), np.inf, "f4")), "v.npy, row 1: the vector of 'a' holds NaN", v__txt=b"a\nb\nc\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_a_hostile_vector_file_is_refused_in_one_line_and_leaves_no_import(command, configs, here, data, name):
    one = VECTORS[name]
    write(here, one.files)
    file = next(iter(one.files))
    refused(command, here, ["vectors", "import", file, "table"], SOURCE, *one.words)
    refused(
        command,
        here,
        ["check", configs / "sentiment.yaml", data["sentiment"], f"source.name={file}"],
        SOURCE,
        *one.words,
    )


@pytest.mark.parametrize("content", [b"\xff", b"", b"[" * 9999, b'{"format": 1}', b"{"])
def test_an_import_with_a_damaged_description_is_refused(command, configs, here, data, content):
    (here / "v.txt").write_bytes(TABLE)
    assert command("vectors", "import", "v.txt", "table")[0] == 0
    (here / "table" / "table.json").write_bytes(content)
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], "source.name=table"]
    refused(command, here, arguments, SOURCE, "table", "import the vectors again")


def test_blank_lines_duplicates_and_words_with_spaces_are_counted_policies(command, here):
    (here / "v.txt").write_bytes(TABLE + b"\nw1 7 7\nnew york 1 2.5\n. . . 3 4.5\n")
    code, out, _ = command("vectors", "import", "v.txt", "table")
    assert (code, out) == (0, "table: 11 words x 2, 1 blank lines, 1 duplicates\n")
    assert (here / "table" / "words.txt").read_text().splitlines()[-2:] == ["new york", ". . ."]


def count_bytes_read():
    """Count what this process has read from files and pipes so far."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def test_a_large_vector_file_is_read_in_bounded_memory_and_limit_is_honoured(command, here):
    """Ten words of 150 MB of text within 48 MB of Python's own memory; a limit ends the reading early."""
    line = b" ".join([b"0.123456"] * 300) + b"\n"
    with (here / "v.txt").open("wb") as file:
        for word in range(56_000):
            file.write(b"w%d " % word + line)
    tracemalloc.start()
    before = count_bytes_read()
    code, out, _ = command("vectors", "import", "v.txt", "few", "--limit", 10)
    assert (code, out) == (0, "few: 10 words x 300\n")
    assert count_bytes_read() - before < 20_000_000
    assert tracemalloc.get_traced_memory()[1] < 48 << 20
    assert (here / "v.txt").stat().st_size > 150_000_000
    tracemalloc.stop()


class Evil:
    """A pickle that leaves a file where it is opened."""

    def __reduce__(self):
        return open, ("evil-ran", "w")


PICKLE = pickle.dumps(Evil())
EVIL = [
    *(
        f"v{suffix}"
        for suffix in (".pkl", ".pickle", ".pt", ".pth", ".kv", ".model", ".joblib", ".txt", ".bin", ".vec")
    ),
    "v.npy",
]


def torch_pickle():
    buffer = io.BytesIO()
    torch.save({"weight": Evil()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("content", ["plain", "oldest", "gzip", "torch"])
def test_an_evil_pickle_is_refused_and_never_runs(command, configs, here, data, name, content):
    contents = {
        "plain": PICKLE, "oldest": pickle.dumps(Evil(), protocol=0), "gzip": gz(PICKLE), "torch": torch_pickle(),
    }  # fmt: skip
    write(here, {name: contents[content], "v.words": b"a\nb\n"})
    keys = [data["sentiment"], f"source.name={name}"]
    refused(command, here, ["check", configs / "sentiment.yaml", *keys], SOURCE, name)
    refused(command, here, ["vectors", "import", name, "table"], SOURCE, name)
    message = refused(command, here, ["check", configs / "sentiment.yaml", *keys, "source.kind=checkpoint",
                                      "source.contextualizer=null"], CONFIG, "")  # fmt: skip
    assert "contextualizer" in message
    assert not (here / "evil-ran").exists()


def test_an_evil_array_of_objects_is_refused_and_never_runs(command, here):
    array = np.array([[Evil()], [Evil()]], dtype=object)
    write(here, {"v.npy": npy(array, allow_pickle=True), "v.txt": b"a\nb\n"})
    refused(command, here, ["vectors", "import", "v.npy", "table"], SOURCE, "v.npy: not a readable .npy")
    assert not (here / "evil-ran").exists()


@pytest.mark.parametrize("content", [PICKLE, pickle.dumps(Evil(), protocol=0)])
def test_an_evil_pickle_in_an_imported_folder_never_runs(command, configs, here, data, content):
    (here / "v.txt").write_bytes(TABLE)
    assert command("vectors", "import", "v.txt", "table")[0] == 0
    (here / "table" / "vectors.npy").write_bytes(content)
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], "source.name=table"]
    refused(command, here, arguments, SOURCE, "table: a damaged import (")
    assert not (here / "evil-ran").exists()


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "training_args.bin", "optimizer.pt", "scheduler.pt"])
@pytest.mark.parametrize("alone", [True, False])
def test_an_evil_pickle_in_a_checkpoint_never_runs(command, configs, here, data, file, alone):
    shutil.copytree(configs / "bert", here / "bert")
    (here / "bert" / file).write_bytes(torch_pickle())
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], "source={kind: checkpoint, name: bert}"]
    if alone:
        (here / "bert" / "model.safetensors").unlink()
        refused(command, here, arguments, SOURCE, "Checkpoint 'bert'")
    else:
        assert command(*arguments)[0] == 0
    assert not (here / "evil-ran").exists()


def test_an_evil_pickle_in_a_run_never_runs(command, runs, here):
    shutil.copytree(runs["sentiment"], here / "run")
    for name in ("pytorch_model.bin", "training_args.bin"):
        (here / "run" / "model" / name).write_bytes(torch_pickle())
    assert command("predict", "run", stdin="a film\n")[0] == 0
    (here / "run" / "model" / "model.safetensors").unlink()
    refused(command, here, ["predict", "run"], SOURCE, "run/model: ", stdin="a film\n")
    assert not (here / "evil-ran").exists()


@pytest.mark.parametrize("file", ["a.pkl", "a.pt", "a.npy", "a.csv", "a.jsonl", "a.parquet", "a.mo"])
def test_an_evil_pickle_as_data_never_runs(command, configs, here, file):
    (here / file).write_bytes(PICKLE)
    refused(command, here, ["check", configs / "sentiment.yaml", f"data.train={file}"], DATA, file)
    assert not (here / "evil-ran").exists()


def test_the_evil_pickle_of_these_tests_would_run_if_it_were_opened(here):
    pickle.loads(PICKLE).close()  # noqa: S301 - that it does is the point
    assert (here / "evil-ran").exists()


NOWHERE = {
    "a Hub id": (
        "someone/no-such-model",
        ["no folder here, not bundled, and the Hub is out of reach", "Known: minilm, minilm-sre."],
    ),
    "part of the name of a bundled table": ("glove", ["Did you mean 'glove-50d'?"]),
    "a bundled name misspelt": ("minilmm", ["no folder here, not bundled", "Did you mean 'minilm'?"]),
    "a folder": ("./no/such/folder", ["no folder here, not bundled"]),
    "a file": ("v.txt", ["this is a file; see source.kind=vectors"]),
    "an imported table": ("table", ["has no config.json; it is a table of vectors: use source.kind=vectors"]),
    "a bundled table": ("glove-50d", ["'glove-50d' is a table of vectors: use source.kind=vectors"]),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_a_checkpoint_that_is_none_is_refused_in_a_line(command, configs, here, data, name):
    place, words = NOWHERE[name]
    save_vectors(here / "v.txt")
    command("vectors", "import", "v.txt", "table")
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], f"source={{kind: checkpoint, name: {place}}}"]
    message = refused(command, here, arguments, SOURCE, "", place, *words)
    assert len(message) < 250


@pytest.mark.parametrize(
    ("place", "words"),
    [("glove-50", ["no such file or folder, and not bundled", "Did you mean 'glove-50d'?"]),
     ("minilm", ["'minilm' is a checkpoint: use source.kind=checkpoint"]),
     ("bert", ["no table: use source.kind=checkpoint"])],
)  # fmt: skip
def test_vectors_that_are_none_are_refused(command, configs, here, data, place, words):
    shutil.copytree(configs / "bert", here / "bert")
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], f"source.name={place}"]
    refused(command, here, arguments, SOURCE, "", *words)


def test_a_checkpoint_trained_for_other_labels_keeps_its_encoder_and_gets_a_new_head(tmp_path):
    name = save_checkpoint(tmp_path, auto=AutoModelForSequenceClassification, num_labels=5)
    loaded = load_source("checkpoint", name=name).model(AutoModelForSequenceClassification, num_labels=2)
    assert loaded.new == {"classifier.weight", "classifier.bias"}
    assert loaded.model.classifier.weight.shape == (2, 16)
    saved = load_file(tmp_path / "model.safetensors")
    assert torch.equal(loaded.model.bert.pooler.dense.weight, saved["bert.pooler.dense.weight"])


def test_newly_initialised_heads_are_listed_and_encoder_weights_are_not_among_them(tmp_path):
    name = save_checkpoint(tmp_path)
    loaded = load_source("checkpoint", name=name).model(AutoModelForSequenceClassification, num_labels=3)
    assert loaded.new == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("part", ["tokenizer", "config", "encoder"])
def test_code_in_a_checkpoint_never_runs_and_nothing_is_read_from_stdin(tmp_path, monkeypatch, part):
    name = save_checkpoint(tmp_path / "bert")
    own_code(tmp_path / "bert")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it was asked for"))
    with pytest.raises(SourceError):
        getattr(load_source("checkpoint", name=name), part)()


def test_a_sharded_checkpoint_with_a_missing_shard_is_refused(command, configs, here, data):
    torch.manual_seed(0)
    AutoModel.from_config(config()).save_pretrained(here / "bert", max_shard_size="8KB")
    tokenizer().save_pretrained(here / "bert")
    arguments = ["check", configs / "sentiment.yaml", data["sentiment"], "source={kind: checkpoint, name: bert}"]
    assert command(*arguments)[0] == 0
    next((here / "bert").glob("model-*.safetensors")).unlink()
    refused(command, here, arguments, SOURCE, "Checkpoint 'bert'")


@pytest.mark.parametrize("task", TASKS)
def test_a_run_on_a_faulty_source_fails_before_it_trains_and_leaves_no_metrics(here, configs, data, task):
    shutil.copytree(configs / "bert", here / "bert")
    nan_weight(here / "bert")
    keys = [data[task], "source={kind: checkpoint, name: bert}"]
    with pytest.raises(nlp_transfer.SourceError):
        nlp_transfer.run(configs / f"{task}.yaml", keys, output=here / "run", progress=False)
    assert not (here / "run" / "metrics.json").exists()
    assert not (here / "run" / "history.jsonl").exists()
