"""What is asked of one process between two steps is done by all."""

import signal

import pytest
import torch

from nlp_transfer.training.requests import Request, agree


class Several:
    """Two processes as an accelerator shows them, of which the other tells the given vector."""

    num_processes, device = 2, torch.device("cpu")

    def __init__(self, *other):
        self.other = torch.tensor(other)

    def reduce(self, tensor, how):
        assert how == "sum"
        return tensor + self.other


NOTHING = (0.0, 0.0, 0.0, 0.0)
SAVES, TERMINATED, INTERRUPTED = (1.0, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (1.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("own", "other", "both"),
    [
        (Request(), NOTHING, Request()),
        (Request(), SAVES, Request(save=True)),
        (Request(save=True), NOTHING, Request(save=True)),
        (Request(), TERMINATED, Request.stop(signal.SIGTERM)),
        (Request(save=True), INTERRUPTED, Request.stop(signal.SIGINT)),
        (Request.stop(signal.SIGHUP), NOTHING, Request.stop(signal.SIGHUP)),
        (Request.stop(signal.SIGINT), TERMINATED, Request.stop(signal.SIGTERM)),
    ],
    ids=str,
)
def test_all_processes_do_what_one_of_them_is_asked_for(own, other, both):
    loss, request = agree(Several(0.5, *other), torch.tensor(0.25), own)
    assert (float(loss), request) == (0.75, both)


def test_a_signal_asks_for_a_checkpoint_too():
    assert Request.stop(signal.SIGINT).save
