"""Embeddings of which only the rows of the run train: the result is that of the whole table."""

import contextlib
import itertools

import pytest
import torch
from tiny import BAD, GOOD, PLAIN, WORDS, Training, checkpoint, rows, vectors

from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.training import phase_inputs
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.optimizer import make_optimizer

SIZE = 90  # rows of a checkpoint's table, of which the tokenizer knows fewer
SOURCES = {
    "bag": lambda folder: vectors(folder / "v.txt", "bag", words=[*WORDS, *(f"unused{i}x" for i in range(30))]),
    "cnn": lambda folder: vectors(folder / "v.txt", "cnn", words=[*WORDS, *(f"unused{i}x" for i in range(30))]),
    **{
        family: lambda folder, family=family: checkpoint(folder, family, vocab_size=SIZE)
        for family in ("bert", "roberta", "albert", "deberta-v2", "modernbert")
    },
}
STRATEGIES = {
    "full": {"kind": "full"},
    "gradual": {"kind": "gradual"},
    "lora": {"kind": "lora", "embeddings": True, "rank": 2},
    "dora": {"kind": "lora", "embeddings": True, "rank": 2, "dora": True},
}
CELLS = [("bag", "full"), ("bag", "lora"), ("cnn", "gradual"), ("bert", "dora")]
CELLS += [(kind, "full") for kind in ("roberta", "albert", "deberta-v2", "modernbert")]  # each looks up in its own way


def still(training):
    """Without dropout, so that two trainings can be compared."""
    for module in training.plan.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    return training


def keep_the_last_state(monkeypatch):
    """Let every look be better than the one before: what is compared has been through all phases."""
    scores = itertools.count()
    monkeypatch.setattr(Judge, "validate", lambda *_: {"accuracy": next(scores) / 1000})


def table_of(model):
    return find_encoder(model).module.get_input_embeddings()


def trained(folder, kind, strategy):
    training = still(Training(SOURCES[kind](folder), STRATEGIES[strategy], train=rows(24)))
    training.fit()
    return training.plan.finish(training.plan.model)


@pytest.mark.parametrize(("kind", "strategy"), CELLS)
def test_training_on_the_rows_of_the_run_gives_the_result_of_the_whole_table(tmp_path, monkeypatch, kind, strategy):
    keep_the_last_state(monkeypatch)
    part = trained(tmp_path, kind, strategy)
    monkeypatch.setattr(phase_inputs, "use_embedding_rows", lambda *_: contextlib.nullcontext())
    whole = trained(tmp_path, kind, strategy)
    for (name, one), (_, other) in zip(part.named_parameters(), whole.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("kind", ["bag", "bert", "roberta"])
def test_rows_that_no_text_uses_stay_byte_identical(tmp_path, kind):
    source = SOURCES[kind](tmp_path)
    training = Training(source, {"kind": "full"}, epochs=2)
    before = table_of(training.plan.model).weight.detach().clone()
    training.fit()
    after = table_of(training.plan.model).weight.detach()
    words = source.tokenizer.get_vocab()
    used = [words[word] for word in (*GOOD, *BAD, *PLAIN)]
    unused = sorted(
        {*range(len(before))} - set(words.values()) | {i for w, i in words.items() if w.startswith("unused")}
    )
    assert len(unused) >= 30
    assert before[unused].cpu().numpy().tobytes() == after[unused].cpu().numpy().tobytes()
    assert not (before[used].to(after.device) == after[used]).all(1).any()
    assert table_of(training.plan.model).padding_idx == source.tokenizer.pad_token_id


@pytest.mark.parametrize("kind", ["bag", "bert"])
def test_the_optimizer_holds_the_rows_of_the_run_only(tmp_path, kind):
    training = Training(SOURCES[kind](tmp_path), {"kind": "full"})
    encoded = training.task.encode(training.train, training.tokenizers)
    rates = training.plan.phases[0].rates
    model, pad = training.plan.model, training.tokenizers.source.pad_token_id
    size = len(table_of(model).weight)
    tokens = {token for unit in encoded.inputs for token in unit["input_ids"]}
    with use_embedding_rows(model, rates, [encoded], pad):
        optimizer = make_optimizer(model, rates, 0.01)
        held = max(
            len(one) for group in optimizer.param_groups for one in group["params"] if one is table_of(model).weight
        )
    assert held == len(tokens | {pad}) < size - 25
    assert len(table_of(model).weight) == size


def test_words_that_only_validation_has_keep_their_rows(tmp_path, monkeypatch):
    seen = []

    def use_all(model, rates, splits, pad):
        seen.extend(token for split in splits for token in split.inputs.ids.tolist())
        return contextlib.nullcontext()

    monkeypatch.setattr(phase_inputs, "use_embedding_rows", use_all)
    training = Training(SOURCES["bag"](tmp_path), {"kind": "full"}, train=rows(4), validation=rows(24, seed=1))
    train, validation = (
        set(training.task.encode(split, training.tokenizers).inputs.ids.tolist())
        for split in (training.train, training.validation)
    )
    training.fit()
    assert not validation <= train
    assert validation <= set(seen)
