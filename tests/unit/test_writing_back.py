"""The ceiling that the target tokenizer sets: measured before training, warned of, kept and shown on the card."""

import json
import shutil

import pytest
from tiny import PIECES, config, rows, save_checkpoint, save_word_pieces, sentiment, tokenizer
from transformers import AutoTokenizer, EncoderDecoderConfig, EncoderDecoderModel

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.evaluation.writing_back import write_back
from nlp_transfer.models.encoding.pairs import make_ending, train_tokenizer
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.runs.check import check
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.summarization import Summarization, SummarizationOptions
from nlp_transfer_tasks.translation import Translation, TranslationOptions

TRANSLATION = Translation(TranslationOptions(name="translation", max_target_length=32))
WORDS = ["film", "story", "plot", "scène", "été", "Paris"]


def targets(*texts):
    return TaskRows({"source": ["the film"] * len(texts), "target": list(texts)})


def back(texts, target, task=TRANSLATION):
    return write_back(task, targets(*texts), Tokenizers(tokenizer(), target))


def test_a_fresh_vocabulary_writes_every_reference_back():
    texts = ["L'été : 50\u00a0%", "漢字を書く、ね。", "{0} <b>x</b>\n\ty"]
    found = back(texts, train_tokenizer(["a"], 300))
    assert (found.references, found.changed, found.example) == (3, 0, None)
    assert found.scores["chrf"] == pytest.approx(100)


def test_marks_that_a_vocabulary_lacks_lower_the_score_and_are_shown():
    found = back(["the film", "the {0} film"], make_ending(tokenizer()))
    assert (found.changed, found.example) == (1, ("{0} film", "film"))
    assert found.scores["chrf"] < 95


def test_a_checkpoint_that_writes_with_the_tokenizer_it_reads_with_is_measured_too():
    assert back(["the {0} film"], None).changed == 1


def test_a_large_split_is_sampled_all_over():
    found = back([*["the film"] * 500, *["the {0} film"] * 500], None)
    assert found.references <= 200
    assert found.changed == found.references / 2


def test_abstracts_are_measured_by_their_score_and_what_is_picked_or_chosen_is_not():
    data = TaskRows({"text": [["a film ."]] * 2, "summary": [["A Film."], ["The {0} plot.", "x"]]})
    tokenizers = Tokenizers(tokenizer(), make_ending(tokenizer()))
    writer = Summarization(SummarizationOptions(name="summarization", style="abstractive"))
    assert set(write_back(writer, data, tokenizers).scores) == {"rouge1", "rouge2", "rougeL"}
    assert write_back(Summarization(SummarizationOptions(name="summarization")), data, tokenizers) is None
    assert write_back(sentiment(), rows(4), tokenizers) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose decoder writes word pieces without accents and capitals."""
    root = tmp_path_factory.mktemp("pieces")
    lines = [{"en": f"the {a} {b}", "fr": f"L'{b} : {a} !"} for a in WORDS for b in WORDS]
    (root / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    small = {"num_hidden_layers": 1}
    writing = {"decoder": {"source": save_word_pieces(root / "decoder", **small)}, "generation": {"beams": 1}}
    sections = {
        "task": {"name": "translation", "max_length": 32, "max_target_length": 24, **writing},
        "source": {"kind": "checkpoint", "name": save_checkpoint(root / "encoder", **small)},
        "strategy": {"kind": "full"},
        "data": {
            **{name: str(root / "p.jsonl") for name in ("train", "validation", "test")},
            "columns": {"source": "en", "target": "fr"},
        },
        "training": {"epochs": 1, "precision": "fp32", "learning_rate": 0.01},
    }
    return sections, nlp_transfer.run(sections, output=root / "run", progress=False)


def test_what_a_run_can_write_at_best_is_kept_and_on_its_card(run):
    _, result = run
    kept = result.metrics["written_back"]
    assert (kept["references"], kept["changed"]) == (36, 0)
    assert f"went through the target tokenizer score bleu {kept['scores']['bleu']:.4f}" in (
        result.folder / "README.md"
    ).read_text(encoding="utf-8")


def test_check_warns_before_training_of_what_cannot_be_written(run, tmp_path):
    sections, _ = run
    (tmp_path / "v.jsonl").write_text('{"en": "the film", "fr": "le GRAND film"}\n', encoding="utf-8")
    report = check({**sections, "data": {**sections["data"], "validation": str(tmp_path / "v.jsonl")}})
    warning = next(one for one in report.warnings if "come back from the target tokenizer" in one)
    assert "1 of 1 references" in warning
    assert "('le GRAND film' as 'Le grand film')" in warning
    assert "validation: 0 of 1 references come back from the target tokenizer as they were" in report.text


def test_a_saved_run_writes_word_pieces_together_with_plain_transformers(run):
    _, result = run
    place = result.folder / "model"
    plain = AutoTokenizer.from_pretrained(place, subfolder="target_tokenizer")
    own = nlp_transfer.load(result.folder).tokenizers.target
    for text in ("L'été : Paris !", "L'Paris : scène !"):
        assert plain.decode(plain(text)["input_ids"], skip_special_tokens=True) == text
        assert own.decode(own(text)["input_ids"], skip_special_tokens=True) == text


def test_a_run_saved_before_word_pieces_were_put_together_still_loads(run, tmp_path):
    sections, result = run
    old = shutil.copytree(result.folder, tmp_path / "old")
    shutil.rmtree(old / "model" / "target_tokenizer")
    source = AutoTokenizer.from_pretrained(sections["task"]["decoder"]["source"])
    make_ending(source).save_pretrained(old / "model" / "target_tokenizer")
    assert isinstance(nlp_transfer.load(old).predict(["the film"])[0]["translation"], str)


def test_an_encoder_decoder_checkpoint_of_word_pieces_learns_to_put_them_together_too(run, tmp_path):
    pieces = run[0]["task"]["decoder"]["source"]
    size = {"vocab_size": len(PIECES), "pad_token_id": 0, "is_decoder": True, "add_cross_attention": True}
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config(), config(**size))
    both.decoder_start_token_id, both.pad_token_id, both.eos_token_id = 2, 0, 3
    EncoderDecoderModel(both).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(pieces).save_pretrained(tmp_path)
    built = TRANSLATION.build(load_source("checkpoint", name=str(tmp_path)), targets("L'été : 5 !"), frozen=False)
    writer = built.target_tokenizer
    assert writer.decode(writer("L'été : 7 !")["input_ids"], skip_special_tokens=True) == "L'été : 7 !"
