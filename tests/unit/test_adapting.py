"""A source is adapted to texts without labels, and what comes out is a source for other runs."""

import importlib.util
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from pandas import DataFrame
from survival import forked, wait_for
from tiny import HIDDEN, checkpoint, dense, end_at, run, save_csv, save_sentence_folder, save_vectors, texts, tokenizer
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSeq2SeqLM
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.data.corpus import stream_corpus, take_corpus
from nlp_transfer.errors import ConfigError, DataError, SourceError, StoppedError
from nlp_transfer.evaluation.verdicts import write_verdicts
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.noising import SENTINEL, Noise
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.publish import publish
from nlp_transfer.sources import load_source
from nlp_transfer.system.received import is_held
from nlp_transfer.training import attempt
from nlp_transfer_tasks.adaptation import Adaptation, AdaptationOptions
from nlp_transfer_tasks.sentiment import Sentiment

FAST = ("training.batch_size=16", "training.precision=fp32")


def save_lines(path, count=60):
    path.write_text("\n".join(texts(count)[0]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A tiny BERT without a head, adapted by the command line to lines of text."""
    folder = tmp_path_factory.mktemp("adapted")
    source = checkpoint(folder / "bert").name
    lines = save_lines(folder / "reviews.txt", 200)
    arguments = ["adapt", source, str(lines), str(folder / "out"), "--held-out", "0.15", "--epochs", "2"]
    answer = CliRunner().invoke(app, [*arguments, "--set", FAST[0], "--set", FAST[1]], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return folder / "out", answer.output, arguments


def test_pseudo_perplexity_is_told_before_and_after_on_texts_that_were_held_out(adapted):
    folder, said, _ = adapted
    metrics = json.loads((folder / "metrics.json").read_text())
    before, after = metrics["baselines"]["unadapted"]["test"], metrics["test"]
    assert after["pseudo_perplexity"] < before["pseudo_perplexity"]
    assert np.exp(-after["log_probability"]) == pytest.approx(after["pseudo_perplexity"])
    assert f"pseudo_perplexity {before['pseudo_perplexity']:.4f}" in said
    assert f"pseudo_perplexity {after['pseudo_perplexity']:.4f}" in said
    assert {name: split["rows"] for name, split in metrics["data"]["splits"].items()}["test"] == 30
    assert "reviews.txt" in (folder / "README.md").read_text()


def test_what_is_adapted_is_a_checkpoint_with_its_head_and_its_pooler(adapted):
    model = AutoModelForMaskedLM.from_pretrained(adapted[0] / "model")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    _, report = AutoModel.from_pretrained(adapted[0] / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert not nlp_transfer.build_masked(load_source("checkpoint", name=str(adapted[0]))).new


def test_the_same_call_again_finds_it_done(adapted):
    folder, _, arguments = adapted
    again = CliRunner().invoke(app, [*arguments, "--set", FAST[0], "--set", FAST[1]])
    assert again.output.startswith(f"{folder} holds a finished run")


def test_lines_of_text_evaluate_it(adapted, tmp_path):
    scores = nlp_transfer.evaluate(adapted[0], save_lines(tmp_path / "more.txt", 9))
    assert scores["rows"] == 9
    assert scores == nlp_transfer.evaluate(adapted[0], [{"text": text} for text in texts(9)[0]])


@pytest.fixture(scope="module")
def later(adapted, tmp_path_factory):
    """A run that started from it."""
    folder = tmp_path_factory.mktemp("later")
    return run(folder / "run", adapted[0], {"kind": "frozen", "cache": "memory"}, save_csv(folder / "reviews.csv"))


def test_a_run_takes_it_as_its_source_and_names_it_on_its_card(later):
    card = (later.folder / "README.md").read_text()
    assert "`bert`, then `out` (adaptation, strategy `full`, on `texts of reviews.txt (200 rows" in card


def test_it_is_published_like_a_run(adapted):
    assert "model.safetensors" in publish(adapted[0], "me/mine", dry_run=True, licence="mit").files


def test_a_comparison_says_whether_adaptation_paid(later):
    assert later.row.adapted == "bert"
    without = replace(later.row, name="without", source="bert", adapted="")

    def judge(before, after):
        pair = [replace(without, correct=[before] * 30), replace(later.row, correct=[after] * 30)]
        return next(one for one in write_verdicts(pair, [], task=Sentiment) if "adaptation" in one)

    assert judge(0.0, 1.0).startswith("out, frozen beats bert, frozen, so adaptation paid: +100.0 points")
    assert "does not beat bert, frozen (may be chance), so adaptation did not pay" in judge(1.0, 1.0)
    assert "so adaptation did harm" in judge(1.0, 0.0)


def test_a_run_is_not_compared_with_itself_where_an_adapted_source_has_the_name_of_the_one_before(later):
    row = replace(later.row, adapted=later.row.source)
    assert not write_verdicts([row], [], task=Sentiment)


def test_an_adaptation_that_was_killed_and_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch):
    source, lines = checkpoint(tmp_path / "bert").name, save_lines(tmp_path / "lines.txt")

    def adapt(output):
        steps = (*FAST, "training.checkpoint.steps=1")
        return nlp_transfer.adapt(source, lines, tmp_path / output, steps, epochs=2, progress=False)

    def die_at(step):
        monkeypatch.setattr(attempt, "agree", end_at(step, signal.SIGKILL))
        adapt("parts")

    whole = adapt("whole")
    assert wait_for(forked(lambda: die_at(3))) == -signal.SIGKILL
    assert list((tmp_path / "parts" / "checkpoints").glob("step-*"))
    monkeypatch.setattr(attempt, "agree", end_at(2, signal.SIGTERM))
    with pytest.raises(StoppedError, match=r"; go on with the same command$"):  # `adapt` has no --resume
        adapt("parts")
    monkeypatch.undo()
    parts = adapt("parts")
    assert parts.figures.weights == whole.figures.weights


def test_texts_come_from_lines_tables_several_places_or_memory(tmp_path):
    lines, table = save_lines(tmp_path / "lines.txt", 5), save_csv(tmp_path / "table.csv", 4)
    assert take_corpus(table) == table
    several = take_corpus([str(lines), table])
    assert "texts of lines.txt + table.csv (9 rows: text;" in str(several)
    assert is_held(str(several)), "and a run that read them says that they are gone"
    assert "a list in memory (2 rows: text;" in str(take_corpus(["one text", "and another"]))
    assert "(5 rows: text;" in str(take_corpus(lines))
    for rows in ([{"review": "one text"}], DataFrame({"review": ["one text"]}), ["one text"], [lines]):
        assert "rows: review;" in str(take_corpus(rows, "review")).replace("1 row:", "1 rows:")
        assert next(stream_corpus(rows, "review")) in {"one text", texts(5)[0][0]}

    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="holds no text"):
        take_corpus(tmp_path / "empty.txt")


def test_a_setting_behind_the_folder_is_told_where_to_stand(command):
    code, _, err = command("adapt", "minilm", "reviews.csv", "out", "training.epochs=1")
    assert (code, "adapt: training.epochs=1 stands where TEXTS and OUT are named; write --set" in err) == (2, True)


def test_a_column_that_is_not_there_is_told_in_the_words_of_the_caller(tmp_path):
    table, call = save_csv(tmp_path / "table.csv", 4), {"column": "nope", "progress": False}
    for place in (table, [{"words": "a film"}]):
        with pytest.raises(DataError, match='Map it with column="NAME"'):
            nlp_transfer.adapt("minilm", place, tmp_path / "out", **call)
    answer = CliRunner().invoke(app, ["adapt", "minilm", table, str(tmp_path / "out"), "--column", "nope"])
    assert "Map it with --column NAME" in str(answer.exception)


def test_an_adapted_sentence_encoder_still_embeds_as_its_folder_says(tmp_path):
    save_sentence_folder(
        tmp_path / "source",
        [("Pooling", {"pooling_mode": "cls"}), ("Dense", dense(HIDDEN, 6)), ("Normalize", {})],
        prompts={"query": "a "},
        default="query",
    )
    lines = save_lines(tmp_path / "lines.txt")
    nlp_transfer.adapt(tmp_path / "source", lines, tmp_path / "out", FAST, epochs=1, progress=False)
    publish(tmp_path / "out", "me/mine", dry_run=True, licence="mit", output=tmp_path / "tree")
    before = load_source("checkpoint", name=str(tmp_path / "source"))
    for name in ("out", "tree"):
        after = load_source("checkpoint", name=str(tmp_path / name))
        assert after.embedding.values == before.embedding.values
        assert all(torch.equal(one, before.embedding.tensors[key]) for key, one in after.embedding.tensors.items())
        assert after._prompts == before._prompts
    if importlib.util.find_spec("sentence_transformers"):
        from sentence_transformers import SentenceTransformer

        for place in ("out/model", "tree"):
            assert SentenceTransformer(str(tmp_path / place)).encode(["a film"]).shape == (1, 6)


def test_an_encoder_that_would_rest_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="frozen would train a new head alone"):
        nlp_transfer.adapt(
            checkpoint(tmp_path / "bert").name, texts(30)[0], tmp_path / "out", ["strategy.kind=frozen"], progress=False
        )


def test_equal_texts_have_equal_hidden_tokens_wherever_they_stand(tmp_path):
    task = Adaptation(AdaptationOptions(name="adaptation"))
    rows = {"text": texts(4)[0]}
    tokenizers = Tokenizers(tokenizer())
    first = task.encode(rows, tokenizers)
    last = task.encode({"text": rows["text"][::-1]}, tokenizers)
    assert [list(one) for one in first.targets] == [list(one) for one in last.targets][::-1]
    assert all((one != -100).any() for one in first.targets)


def test_a_text_of_unknown_signs_alone_does_not_count_and_texts_without_any_other_are_refused(tmp_path):
    model = nlp_transfer.build_masked(load_source("checkpoint", name=checkpoint(tmp_path / "bert").name)).model
    task, tokenizers, rows = Adaptation(AdaptationOptions(name="adaptation")), Tokenizers(tokenizer()), ["☃", "a film"]
    units = TokenInputs(task.encode({"text": rows}, tokenizers), tokenizers.source.pad_token_id)
    strange, known = task.decode(infer(model.eval(), task, units), {}, tokenizers)
    assert strange == {"log_probability": 0.0, "tokens": 0}
    assert task.score([strange, known], {})["log_probability"] == known["log_probability"] < 0
    with pytest.raises(DataError, match="knows no word of the texts"):
        task.score([strange], {})


def test_no_passes_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        nlp_transfer.adapt(checkpoint(tmp_path / "bert").name, ["a film"], tmp_path / "out", epochs=0)


@pytest.mark.parametrize("held_out", [0.0, 0.5])
def test_a_share_that_leaves_nothing_is_refused(tmp_path, held_out):
    with pytest.raises(ConfigError, match=r"held_out: expected a share between 0 and 0\.5"):
        nlp_transfer.adapt("minilm", ["a film"], tmp_path / "out", held_out=held_out)


def test_a_source_is_not_written_over(tmp_path):
    before = nlp_transfer.import_vectors(save_vectors(tmp_path / "words.txt"), tmp_path / "table").vectors[:]
    with pytest.raises(ConfigError, match="is the source itself"):
        nlp_transfer.adapt(tmp_path / "table", texts(9)[0], tmp_path / "other" / ".." / "table", min_count=1)
    assert (nlp_transfer.import_vectors(tmp_path / "table", tmp_path / "again").vectors == before).all()


def make_denoising_tokenizer(kind):
    made = tokenizer()
    if kind == "t5":
        made.add_special_tokens({"additional_special_tokens": [SENTINEL.format(number) for number in range(9)]})
    return made


@pytest.mark.parametrize("length", [1, 2, 7, 60])
def test_spans_of_t5_and_what_is_kept_make_up_the_text(length):
    noise = Noise.of(make_denoising_tokenizer("t5"))
    ids = [0, *np.arange(length) % 20 + 5, 2]
    spoilt = noise.spoil(np.array(ids), np.random.default_rng(0))
    assert [spoilt.inputs[0], spoilt.inputs[-1], spoilt.targets[-1]] == [0, 2, 2]

    spans, current = {}, None
    for one in spoilt.targets[1:-1]:
        current = one if one in noise.sentinels else current
        spans.setdefault(current, []).extend([] if one in noise.sentinels else [one])
    mended = [part for one in spoilt.inputs for part in spans.get(one, [one])]
    assert mended == ids
    assert sum(map(len, spans.values())) == max(1, round(0.15 * length))
    assert spans[current] == [], "the target ends in a sentinel"


def test_spans_of_bart_are_filled_by_one_mask_each_and_the_whole_text_is_written():
    noise = Noise.of(make_denoising_tokenizer("bart"))
    ids = np.array([0, *np.arange(100) % 20 + 5, 2])
    spoilt = noise.spoil(ids, np.random.default_rng(0))
    assert spoilt.targets == ids.tolist()
    assert len(spoilt.inputs) < len(ids)
    kept = [one for one in spoilt.inputs if one != noise.mask]
    assert 100 - 30 - 2 <= len(kept) - 2 <= 100 - 20


def save_encoder_decoder(folder, kind):
    made = make_denoising_tokenizer(kind)
    shape = {"d_model": 16, "decoder_start_token_id": 1, "pad_token_id": 1, "eos_token_id": 2, "vocab_size": len(made)}
    sizes = {
        "t5": {"d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
        "bart": {
            **{"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
            **{"encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 80},
        },
    }
    torch.manual_seed(0)
    AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(kind, **shape, **sizes[kind])).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("kind", "strategy"), [("t5", "full"), ("bart", "frozen")])
def test_an_encoder_decoder_learns_to_mend_spoilt_texts(kind, strategy, tmp_path):
    """With a frozen encoder too, whose states cannot be stored: they are of texts that are spoilt anew."""
    source, lines = save_encoder_decoder(tmp_path / kind, kind), save_lines(tmp_path / "lines.txt", 100)
    steps = ("training.learning_rate=0.01", f"strategy.kind={strategy}", *FAST)
    found = nlp_transfer.adapt(source, lines, tmp_path / "out", steps, epochs=2, progress=False)
    before = found.figures.baselines["unadapted"].test
    assert found.row.test["pseudo_perplexity"] < before["pseudo_perplexity"]
    AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out" / "model")


def test_objective_and_architecture_must_fit(tmp_path):
    source = checkpoint(tmp_path / "bert").name
    with pytest.raises(SourceError, match="is a bert, which only reads"):
        nlp_transfer.adapt(source, texts(30)[0], tmp_path / "out", ["task.objective=denoising"], progress=False)
    made = tokenizer()
    made.mask_token = None
    with pytest.raises(SourceError, match="no mask token"):
        nlp_transfer.Masking.of(made)
    with pytest.raises(SourceError, match="neither the sentinels"):
        Noise.of(made)
