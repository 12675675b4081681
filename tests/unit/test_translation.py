"""Models that write text: every source and strategy, native checkpoints, tokenizers, replay."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sentencepiece import SentencePieceTrainer
from tiny import PLAIN, SPECIAL, WORDS, Training, checkpoint, config, save_checkpoint, save_vectors, tokenizer, vectors
from tokenizers import normalizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    ByT5Tokenizer,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GenerationConfig,
    MarianTokenizer,
    NllbTokenizer,
)

from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import Splits
from nlp_transfer.errors import CheckpointError, ConfigError, SourceError
from nlp_transfer.evaluation.writing_back import write_back
from nlp_transfer.inference.activations import find_boundary, replay
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.pairs import train_tokenizer
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.generation import decode_texts, generate
from nlp_transfer.models.saving import save_model
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.runs.answering.predict import load_model
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.sources import load_source
from nlp_transfer.strategies.rates import PRETRAINED_RATES, SCRATCH_RATE
from nlp_transfer.training.parameters import freeze
from nlp_transfer_tasks.translation import Translation, TranslationOptions

SMALL = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
LAYERED = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 64,
}  # fmt: skip
NATIVE = {
    "t5": {**SMALL, "decoder_start_token_id": 1},
    "bart": {**LAYERED, "decoder_start_token_id": 2, "forced_bos_token_id": None},
    "marian": {**LAYERED, "decoder_start_token_id": 1},
    "mbart": {**LAYERED, "decoder_start_token_id": 2},
    "pegasus": {**LAYERED, "decoder_start_token_id": 1},
    "m2m_100": {**LAYERED, "decoder_start_token_id": 2},
}
ONE_LAYER = {
    family: {"num_layers": 1} if family == "t5" else {"encoder_layers": 1, "decoder_layers": 1} for family in NATIVE
}
STRATEGIES = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "rank": 2},
    "frozen": {"kind": "frozen", "cache": "memory"},
    "gradual": {"kind": "gradual"},
}
CELLS = [  # each source and each strategy at least once: neither knows of the other
    *(("checkpoint", strategy) for strategy in ("lora", "frozen", "gradual")),
    *(("bag", "full"), ("bilstm", "frozen"), ("transformer", "lora")),
]


def pairs(count=24, seed=0):
    """Sentences and their word-for-word translation: each word is written backwards."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS[:-1], rng.integers(2, 7))) for _ in range(count)]
    return TaskRows({"source": texts, "target": [" ".join(w[::-1] for w in text.split()) for text in texts]})


def bare(**options):
    """The task without a decoder of its choice, for checkpoints that have one."""
    settings = {"max_length": 32, "max_target_length": 32}
    return Translation(TranslationOptions.model_validate({"name": "translation", **settings, **options}))


def translation(**options):
    settings = {"max_length": 32, "max_target_length": 32, "decoder": {"layers": 1, "width": 64, "vocabulary": 320}}
    return Translation(TranslationOptions.model_validate({"name": "translation", **settings, **options}))


def make(kind, folder, **changes):
    if kind == "checkpoint":
        return checkpoint(folder, **changes)
    return vectors(folder / "v.txt", kind)


def make_small(kind, folder):
    return make(kind, folder, num_hidden_layers=1)


def native(folder, family, **changes):
    torch.manual_seed(0)
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "vocab_size": len(SPECIAL) + len(WORDS)}
    made = AutoConfig.for_model(family, **{**ids, **NATIVE[family], **changes})
    AutoModelForSeq2SeqLM.from_config(made).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return load_source("checkpoint", name=str(folder))


def same_words(count=24, seed=0):
    """Pairs within the words of the tiny tokenizer: the target is the source backwards."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(PLAIN[:-1], rng.integers(2, 5))) for _ in range(count)]
    return TaskRows({"source": texts, "target": [" ".join(reversed(text.split())) for text in texts]})


def training(source, strategy, task=None, data=None, **settings):
    data = pairs() if data is None else data
    return Training(source, strategy, task=task or translation(), train=data, validation=data, **settings)


def said_by(model, run, texts):
    return Predictor(run.task, model, run.tokenizers, {}).predict(texts)


@pytest.mark.parametrize(("kind", "strategy"), CELLS)
def test_every_source_and_strategy_trains_saves_reloads_and_writes_the_same(tmp_path, kind, strategy):
    run = training(make(kind, tmp_path), STRATEGIES[strategy], translation(max_target_length=12), pairs(8))
    moving = {name.removeprefix("base_model.model.") for name in run.plan.moving}
    pretrained = {name for name in moving - run.loaded.new if name.startswith("encoder.")}
    assert bool(pretrained) == (strategy != "frozen")
    run.fit()
    model = run.plan.finish(run.plan.model)
    save_model(model, run.tokenizers, tmp_path / "model")
    again, tokenizers = load_model(tmp_path / "model", "AutoModelForSeq2SeqLM")
    texts = pairs(6, seed=3)["source"][:]
    assert Predictor(run.task, again, tokenizers, {}).predict(texts) == said_by(model, run, texts)


@pytest.mark.parametrize("family", ["t5", "marian"])  # the others name their layers as Marian does; see `learned`
def test_native_checkpoints_train_save_reload_and_write_the_same(tmp_path, family):
    source = native(tmp_path / "source", family, **ONE_LAYER[family])
    run = training(source, STRATEGIES["lora"], bare(max_target_length=12), same_words(8))
    run.fit()
    model = run.plan.finish(run.plan.model)
    assert run.loaded.target_tokenizer is None
    saves_and_loads(run, model, tmp_path / "model")


def saves_and_loads(run, model, folder):
    """Save a model, load it again, and compare what both write."""
    save_model(model, run.tokenizers, folder)
    again, tokenizers = load_model(folder, "AutoModelForSeq2SeqLM")
    texts = same_words(6, seed=3)["source"][:]
    assert Predictor(run.task, again, tokenizers, {}).predict(texts) == said_by(model, run, texts)


GREEDY = {"generation": {"beams": 1}}
EXACT = {**GREEDY, "decoder": {"layers": 1, "width": 64, "vocabulary": 320, "dropout": 0.0}}


def overfit(run, *, frozen=False, steps=200, rate=1e-2):
    """Train on one batch, over and over; what is then written for it, and what should be."""
    model, data = run.plan.model.eval(), run.train  # eval: dropout would make it take longer
    freeze(model, run.plan.phases[-1].rates)
    encoded = run.task.encode(data, run.tokenizers, training=True)
    units = TokenInputs(encoded, run.tokenizers.source.pad_token_id)
    if frozen:
        units = replay(model, units, find_boundary(model, run.plan.moving), None, progress=False)
    batch = units.make_batch(np.arange(len(data)))
    length = np.mean([len(ids) for ids in encoded.targets])
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=rate, fused=True)
    for _ in range(steps):
        loss = run.task.loss(model, batch, smoothing=0.0)
        if loss * length < np.log(2):  # the sum over all tokens: each of them is more likely than all others together
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    written = run.task.decode(infer(model, run.task, units), data, run.tokenizers)
    return [one["translation"] for one in written], data["target"][:]


@pytest.mark.parametrize("kind", ["checkpoint", "transformer"])
def test_an_overfit_batch_is_written_back_by_a_fresh_decoder(tmp_path, kind):
    said, meant = overfit(training(make_small(kind, tmp_path), {"kind": "full"}, translation(**EXACT), pairs(3)))
    assert said == meant


def test_an_overfit_batch_is_written_back_by_a_decoder_on_frozen_states(tmp_path):
    run = training(make_small("checkpoint", tmp_path), STRATEGIES["frozen"], translation(**EXACT), pairs(3))
    said, meant = overfit(run, frozen=True)
    assert said == meant


def test_an_overfit_batch_is_written_back_by_a_warm_started_decoder(tmp_path):
    decoder = save_checkpoint(tmp_path / "decoder", num_hidden_layers=1)
    task = translation(**EXACT | {"decoder": {"source": decoder}})
    source = make_small("checkpoint", tmp_path / "encoder")
    said, meant = overfit(training(source, {"kind": "full"}, task, same_words(3)))
    assert said == meant


@pytest.mark.parametrize("strategy", ["full", "frozen", "gradual"])
def test_a_pretrained_decoder_beside_word_vectors_is_tuned_gently(tmp_path, strategy):
    task = translation(decoder={"source": save_checkpoint(tmp_path / "decoder")})
    run = training(make("bag", tmp_path), STRATEGIES[strategy], task, same_words(8), learning_rate="auto")
    rates = run.plan.phases[-1].rates
    assert {rate for name, rate in rates.items() if "crossattention" in name} >= {1e-3}
    warm = [rate for name, rate in rates.items() if name.startswith("decoder.") and name not in run.loaded.new]
    assert warm
    assert max(warm) <= 5e-5


def test_several_windows_that_are_answered_alike_are_answered_once(tmp_path):
    run = training(make("bag", tmp_path), {"kind": "full"})
    ids = run.tokenizers.target(["the film", "the story"])["input_ids"]
    assert decode_texts([[ids[0], ids[1], ids[0]]], run.tokenizers) == ["the film the story"]


@pytest.fixture(scope="module", params=NATIVE)
def learned(request, tmp_path_factory):
    """A native checkpoint with one layer on each side that has learned a batch by heart: the run, and both texts."""
    source = native(tmp_path_factory.mktemp("learned"), request.param, **ONE_LAYER[request.param])
    run = training(source, {"kind": "full"}, bare(**GREEDY), same_words(2))
    return run, *overfit(run, rate=2e-2)


def test_an_overfit_batch_is_written_back_by_a_native_checkpoint(learned):
    _, said, meant = learned
    assert said == meant


def test_a_native_checkpoint_that_trained_whole_writes_the_same_once_saved(learned, tmp_path):
    run, *_ = learned
    saves_and_loads(run, run.plan.model, tmp_path / "model")


def test_rows_that_leave_when_finished_write_what_one_call_of_generate_writes(learned):
    run, *_ = learned
    model = run.plan.model
    units = TokenInputs(run.task.encode(run.train, run.tokenizers), run.tokenizers.source.pad_token_id)
    batch = units.make_batch(np.arange(len(run.train)))
    whole = model.generate(**batch.inputs).tolist()
    ends = {row.index(2, 1) if 2 in row[1:] else len(row) for row in whole}
    assert len(ends) > 1
    assert decoded(generate(model, batch, quick=True), run) == decoded(whole, run)


class Copier:
    """Write the number in a row's states, as often as its mask has tokens, and then the end, which is 2."""

    device = torch.device("cpu")
    generation_config = SimpleNamespace(eos_token_id=2, max_length=9)

    def generate(self, encoder_outputs, attention_mask, stopping_criteria, decoder_input_ids=None, **_):
        ids = torch.zeros(len(attention_mask), 1, dtype=torch.long) if decoder_input_ids is None else decoder_input_ids
        stop = torch.tensor([False])
        while not stop.any():
            wanted = attention_mask.sum(1) >= ids.shape[1]
            token = torch.where(wanted, encoder_outputs.last_hidden_state[:, 0, 0].long(), 2)
            ids = torch.cat([ids, token[:, None]], 1)
            (stop,) = (one(ids, None) for one in stopping_criteria)
        return ids


def test_rows_that_are_left_keep_their_states_their_mask_and_what_they_have_written():
    """A trained model goes on with what it knows by heart, whatever it is given to read."""
    counts, values = torch.tensor([1, 4, 2, 3, 6]), torch.tensor([5, 6, 7, 8, 9])
    mask = (torch.arange(6) < counts[:, None]).long()
    inputs = {"encoder_outputs": (values[:, None, None].float(),), "attention_mask": mask}
    written = generate(Copier(), SimpleNamespace(inputs=inputs), quick=True)
    found = [row[1 : row.index(2) + 1] for row in written]
    assert found == [[value] * count + [2] for value, count in zip(values.tolist(), counts.tolist(), strict=True)]


def decoded(rows, run):
    return run.tokenizers.source.batch_decode(rows, skip_special_tokens=True)


def test_a_frozen_encoder_runs_once_and_its_states_are_replayed(tmp_path):
    run = training(make("checkpoint", tmp_path), STRATEGIES["frozen"], epochs=3)
    passes = []
    run.plan.model.encoder.register_forward_hook(lambda _, __, output: passes.append(len(output[0])))
    run.fit()
    assert sum(passes) == len(run.train) + len(run.validation)


def test_replayed_states_give_the_loss_of_the_model_itself(tmp_path):
    run = training(make("checkpoint", tmp_path), STRATEGIES["frozen"])
    model = run.plan.model.eval()
    units = TokenInputs(run.task.encode(run.train, run.tokenizers, training=True), 1)
    stored = replay(model, units, find_boundary(model, run.plan.moving), None, progress=False)
    few = np.arange(5)
    direct, again = (run.task.loss(model, one.make_batch(few), smoothing=0.0) for one in (units, stored))
    torch.testing.assert_close(direct, again)


def test_a_fresh_decoders_tokenizer_loses_no_text():
    tokenizer = train_tokenizer(["ein kleines Haus", "ein großer Hund"], 300)
    for text in ("ein Haus", "日本語 und Ünïcode", "tab\tand  two spaces"):
        ids = tokenizer(text)["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text


def test_padding_a_batch_changes_no_loss(tmp_path):
    run = training(make("checkpoint", tmp_path), {"kind": "full"})
    model = run.plan.model.eval()
    units = TokenInputs(run.task.encode(run.train, run.tokenizers, training=True), 1)
    whole = run.task.loss(model, units.make_batch(np.arange(6)), smoothing=0.0)
    alone = sum(run.task.loss(model, units.make_batch(np.array([unit])), smoothing=0.0) for unit in range(6))
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-5)


def test_every_target_token_counts_alike(tmp_path):
    encoded = translation().encode(pairs(), training(make("bag", tmp_path), {"kind": "full"}).tokenizers, training=True)
    lengths = np.array([len(ids) for ids in encoded.targets])
    np.testing.assert_allclose(encoded.weights, lengths / lengths.mean(), rtol=1e-6)


def test_a_decoder_for_a_checkpoint_that_has_one_is_refused(tmp_path):
    for decoder in ({"source": "minilm"}, {"layers": 2}):
        with pytest.raises(ConfigError, match=r"task\.decoder: .* has a decoder of its own"):
            training(native(tmp_path, "t5"), {"kind": "full"}, bare(decoder=decoder), same_words())


def test_an_adapter_on_embeddings_that_a_decoder_shares_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"strategy\.embeddings"):
        training(native(tmp_path, "t5"), {"kind": "lora", "embeddings": True}, bare(), same_words())


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_embeddings_that_a_decoder_shares_train_whole(tmp_path, family):
    run = training(native(tmp_path, family), {"kind": "full"}, bare(), same_words())
    encoded = run.task.encode(run.train, run.tokenizers, training=True)
    table = run.plan.model.get_input_embeddings()
    before = table.weight
    with use_embedding_rows(run.plan.model, run.plan.phases[0].rates, [encoded], 1):
        assert table.weight is before


def test_a_frozen_strategy_trains_a_contextualizer_that_is_new(tmp_path):
    run = training(make("bilstm", tmp_path), STRATEGIES["frozen"])
    assert run.loaded.new <= run.plan.moving
    assert "encoder.embeddings.weight" not in run.plan.moving


def test_auto_rates_are_gentle_for_what_is_pretrained_and_not_for_what_is_new(tmp_path):
    rates = training(native(tmp_path / "t5", "t5"), STRATEGIES["frozen"], bare(), same_words(), learning_rate="auto")
    assert {rate for phase in rates.plan.phases for rate in phase.rates.values()} == {5e-5}
    fresh = training(make("checkpoint", tmp_path), STRATEGIES["gradual"], learning_rate="auto")
    assert {fresh.plan.phases[0].rates[name] for name in fresh.loaded.new} == {1e-3}


def test_a_scratch_control_warm_starts_nothing(tmp_path):
    folder = save_checkpoint(tmp_path / "decoder")
    source = load_source("checkpoint", name=save_checkpoint(tmp_path / "encoder"), scratch=True)
    run = training(source, {"kind": "full"}, translation(decoder={"source": folder}), same_words())
    warm = training(checkpoint(tmp_path / "e"), {"kind": "full"}, translation(decoder={"source": folder}), same_words())
    table = "decoder.bert.embeddings.word_embeddings.weight"
    weights = [dict(one.loaded.model.named_parameters())[table] for one in (run, warm)]
    assert not torch.equal(*weights)


def test_a_finished_run_as_a_source_brings_its_target_tokenizer(tmp_path):
    run = training(make("checkpoint", tmp_path / "a"), {"kind": "full"})
    save_model(run.plan.model, run.tokenizers, tmp_path / "model")
    again = training(load_source("checkpoint", name=str(tmp_path / "model")), {"kind": "full"}, bare())
    assert again.tokenizers.target.get_vocab() == run.tokenizers.target.get_vocab()


def test_a_checkpoints_own_search_does_not_survive(tmp_path):
    source = native(tmp_path, "bart")
    theirs = {"early_stopping": True, "num_beams": 4, "num_return_sequences": 2, "repetition_penalty": 1.3}
    settings = GenerationConfig(**theirs, max_new_tokens=60, decoder_start_token_id=2)
    settings.save_pretrained(tmp_path)
    run = training(source, {"kind": "full"}, bare(**GREEDY), same_words())
    model = run.plan.finish(run.plan.model)
    save_model(model, run.tokenizers, tmp_path / "model")
    ours = model.generation_config
    assert (ours.max_new_tokens, ours.max_length, ours.decoder_start_token_id) == (None, 33, 2)
    assert not {ours.num_return_sequences, ours.repetition_penalty} - {None, 1}
    assert len(said_by(model, run, ["the film"])) == 1


@pytest.mark.parametrize("kind", ["native", "checkpoint"])
def test_language_codes_for_a_model_that_knows_none_are_refused(tmp_path, kind):
    source = native(tmp_path, "bart") if kind == "native" else make("checkpoint", tmp_path)
    with pytest.raises(ConfigError, match=r"task\.target_language: .* knows no language codes"):
        training(source, {"kind": "full"}, bare(target_language="de"), same_words())


def test_multilingual_checkpoints_want_both_codes_and_only_known_ones(tmp_path):
    native(tmp_path, "m2m_100", vocab_size=300)
    vocabulary = [*SPECIAL, *WORDS]
    tokenizer = NllbTokenizer(
        vocab={word: i for i, word in enumerate(vocabulary)}, merges=[], src_lang="eng_Latn", tgt_lang="fra_Latn"
    )
    tokenizer.save_pretrained(tmp_path)
    source = load_source("checkpoint", name=str(tmp_path))
    english = {"source_language": "eng_Latn"}
    for codes in ({"target_language": "fra_Latn"}, *({**english, "target_language": code} for code in ("xx", "</s>"))):
        with pytest.raises(ConfigError, match=r"_language: .*(missing|not known)"):
            bare(**codes).build(source, same_words(), frozen=False)


def test_more_tokens_than_a_warm_decoder_has_positions_are_refused(tmp_path):
    task = translation(max_target_length=200, decoder={"source": save_checkpoint(tmp_path / "decoder")})
    with pytest.raises(ConfigError, match="80 positions"):
        training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, task, same_words())


def test_more_tokens_than_a_checkpoints_own_decoder_has_positions_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="max_target_length: 96 tokens, but the decoder has 64 positions; lower it"):
        training(native(tmp_path, "bart"), {"kind": "full"}, bare(max_target_length=96), same_words())


def test_a_decoder_source_without_a_decoder_is_refused(tmp_path):
    task = translation(decoder={"source": save_checkpoint(tmp_path / "decoder", "distilbert")})
    with pytest.raises(ConfigError, match="distilbert, which has no decoder"):
        training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, task, same_words())


def test_ter_is_reported_on_request_and_shown_where_it_was_measured():
    data = pairs()
    said = [{"translation": text} for text in data["target"][:]]
    scores = [translation(ter=ter).score(said, data) for ter in (True, False)]
    assert [Translation.measured(one) for one in scores] == [["bleu", "chrf", "ter"], ["bleu", "chrf"]]
    assert scores[0]["ter"] == 0


def test_copying_the_source_stands_beside_every_score():
    data = pairs()
    splits = Splits(data, data, data, (), None)
    said = translation().baselines(splits)["copy_source"]["test"]
    assert [one["translation"] for one in said] == data["source"][:]


def test_a_target_language_outside_the_target_tokenizer_is_warned_of(tmp_path):
    data = TaskRows({"source": ["the film"], "target": ["der schöne Film"]})
    task = translation(decoder={"source": save_checkpoint(tmp_path / "decoder")})
    run = training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, task, data)
    assert any("unknown" in one for one in task.encode(data, run.tokenizers, training=True).warnings)
    fresh = training(make("bag", tmp_path), {"kind": "full"}, data=data)
    assert fresh.task.encode(data, fresh.tokenizers, training=True).warnings == ()


def test_accents_that_a_target_tokenizer_drops_lower_what_can_be_written(tmp_path):
    data = TaskRows({"source": ["the film"] * 2, "target": ["a fíne film", "A wärm story"]})
    name = save_checkpoint(tmp_path / "decoder")
    lossy = tokenizer()
    lossy.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    lossy.save_pretrained(name)
    task = translation(decoder={"source": name})
    run = training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, task, data)
    back = write_back(task, data, run.tokenizers)
    assert (back.references, back.changed, back.example) == (2, 2, ("fíne film", "fine film"))
    assert 20 < back.scores["chrf"] < 90


def test_a_target_tokenizer_that_sets_characters_apart_is_measured_by_the_score(tmp_path):
    run = training(make("bag", tmp_path), {"kind": "full"})
    chinese = TaskRows({"source": ["the film"], "target": ["我们提出一种方法"]})
    apart = tokenizer()
    apart.add_tokens(list("我们提出一种方法"))
    assert apart.decode(apart(chinese["target"][0])["input_ids"], skip_special_tokens=True) == "我 们 提 出 一 种 方 法"
    back = write_back(run.task, chinese, Tokenizers(run.tokenizers.source, apart))
    assert (back.changed, back.example) == (1, ("我们提出一种方法", "我 们 提 出 一 种 方 法"))
    assert back.scores == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}


def test_targets_that_are_all_the_same_are_warned_of(tmp_path):
    data = TaskRows({"source": ["the film", "a story"], "target": ["film", "film"]})
    run = training(make("bag", tmp_path), {"kind": "full"}, data=data)
    assert run.task.encode(data, run.tokenizers, training=True).warnings == (
        "all 2 target texts are one and the same: there is nothing else to learn",
    )


def test_an_empty_text_has_no_translation(tmp_path):
    run = training(make("bag", tmp_path), {"kind": "full"})
    nothing = {"translation": None, "reason": "the text is empty"}
    assert said_by(run.plan.model, run, ["", " \t"]) == [nothing, nothing]


def test_targets_that_are_cut_off_are_counted_and_still_end(tmp_path):
    task = translation(max_target_length=4)
    run = training(make("bag", tmp_path), {"kind": "full"}, task, pairs())
    encoded = task.encode(run.train, run.tokenizers, training=True)
    assert any("cut off" in one for one in encoded.warnings)
    assert max(map(len, encoded.targets)) == 4
    assert {ids[-1] for ids in encoded.targets} == {run.tokenizers.target.eos_token_id}


def trains_saves_and_loads(folder):
    """Train what the folder holds for an epoch, and compare what it writes with what is loaded again."""
    run = training(
        load_source("checkpoint", name=str(folder)), {"kind": "full"}, bare(max_target_length=12), same_words(8)
    )
    run.fit()
    saves_and_loads(run, run.plan.model, folder / "model")


def test_a_real_marian_tokenizer_trains_saves_and_loads(tmp_path):
    words = " ".join(WORDS)
    (tmp_path / "corpus.txt").write_text(f"{words}\n" * 20, encoding="utf-8")
    for side in ("source", "target"):
        SentencePieceTrainer.train(
            input=str(tmp_path / "corpus.txt"), model_prefix=str(tmp_path / side), vocab_size=45, minloglevel=2
        )
        (tmp_path / f"{side}.model").rename(tmp_path / f"{side}.spm")
    pieces = [line.split("\t")[0] for line in (tmp_path / "source.vocab").read_text(encoding="utf-8").splitlines()]
    names = ["</s>", "<unk>", *(piece for piece in pieces if piece not in {"<s>", "</s>", "<unk>"}), "<pad>"]
    (tmp_path / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("source.spm", "target.spm", "vocab.json")]
    ids = {"pad_token_id": len(names) - 1, "eos_token_id": 0, "decoder_start_token_id": len(names) - 1}
    native(tmp_path, "marian", vocab_size=len(names), **ids, **ONE_LAYER["marian"])
    (tmp_path / "tokenizer.json").unlink()
    MarianTokenizer(*files).save_pretrained(tmp_path)
    trains_saves_and_loads(tmp_path)


def test_a_checkpoint_that_reads_bytes_trains_saves_and_loads_without_a_vocabulary(tmp_path):
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    native(tmp_path, "t5", vocab_size=384, **ids, **ONE_LAYER["t5"])
    (tmp_path / "tokenizer.json").unlink()
    ByT5Tokenizer().save_pretrained(tmp_path)
    trains_saves_and_loads(tmp_path)


def test_a_saved_model_without_what_it_writes_with_is_refused(tmp_path):
    run = training(make_small("checkpoint", tmp_path), {"kind": "full"})
    save_model(run.plan.model, run.tokenizers, tmp_path / "model")
    for lost in ("generation_config.json", "target_tokenizer/tokenizer_config.json", "target_tokenizer/tokenizer.json"):
        (tmp_path / "model" / lost).rename(tmp_path / "lost")
        with pytest.raises(CheckpointError, match=f"{lost} is missing"):
            load_model(tmp_path / "model", "AutoModelForSeq2SeqLM")
        (tmp_path / "lost").rename(tmp_path / "model" / lost)


def test_vectors_that_hold_none_of_the_words_are_refused(tmp_path):
    source = load_source("vectors", name=save_vectors(tmp_path / "v.txt"), vocabulary="data", texts=["日本 語", "中文"])
    with pytest.raises(SourceError, match="hold none of the 3 words"):
        source.encoder()


@pytest.mark.parametrize("strategy", [STRATEGIES["lora"], {"kind": "gradual", "schedule": "lp_ft", "phase_epochs": 2}])
def test_an_encoder_whose_checkpoint_lacks_the_pooler_trains_beside_a_decoder(tmp_path, strategy):
    source = save_checkpoint(tmp_path, "roberta", AutoModelForMaskedLM)
    run = training(
        load_source("checkpoint", name=source), strategy, translation(max_target_length=12), pairs(8), epochs=2
    )
    assert not [name for name in run.plan.moving if "pooler" in name]
    run.fit()


def test_a_decoder_that_starts_from_gpt2_learns_saves_and_writes_the_same(tmp_path):
    torch.manual_seed(0)
    size = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 40, "vocab_size": len(SPECIAL) + len(WORDS)}
    made = AutoConfig.for_model("gpt2", **size, initializer_range=0.3, bos_token_id=0, eos_token_id=2)
    AutoModelForCausalLM.from_config(made).save_pretrained(tmp_path / "decoder")
    words = tokenizer()
    words.pad_token = None
    words.save_pretrained(tmp_path / "decoder")
    task = translation(**EXACT | {"decoder": {"source": str(tmp_path / "decoder")}})
    run = training(make_small("checkpoint", tmp_path / "encoder"), {"kind": "full"}, task, same_words(3))
    said, meant = overfit(run)
    assert said == meant
    save_model(run.plan.model, run.tokenizers, tmp_path / "model")
    again, tokenizers = load_model(tmp_path / "model", "AutoModelForSeq2SeqLM")
    assert Predictor(task, again, tokenizers, {}).predict(run.train["source"][:]) == [
        {"translation": one} for one in meant
    ]
    longer = translation(max_target_length=64, decoder={"source": str(tmp_path / "decoder")})
    with pytest.raises(ConfigError, match="40 positions"):
        training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, longer, same_words(8))


def test_a_decoder_source_that_cannot_attend_to_an_encoder_is_refused(tmp_path):
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    made = AutoConfig.for_model("llama", vocab_size=40, **size)
    AutoModelForCausalLM.from_config(made).save_pretrained(tmp_path / "d")
    tokenizer().save_pretrained(tmp_path / "d")
    task = translation(decoder={"source": str(tmp_path / "d")})
    with pytest.raises(ConfigError, match="llama, which has no decoder"):
        training(checkpoint(tmp_path / "encoder"), {"kind": "full"}, task, same_words())


def test_another_ones_encoder_decoder_with_one_tokenizer_trains_saves_and_loads(tmp_path):
    small = {"num_hidden_layers": 1}
    decoder = config(is_decoder=True, add_cross_attention=True, **small)
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config(**small), decoder)
    both.decoder_start_token_id, both.pad_token_id, both.eos_token_id = 0, 1, 2
    EncoderDecoderModel(both).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    trains_saves_and_loads(tmp_path)


def test_a_target_of_all_the_tokens_that_there_may_be_is_written_whole(tmp_path):
    data = same_words(2)
    longest = max(len(text.split()) for text in data["target"]) + 2  # start and end
    task = bare(max_target_length=longest, **GREEDY)
    said, meant = overfit(training(native(tmp_path, "bart", **ONE_LAYER["bart"]), {"kind": "full"}, task, data))
    assert said == meant


@pytest.mark.parametrize("scratch", [False, True])
def test_a_control_learns_a_decoders_random_layers_at_the_rate_of_random_layers(tmp_path, scratch):
    native(tmp_path / "native", "bart")
    source = load_source("checkpoint", name=str(tmp_path / "native"), scratch=scratch)
    run = training(source, STRATEGIES["frozen"], bare(), same_words(), learning_rate="auto")
    rates = {rate for name, rate in run.plan.phases[-1].rates.items() if name not in run.loaded.new}
    assert rates == {SCRATCH_RATE if scratch else PRETRAINED_RATES["full"]}


def test_windows_that_say_nothing_add_nothing(tmp_path):
    run = training(make("bag", tmp_path), {"kind": "full"})
    ids = run.tokenizers.target(["", "the film"])["input_ids"]
    assert decode_texts([[ids[0], ids[1], ids[0]], [ids[0]]], run.tokenizers) == ["the film", ""]
