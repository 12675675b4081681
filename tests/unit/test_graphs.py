"""Steps that are replayed do what steps made one kernel after another do; the CPU replays them by doing them again."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from tiny import FAMILIES, Training, checkpoint, rows, save_checkpoint, save_csv
from torch.utils._python_dispatch import TorchDispatchMode

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.resident import keep_on_device
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, TokenInputs
from nlp_transfer.training import graphs, loop, phase_steps, recording
from nlp_transfer.training.memory import recompute_activations
from nlp_transfer.training.optimizer import make_moments, make_optimizer, set_rates
from nlp_transfer.training.phase_steps import PhaseSteps
from nlp_transfer.training.step import Stepper
from nlp_transfer_tasks.sentiment import Sentiment

WAITS = {"_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "_unique2"}
STRATEGIES = [{"kind": "full"}, {"kind": "lora"}, {"kind": "gradual"}, {"kind": "full", "freeze_below": 1}]


class Looks(TorchDispatchMode):
    """Raise where a GPU would have to be waited for, as CUDA does in a rehearsal."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        chosen = [one for one in (args[1] if name.startswith("index") and len(args) > 1 else ()) if one is not None]
        if name in WAITS or any(getattr(one, "dtype", None) == torch.bool for one in chosen):
            raise RuntimeError(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


class Again:
    """Record work by keeping it."""

    recorded: int = 0

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def rehearse(self, work):
        for _ in range(2):
            with recording.skip_looks(), Looks():
                work()

    def record(self, work):
        type(self).recorded += 1
        return work


@pytest.fixture
def recorder(monkeypatch):
    """The CPU's recorder in place of CUDA's."""

    class Counting(Again):
        recorded = 0

    graphs.say_eager.cache_clear()
    monkeypatch.setattr(graphs, "find_recorder", lambda device: Counting)
    monkeypatch.setattr(graphs, "WORTH", 3)  # these trainings are short
    return Counting


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Without dropout, which draws other numbers for other widths."""
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return checkpoint(tmp_path_factory.mktemp("graphs"), **none)


def train(source, strategy, *, replayed, dropout=0.0, **settings):
    """Returns the losses of the epochs, the weights, and the steps."""
    training = Training(source, strategy, **{"train": rows(60), "learning_rate": 0.003, "epochs": 2, **settings})
    for module in training.plan.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    trainer = training.trainer()
    history = replace(trainer, settings=replace(trainer.settings, graphs=replayed)).fit()
    losses = [epoch["loss"] for epoch in history.epochs]
    return losses, {name: tensor.clone() for name, tensor in training.plan.model.state_dict().items()}, history.steps


def assert_alike(found, expected):
    """Softmax cancels the biases of keys: their gradients are noise of rounding, which AdamW makes as large as any."""
    for name in expected.keys() - {name for name in expected if "key.bias" in name}:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_replayed_steps_learn_what_others_learn(source, strategy, recorder):
    losses, weights, steps = train(source, strategy, replayed=False)
    assert steps >= 16
    assert not recorder.recorded
    again, found, _ = train(source, strategy, replayed=True)
    assert recorder.recorded
    np.testing.assert_allclose(again, losses, rtol=1e-5)
    assert_alike(found, weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wider_batch_has_the_same_gradients_and_nothing_in_it_waits_for_the_device(family, tmp_path):
    training = Training(checkpoint(tmp_path, family), {"kind": "full"}, train=rows(12))
    model, encoded = training.plan.model.eval(), training.trainer().train
    inputs = keep_on_device(TokenInputs(encoded, 1), torch.device("cpu"), 1e9)
    units = torch.from_numpy(np.flatnonzero(encoded.lengths < 12)[:4])
    narrow, wide = int(encoded.lengths[units].max()), int(encoded.lengths.max())
    assert narrow < wide

    found = []
    for width in (narrow, wide):
        model.zero_grad()
        with recording.skip_looks(), Looks():
            training.task.loss(model, inputs.make_batch(units, (width, 0)), smoothing=0.1).backward()
        found.append({name: one.grad for name, one in model.named_parameters() if one.grad is not None})
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-5)


def test_a_selection_on_the_device_is_the_batch_that_is_padded_in_main_memory():
    inputs = [{name: list(range(5, 5 + size)) for name in ("input_ids", "token_type_ids")} for size in (3, 9, 4, 12)]
    encoded = Encoded(inputs, np.array([0, 1, 1, 2]), [[1, 2], [3], [4, 5, 6], [7]], 3)
    states = [np.full((size, 2), size, np.float32) for size in (3, 9, 4, 12)]
    units = np.array([2, 0])
    for train in (TokenInputs(encoded, 1), CachedInputs(encoded, states, Boundary("layer", 1))):
        found = keep_on_device(train, torch.device("cpu"), 1e9)
        assert found.choose_widths(units) == (8, 3)  # the longest targets are a width of their own
        expected, batch = train.make_batch(units), found.make_batch(torch.from_numpy(units), (4, 3))
        assert batch.inputs.keys() == expected.inputs.keys()
        for name, tensor in expected.inputs.items():
            assert batch.inputs[name].dtype == tensor.dtype
            assert torch.equal(batch.inputs[name], tensor), name
        assert torch.equal(batch.targets, expected.targets)
        assert torch.equal(batch.weights, expected.weights)
    assert "0.0 GB, too much" in keep_on_device(TokenInputs(encoded, 1), torch.device("cpu"), 10)


def test_rehearsals_leave_random_numbers_as_they_were(source, recorder, monkeypatch):
    _, weights, _ = train(source, {"kind": "full"}, replayed=True, dropout=0.3)
    monkeypatch.setattr(recorder, "rehearse", lambda self, work: None)
    _, found, _ = train(source, {"kind": "full"}, replayed=True, dropout=0.3)
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


def test_moments_are_made_without_a_move(source):
    plan = Training(source, {"kind": "full"}).plan
    before = [one.clone() for one in plan.model.parameters()]
    optimizer = make_optimizer(plan.model, plan.phases[0].rates, 0.1, rates_on=torch.device("cpu"))
    make_moments(optimizer)
    assert all(map(torch.equal, plan.model.parameters(), before))
    assert all(not tensor.any() for state in optimizer.state.values() for tensor in state.values())
    assert set_rates(optimizer, 5, 10, plan.schedule) == pytest.approx(float(optimizer.param_groups[-1]["lr"]))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"epochs": 1, "train": rows(24)}, "3 steps are too few for"),
        ({"accumulation": 2}, "a batch takes several passes"),
        ({"batch_size": 200}, "too few for 0 shapes"),
    ],
)
def test_what_is_not_replayed_is_trained_and_said_once(source, recorder, caplog, settings, reason):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        train(source, {"kind": "full"}, replayed=True, **settings)
    assert not recorder.recorded
    assert [line for line in caplog.messages if "CUDA graphs" in line] == [
        line for line in caplog.messages if reason in line
    ]
    assert caplog.text.count(reason) == 1


def test_n_grams_are_not_replayed(tmp_path, recorder):
    encoded = Encoded([{"input_ids": [1, 2], "ngram_ids": [[1], [2]]}], np.array([0]), [1], 1)
    assert "not one number for each token" in keep_on_device(TokenInputs(encoded, 1), torch.device("cpu"), 1e9)


def test_a_layer_that_runs_twice_is_not_replayed(source, recorder, caplog):
    caplog.set_level(logging.INFO)
    training = Training(source, {"kind": "full"}, train=rows(60))
    recompute_activations(training.plan.model)
    training.fit()
    assert "gradient_checkpointing runs layers again" in caplog.text


def test_a_model_that_padding_disturbs_is_not_replayed(source, recorder, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(loop, "read_padding_trouble", lambda model: "padding disturbs it")
    lengths = [20] * 8 + [5 + 2 * (row % 4) for row in range(92)]  # the longest batch is one pass, others are several
    texts = TaskRows({"text": ["good " * length for length in lengths], "label": [row % 2 for row in range(100)]})
    train(source, {"kind": "full"}, replayed=True, train=texts)
    assert not recorder.recorded
    assert "padding disturbs this model" in caplog.text


def test_a_sharded_model_is_not_replayed(source):
    one = SimpleNamespace(num_processes=1, is_fsdp2=True)
    assert "processes" in graphs._find_obstacle(SimpleNamespace(accelerator=one), None, None, None)


def test_a_step_that_waits_for_the_device_is_made_without_graphs(source, recorder, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    _, weights, _ = train(source, {"kind": "full"}, replayed=False)
    loss = Sentiment.loss

    def waiting(self, model, batch, *, smoothing):
        return loss(self, model, batch, smoothing=smoothing) * (1.0 if batch.weights.sum() > 0 else 2.0)

    monkeypatch.setattr(Sentiment, "loss", waiting)
    _, found, _ = train(source, {"kind": "full"}, replayed=True)
    assert "waits for the device" in caplog.text
    assert not recorder.recorded
    assert_alike(found, weights)


def test_a_lack_of_memory_between_replays_ends_them(source, recorder):
    training = Training(source, {"kind": "full"}, train=rows(60), epochs=2)
    trainer = training.trainer()
    step = Stepper._attempt
    failed = []

    def exhausted(self, wrapped, inputs, units, *rest):
        if len(units) < training.batch_size and not failed:  # the last batch of the first epoch
            failed.append(True)
            raise torch.OutOfMemoryError("none left")
        return step(self, wrapped, inputs, units, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "_attempt", exhausted)
        assert trainer.fit().steps == 16
    assert failed
    assert recorder.recorded < 5


def learn(root, output, **options):
    """Train a run in a folder; return its weights."""
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": str(root / "source")},
        "strategy": {"kind": "full"},
        "data": {"train": str(root / "train.csv")},
        "training": {"epochs": 2, "batch_size": 8, "precision": "fp32", "checkpoint": {"steps": 5}},
    }
    folder = nlp_transfer.run(config, output=root / output, progress=False, **options).folder
    return load_file(folder / "model" / "model.safetensors")


@pytest.fixture
def stop_early(tmp_path):
    """Source and data of a run, and what stops it in the second epoch."""
    save_checkpoint(tmp_path / "source")
    save_csv(tmp_path / "train.csv", count=50)
    make_step = PhaseSteps.make_step

    def stop(self, units, step):
        if step == 7:
            raise KeyboardInterrupt
        make_step(self, units, step)

    def learn_a_part():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PhaseSteps, "make_step", stop)
            with pytest.raises(KeyboardInterrupt):
                learn(tmp_path, "stopped")

    return learn_a_part


def test_a_replayed_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, recorder, stop_early):
    expected = learn(tmp_path, "whole")
    stop_early()
    found = learn(tmp_path, "stopped", resume="auto")
    assert recorder.recorded
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_training_with_several_passes_is_not_replayed_either_when_it_goes_on_with_more_memory(
    tmp_path, recorder, monkeypatch, stop_early
):
    monkeypatch.setattr(phase_steps, "choose_budget", lambda *_: 40)
    expected = learn(tmp_path, "whole")
    stop_early()
    monkeypatch.setattr(phase_steps, "choose_budget", lambda *_: 4000)
    found = learn(tmp_path, "stopped", resume="auto")
    assert not recorder.recorded
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_card
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_graphs_on_a_card_learn_what_eager_steps_learn_in_bf16(source, strategy, monkeypatch):
    monkeypatch.setattr(graphs, "WORTH", 5)

    def learn(*, replayed):
        trainer = Training(source, strategy, train=rows(100), learning_rate=0.003, epochs=4).trainer()
        AcceleratorState._reset_state()
        settings = replace(trainer.settings, graphs=replayed)
        history = replace(trainer, settings=settings, accelerator=Accelerator(mixed_precision="bf16")).fit()
        return [epoch["loss"] for epoch in history.epochs]

    np.testing.assert_allclose(learn(replayed=True), learn(replayed=False), atol=0.05)


@needs_card
def test_dropout_draws_anew_at_every_replay_on_a_card():
    weights = torch.nn.Parameter(torch.ones(64, device="cuda"))
    optimizer = torch.optim.AdamW([weights], fused=True)
    recorder, found = recording.CudaRecorder(optimizer), torch.zeros(64, device="cuda")

    def work():
        found.copy_(torch.nn.functional.dropout(weights, 0.5))

    recorder.rehearse(work)
    replay = recorder.record(work)
    seen = {tuple(found.tolist()) for _ in range(4) if replay() is None}
    assert len(seen) == 4


@needs_card
def test_a_wait_is_found_before_anything_is_captured_on_a_card():
    recorder = recording.CudaRecorder(torch.optim.AdamW([torch.nn.Parameter(torch.ones(2, device="cuda"))]))
    with pytest.raises(RuntimeError, match="synchronizing"):
        recorder.rehearse(lambda: torch.ones(2, device="cuda").sum().item())
