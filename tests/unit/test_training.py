"""The loop: repeatable, chosen on validation, stopped by what is not finite; what should rest rests."""

import hashlib
import math

import numpy as np
import pytest
import torch
from tiny import BAD, GOOD, Training, checkpoint, rows, save_checkpoint, sentiment, vectors

from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.inference.activations import compute
from nlp_transfer.models.classification import classification_loss
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.saving import save_model
from nlp_transfer.models.surgery.embedding_rows import collect_state
from nlp_transfer.sources import load_source
from nlp_transfer.strategies import save_adapter
from nlp_transfer.system.precision import choose_precision, refuse_fp16
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.optimizer import make_optimizer
from nlp_transfer_tasks.sentiment import Sentiment

STRATEGIES = [
    {"kind": "full"},
    {"kind": "full", "freeze_below": 1},
    {"kind": "lora", "rank": 2},
    {"kind": "frozen"},
    {"kind": "frozen", "solver": "gradient"},
    {"kind": "gradual"},
    {"kind": "gradual", "schedule": "lp_ft"},
]
OTHER_SEED = [{"kind": "full"}, {"kind": "frozen", "solver": "gradient"}]  # a seed knows of no strategy


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("bert"))


def digest(model):
    """sha256 of all parameters and buffers."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def timeless(records):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: "-".join(map(str, s.values())))
def test_the_same_seed_twice_gives_equal_weights_and_history_and_another_seed_does_not(source, strategy):
    runs, epochs = [], 1 if strategy["kind"] == "gradual" else 2  # of each phase
    for seed in (0, 0, 1) if strategy in OTHER_SEED else (0, 0):
        training = Training(source, strategy, train=rows(16), validation=rows(8, seed=1), epochs=epochs, seed=seed)
        training.fit()
        runs.append((digest(training.plan.finish(training.plan.model)), timeless(training.records)))
    assert runs[0] == runs[1]
    assert all(runs[0][0] != other for other, _ in runs[2:])


@pytest.mark.parametrize(("head", "solver"), [("native", "auto"), ("pooled", "auto"), ("pooled", "gradient")])
def test_frozen_leaves_the_encoder_byte_identical(source, head, solver):
    training = Training(source, {"kind": "frozen", "solver": solver}, task=sentiment(head={"kind": head}), epochs=2)
    before = digest(training.plan.model.base_model)
    whole = digest(training.plan.model)
    training.fit()
    assert digest(training.plan.model.base_model) == before
    assert digest(training.plan.model) != whole


def test_frozen_modules_are_in_eval_mode_during_every_step(source, monkeypatch):
    seen = []

    class Watching(Sentiment):
        def loss(self, model, batch, *, smoothing):
            seen.append([m.training for m in model.bert.modules()])
            return super().loss(model, batch, smoothing=smoothing)

    task = Watching(sentiment(head={"kind": "native"}).options, sentiment().labels)
    Training(source, {"kind": "frozen", "cache": "memory"}, task=task, epochs=3).fit()
    assert len(seen) == 18
    assert not any(map(any, seen))


@pytest.mark.parametrize("settings", [{}, {"targets": ["query"]}, {"embeddings": True}, {"dora": True}], ids=str)
def test_lora_leaves_the_base_byte_identical_and_merges_to_the_same_answers(source, settings, tmp_path):
    base = source.encoder().model.state_dict()
    training = Training(source, {"kind": "lora", "rank": 2, **settings}, train=rows(16))
    training.fit()
    model = training.plan.model
    held = {
        name.removeprefix("base_model.model.bert.").replace(".base_layer", ""): tensor
        for name, tensor in model.state_dict().items()
        if name.startswith("base_model.model.bert.") and "lora_" not in name
    }
    assert set(held) == set(base)
    assert all(torch.equal(held[name], base[name]) for name in base)
    inputs = source.tokenizer(["good film", "bad plot ."], padding=True, return_tensors="pt")
    model.eval()
    with torch.inference_mode():
        adapted = model(**inputs).logits
        merged = training.plan.finish(model).eval()(**inputs).logits
    assert (adapted - merged).abs().max() < 1e-5
    assert not torch.equal(merged[0], merged[1])


@pytest.mark.parametrize("contextual", [False, True])
def test_an_adapter_folder_holds_all_that_was_trained_and_no_local_path(source, tmp_path, contextual):
    from peft import PeftModel

    origin = vectors(tmp_path / "v.txt", "cnn") if contextual else source
    training = Training(origin, {"kind": "lora", "rank": 2}, epochs=2)
    # Another draw of the head: the adapter must bring its own.
    untrained = training.task.build(origin, None, frozen=False).model
    training.fit()
    save_adapter(training.plan.model, tmp_path / "adapter", "some/base")
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert "some/base" in text
    assert str(tmp_path) not in text
    assert origin.name not in text
    inputs = origin.tokenizer(["good film", "bad plot ."], padding=True, return_tensors="pt")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # of peft's making
        again = PeftModel.from_pretrained(untrained, tmp_path / "adapter").eval()
    with torch.inference_mode():
        assert torch.equal(again(**inputs).logits, training.plan.model.eval()(**inputs).logits)


class Poisoned(Sentiment):
    """A task whose loss is not finite from its `after`-th batch on."""

    after, value = 4, math.nan

    def loss(self, model, batch, *, smoothing):
        self.count = getattr(self, "count", 0) + 1
        loss = classification_loss(model, batch, smoothing=smoothing)
        return loss * self.value if self.count > self.after else loss


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_rate(source, value):
    task = Poisoned(sentiment().options, sentiment().labels)
    task.value = value
    training = Training(source, {"kind": "full"}, task=task, epochs=2)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) .* at step 5 \(phase 'full', learning rate 0\.0"):
        training.fit()
    assert all(torch.isfinite(parameter).all() for parameter in training.plan.model.parameters())


def test_a_gradient_that_is_not_finite_stops_too(source):
    class Steep(Sentiment):
        def loss(self, model, batch, *, smoothing):
            return classification_loss(model, batch) + sum((p.sum() * 0).sqrt() for p in model.parameters())

    with pytest.raises(TrainingError, match=r"gradient norm nan at step 1"):
        Training(source, {"kind": "full"}, task=Steep(sentiment().options, sentiment().labels)).fit()


def scripted(monkeypatch, training, values):
    """Give scores out in order, and keep the weights they were given for."""
    states, left = [], list(values)

    def validate(self, model, validation):
        states.append({n: t.clone() for n, t in collect_state(training.plan.finish(model)).items()})
        return {"accuracy": left.pop(0)}

    monkeypatch.setattr(Judge, "validate", validate)
    return states


@pytest.mark.parametrize(
    ("scores", "best"), [([0.5, 0.9, 0.7, 0.8], 1), ([0.6, 0.6, 0.5, 0.6], 0), ([0, 0.1, 0.2, 0.3], 3)]
)
@pytest.mark.parametrize(
    "strategy", [{"kind": "full"}, {"kind": "frozen", "solver": "gradient"}], ids=lambda s: s["kind"]
)
def test_the_state_that_was_best_on_validation_is_what_is_left(source, monkeypatch, scores, best, strategy):
    training = Training(source, strategy, train=rows(8), epochs=4)
    states = scripted(monkeypatch, training, scores)
    history = training.fit()
    assert history.best == max(scores)
    for name, tensor in training.plan.model.state_dict().items():
        assert torch.equal(tensor, states[best][name]), name
    assert not torch.equal(states[0]["head.output.weight" if len(strategy) > 1 else "classifier.weight"],
                           states[3]["head.output.weight" if len(strategy) > 1 else "classifier.weight"])  # fmt: skip


def test_the_best_state_of_an_earlier_phase_is_kept_through_the_later_ones(source, monkeypatch):
    training = Training(source, {"kind": "gradual", "blocks_per_phase": 4}, epochs=2)
    states = scripted(monkeypatch, training, [0.9, 0.5, 0.6])
    training.fit()
    assert len(states) == 3
    assert all(torch.equal(tensor, states[0][name]) for name, tensor in training.plan.model.state_dict().items())


def test_the_best_state_of_a_phase_that_was_replayed_holds_the_layers_below(source, monkeypatch):
    strategy = {"kind": "gradual", "blocks_per_phase": 1, "phase_epochs": 2}
    training = Training(source, strategy, train=rows(16), epochs=2)
    before = {name: tensor.clone() for name, tensor in training.plan.model.state_dict().items()}
    scripted(monkeypatch, training, [0.5, 0.9, *[0.6] * 20])
    training.fit()
    assert {one["phase"] for one in training.records} >= {"top 1", "all"}
    after = training.plan.model.state_dict()
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])
    lowest = "bert.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(after[lowest], before[lowest])  # that of the first phase, in which it rested
    assert not any("_taken_out" in module.__dict__ for module in training.plan.model.modules())


def test_layers_that_rest_in_every_phase_are_no_part_of_the_state(source):
    training = Training(source, {"kind": "full", "freeze_below": 1}, epochs=2)
    history = training.fit()
    assert "bert.encoder.layer.1.attention.self.query.weight" in history.state
    assert not any(name.startswith(("bert.embeddings", "bert.encoder.layer.0")) for name in history.state)


def test_the_best_state_of_a_restricted_table_is_put_back_whole(tmp_path, monkeypatch):
    source = vectors(tmp_path / "v.txt")
    training = Training(source, {"kind": "full"}, epochs=3)
    scores = [0.9, 0.5, 0.4]
    tables = []

    def validate(self, model, validation):
        tables.append(collect_state(model)["encoder.embeddings.weight"].clone())
        return {"accuracy": scores[len(tables) - 1]}

    monkeypatch.setattr(Judge, "validate", validate)
    training.fit()
    assert torch.equal(training.plan.model.encoder.embeddings.weight, tables[0])
    assert not torch.equal(tables[0], tables[2])


def test_a_trained_head_that_comes_with_the_source_keeps_its_scale(tmp_path):
    first = Training(checkpoint(tmp_path / "bert"), {"kind": "frozen"})
    first.fit()
    save_model(first.plan.model, Tokenizers(first.source.tokenizer), tmp_path / "model")
    second = Training(load_source("checkpoint", name=str(tmp_path / "model")), {"kind": "full"}, train=rows(seed=5))
    before = second.plan.model.head.shift.clone()
    assert before.any()
    second.fit()
    assert torch.equal(second.plan.model.head.shift, before)


def test_patience_stops_a_phase_after_so_many_epochs_without_a_better_validation(source, monkeypatch):
    training = Training(source, {"kind": "full"}, epochs=9, patience=2)
    states = scripted(monkeypatch, training, [0.5, 0.6, 0.6, 0.4, 0.9])
    history = training.fit()
    assert len(states) == 4
    assert history.best == 0.6


def test_the_patience_of_one_phase_is_not_spent_by_the_one_before(source, monkeypatch):
    training = Training(source, {"kind": "gradual", "blocks_per_phase": 9, "phase_epochs": 2}, epochs=3, patience=2)
    states = scripted(monkeypatch, training, [0.9, 0.1, 0.2, 0.3, 0.4])
    training.fit()
    assert len(states) == 4


def test_only_the_parameters_of_a_phase_move_in_it(source, monkeypatch):
    training = Training(source, {"kind": "gradual", "blocks_per_phase": 1}, epochs=1)
    before = {n: t.clone() for n, t in training.plan.model.state_dict().items()}
    states = scripted(monkeypatch, training, np.linspace(0.1, 0.9, len(training.plan.phases)))
    training.fit()
    for phase, state in zip(training.plan.phases, states, strict=True):
        moved = {name for name, tensor in state.items() if not torch.equal(tensor, before[name])}
        assert moved <= set(phase.rates)
        assert {name for name in phase.rates if name.endswith("weight") and "LayerNorm" not in name} <= moved
        before = state


def test_every_epoch_is_recorded_with_its_loss_its_rate_and_its_scores(source):
    training = Training(source, {"kind": "full"}, epochs=3)
    history = training.fit()
    assert [record["epoch"] for record in training.records] == [1, 2, 3]
    assert [record["step"] for record in training.records] == [6, 12, 18]
    assert {"phase", "loss", "learning_rate", "validation", "seconds"} <= set(training.records[0])
    assert training.records == history.epochs


def test_a_linear_head_is_solved_with_three_classes_and_with_one_that_train_lacks(source):
    labels = ("a", "b", "c", "never")
    texts = [GOOD[i % 8] for i in range(12)] + [BAD[i % 8] for i in range(12)] + ["film"] * 6
    data = TaskRows({"text": texts, "label": [0] * 12 + [2] * 12 + [1] * 6})
    task = Sentiment(sentiment().options, labels)
    training = Training(source, {"kind": "frozen"}, task=task, train=data, validation=data)
    assert training.fit().best > 0.9
    said = training.plan.model(**source.tokenizer("great", return_tensors="pt")).logits.softmax(-1)[0]
    assert said[3] < 1e-6


@pytest.fixture(params=[0.0, 0.2], ids=lambda share: f"smoothing {share}")
def solved(request, source):
    """A training whose head was solved, and the features of its training rows."""
    training = Training(source, {"kind": "frozen"}, label_smoothing=request.param)
    training.fit()
    units = TokenInputs(training.trainer().train, 1)
    found = compute(training.plan.model.eval(), units, Boundary("pooled"), np.arange(48), progress=False)
    return training, torch.from_numpy(np.stack(found))


def test_a_solved_head_is_the_minimum_of_the_penalised_loss(solved):
    training, features = solved
    head, labels = training.plan.model.head, torch.tensor(training.train["label"])
    inputs = (head.select(features) - head.shift) * head.scale
    odds = head.output.weight[1] - head.output.weight[0]  # of the second class: with two, one row is free
    bias = head.output.bias[1] - head.output.bias[0]
    weights = torch.cat([odds, bias[None]]).detach().double().requires_grad_()

    def slope(smoothing):
        logit = inputs.double() @ weights[:-1] + weights[-1]
        logits = torch.stack([torch.zeros_like(logit), logit], 1)
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
        penalty = weights[:-1].square().sum() / 2 / training.records[0]["solver"]["inverse_penalty"]
        return torch.autograd.grad(loss + penalty, weights)[0].abs().max()

    other = 0.1  # than the one it was solved for
    assert slope(training.label_smoothing) < 0.1 < slope(other)


def test_biases_norms_and_embeddings_do_not_decay_and_the_optimizer_is_fused(source):
    training = Training(source, {"kind": "full"})
    optimizer = make_optimizer(training.plan.model, training.plan.phases[0].rates, 0.1)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in training.plan.model.named_parameters():
        rests = name.endswith("bias") or "LayerNorm" in name or "embeddings" in name
        assert decays[id(parameter)] == (0.0 if rests else 0.1), name
    assert optimizer.defaults["fused"]


def test_a_training_learns(tmp_path):
    easy = vectors(tmp_path / "v.txt", "cnn")
    history = Training(easy, {"kind": "full"}, epochs=8).fit()
    assert history.best > 0.9


def test_saving_a_model_in_training_does_not_change_it(source, tmp_path):
    training = Training(source, {"kind": "full"})
    before = digest(training.plan.model)
    save_model(training.plan.model, Tokenizers(source.tokenizer), tmp_path / "model")
    assert digest(training.plan.model) == before


def test_a_scratch_model_of_the_same_seed_is_drawn_alike(tmp_path):
    name = save_checkpoint(tmp_path)
    drawn = [Training(load_source("checkpoint", name=name, scratch=True), {"kind": "full"}) for _ in range(2)]
    assert digest(drawn[0].plan.model) == digest(drawn[1].plan.model)


def test_fp16_is_refused_where_it_would_be_single_precision_by_another_name():
    with pytest.raises(ConfigError, match=r"training\.precision: fp16 is for GPUs, and there is none"):
        refuse_fp16("fp16")


def test_an_accelerator_that_is_no_cuda_gpu_is_not_judged_by_the_cpu(monkeypatch):
    monkeypatch.setattr("nlp_transfer.system.precision._measure_gain", lambda: 9.0)
    assert choose_precision.__wrapped__("auto") == "bf16"
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    assert choose_precision.__wrapped__("auto") == "fp32"


def test_fp16_is_refused_where_the_model_is_sharded(monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    refuse_fp16("fp16")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    refuse_fp16("bf16")
    with pytest.raises(ConfigError, match=r"training\.precision: fp16 is not supported with FSDP"):
        refuse_fp16("fp16")
