"""A source that cannot be used is refused in one line that says what is wrong, before anything trains."""

import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import config, run_python, save_checkpoint, save_csv, save_vectors, tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification

import nlp_transfer
from nlp_transfer.errors import SourceError
from nlp_transfer.sources import load_source
from nlp_transfer.sources.vectors import import_vectors


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


def larger_tokenizer(folder):
    larger = tokenizer()
    larger.add_tokens([f"extra{i}" for i in range(5)])
    larger.save_pretrained(folder)


def no_tokenizer(folder):
    for file in folder.glob("*token*"):
        file.unlink()


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


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


def empty_folder(folder):
    for file in folder.iterdir():
        file.unlink()


FAULTS = {
    nan_weight: r"encoder\.layer\.1\.output\.dense\.weight holds 3 values that are NaN",
    infinite_weight: r"embeddings\.LayerNorm\.bias holds 1 values that are NaN or infinite",
    lost_weight: r"lacks 1 encoder weights: .*encoder\.layer\.0\.attention\.self\.query\.weight",
    all_lost: r"lacks \d+ encoder weights: .* and \d+ more",
    other_shape: r"another shape than config\.json says: .*encoder\.layer\.0\.output\.dense\.bias",
    other_depth: r"lacks 32 encoder weights",
    cut_short: r"malformed or cut short",
    empty_weights: r"malformed or cut short",
    garbage_weights: r"malformed or cut short",
    only_pickle: r"has only pytorch_model\.bin, a pickle .* convert it to safetensors",
    no_weights: r"model\.safetensors",
    own_code: r"asks to run Python code of its own",
    own_code_of_ours: r"weights|cannot be loaded",
    own_tokenizer_code: r"asks to run Python code of its own",
    larger_tokenizer: r"largest id is \d+, the embedding table has \d+ rows",
    no_tokenizer: r"has no tokenizer",
    broken_tokenizer: r"tokenizer\.json: damaged \(Expecting property name .*; fetch or save the model again",
    no_config: r"has no config\.json",
    broken_config: r"config\.json: not valid JSON",
    config_is_a_list: r"config\.json: expected an object, found a list",
    unknown_type: r"starlight",
    no_type: r"model type",
    absurd_config: r"hidden_size",
    empty_folder: r"config\.json",
}


def use(source):
    """What a run does with a source: its tokenizer, then a model."""
    return source.tokenizer, source.model(AutoModelForSequenceClassification, num_labels=2)


def refused(source):
    with pytest.raises(SourceError) as caught:
        use(source)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    assert source.name in message
    return message


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_checkpoint_with_a_fault_is_refused_in_one_line(tmp_path, fault, monkeypatch):
    import re

    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    name = save_checkpoint(tmp_path / "bert")
    use(load_source("checkpoint", name=name))
    fault(tmp_path / "bert")
    message = refused(load_source("checkpoint", name=name))
    assert re.search(FAULTS[fault], message), message


def test_a_fault_is_refused_for_a_pooled_head_too(tmp_path):
    from nlp_transfer.models.classification import build_classifier

    for fault in (nan_weight, lost_weight, cut_short):
        name = save_checkpoint(tmp_path / fault.__name__)
        fault(tmp_path / fault.__name__)
        with pytest.raises(SourceError):
            build_classifier(load_source("checkpoint", name=name), ("a", "b"), head="pooled")


def test_a_checkpoint_trained_for_other_labels_keeps_its_encoder_and_gets_a_new_head(tmp_path):
    name = save_checkpoint(tmp_path, auto=AutoModelForSequenceClassification, num_labels=5)
    loaded = load_source("checkpoint", name=name).model(AutoModelForSequenceClassification, num_labels=2)
    assert loaded.new == {"classifier.weight", "classifier.bias"}
    assert loaded.model.classifier.weight.shape == (2, 16)
    saved = load_file(tmp_path / "model.safetensors")
    assert torch.equal(loaded.model.bert.pooler.dense.weight, saved["bert.pooler.dense.weight"])


@pytest.mark.parametrize(
    "name", ["no-such-model", "someone/no-such-model", "./no/such/folder", "/no/such/folder", "minilmm"]
)
def test_a_name_that_is_nowhere_is_refused_at_once_without_a_network(name):
    load_source("checkpoint", name="x")
    start = time.perf_counter()
    message = refused(load_source("checkpoint", name=name))
    assert time.perf_counter() - start < 2
    assert "no folder here, not bundled" in message
    if name == "minilmm":
        assert "Did you mean 'minilm'?" in message


def test_a_file_is_no_checkpoint_and_the_message_names_the_other_kind(tmp_path):
    message = refused(load_source("checkpoint", name=save_vectors(tmp_path / "v.txt")))
    assert "this is a file; see source.kind=vectors" in message


def test_a_checkpoint_is_no_table_of_vectors_and_the_other_way_round(tmp_path):
    with pytest.raises(SourceError, match=r"'glove-50d' is a table of vectors: use source\.kind=vectors"):
        use(load_source("checkpoint", name="glove-50d"))
    with pytest.raises(SourceError, match=r"'minilm' is a checkpoint: use source\.kind=checkpoint"):
        _ = load_source("vectors", name="minilm").tokenizer
    with pytest.raises(SourceError, match=r"table\.json"):
        _ = load_source("vectors", name=save_checkpoint(tmp_path / "bert")).tokenizer
    import_vectors(save_vectors(tmp_path / "v.txt"), tmp_path / "imported")
    with pytest.raises(SourceError, match=r"has no config\.json; it is a table of vectors: use source\.kind=vectors"):
        use(load_source("checkpoint", name=str(tmp_path / "imported")))


def test_vectors_that_are_nowhere_are_refused_with_the_nearest_bundled_name():
    with pytest.raises(SourceError, match=r"no such file or folder, and not bundled.*Did you mean 'glove-50d'\?"):
        _ = load_source("vectors", name="glove-50").tokenizer


def test_a_table_with_numbers_that_are_not_finite_is_refused(tmp_path):
    path = tmp_path / "v.txt"
    save_vectors(path)
    path.write_text(path.read_text().replace("bad ", "bad nan ", 1).replace("bad nan", "bad nan", 1))
    with pytest.raises(SourceError, match=r"v\.txt"):
        load_source("vectors", name=str(path)).encoder()


def test_newly_initialised_heads_are_listed_and_encoder_weights_are_not_among_them(tmp_path):
    name = save_checkpoint(tmp_path)
    loaded = load_source("checkpoint", name=name).model(AutoModelForSequenceClassification, num_labels=3)
    assert loaded.new == {"classifier.weight", "classifier.bias"}


def test_a_sharded_checkpoint_with_a_missing_shard_is_refused(tmp_path):
    torch.manual_seed(0)
    AutoModel.from_config(config()).save_pretrained(tmp_path, max_shard_size="8KB")
    tokenizer().save_pretrained(tmp_path)
    use(load_source("checkpoint", name=str(tmp_path)))
    next(tmp_path.glob("model-*.safetensors")).unlink()
    refused(load_source("checkpoint", name=str(tmp_path)))


@pytest.mark.parametrize("source", [{"kind": "checkpoint", "name": "FOLDER"}, {"kind": "vectors", "name": "FILE"}])
def test_a_run_on_a_faulty_source_fails_before_it_trains_and_leaves_no_metrics(tmp_path, source):
    save_checkpoint(tmp_path / "bert")
    nan_weight(tmp_path / "bert")
    (tmp_path / "v.txt").write_text("good 1 2\nbad 3\n")
    name = {"FOLDER": str(tmp_path / "bert"), "FILE": str(tmp_path / "v.txt")}[source["name"]]
    config = {
        "task": {"name": "sentiment"},
        "source": {**source, "name": name},
        "data": {"train": save_csv(tmp_path / "data.csv")},
    }
    with pytest.raises(SourceError):
        nlp_transfer.run(config, output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "history.jsonl").exists()


def test_code_in_a_checkpoint_never_runs_and_nothing_is_read_from_stdin(tmp_path):
    name = save_checkpoint(tmp_path / "bert")
    own_code(tmp_path / "bert")
    code = """
import sys
from nlp_transfer.sources import load_source
for part in ("tokenizer", "config", "encoder"):
    try:
        getattr(load_source("checkpoint", name=sys.argv[1]), part)()
    except Exception as error:
        print(type(error).__name__)
"""
    assert run_python(code, name).split() == ["SourceError"] * 3
