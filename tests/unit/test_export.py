"""A run exported to ONNX or CTranslate2: the same answers without torch, and refusals where that cannot be had."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import ctranslate2
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from sentencepiece import SentencePieceTrainer
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    EncoderDecoderModel,
    MarianTokenizer,
)

import nlp_transfer
from nlp_transfer import CheckpointError, ConfigError, PublishError
from nlp_transfer.models.exported.attention import trace_plainly
from nlp_transfer.models.exported.graph import write_graph
from nlp_transfer.models.exported.scripts.beams import search
from nlp_transfer.models.exported.scripts.pieces import Pieces
from nlp_transfer.models.exported.translator import describe_search, write_translator
from nlp_transfer.models.exported.writer import DECODER, ENCODER, write_writer
from nlp_transfer.models.portable.pooled import PooledClassifier, PooledConfig
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer, SentenceScorerConfig
from nlp_transfer.models.portable.static import StaticConfig
from nlp_transfer.models.surgery.first_token import AFTER_ATTENTION, BESIDE_STATES
from nlp_transfer.publishing.copying import copy_exports
from nlp_transfer.runs.exporting import export as exporting
from nlp_transfer.runs.exporting import javascript, proof

TEXTS = ["a good film", "", "wug " * 200, "an awful film, but é"]


def start(folder, given, *arguments):
    """Start the script of an exported model where torch cannot be imported."""
    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('predict', run_name='__main__')"
    command = [sys.executable, "-c", code, *arguments]
    codec = {"encoding": "utf-8", "errors": "surrogateescape"}
    return subprocess.run(command, input=given, capture_output=True, check=False, cwd=folder, **codec)


def ask(folder, lines):
    """Ask the script of an exported model, a line each."""
    done = start(folder, "\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask_and_spoil(folder, lines):
    """Ask it the same, and give it a line that is not UTF-8 then; it answers those before, and names that one."""
    done = start(folder, "\n".join([*lines, "un caf\udce9", "a film\n"]))
    wanted = f"error: line {len(lines) + 1}: expected UTF-8, received other bytes; save the texts as UTF-8\n"
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (1, wanted, len(lines))
    return [json.loads(line) for line in done.stdout.splitlines()]


def train(output, task, source, rows, kind="frozen"):
    """A run of any task on rows in memory."""
    config = {
        "task": task,
        "source": source,
        "strategy": {"kind": kind},
        "training": {"epochs": 1, "precision": "fp32"},
    }
    nlp_transfer.run(config, data=rows, output=output, progress=False)
    return nlp_transfer.load(output)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs on 90 rows: a head on pooled states that a prompt goes before, and the architecture's own head."""
    folder = tmp_path_factory.mktemp("export")
    data = tiny.save_csv(folder / "data.csv", 90)
    source = {"kind": "checkpoint", "name": tiny.save_checkpoint(folder / "bert")}
    tiny.run(folder / "frozen", {**source, "prompt": "good: "}, {"kind": "frozen"}, data)
    tiny.run(folder / "full", source, {"kind": "full"}, data, learning_rate=0.01)
    return folder


@pytest.fixture(scope="module")
def written():
    """What was written of the run in full: format -> a copy, and the configuration."""
    return {}


@pytest.fixture
def written_once(monkeypatch, written, tmp_path_factory):
    """Write the run in full once in each format: what is said and refused then is the same."""
    write = exporting.write_folder

    def copy(predictor, kind, folder, format):  # noqa: A002
        if format not in written:
            written[format] = tmp_path_factory.mktemp("written"), write(predictor, kind, folder, format)
            shutil.copytree(folder, written[format][0], dirs_exist_ok=True)
        shutil.copytree(written[format][0], folder, dirs_exist_ok=True)
        return written[format][1]

    monkeypatch.setattr(exporting, "write_folder", copy)


@pytest.mark.parametrize("run", ["frozen", "full"])
def test_the_script_answers_as_the_run_without_torch(place, tmp_path, run):
    found = nlp_transfer.export(place / run, tmp_path / "out")
    assert (found.differing, found.rows) == ((), 8)
    assert "8 texts answered by both, all alike" in (tmp_path / "out" / "README.md").read_text()

    said = (ask if run == "full" else ask_and_spoil)(tmp_path / "out", TEXTS)
    expected = nlp_transfer.load(place / run).predict(TEXTS)
    for at in (0, 2, 3):
        assert said[at] == pytest.approx(expected[at]["probabilities"], abs=1e-5)
    assert (said[1], expected[1]["label"]) == (None, None)  # nothing is said of an empty text

    done = start(tmp_path / "out", "", "texts.txt")
    assert (done.returncode, "Traceback" in done.stderr, "takes no argument" in done.stderr) == (1, False, True)
    with pytest.raises(ConfigError, match=r"holds files already; choose another folder as OUT$"):
        nlp_transfer.export(place / run, tmp_path / "out")


def test_word_vectors_answer_with_variants_of_unknown_words(tmp_path):
    source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt"), "contextualizer": "bilstm"}
    rows = [{"text": text, "labels": [["dull"], ["new", "fun"], []][i % 3]} for i, text in enumerate(tiny.texts(60)[0])]
    run = train(tmp_path / "run", {"name": "multilabel", "max_length": 32}, source, rows, "full")
    assert nlp_transfer.export(tmp_path / "run", tmp_path / "out").differing == ()
    given = ["a GOOD film", "Zwölf unheard words", "bad " * 50]
    expected = [said["probabilities"] for said in run.predict(given)]
    for said, probabilities in zip(ask(tmp_path / "out", given), expected, strict=True):
        assert said == pytest.approx(probabilities, abs=1e-5)


def test_hashed_words_are_put_together_from_their_ngrams(tmp_path):
    rows = "\n".join(f"{row} {row % 3 - 1} {row % 5 - 2} 1" for row in range(13))
    (tmp_path / "table.floret").write_text(f"13 3 2 3 2 2166136261 < >\n{rows}\n")
    source = {"kind": "vectors", "name": str(tmp_path / "table.floret")}
    tiny.run(tmp_path / "run", source, {"kind": "frozen"}, tiny.save_csv(tmp_path / "data.csv"))
    nlp_transfer.export(tmp_path / "run", tmp_path / "out")
    given = ["averyveryverylongword", "日本語 good", "x"]
    expected = [said["probabilities"] for said in nlp_transfer.predict(tmp_path / "run", given)]
    for said, probabilities in zip(ask(tmp_path / "out", given), expected, strict=True):
        assert said == pytest.approx(probabilities, abs=1e-5)


@pytest.mark.parametrize(("source", "kind"), [("vectors", "frozen"), ("checkpoint", "full")])
def test_two_texts_have_a_number_read_apart_or_together(tmp_path, source, kind):
    save = {"vectors": tiny.save_vectors, "checkpoint": tiny.save_word_pieces}[source]
    texts = tiny.texts(60)[0]
    rows = [{"first": text, "second": texts[i - 1], "number": 3.0 + i % 7} for i, text in enumerate(texts)]
    task = {"name": "pairs", "target": "number", "max_length": 32}
    run = train(tmp_path / "run", task, {"kind": source, "name": save(tmp_path / "source")}, rows, kind)
    assert "their numbers differ by" in nlp_transfer.export(tmp_path / "run", tmp_path / "out").summary

    given = [("a good film", "Unheard words " * 30), ("some story", "it is")]
    *said, empty, half = ask(tmp_path / "out", [*map("\t".join, given), "", "one\t"])
    assert said == pytest.approx([one["number"] for one in run.predict(given)], rel=1e-5)
    assert (empty, half) == (None, None)
    line, count = ("only one text", 0) if source == "vectors" else ("a\tb\tc", 2)
    done = start(tmp_path / "out", f"\n{line}\n")
    wanted = f"error: line 2: expected two texts with one tab between, received {count} tabs\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "null\n", wanted)


def test_sentences_are_split_scored_and_picked_without_torch(tmp_path):
    texts = [f"Here {text} ends. There is more. Nothing follows, e.g. this." for text in tiny.texts(40)[0]]
    rows = [{"text": text, "summary": text[:30]} for text in texts]
    source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    task = {"name": "summarization", "sentences": 2, "max_length": 32, "language": "en", "trigram_blocking": True}
    run = train(tmp_path / "run", {**task, "scorer": {"width": 8}}, source, rows)
    assert nlp_transfer.export(tmp_path / "run", tmp_path / "out").differing == ()
    given = ["It rains. A good film, e.g. this one, is fine. " * 9, "", ["one sentence", "A warm one."]]
    said = ask_and_spoil(tmp_path / "out", [*given[:2], json.dumps(given[2])])
    expected = [{key: one[key] for key in ("summary", "sentences")} for one in run.predict(given)]
    assert said == [expected[0], None, expected[2]]


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """A run of a tiny T5 that writes with three beams, on files."""
    folder = tmp_path_factory.mktemp("writer")
    text = tiny.texts(70)[0]
    lines = [json.dumps({"text": one, "summary": " ".join(one.split()[:3])}) for one in text]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    tiny.save_writer(folder / "t5", "t5")
    config = {
        "task": {
            "name": "summarization", "style": "abstractive", "max_length": 24, "max_target_length": 8,
            "prefix": "the ", "line_breaks": "space", "generation": {"beams": 3},
        },
        "source": {"kind": "checkpoint", "name": str(folder / "t5")},
        "strategy": {"kind": "full"},
        "data": {"train": str(folder / "rows.jsonl")},
        "training": {"epochs": 1, "precision": "fp32"},
    }  # fmt: skip
    nlp_transfer.run(config, output=folder / "run", progress=False)
    return folder


@pytest.mark.parametrize("family", ["t5", "t5 with a layer of its own", "bart", "mbart", "pegasus", "m2m_100"])
def test_ctranslate2_writes_the_words_of_every_family(tmp_path, family):
    model, tokenizer = tiny.save_writer(tmp_path / "source", family.split()[0]), tiny.tokenizer()
    if family == "bart":
        tokenizer.unk_token = None  # as of bytes
    if family.startswith("t5 "):
        model.lm_head.weight = torch.nn.Parameter(torch.randn(33, 16))
        model.config.scale_decoder_outputs = False
    model.generation_config.update(num_beams=3, max_length=10, length_penalty=1.0, early_stopping=False)
    write_translator(model, tokenizer, tmp_path / "out", quantized=False)

    reader = ctranslate2.Translator(str(tmp_path / "out"), intra_threads=1)
    ids = [tokenizer(text)["input_ids"] for text in tiny.texts(8)[0]]
    found = reader.translate_batch(list(map(tokenizer.convert_ids_to_tokens, ids)), **describe_search(model, tokenizer))
    wanted = [model.generate(torch.tensor([one]))[0].tolist() for one in ids]
    said = [tokenizer.convert_tokens_to_ids(one.hypotheses[0]) for one in found]
    assert [tokenizer.decode(one) for one in said] == [
        tokenizer.decode(one[1:]).split("</s>")[0].strip() for one in wanted
    ]


@pytest.mark.parametrize("family", ["t5", "bart", "mbart", "pegasus", "m2m_100", "marian", "bert", "gpt2"])
def test_two_graphs_write_the_words_of_every_family(tmp_path, family):
    tokenizer = tiny.tokenizer()
    # Three families have two layers each: the cache of a layer could be taken for that of another.
    few = {} if family in {"t5", "bart", "mbart"} else {"encoder_layers": 1, "decoder_layers": 1}
    model = compose(family) if family in {"bert", "gpt2"} else tiny.save_writer(tmp_path / "source", family, **few)
    model.generation_config.update(num_beams=3, max_length=10, length_penalty=1.0, early_stopping=False)
    model.generation_config.no_repeat_ngram_size = 2  # or some of them repeat a word
    write_writer(model, tokenizer, tmp_path)

    read = tokenizer(tiny.texts(8)[0], padding=True, return_tensors="np")
    ids, mask = (read[name].astype(np.int64) for name in ("input_ids", "attention_mask"))
    encoder, decoder = (onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx")) for name in (ENCODER, DECODER))
    (states,) = encoder.run(None, {"input_ids": ids, "attention_mask": mask})
    names = [one.name for one in decoder.get_inputs()]
    known = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
    known = {name: np.repeat(one, 3, axis=0) for name, one in known.items()}
    heads = next(one.shape for one in decoder.get_inputs() if one.name.endswith("key"))
    known |= {name: np.zeros((24, heads[1], 0, heads[3]), np.float32) for name in names if name not in known}

    def step(rows, tokens):
        given = {**{name: known[name][rows] for name in names}, "input_ids": tokens[:, None]}
        logits, *present = decoder.run(None, given)
        known.update(given, **dict(zip([name for name in names if "past" in name], present, strict=True)))
        return logits[:, -1]

    found = search(step, 8, model.generation_config.to_dict())
    wanted = model.generate(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).tolist()
    assert pad(found, wanted) == wanted
    assert len({token for one in found for token in one}) > 3


def pad(found, wanted):
    """Pad texts, as `generate` does, to the length of the others."""
    return [one + [1] * (len(wanted[0]) - len(one)) for one in found]


def compose(family):
    """A random BERT beside a decoder."""
    torch.manual_seed(0)
    far = {"initializer_range": 0.4, "num_hidden_layers": 1}
    decoder = tiny.config(family, is_decoder=True, add_cross_attention=True, **far)
    model = EncoderDecoderModel(
        encoder=AutoModel.from_config(tiny.config("bert", **far)),
        decoder=AutoModelForCausalLM.from_config(decoder),
    ).eval()
    model.config.pad_token_id = 1
    model.generation_config.update(decoder_start_token_id=2, pad_token_id=1, eos_token_id=2)
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {"num_beams": 1, "no_repeat_ngram_size": 2, "min_length": 6},
        {"no_repeat_ngram_size": 1, "length_penalty": -1.0},
        {"length_penalty": 2.0, "min_length": 5, "suppress_tokens": [20, 21], "begin_suppress_tokens": [10, 12, 16]},
        {"forced_bos_token_id": 7, "forced_eos_token_id": 2, "bad_words_ids": [[9], [13, 14], [15, 15]]},
        {"eos_token_id": [2, 9, 22], "num_beams": 2},
    ],
)
def test_a_search_without_torch_finds_what_that_of_transformers_finds(tmp_path, settings):
    model = tiny.save_writer(tmp_path / "source", "bart")
    model.generation_config.update(
        **{"num_beams": 4, "max_length": 12, "length_penalty": 1.0, "early_stopping": False} | settings
    )
    texts = torch.randint(4, 30, (9, 6), generator=torch.Generator().manual_seed(0))
    beams = model.generation_config.num_beams
    state = {"written": torch.zeros(9 * beams, 0, dtype=torch.long), "texts": texts.repeat_interleave(beams, dim=0)}

    def step(rows, tokens):
        before = {name: one[torch.from_numpy(rows)] for name, one in state.items()}
        state.update(before, written=torch.cat([before["written"], torch.from_numpy(tokens)[:, None]], dim=1))
        with torch.inference_mode():
            logits = model(input_ids=state["texts"], decoder_input_ids=state["written"]).logits
        return logits[:, -1].numpy()

    found = search(step, 9, model.generation_config.to_dict())
    wanted = model.generate(texts).tolist()
    assert pad(found, wanted) == wanted


def test_the_pieces_of_a_marian_are_read_and_joined_as_by_its_tokenizer(tmp_path):
    (tmp_path / "corpus.txt").write_text(f"{' '.join(tiny.WORDS)}\n" * 20, encoding="utf-8")
    settings = {"input": str(tmp_path / "corpus.txt"), "vocab_size": 45, "minloglevel": 2}
    for side in ("source", "target"):
        SentencePieceTrainer.train(model_prefix=str(tmp_path / side), **settings)
        (tmp_path / f"{side}.model").rename(tmp_path / f"{side}.spm")
    pieces = [line.split("\t")[0] for line in (tmp_path / "source.vocab").read_text(encoding="utf-8").splitlines()]
    names = ["</s>", "<unk>", *pieces[3:], ">>fr<<", "<pad>"]
    (tmp_path / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))

    texts = ["a good film", ">>fr<< the story", "Unheard 日本 words", "x >>fr<< y"]
    known = MarianTokenizer(*[str(tmp_path / name) for name in ("source.spm", "target.spm", "vocab.json")])
    read = Pieces(tmp_path).encode_batch(texts)
    for text, one in zip(texts, read, strict=True):
        assert [*one.ids, known.eos_token_id] == known(text)["input_ids"]
        assert Pieces(tmp_path).decode(one.ids) == known.decode(one.ids, skip_special_tokens=True)


def test_a_run_that_writes_says_the_same_words_through_ctranslate2(writer, tmp_path, command):
    code, said, _ = command("export", writer / "run", tmp_path / "out", "--format", "ctranslate2")
    assert (code, "all alike" in said) == (0, True)
    given = ["a good\tfilm", "", "Unheard words " * 30]
    expected = [one["summary"] for one in nlp_transfer.predict(writer / "run", given)]
    assert ask_and_spoil(tmp_path / "out", given) == expected

    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "There is no JavaScript for it: CTranslate2 has none." in card

    found = nlp_transfer.export(writer / "run", tmp_path / "small", format="ctranslate2-int8", any_loss=True)
    assert (found.rows, found.scores) == (7, None)


def test_a_run_that_writes_says_the_same_words_through_onnx(writer, tmp_path, command):
    code, said, _ = command("export", writer / "run", tmp_path / "out")
    assert (code, "all alike" in said) == (0, True)
    given = ["a good\tfilm", "", "Unheard words " * 30]
    expected = [one["summary"] for one in nlp_transfer.predict(writer / "run", given)]
    assert ask(tmp_path / "out", given) == expected
    assert "model.generate(inputs)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")

    found = nlp_transfer.export(writer / "run", tmp_path / "small", format="onnx-int8", any_loss=True)
    assert sorted(path.name for path in (found.folder / "onnx").iterdir()) == [
        "decoder_model_merged_quantized.onnx",
        "encoder_model_quantized.onnx",
    ]


def test_word_vectors_with_a_decoder_write_the_same_words(tmp_path):
    rows = [{"source": text, "target": text[:9].upper()} for text in tiny.texts(40)[0]]
    task = {"name": "translation", "max_length": 16, "max_target_length": 8, "generation": {"beams": 2}}
    task["decoder"] = {"layers": 1, "width": 64, "vocabulary": 300}
    source = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    run = train(tmp_path / "run", task, source, rows, "full")
    with pytest.raises(
        ConfigError, match=r"EncoderDecoderModel cannot be written for CTranslate2.*take --format onnx$"
    ):
        nlp_transfer.export(tmp_path / "run", tmp_path / "out", format="ctranslate2")

    assert nlp_transfer.export(tmp_path / "run", tmp_path / "out").differing == ()
    given = ["a GOOD film", "Zwölf unheard words"]
    assert ask(tmp_path / "out", given) == [one["translation"] for one in run.predict(given)]
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "There is no JavaScript for it: transformers.js knows no encoder-decoder that writes." in card


@pytest.mark.usefixtures("written_once")
def test_int8_is_judged_on_validation_and_a_loss_must_be_asked_for(place, tmp_path, monkeypatch, command):
    code, said, _ = command("export", place / "full", tmp_path / "small", "--format", "onnx-int8")
    assert code == 0
    assert "validation accuracy" in said
    assert b"_quantized" in (tmp_path / "small" / "onnx" / "model_quantized.onnx").read_bytes()

    one_answer, two_answers, more_rows = (0.75, 0.75 - 1 / 60, 60), (0.75, 0.75 - 2 / 60, 60), (0.75, 0.735, 600)
    monkeypatch.setattr(exporting, "compare_answers", lambda *_: proof.Compared(1, (), 0.0))
    for at, (scores, refused) in enumerate(((one_answer, 0), (two_answers, 2), (more_rows, 2))):
        monkeypatch.setattr(exporting, "score_both", lambda *_, scores=scores: scores)
        assert command("export", place / "full", tmp_path / f"{at}", "--format", "onnx-int8")[0] == refused
    code, _, told = command("export", place / "full", tmp_path / "other", "--format", "onnx-int8")
    assert (code, "by more than 1 point; export to onnx, or take it all the same by --any-loss" in told) == (2, True)
    assert not (tmp_path / "other").exists()
    assert nlp_transfer.export(place / "full", tmp_path / "other", format="onnx-int8", any_loss=True).rows


@pytest.mark.usefixtures("written_once")
def test_int8_that_no_row_of_validation_can_judge_must_be_asked_for(place, tmp_path, monkeypatch, command):
    monkeypatch.setattr(exporting, "compare_answers", lambda *_: proof.Compared(1, (), 0.0))
    monkeypatch.setattr(proof, "_are_whole", lambda _, inputs: [False] * len(inputs))
    code, _, told = command("export", place / "full", tmp_path / "out", "--format", "onnx-int8")
    assert code == 4
    assert "int8 is judged on rows of validation that one window holds, and there is none (or --any-loss)" in told


@pytest.mark.usefixtures("written_once")
def test_what_answers_otherwise_is_removed(place, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "ROUNDING", -1.0)
    with pytest.raises(CheckpointError, match=r"answers otherwise than the run .* it was removed"):
        nlp_transfer.export(place / "full", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_an_export_says_of_itself_names_no_place_outside_the_tree(tmp_path):
    weights = {"model.safetensors": "0"}
    (tmp_path / "export.json").write_text(json.dumps({"format": "../../other", "weights": weights}))
    with pytest.raises(PublishError, match=r"'../../other' is no format; export the run again"):
        list(copy_exports([tmp_path], weights, tmp_path / "tree" / "of"))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("after", "cut"), [([], False), ([2], True)])
def test_only_of_a_model_with_special_tokens_the_card_says_that_javascript_loses_one(after, cut):
    reading = {"most": 32, "frame": [[], [], after], "words": {"form": "NFC"}}
    said = javascript._warn(SimpleNamespace(writes=False), {"reading": reading, "model_type": "bert"})
    assert ("loses the special token" in said) == cut
    assert "Other spellings of a word that the table lacks are not tried." in said


@pytest.mark.usefixtures("written_once")
def test_a_script_whose_process_is_killed_is_told_in_a_line(place, tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "FRESH", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(CheckpointError, match=r"cannot be run: its process ended by -9 without a word"):
        nlp_transfer.export(place / "full", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_told_in_a_line(place, writer, tmp_path, monkeypatch, command):
    with monkeypatch.context() as patch:
        patch.setattr(nlp_transfer.load(place / "full").task.__class__, "logits_only", False)
        with pytest.raises(ConfigError, match=r"full cannot be exported: its answers \(label, confidence, probab"):
            nlp_transfer.export(place / "full", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"are not texts that it writes, so take --format onnx$"):
        nlp_transfer.export(place / "full", tmp_path / "out", format="ctranslate2")
    with pytest.raises(ConfigError) as refused:
        nlp_transfer.export(place / "full", tmp_path / "out", format="onxx")
    known = "ctranslate2, ctranslate2-int8, onnx, onnx-int8"
    assert str(refused.value) == f"format: 'onxx' is not a choice. Known: {known}. Did you mean 'onnx'?"
    code, _, told = command("export", place / "full", tmp_path / "out", "--format", "onxx")
    assert (code, told) == (2, f"error: {refused.value}\n")
    monkeypatch.setattr(exporting, "NEEDS", {"onnx": ("export", "onnx", "no_such_package")})
    with pytest.raises(
        ConfigError, match=r"export to onnx needs no_such_package; pip install 'nlp-transfer\[export\]'"
    ):
        nlp_transfer.export(place / "full", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_run_takes_no_export_and_nobody_is_told_to_remove_it(place):
    with pytest.raises(ConfigError, match=r"full holds a finished run; choose another folder as OUT$"):
        nlp_transfer.export(place / "full", place / "full")
    for run, output in (("full", "full/new/out"), ("frozen", "full/out")):
        with pytest.raises(ConfigError, match=r"is in the folder of a run, .*full, .*; choose another folder as OUT$"):
            nlp_transfer.export(place / run, place / output)
    assert not {"new", "out", ".lock"} & {path.name for path in (place / "full").iterdir()}


@pytest.mark.parametrize("family", ["albert", "xlnet", *AFTER_ATTENTION, *BESIDE_STATES])
def test_a_graph_computes_texts_of_other_numbers_and_lengths_as_the_model(tmp_path, family):
    torch.manual_seed(0)
    layers = 2 if family == "modernbert" else 1  # which attends within a window from its second layer on
    shape = tiny.config(family, num_labels=3, num_hidden_layers=layers)
    model = AutoModelForSequenceClassification.from_config(shape).eval()
    tokenizer = tiny.tokenizer()
    write_graph(model, tokenizer, tmp_path / "model.onnx")
    read = tokenizer(tiny.texts(3)[0], padding=True, return_tensors="np")
    given = {name: read[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    graph = onnx.load(tmp_path / "model.onnx")
    products = [node.output[0] for node in graph.graph.node if node.op_type == "MatMul"]
    graph.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, products))
    found, *products = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, given)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(one) for name, one in given.items()}).logits
    assert found == pytest.approx(expected.numpy(), abs=1e-5)
    assert "IsNaN" not in {node.op_type for node in graph.graph.node}
    states = [one.shape for one in products if one.ndim == 3]
    if family not in ("albert", "xlnet"):  # the last layer works for the token that the head reads
        assert states[-1][:2] == (3, 1)


@pytest.mark.parametrize("mask", ["none", "truth values", "numbers", "causal"])
def test_attention_that_is_traced_gives_what_torch_gives(mask):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 5, 6)
    kept = torch.rand(2, 1, 5, 5) > 0.4
    kept[..., 0] = True
    given = {"truth values": kept, "numbers": torch.randn(2, 4, 5, 5)}.get(mask)
    settings = {"attn_mask": given, "is_causal": mask == "causal"}
    attend = torch.nn.functional.scaled_dot_product_attention
    expected = [attend(query, key, value, scale=scale, **settings) for scale in (None, 0.3)]
    with trace_plainly(torch.nn.Identity()):
        plain = torch.nn.functional.scaled_dot_product_attention
        found = [plain(query, key, value, scale=scale, **settings) for scale in (None, 0.3)]
    assert plain is not attend
    assert torch.nn.functional.scaled_dot_product_attention is attend
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(  # the heads stand on what any of the three gives
    ("above", "head"), [("bag", "label"), ("bag", "sentences"), ("cnn", "pair"), ("transformer", "sentences")]
)
def test_a_graph_of_vectors_computes_other_numbers_and_lengths_too(tmp_path, above, head):
    torch.manual_seed(0)
    encoder = StaticConfig(vocab_size=25, vector_size=8, contextualizer=above, width=8, ngram_buckets=5).to_dict()
    if head == "sentences":
        model = SentenceScorer(SentenceScorerConfig(encoder=encoder, width=8)).eval()
    else:
        model = PooledClassifier(PooledConfig(encoder=encoder, pad_token_id=1, pairs=head == "pair")).eval()
    write_graph(model, tiny.tokenizer(), tmp_path / "model.onnx", types=head == "pair")

    places = np.arange(9).repeat(3).reshape(9, 3).T
    given = {"input_ids": places + 5, "attention_mask": (places < [[9], [4], [6]]).astype(np.int64)}
    given["token_type_ids"] = (places >= 2) * given["attention_mask"]
    given["sentence_ids"] = np.where(given["attention_mask"] == 1, places // 3, -1)
    given["ngram_ids"] = np.stack([places % 5, places % 3 - 1], axis=-1)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    given = {one.name: given[one.name] for one in session.get_inputs()}
    (found,) = session.run(None, given)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(one) for name, one in given.items()}).logits
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_model_that_onnx_cannot_express_is_named(tmp_path):
    model = AutoModelForSequenceClassification.from_config(tiny.config("fnet")).eval()
    with pytest.raises(ConfigError, match=r"FNetForSequenceClassification cannot be written in ONNX: .*fft"):
        write_graph(model, tiny.tokenizer(), tmp_path / "model.onnx")
