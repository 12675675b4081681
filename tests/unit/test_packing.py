"""Texts laid end to end give what padded ones give: states, logits and gradients."""

import contextlib
import sys
import threading
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_restricting import keep_the_last_state, still
from tiny import HIDDEN, LABELS, SMALL, Training, checkpoint, config, rows, tokenizer
from torch import nn
from transformers import AutoModel

from nlp_transfer.inference.activations import compute
from nlp_transfer.models.anatomy import find_encoder, find_layers, unwrap
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.packing import Packing
from nlp_transfer.models.encoding.packing_attention import (
    ATTENTION,
    Rule,
    Tokens,
    attend_padded,
    attend_runs,
    attend_varlen,
)
from nlp_transfer.models.encoding.padding import try_padding
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.extractive import build_extractive
from nlp_transfer.models.surgery import packed
from nlp_transfer.models.surgery.first_token import AFTER_ATTENTION, use_first_token
from nlp_transfer.models.surgery.packed import try_packing, use_packing
from nlp_transfer.training import loop

SHAPES = {
    **{name: {} for name in ("bert", "roberta", "xlm-roberta", "electra", "distilbert", "modernbert")},
    "eurobert": {**SMALL, "num_key_value_heads": 1},
    "gte": SMALL,
    "nomic_bert": SMALL,
}
TYPED = ("bert", "roberta", "electra")  # of those, families that read token types
LENGTHS = (5, 12, 1, 5, 5)  # one text is of a single token, neighbours are of one length
PAD = 1


def classifier(folder, family, head="native"):
    """A random classifier, tried."""
    source = checkpoint(folder, family, **SHAPES.get(family, {}))
    model = build_classifier(source, LABELS, head=head).model.eval()
    try_padding(model, source.tokenizer)
    try_packing(model, source.tokenizer)
    return model


def padded_texts(*, left=False, types=False):
    """Texts of `LENGTHS` tokens, padded."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 30, (len(LENGTHS), max(LENGTHS)), generator=generator)
    places = torch.arange(max(LENGTHS)).expand(ids.shape)
    lengths = torch.tensor(LENGTHS)[:, None]
    mask = (places >= max(LENGTHS) - lengths if left else places < lengths).long()
    inputs = {"input_ids": ids.masked_fill(mask == 0, PAD), "attention_mask": mask}
    if types:
        inputs["token_type_ids"] = ((places >= 3).long() * mask).clone()
    return inputs


def logits_and_slopes(model, inputs):
    """The logits, and the gradients of their squares."""
    logits = model(**inputs).logits
    logits.square().sum().backward()
    slopes = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return logits.detach(), slopes


@pytest.mark.parametrize(("family", "head"), [*((family, "native") for family in SHAPES), ("bert", "pooled")])
def test_logits_and_all_gradients_are_those_of_padded_texts(tmp_path, family, head):
    model = classifier(tmp_path, family, head)
    widths = []
    layer = find_layers(find_encoder(model).module).modules[-1]
    layer.register_forward_pre_hook(lambda _, args: widths.append(tuple(args[0].shape)))
    inputs = padded_texts()
    expected, slopes = logits_and_slopes(model, inputs)
    with use_packing(model) as used:
        logits, found = logits_and_slopes(model, inputs)
    assert used
    assert widths == [(len(LENGTHS), max(LENGTHS), HIDDEN), (1, sum(LENGTHS), HIDDEN)]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert found.keys() == slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(found[name], slope, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize(("family", "left"), [*((family, True) for family in SHAPES), ("bert", False)])
def test_the_states_of_all_tokens_are_those_of_padded_texts_on_either_side(tmp_path, family, left):
    model = classifier(tmp_path, family)
    encoder = find_encoder(model).module
    inputs = padded_texts(left=left, types=family in TYPED and encoder.config.type_vocab_size > 1)
    there = inputs["attention_mask"] != 0
    padded = encoder(**inputs, output_hidden_states=True)
    with use_packing(model):
        found = encoder(**inputs, output_hidden_states=True)
    assert len(found.hidden_states) == len(padded.hidden_states)
    pairs = zip(
        (*found.hidden_states, found.last_hidden_state), (*padded.hidden_states, padded.last_hidden_state), strict=True
    )
    for one, other in pairs:
        torch.testing.assert_close(one[there], other[there], atol=1e-5, rtol=1e-5)
    assert not found.last_hidden_state[~there].any() or family in ("eurobert", "modernbert")  # a norm follows in these


def test_a_text_that_holds_the_padding_token_keeps_its_positions(tmp_path):
    model = classifier(tmp_path, "roberta")
    inputs = padded_texts()
    inputs["input_ids"][1, 4] = PAD
    expected = model(**inputs).logits
    with use_packing(model):
        torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "mpnet"])
def test_other_families_stay_padded(tmp_path, family):
    model = classifier(tmp_path, family)
    before = model.config._attn_implementation
    with use_packing(model) as used:
        assert not used
        assert model.config._attn_implementation == before


def test_texts_of_a_pair_that_are_read_apart_are_packed(tmp_path):
    source = checkpoint(tmp_path, "bert")
    model = build_classifier(source, LABELS, head="pooled", pair="apart").model.eval()
    try_packing(model, source.tokenizer)
    inputs = padded_texts(types=True)
    expected = model(**inputs).logits
    with use_packing(model) as used:
        torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
    assert used


def test_a_model_that_was_not_tried_stays_padded():
    model = AutoModel.from_config(config("bert"))
    with use_packing(model) as used:
        assert not used


def test_a_family_whose_states_differ_when_packed_is_found_by_trying(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_make_positions", lambda _, rows: torch.zeros(rows.shape[:2], dtype=torch.long))
    with use_packing(classifier(tmp_path, "bert")) as used:
        assert not used


@pytest.mark.parametrize("family", [name for name in AFTER_ATTENTION if name in SHAPES])
def test_the_last_layer_works_for_the_first_tokens_of_packed_texts(tmp_path, family):
    model, inputs, seen = classifier(tmp_path, family), padded_texts(), []
    expected, slopes = logits_and_slopes(model, inputs)
    find_layers(model.base_model).modules[-1].register_forward_hook(lambda *given: seen.append(given[-1]))
    once = use_first_token(model, logits_only=True)
    with once, use_packing(model), use_packing(model), use_first_token(model, logits_only=True):
        logits, found = logits_and_slopes(model, inputs)
    states = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    assert len(LENGTHS) in states.shape[:2]
    assert states.numel() == len(LENGTHS) * HIDDEN
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    for name, slope in slopes.items():
        torch.testing.assert_close(found[name], slope, atol=1e-5, rtol=1e-4, msg=name)


def test_afterwards_the_model_is_as_before_even_after_an_error(tmp_path):
    model, inputs = classifier(tmp_path, "bert"), padded_texts()
    before, expected = model.config._attn_implementation, model(**inputs).logits
    with contextlib.suppress(KeyError), use_packing(model):
        assert model.config._attn_implementation == ATTENTION
        raise KeyError
    assert model.config._attn_implementation == before
    torch.testing.assert_close(model(**inputs).logits, expected, atol=0, rtol=0)


def test_a_body_that_ends_leaves_the_model_packed_for_those_that_still_run(tmp_path):
    model, inputs = classifier(tmp_path, "bert"), padded_texts()
    before, expected = model.config._attn_implementation, model(**inputs).logits
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    for body in (first, second):
        body.enter_context(use_packing(model))
    first.close()
    assert model.config._attn_implementation == ATTENTION
    torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
    second.close()
    assert model.config._attn_implementation == before


def test_another_thread_may_run_the_model_in_the_middle_of_a_pass(tmp_path):
    model, inputs = classifier(tmp_path, "bert"), padded_texts()
    others = {name: tensor.flip(0) for name, tensor in inputs.items()}
    expected, met = [model(**one).logits.detach() for one in (inputs, others)], []

    def meet(*_):
        if not met:
            met.append(None)
            thread = threading.Thread(target=lambda: met.append(run(others)))
            thread.start()
            thread.join()

    def run(given):
        with use_packing(model), use_first_token(model, logits_only=True), torch.no_grad():
            return model(**given).logits

    attention = find_layers(model.base_model).modules[-1].get_submodule("attention.self")
    attention.register_forward_hook(meet)  # between the note that a layer takes and the tokens that it leaves out
    torch.testing.assert_close([run(inputs), met[-1]], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["hidden", "attention"])
def test_dropout_draws_anew_each_time_in_training_and_never_in_eval(tmp_path, kind):
    model, inputs = classifier(tmp_path, "bert"), padded_texts()
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5 if (name.endswith("attention.self.dropout")) == (kind == "attention") else 0.0
    with use_packing(model):
        still_one, still_two = (model(**inputs).logits for _ in range(2))
        model.train()
        one, two = (model(**inputs).logits for _ in range(2))
    torch.testing.assert_close(still_one, still_two)
    assert (one - two).abs().max() > 1e-3


def test_sentences_are_pooled_from_packed_documents(tmp_path):
    source = checkpoint(tmp_path, "bert")
    model = build_extractive(source).model.eval()
    try_packing(model, source.tokenizer)
    inputs = padded_texts()
    inputs["sentence_ids"] = torch.where(inputs["attention_mask"] == 1, torch.arange(max(LENGTHS)) // 3, -1)
    expected = model(**inputs).logits
    with use_packing(model):
        torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_features_are_those_of_padded_texts(tmp_path, monkeypatch, family):
    training = Training(checkpoint(tmp_path, family), {"kind": "frozen"})
    model = training.plan.model
    units = TokenInputs(training.task.encode(training.train, training.tokenizers), PAD)
    every = np.arange(len(units.encoded.inputs))
    padded = compute(model, units, Boundary("pooled"), every, progress=False)
    try_packing(model, tokenizer())
    shapes = []
    layer = find_layers(find_encoder(model).module).modules[0]
    layer.register_forward_pre_hook(lambda _, args: shapes.append(len(args[0])))
    found = compute(model, units, Boundary("pooled"), every, progress=False)
    assert set(shapes) == {1}
    np.testing.assert_allclose(np.stack(found), np.stack(padded), atol=1e-5)


STRATEGIES = {"top layer": {"kind": "full", "freeze_below": 1}, "lora": {"kind": "lora", "rank": 2}}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is waited for to know the lengths of packed texts")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_training_gives_what_padded_texts_give(tmp_path, monkeypatch, strategy):
    counts = []

    def trained():
        training = still(Training(checkpoint(tmp_path, "bert"), STRATEGIES[strategy], train=rows(24), epochs=2))
        try_packing(unwrap(training.plan.model), tokenizer())
        layer = find_layers(find_encoder(unwrap(training.plan.model)).module).modules[-1]
        layer.register_forward_pre_hook(lambda module, args: counts.append((module.training, len(args[0]))))
        training.fit()
        return training.plan.finish(training.plan.model)

    keep_the_last_state(monkeypatch)
    one = trained()
    assert {count for training, count in counts if training} == {1}
    monkeypatch.setattr(loop, "use_packing", lambda _: contextlib.nullcontext())
    other = trained()
    assert {count for training, count in counts if training} != {1}
    for (name, mine), (_, theirs) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        if not name.endswith("key.bias"):  # no gradient but rounding: a shift of all keys changes no attention
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3, msg=name)


def attention_inputs(heads=4, few=2, width=8):
    """Queries, and keys and values of fewer heads, of packed texts of `LENGTHS` tokens."""
    generator = torch.Generator().manual_seed(0)
    total = sum(LENGTHS)
    return Tokens(*(torch.randn(total, count, width, generator=generator) for count in (heads, few, few)))


@pytest.mark.parametrize("window", [None, 3])
def test_all_ways_to_attend_give_the_same(monkeypatch, window):
    """The kernel of a GPU is played by a loop over texts, which shows what it is given."""

    def varlen(query, key, value, ends, ends_again, longest, _, *, scale, window_size=(-1, -1), enable_gqa):
        assert ends is ends_again
        assert (ends.dtype, longest, enable_gqa) == (torch.int32, max(LENGTHS), True)
        parts = []
        for start, end in zip(ends.tolist(), ends.tolist()[1:], strict=False):
            rows = [one[start:end].transpose(0, 1) for one in (query, key, value)]
            away = (torch.arange(end - start)[:, None] - torch.arange(end - start)).abs()
            mask = away <= window_size[1] if window_size[1] >= 0 else away >= 0
            part = nn.functional.scaled_dot_product_attention(*rows, attn_mask=mask, scale=scale, enable_gqa=True)
            parts.append(part.transpose(0, 1))
        return torch.cat(parts)

    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", types.SimpleNamespace(varlen_attn=varlen))
    tokens, packing = attention_inputs(), Packing.of(padded_texts()["attention_mask"])
    rule = Rule(packing, scale=0.3, window=window)
    expected = attend_varlen(tokens, rule)
    torch.testing.assert_close(attend_padded(tokens, rule), expected)
    torch.testing.assert_close(attend_runs(tokens, rule), expected)
    # With dropout on a CPU the arithmetic is written out; a probability of nearly 0 drops nothing.
    torch.testing.assert_close(attend_runs(tokens, replace(rule, dropout=1e-9)), expected)


def test_packing_and_padding_again_gives_the_tokens_and_zeros():
    mask = padded_texts(left=True)["attention_mask"]
    packing = Packing.of(mask)
    rows = torch.randn(*mask.shape, 3)
    there = packing.pack(rows)
    assert there.shape == (1, sum(LENGTHS), 3)
    torch.testing.assert_close(packing.unpack(there), rows * mask[..., None])
    assert packing.runs == [(5, 1), (12, 1), (1, 1), (5, 2)]
    torch.testing.assert_close(packing.take_first(there)[0, 1], rows[1, -12])


def test_texts_of_one_token_beside_columns_of_padding_alone_keep_their_place():
    mask = torch.tensor([[1, 0, 0], [1, 0, 0]])
    packing, rows = Packing.of(mask), torch.randn(2, 3, 4)
    torch.testing.assert_close(packing.unpack(packing.pack(rows)), rows * mask[..., None])


def test_a_text_without_tokens_disturbs_no_other(tmp_path):
    model, inputs = classifier(tmp_path, "bert", "pooled"), padded_texts()
    inputs["attention_mask"][2] = 0
    expected = model(**inputs).logits
    with use_packing(model):
        torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
