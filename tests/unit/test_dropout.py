"""Cheap dropout drops the share that is asked for, and keeps the mean."""

import pytest
import torch
from torch import nn

from nlp_transfer.models.dropout import drop, use_quick_dropout


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_share_that_is_asked_for_is_dropped_and_the_mean_kept(probability):
    torch.manual_seed(0)
    found = drop(torch.ones(1001, 401), probability)
    assert float((found == 0).float().mean()) == pytest.approx(probability, abs=0.003)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.01)
    assert found.unique().tolist() == pytest.approx([0.0, 1 / (1 - probability)], rel=1e-4)


def test_the_gradient_passes_where_the_number_was_kept():
    states = torch.ones(30, 7, requires_grad=True)
    found = drop(states, 0.5)
    found.sum().backward()
    torch.testing.assert_close(states.grad, found.detach())


def test_the_same_seed_drops_the_same_and_the_next_draw_another():
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws += [drop(torch.ones(50), 0.5), drop(torch.ones(50), 0.5)]
    torch.testing.assert_close(draws[:2], draws[2:])
    assert not torch.equal(draws[0], draws[1])


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    kept = drop(torch.ones(400_000), 0.5).view(-1, 4) > 0
    assert torch.corrcoef(kept.T.float()).fill_diagonal_(0).abs().max() < 0.02


def test_layers_of_a_model_drop_in_training_only_and_are_given_back():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Dropout(0.0), nn.Dropout(1.0))
    with use_quick_dropout(model), use_quick_dropout(model):
        model.train()
        assert not torch.equal(model[1](torch.ones(100)), model[1](torch.ones(100)))
        assert torch.equal(model[2](torch.ones(9)), torch.ones(9))
        assert not model[3](torch.ones(9)).any()
        assert torch.equal(model.eval()[1](torch.ones(9)), torch.ones(9))
    assert all("forward" not in vars(layer) for layer in model)
