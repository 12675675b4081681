"""Between two looks at the losses a training reads no tensor: on a GPU every reading waits for the device."""

import sys

import pytest
import torch
from tiny import Training, checkpoint, rows

from nlp_transfer.training import step
from nlp_transfer.training.phase_steps import PhaseSteps

READINGS = ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__", "__index__")


@pytest.fixture
def readings(monkeypatch):
    """The functions of the library that read a tensor while a step is made, in order."""
    found, inside = [], []

    def counting(name):
        original = getattr(torch.Tensor, name)

        def read(tensor, *args, **settings):
            caller = sys._getframe(1)
            if inside and "nlp_transfer" in caller.f_code.co_filename:
                found.append(f"{caller.f_code.co_name}: {name}")
            return original(tensor, *args, **settings)

        return read

    for name in READINGS:
        monkeypatch.setattr(torch.Tensor, name, counting(name))
    make_step = PhaseSteps.make_step

    def watch(self, units, number):
        inside.append(number)
        make_step(self, units, number)
        inside.clear()

    monkeypatch.setattr(PhaseSteps, "make_step", watch)
    return found


@pytest.mark.parametrize("strategy", [{"kind": "full"}, {"kind": "lora"}, {"kind": "full", "freeze_below": 1}], ids=str)
def test_only_a_look_at_the_losses_reads_tensors(tmp_path, readings, monkeypatch, strategy):
    looks = step.LossMonitor.__init__

    def as_on_a_gpu(self, *args):
        looks(self, *args)
        self._most = step.LOOK_EVERY

    monkeypatch.setattr(step.LossMonitor, "__init__", as_on_a_gpu)
    history = Training(checkpoint(tmp_path), strategy, train=rows(160)).fit()
    assert history.steps == 20
    assert readings == ["look: tolist"]  # after 16 of 20 steps; the last four are looked at when the epoch ends


def test_every_step_is_looked_at_on_a_cpu(tmp_path, readings):
    assert Training(checkpoint(tmp_path), {"kind": "full"}, train=rows(24), epochs=2).fit().steps == 6
    assert readings == ["look: tolist"] * 6
