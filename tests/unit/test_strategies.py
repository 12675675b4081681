"""Each strategy names exactly the parameters that move, phase by phase, and at which rate."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import LABELS, Training, checkpoint, plan_for, rows, sentiment, vectors
from torch import nn
from transformers import AutoModelForSequenceClassification

from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.models.anatomy import list_blocks
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.strategies import Schedule
from nlp_transfer.training.optimizer import compute_rate_factor, make_optimizer, set_rates
from nlp_transfer.training.parameters import (
    check_reached,
    check_rested,
    count_writes,
    find_unreached,
    freeze,
    set_train_mode,
)

RATE = 0.01


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("bert"), num_hidden_layers=3)


@pytest.fixture
def native(source):
    return build_classifier(source, LABELS, head="native")


@pytest.fixture
def static(tmp_path):
    return build_classifier(vectors(tmp_path / "v.txt", "bilstm"), LABELS, head="pooled")


def plan(loaded, kind, has_layers=True, **settings):
    training = {"learning_rate": settings.pop("learning_rate", RATE), "epochs": 4}
    return plan_for(loaded, {"kind": kind, **settings}, has_layers=has_layers, **training)


def solvable(loaded):
    """The same model, for a task that declares how its head is solved."""
    return replace(loaded, solvable=True)


def group(name):
    """The block of a BERT parameter, in short."""
    if match := re.search(r"layer\.(\d)", name):
        return f"layer {match[1]}"
    return "embeddings" if "embeddings" in name else "pooler" if "pooler" in name else "head"


def rates_by_group(phase):
    found = {}
    for name, rate in phase.rates.items():
        found.setdefault(group(name), set()).add(round(rate, 12))
    assert all(len(rates) == 1 for rates in found.values())
    return {name: rates.pop() for name, rates in found.items()}


def names(model):
    return {name for name, _ in model.named_parameters()}


def test_full_moves_every_parameter_at_one_rate(native):
    (phase,) = plan(native, "full").phases
    assert set(phase.rates) == names(native.model)
    assert set(phase.rates.values()) == {RATE}
    assert phase.epochs == 4


def test_freeze_below_leaves_the_embeddings_and_the_lowest_layers_out(native):
    (phase,) = plan(native, "full", freeze_below=2).phases
    assert set(rates_by_group(phase)) == {"layer 2", "pooler", "head"}
    assert set(phase.rates) == {n for n in names(native.model) if group(n) in {"layer 2", "pooler", "head"}}


@pytest.mark.parametrize("layers", [3, 4, 99])
def test_freezing_every_layer_is_refused_with_the_strategy_to_use_instead(native, layers):
    with pytest.raises(ConfigError, match=rf"strategy\.freeze_below: {layers} of 3 layers.*kind=frozen"):
        plan(native, "full", freeze_below=layers)


def test_layer_decay_slows_each_block_by_its_distance_from_the_top(native):
    (phase,) = plan(native, "full", layer_decay=0.5, head_learning_rate=0.1).phases
    assert rates_by_group(phase) == {
        "head": 0.1,
        "pooler": RATE,
        "layer 2": RATE,
        "layer 1": RATE / 2,
        "layer 0": RATE / 4,
        "embeddings": RATE / 8,
    }


def test_frozen_moves_the_new_parameters_only_and_solves_a_linear_head(source, native):
    (phase,) = plan(native, "frozen").phases
    assert set(phase.rates) == {"classifier.weight", "classifier.bias"}
    assert phase.solver == "gradient"
    linear = solvable(build_classifier(source, LABELS, head="pooled"))
    assert plan(linear, "frozen").phases[0].solver == "lbfgs"
    assert plan(linear, "frozen", solver="gradient").phases[0].solver == "gradient"
    for shape in ({"hidden": [4]}, {"layers": "mix"}):
        deep = solvable(build_classifier(source, LABELS, head="pooled", **shape))
        assert plan(deep, "frozen").phases[0].solver == "gradient"
        with pytest.raises(ConfigError, match=r"strategy\.solver"):
            plan(deep, "frozen", solver="lbfgs")


def test_frozen_vectors_still_train_the_contextualizer_above_them(static):
    (phase,) = plan(static, "frozen", has_layers=False).phases
    assert set(phase.rates) == names(static.model) - {"encoder.embeddings.weight"}
    assert phase.solver == "gradient"


def test_a_checkpoint_with_a_head_of_its_own_leaves_frozen_nothing_to_train_and_the_others_all(tmp_path):
    headed = checkpoint(tmp_path, auto=AutoModelForSequenceClassification)
    assert build_classifier(headed, LABELS, head="native").new == frozenset()
    with pytest.raises(ConfigError, match=r"nothing to train.*task\.head\.kind=pooled"):
        plan(build_classifier(headed, LABELS, head="native"), "frozen")
    for settings in ({"kind": "full"}, {"kind": "lora"}, {"kind": "gradual"}, {"kind": "gradual", "schedule": "lp_ft"}):
        Training(headed, settings, train=rows(8)).fit()


def test_lora_moves_the_adapters_of_every_linear_layer_and_the_new_modules(native):
    linear = {n for n, m in native.model.named_modules() if isinstance(m, nn.Linear) and not n.startswith("classifier")}
    found = plan(native, "lora", rank=2)
    moving = found.moving
    assert {n.removeprefix("base_model.model.").split(".lora_")[0] for n in moving if "lora_" in n} == linear
    assert {n for n in moving if "lora_" not in n} == {
        f"base_model.model.classifier.modules_to_save.default.{part}" for part in ("weight", "bias")
    }
    assert moving == {n for n, p in found.model.named_parameters() if p.requires_grad}


def test_lora_trains_a_new_module_whose_name_ends_another_one(tmp_path):
    loaded = build_classifier(checkpoint(tmp_path, "distilbert"), LABELS, head="native")
    assert {name.partition(".")[0] for name in loaded.new} == {"pre_classifier", "classifier"}
    moving = {name for name in plan(loaded, "lora").moving if "lora_" not in name}
    assert moving == {
        f"base_model.model.{module}.modules_to_save.default.{part}"
        for module in ("pre_classifier", "classifier")
        for part in ("weight", "bias")
    }


def test_lora_adapts_the_modules_named_and_no_other(native):
    moving = plan(native, "lora", targets=["query", "value"], head_learning_rate=0.5).phases[0].rates
    assert {n.split(".lora_")[0].split(".")[-1] for n in moving if "lora_" in n} == {"query", "value"}
    assert {rate for name, rate in moving.items() if "classifier" in name} == {0.5}
    assert {rate for name, rate in moving.items() if "lora_" in name} == {RATE}


def test_lora_adapts_the_word_embeddings_where_asked_and_always_those_of_static_vectors(native, static):
    asked = plan(native, "lora", embeddings=True).moving
    assert any("word_embeddings.lora_embedding_A" in name for name in asked)
    table = plan(static, "lora", has_layers=False).moving
    assert {n for n in table if "lora_" in n} == {
        f"base_model.model.encoder.embeddings.lora_embedding_{side}.default" for side in "AB"
    }
    assert any("contextualizer.modules_to_save" in name for name in table)


def test_lora_targets_that_match_nothing_are_refused_with_those_there_are(native):
    with pytest.raises(ConfigError, match=r"strategy\.targets: .*'querry'. There are dense, key, query, value"):
        plan(native, "lora", targets=["key", "querry"])


def test_a_start_that_would_do_nothing_to_a_table_is_refused(static):
    with pytest.raises(ConfigError, match=r"strategy\.init: pissa is for linear layers"):
        plan(static, "lora", has_layers=False, init="pissa")


@pytest.mark.parametrize("settings", [{"rslora": True}, {"dora": True}, {"init": "pissa"}], ids=str)
def test_the_variants_of_lora_merge_into_the_model_they_trained(source, settings):
    training = Training(source, {"kind": "lora", "rank": 2, **settings}, train=rows(8))
    training.fit()
    batch = training.trainer().task.encode(training.validation, Tokenizers(source.tokenizer))
    from nlp_transfer.inference.predictions import infer
    from nlp_transfer.models.encoding.units import TokenInputs

    before = infer(training.plan.model, training.task, TokenInputs(batch, 1))
    after = infer(training.plan.finish(training.plan.model), training.task, TokenInputs(batch, 1))
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_ulmfit_thaws_blocks_from_the_top_each_slower_than_the_one_above(native):
    phases = plan(native, "gradual", blocks_per_phase=2, rate_decay=2.0).phases
    assert [phase.name for phase in phases] == ["head", "top 2", "top 4", "all"]
    assert [phase.epochs for phase in phases] == [1, 1, 1, 4]
    assert [set(rates_by_group(phase)) for phase in phases] == [
        {"head"},
        {"head", "pooler", "layer 2"},
        {"head", "pooler", "layer 2", "layer 1", "layer 0"},
        {"head", "pooler", "layer 2", "layer 1", "layer 0", "embeddings"},
    ]
    assert rates_by_group(phases[-1]) == {
        "head": RATE,
        "pooler": RATE,
        "layer 2": RATE / 2,
        "layer 1": RATE / 4,
        "layer 0": RATE / 8,
        "embeddings": RATE / 16,
    }
    assert set(phases[-1].rates) == names(native.model)


def test_lp_ft_probes_the_new_parameters_then_moves_everything(source, native):
    probe, tuning = plan(native, "gradual", schedule="lp_ft", phase_epochs=2).phases
    assert set(probe.rates) == native.new
    assert (probe.solver, probe.epochs) == ("gradient", 2)
    assert (set(tuning.rates), tuning.epochs) == (names(native.model), 4)
    linear = solvable(build_classifier(source, LABELS, head="pooled"))
    assert plan(linear, "gradual", schedule="lp_ft").phases[0].solver == "lbfgs"


def test_auto_rates_are_ten_times_higher_for_lora_than_for_full(native, source):
    def rate(kind):
        loaded = build_classifier(source, LABELS, head="native")
        return max(plan(loaded, kind, learning_rate="auto").phases[-1].rates.values())

    assert rate("lora") == pytest.approx(10 * rate("full"))


def test_blocks_hold_every_parameter_once_from_the_bottom_up(native):
    stack = list_blocks(native.model)
    assert sorted(name for block in stack for name in block) == sorted(names(native.model))
    assert [{group(name) for name in block} for block in stack] == [
        {"embeddings"},
        {"layer 0"},
        {"layer 1"},
        {"layer 2"},
        {"pooler", "head"},
    ]


def test_a_frozen_parameter_that_was_written_to_is_found(native):
    before = count_writes(native.model, {"classifier.weight": RATE})
    check_rested(native.model, before)
    with torch.no_grad():
        native.model.classifier.weight.add_(1)
    check_rested(native.model, before)
    with torch.no_grad():
        native.model.bert.embeddings.word_embeddings.weight.add_(0)
    with pytest.raises(TrainingError, match=r"bert\.embeddings\.word_embeddings\.weight was changed"):
        check_rested(native.model, before)


def test_a_parameter_that_the_loss_does_not_reach_is_found():
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "idle": nn.Linear(2, 1)})
    trained = dict(model.named_parameters())
    model["used"](torch.ones(1, 2)).sum().backward()
    silent = find_unreached(trained, trained)
    with pytest.raises(TrainingError, match=r"2 parameters should train but do not move, among them idle\."):
        check_reached(silent)
    model["idle"](torch.ones(1, 2)).sum().backward()
    check_reached(find_unreached(trained, silent))  # reached by now


def test_a_training_with_a_parameter_that_the_loss_does_not_reach_is_refused(tmp_path):
    training = Training(checkpoint(tmp_path / "bert"), {"kind": "full"})
    training.plan.model.idle = nn.Parameter(torch.zeros(1))
    training.plan = plan_for(training.loaded, {"kind": "full"}, learning_rate=0.01, epochs=1)
    with pytest.raises(TrainingError, match=r"1 parameters should train but do not move, among them .*idle"):
        training.fit()


def test_the_dropout_of_frozen_parts_rests_after_every_train_call(native):
    freeze(native.model, plan(native, "full", freeze_below=1).phases[0].rates)
    for _ in range(2):
        set_train_mode(native.model)
        bert = native.model.bert
        resting = [bert.embeddings, *bert.embeddings.modules(), *bert.encoder.layer[0].modules()]
        assert not any(module.training for module in resting)
        assert all(module.training for module in bert.encoder.layer[1].modules())
        assert native.model.dropout.training
        native.model.train()
        assert bert.embeddings.training, "train() alone wakes the dropout of frozen modules"


def test_frozen_parts_answer_alike_twice_while_the_head_trains(source):
    training = Training(source, {"kind": "frozen"}, task=sentiment(head={"kind": "native"}))
    model = training.plan.model
    freeze(model, training.plan.phases[0].rates)
    set_train_mode(model)
    inputs = source.tokenizer(["good film"], return_tensors="pt")
    assert torch.equal(*(model.bert(**inputs).pooler_output for _ in range(2)))
    assert not torch.equal(*(model(**inputs).logits for _ in range(2)))


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing():
    linear = Schedule(0.1, None, "linear")
    factors = [compute_rate_factor(step, 100, linear) for step in range(100)]
    assert factors[:10] == sorted(factors[:10])
    assert max(factors) == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[0] < 0.2
    assert factors[-1] < 0.02
    assert {compute_rate_factor(step, 100, Schedule(0.0, None, "constant")) for step in range(100)} == {1.0}
    assert compute_rate_factor(50, 100, Schedule(0.0, None, "cosine")) == pytest.approx(0.5)


def test_what_is_new_warms_up_on_a_schedule_of_its_own(source):
    for strategy in ({"kind": "full"}, {"kind": "lora"}):
        training = Training(source, strategy)
        (phase,) = training.plan.phases
        fresh = training.plan.select_fresh(phase)
        assert fresh
        assert all("head." in name or "classifier" in name for name in fresh)
        optimizer = make_optimizer(training.plan.model, phase.rates, 0.0, head=fresh)
        set_rates(optimizer, 20, 100, Schedule(0.5, 0.1, "constant"))
        arrived = {group["head"]: group["lr"] == group["peak"] for group in optimizer.param_groups}
        assert arrived == {True: True, False: False}


def test_a_probe_is_solved_on_features_even_where_no_cache_is_wanted(tmp_path):
    run = Training(vectors(tmp_path / "v.txt"), {"kind": "gradual", "schedule": "lp_ft", "cache": "none"}, epochs=1)
    assert run.fit().steps
