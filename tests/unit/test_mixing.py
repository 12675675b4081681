"""Batches are mixed of labelled rows and of texts without labels, in which hidden words are found (UDALM)."""

import json
import signal
from functools import cache

import numpy as np
import pytest
import tiny
import torch
from safetensors import safe_open
from survival import forked, wait_for
from transformers import AutoModelForMaskedLM

import nlp_transfer
from nlp_transfer.errors import SourceError, StoppedError
from nlp_transfer.models.anatomy import list_outside_encoder
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.masked import build_masked
from nlp_transfer.publishing.tree import write_publication
from nlp_transfer.strategies import make_plan
from nlp_transfer.strategies.mixing import HEAD, is_mixed
from nlp_transfer.training import attempt
from nlp_transfer.training.history import History
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.mixture import Mixture
from nlp_transfer.training.parameters import freeze
from nlp_transfer.training.step import Stepper

STRATEGIES = {"full": {"kind": "full"}, "lora": {"kind": "lora"}, "gradual": {"kind": "gradual"}}
THERE = [f"{text} ." for text in tiny.texts(30, seed=7)[0]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny.save_checkpoint(tmp_path_factory.mktemp("model"), num_hidden_layers=1)


def run(output, source, strategy, resume=None):
    """A run that mixes its batches."""
    settings = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": source if isinstance(source, dict) else {"kind": "checkpoint", "name": source},
        "strategy": {**strategy, "adaptation": "mlm"},
        "data": {"train": tiny.save_csv(output.parent / "train.csv")},
        "training": {"epochs": 1, "batch_size": 8, "precision": "fp32", "checkpoint": {"steps": 2}},
    }
    return nlp_transfer.run(settings, data={"unlabelled": THERE}, output=output, resume=resume, progress=False)


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    """A function that makes the mixed run of a strategy, once."""
    return cache(lambda name: run(tmp_path_factory.mktemp(name) / "run", source, STRATEGIES[name]))


@pytest.mark.parametrize("name", ["full", "lora"])
def test_a_mixed_training_leaves_an_ordinary_classifier(tmp_path, trained, name):
    result = trained(name)
    for file in result.folder.glob("*/*.safetensors"):
        with safe_open(file, "pt") as tensors:
            assert not [key for key in tensors.keys() if HEAD in key]  # noqa: SIM118 - no dictionary

    last = json.loads((result.folder / "history.jsonl").read_text().splitlines()[-1])
    assert last["mixed_loss"] == pytest.approx((last["labelled_loss"] + last["masked_loss"]) / 2, abs=1e-6)
    assert result.metrics["selection"]["by"] == "mixed_loss"
    assert "chosen by the mixed loss on held-out rows" in (result.folder / "README.md").read_text()

    (tmp_path / "tree").mkdir()
    write_publication(result.folder, tmp_path / "tree", "me/it", licence="mit", adapter_only=False)
    said = nlp_transfer.load(result.folder).predict(THERE[:4])
    assert nlp_transfer.load(tmp_path / "tree").predict(THERE[:4]) == said


def test_a_mixed_training_that_was_killed_and_stopped_ends_as_one_that_was_not(tmp_path, source, trained, monkeypatch):
    def begin(resume=None):  # of several phases, as the others
        return run(tmp_path / "parts", source, STRATEGIES["lora"], resume)

    def die_at(step):
        monkeypatch.setattr(attempt, "agree", tiny.end_at(step, signal.SIGKILL))
        begin()

    assert wait_for(forked(lambda: die_at(9))) == -signal.SIGKILL  # in the first epoch in which the encoder moves
    monkeypatch.setattr(attempt, "agree", tiny.end_at(3, signal.SIGTERM))
    with pytest.raises(StoppedError):
        begin("auto")
    monkeypatch.undo()
    assert begin("auto").figures.weights == trained("lora").figures.weights


@pytest.fixture(scope="module")
def opened(source):
    """A source, its plan with a mixed phase, the mixture, and the encoded rows of train."""
    return prepare(source, STRATEGIES["full"])


def prepare(source, strategy):
    torch.manual_seed(0)
    found = nlp_transfer.sources.load_source("checkpoint", name=source)
    task, rows = tiny.sentiment(), tiny.rows(16)
    loaded = task.build(found, rows, frozen=False)
    section = tiny.TypeAdapter(tiny.Strategy).validate_python({**strategy, "adaptation": "mlm"})
    plan = make_plan(
        section,
        tiny.TrainingConfig(),
        loaded,
        units=16,
        has_layers=True,
        scratch=False,
        masked=build_masked(found),
    )
    tokenizers = tiny.Tokenizers(found.tokenizer)
    there = task.encode(tiny.TaskRows({"text": THERE}), tokenizers)
    share = plan.adaptation.share
    mixture = Mixture.make(plan.masked, there, found.tokenizer, labelled=16, batch_size=4, seed=0, share=share)
    return task, plan, mixture, TokenInputs(task.encode(rows, tokenizers), found.tokenizer.pad_token_id)


def test_the_head_moves_where_the_encoder_does_and_shares_its_words(source):
    _, plan, mixture, _ = prepare(source, STRATEGIES["gradual"])
    assert [is_mixed(phase) for phase in plan.phases] == [False] + [True] * (len(plan.phases) - 1)
    outside = {*list_outside_encoder(plan.model)}
    assert [{*phase.rates} <= outside for phase in plan.phases[:3]] == [True, True, False], "new heads learn first"
    assert plan.adaptation.share == 0.5
    assert mixture.model.base_model is plan.model.base_model
    assert mixture.model.get_output_embeddings().weight is plan.model.get_input_embeddings().weight
    assert not hasattr(plan.finish(plan.model), HEAD)


def test_a_head_that_the_checkpoint_brings_learns_with_the_encoder_from_the_first_step(tmp_path):
    source = tiny.save_checkpoint(tmp_path / "bert", auto=AutoModelForMaskedLM)
    _, plan, mixture, _ = prepare(source, STRATEGIES["full"])
    assert [phase.name for phase in plan.phases] == ["full"]
    assert mixture.share == 4 / (4 + mixture.size)


def test_a_step_has_as_many_times_more_texts_as_there_are_and_none_that_is_held_out(opened):
    _, _, mixture, _ = opened
    assert (len(mixture.texts.encoded.inputs), len(mixture.held_out.encoded.inputs)) == (27, 3)
    assert mixture.size == round(4 * 27 / 16)
    assert mixture.share == 0.5, "because its head is new"
    steps = mixture.plan_steps(9, epoch=0)
    assert len(steps) == 9
    assert {*np.concatenate(steps).tolist()} == {*range(27)}
    assert [*map(len, mixture.plan_steps(9, epoch=0))] == [*map(len, steps)]


def test_the_gradient_of_a_step_is_that_of_both_losses_by_their_shares(opened, monkeypatch):
    task, plan, mixture, train = opened
    model = plan.model.eval()
    monkeypatch.setattr(Mixture, "compute_loss", lambda self, batch: _sum_of_states(self.model, batch))
    freeze(model, plan.phases[1].rates)
    units, texts = np.arange(4), np.arange(6)

    stepper = Stepper(tiny.make_accelerator(), task, pieces=2, smoothing=0.0, mixture=mixture, texts=texts)
    told = stepper.compute_gradients(model, train, units)
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()

    labelled = task.loss(model, train.make_batch(units), smoothing=0.0) / 4
    hidden = _sum_of_states(mixture.model, mixture.texts.make_batch(texts))
    hidden = hidden / (6 * mixture.texts.encoded.mean_weight)
    whole = mixture.share * labelled + (1 - mixture.share) * hidden
    whole.backward()
    assert told.item() == pytest.approx(whole.item(), abs=1e-5)
    for name, one in model.named_parameters():
        if one.grad is not None:
            assert torch.allclose(found[name], one.grad, atol=1e-5), name
    model.zero_grad()


def _sum_of_states(model, batch):
    states = model.base_model(**batch.inputs).last_hidden_state
    return (states * batch.inputs["attention_mask"][..., None]).square().sum()


def test_processes_find_a_gradient_of_zero_for_all_of_the_head(opened):
    _, plan, mixture, _ = opened
    freeze(plan.model, plan.phases[1].rates)
    mixture.touch().backward()
    head = {name: one for name, one in plan.model.named_parameters() if name.startswith(HEAD)}
    assert head
    assert all(one.grad is not None and not one.grad.any() for one in head.values())
    plan.model.zero_grad()


def test_the_lowest_mixed_loss_is_kept_whatever_the_score(opened, monkeypatch):
    _, plan, mixture, train = opened
    losses, scores = iter([2.0, 1.0, 3.0]), iter([0.9, 0.2, 1.0])
    monkeypatch.setattr(Mixture, "measure", lambda *_: {"mixed_loss": next(losses)})
    monkeypatch.setattr(Judge, "validate", lambda *_: {"accuracy": next(scores)})
    judge = Judge(
        task=tiny.sentiment(), rows=None, tokenizers=None, accelerator=tiny.make_accelerator(),
        moving=frozenset(), record=lambda _: None, mixture=mixture, mixed={plan.phases[0].name},
    )  # fmt: skip
    history = History()
    for _ in range(3):
        judge.judge(plan.model, train, history, phase=plan.phases[0].name, facts={"epoch": 1}, started=0.0)
    assert (history.best, history.scores["accuracy"], history.waited) == (-1.0, 0.2, 1)

    monkeypatch.setattr(Judge, "validate", lambda *_: {"accuracy": 1.0})
    judge.judge(plan.model, train, history, phase="linear probe", facts={"epoch": 1}, started=0.0)
    assert (history.best, history.waited) == (-1.0, 1)  # nothing is hidden there, so it is not compared


def test_the_estimate_of_memory_counts_the_larger_half(source):
    settings = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "checkpoint", "name": source},
        "data": {"train": [{"text": text, "label": str(label)} for text, label in zip(*tiny.texts(), strict=True)]},
    }
    data, longest = {"train": settings.pop("data")["train"]}, ["good " * 60, "a film"]

    def read_units(adaptation):
        config = {**settings, "strategy": {"kind": "full", "adaptation": adaptation}}
        return nlp_transfer.check(config, data={**data, "unlabelled": longest}).text

    assert "masked_head" in read_units("mlm")
    assert read_units("mlm") != read_units("none")


def test_a_table_as_a_bag_is_refused(tmp_path):
    table = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "table.txt"), "width": 8}
    with pytest.raises(SourceError, match="as a bag of vectors reads no words beside a hidden one"):
        run(tmp_path / "bag", table, STRATEGIES["full"])


def test_a_table_under_a_contextualizer_finds_words_in_every_phase(tmp_path):
    table = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "table.txt"), "width": 8}
    result = run(tmp_path / "cnn", {**table, "contextualizer": "cnn"}, STRATEGIES["gradual"])
    found = [json.loads(line) for line in (tmp_path / "cnn" / "history.jsonl").read_text().splitlines()]
    assert len(found) > 1
    assert all(one["masked_loss"] > 0 for one in found)
    assert len(nlp_transfer.load(result.folder).predict(THERE[:2])) == 2
