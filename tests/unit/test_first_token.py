"""A last layer that works on the first token only: less is computed, and the result is the same."""

import contextlib

import pytest
import torch
from test_restricting import keep_the_last_state, still
from tiny import HIDDEN, Training, checkpoint, rows
from transformers import BertForSequenceClassification

from nlp_transfer.models.anatomy import find_layers, unwrap
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.surgery.first_token import AFTER_ATTENTION, BESIDE_STATES, use_first_token
from nlp_transfer.training import loop

LENGTH = 7


def states_of_last_layer(model, inputs):
    """Shape (B, T, H) of what the last layer hands on, the logits and all gradients of their squares."""
    shapes = []
    hook = (
        find_layers(unwrap(model).base_model)
        .modules[-1]
        .register_forward_hook(
            lambda _, __, output: shapes.append((output[0] if isinstance(output, tuple) else output).shape)
        )
    )
    logits = model(**inputs).logits
    hook.remove()
    logits.square().sum().backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return tuple(shapes[0]), logits, gradients


@pytest.mark.parametrize("family", [*AFTER_ATTENTION, *BESIDE_STATES])
def test_logits_and_all_gradients_are_those_of_the_whole_layer(tmp_path, family):
    training = Training(checkpoint(tmp_path, family), {"kind": "full"})
    model = training.plan.model.eval()
    ids = torch.randint(5, 30, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 3:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    whole, expected, slopes = states_of_last_layer(model, inputs)
    assert whole == (3, LENGTH, HIDDEN)
    with (
        use_first_token(model, logits_only=training.task.logits_only),
        use_first_token(model, logits_only=training.task.logits_only),
    ):
        shape, logits, gradients = states_of_last_layer(model, inputs)
    assert shape == (3, 1 if family in AFTER_ATTENTION else LENGTH, HIDDEN)
    torch.testing.assert_close(logits, expected)
    assert gradients.keys() == slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(gradients[name], slope, msg=name)
    assert states_of_last_layer(model, inputs)[0] == whole


class Meaning(BertForSequenceClassification):
    """A head of another make under a name like that of the library's own."""


def another_head(training):
    training.plan.model.__class__ = Meaning


def another_task(training):
    training.task.logits_only = False


def chunks(training):
    training.plan.model.config.chunk_size_feed_forward = 2


@pytest.mark.parametrize(
    ("strategy", "change"),
    [("frozen", lambda _: None), ("full", another_head), ("full", another_task), ("full", chunks)],
)
def test_who_may_read_all_tokens_gets_them(tmp_path, strategy, change):
    training = Training(checkpoint(tmp_path), {"kind": strategy})
    change(training)
    inputs = {"input_ids": torch.tensor([[0, 6, 9, 2]])}
    with use_first_token(training.plan.model, logits_only=training.task.logits_only):
        assert states_of_last_layer(training.plan.model, inputs)[0] == (1, 4, HIDDEN)


def test_under_lora_too_the_last_layer_hands_on_one_token(tmp_path):
    training = Training(checkpoint(tmp_path), {"kind": "lora", "rank": 2})
    with use_first_token(training.plan.model, logits_only=training.task.logits_only):
        shape, *_ = states_of_last_layer(training.plan.model, {"input_ids": torch.tensor([[0, 6, 9, 2]])})
    assert shape == (1, 1, HIDDEN)


def test_a_run_trains_and_judges_with_one_token_in_the_last_layer(tmp_path):
    training = Training(checkpoint(tmp_path), {"kind": "full"})
    seen = set()

    def note(layer, _, output):
        seen.add((layer.training, output.shape[1]))

    find_layers(training.plan.model.base_model).modules[-1].register_forward_hook(note)
    trainer = training.trainer()
    trainer.fit()
    assert seen == {(True, 1), (False, 1)}
    seen.clear()
    trainer._judge.validate(training.plan.model, TokenInputs(trainer.validation, 1))  # as a prediction does
    assert seen == {(False, 1)}


STRATEGIES = {
    "full": {"kind": "full"},
    "top layer": {"kind": "full", "freeze_below": 1},
    "lora": {"kind": "lora", "rank": 2},
    "gradual": {"kind": "gradual", "phase_epochs": 2},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}


@pytest.mark.parametrize(  # DistilBERT, whose last layer is cut in another place, by two of them
    ("family", "strategy"), [*(("bert", name) for name in STRATEGIES), ("distilbert", "full"), ("distilbert", "lora")]
)
def test_training_gives_what_whole_layers_give(tmp_path, monkeypatch, family, strategy):
    def trained():
        training = still(Training(checkpoint(tmp_path, family), STRATEGIES[strategy], train=rows(24)))
        training.fit()
        return training.plan.finish(training.plan.model)

    keep_the_last_state(monkeypatch)
    part = trained()
    monkeypatch.setattr(loop, "use_first_token", lambda *_, **__: contextlib.nullcontext())
    whole = trained()
    for (name, one), (_, other) in zip(part.named_parameters(), whole.named_parameters(), strict=True):
        if name.endswith(("key.bias", "k_lin.bias")):
            continue  # no gradient but rounding: a shift of all keys changes no attention
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3, msg=name)
