"""The GPU benchmark runs where there is no card: its rows on a tiny model, each with a figure."""

import logging

import pytest

from benchmarks import gpu
from benchmarks.gpu_rows import ROWS, relate, take_turns
from benchmarks.measuring import Sample


@pytest.fixture
def measure(monkeypatch, capsys):
    monkeypatch.setattr(gpu.os, "environ", {**gpu.os.environ, "TQDM_DISABLE": "1"})

    def call(*arguments):
        gpu.main(arguments)
        logging.disable(logging.NOTSET)
        return capsys.readouterr().out.splitlines()

    return call


@pytest.mark.slow
def test_a_row_is_measured_against_its_peer_on_a_tiny_model(measure):
    lines = measure("--device", "cpu", "--tiny", "--rounds", "1", "--row", "lora")
    (line,) = [line for line in lines if line.startswith("| LoRA")]
    _, _, ours, peer, ratio, wanted, accuracy, _, _ = (cell.strip() for cell in line.split("|"))
    assert ours.endswith(" s")
    assert peer.endswith(" s")
    assert ratio.endswith("x")
    assert wanted == "6x"
    assert len(accuracy.split(" / ")) == 2


def test_without_a_card_it_ends_in_one_line(measure, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert [line[:30] for line in measure()] == ["no GPU that torch can use: not"]


def test_a_row_that_fails_does_not_take_the_others_with_it(measure, monkeypatch):
    def fail(bench, wishes):
        raise RuntimeError("first line\nthe reason")
        yield

    monkeypatch.setitem(ROWS, "lora", fail)
    lines = measure("--device", "cpu", "--tiny", "--rounds", "1", "--row", "lora", "--row", "features")
    assert any(line.startswith("| lora | failed | the reason") for line in lines)
    assert any("tokens/s" in line for line in lines)


def test_turns_are_a_b_b_a_and_ratios_are_taken_inside_a_round():
    order = []

    def work(name, seconds):
        return lambda: order.append(name) or Sample(seconds.pop(0), 0.0, 0.0, {"accuracy": 0.5})

    turns = take_turns(work("a", [1.0, 10.0, 1.0]), work("b", [3.0, 40.0, 5.0]), 3)
    assert "".join(order) == "abbaab"
    assert relate("row", turns).ratio == "4.00x"


def test_a_less_accurate_row_does_not_count():
    samples = [Sample(1.0, 0.0, 0.0, {"accuracy": share}) for share in (0.5, 0.6)]
    assert relate("row", ([samples[0]], [samples[1]])).counts == "no: less accurate"
