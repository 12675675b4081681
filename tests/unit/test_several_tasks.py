"""Several tasks on one source: what they share, how they take turns, and the ordinary run that each leaves."""

import csv
import json
import os
import signal
from html import escape

import numpy as np
import pytest
import tiny
import torch
from transformers import AutoModelForSeq2SeqLM

import nlp_transfer
from nlp_transfer.config.several import load_several
from nlp_transfer.errors import CheckpointError, ConfigError, StoppedError
from nlp_transfer.evaluation.html_report.recorded import read_run
from nlp_transfer.evaluation.sharing import SharedTask, judge_sharing
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.encoding.mixing import deal_batches, join_encoded, plan_epoch
from nlp_transfer.runs.several_tasks.joint import adapt_all, join, prepare_all
from nlp_transfer.training.history import History
from nlp_transfer.training.joint_judge import JointJudge, JudgedTask
from nlp_transfer.training.phase_steps import PhaseSteps
from nlp_transfer.training.several import Cosines, Tasks
from nlp_transfer_tasks.sentiment import Sentiment

KINDS = {
    "mood": ({"name": "sentiment", "max_length": 16}, "mood.csv"),
    "alike": ({"name": "pairs", "max_length": 32, "target": "number"}, "alike.csv"),
    "topics": ({"name": "multilabel", "max_length": 16}, "topics.jsonl"),
    "points": ({"name": "summarization", "style": "extractive", "max_length": 32}, "points.jsonl"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny checkpoint, a tiny table of vectors, and data of four kinds."""
    root = tmp_path_factory.mktemp("several")
    tiny.save_checkpoint(root / "bert", num_hidden_layers=1)
    tiny.save_vectors(root / "v.txt")
    tiny.save_csv(root / "mood.csv", 40)
    texts, _ = tiny.texts(40, 3)
    with (root / "alike.csv").open("w", newline="") as file:
        pairs = zip(texts, texts[1:] + texts[:1], range(40), strict=True)
        csv.writer(file).writerows([("first", "second", "number"), *((a, b, i % 5 / 4) for a, b, i in pairs)])
    topics = [{"text": text, "labels": ["a", "b"][: 1 + i % 2]} for i, text in enumerate(texts)]
    points = [{"text": [text, texts[i - 7], texts[i - 13]], "summary": texts[i - 7]} for i, text in enumerate(texts)]
    for name, rows in (("topics", topics), ("points", points)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def entry(place, name):
    task, file = KINDS[name]
    return {"name": name, "task": task, "data": {"train": str(place / file)}}


def common(place, strategy="full", source="bert", **training):
    sources = {"bert": {"kind": "checkpoint", "name": str(place / "bert")}}
    sources["bag"] = {"kind": "vectors", "name": str(place / "v.txt")}
    settings = {"epochs": 1, "batch_size": 8, "precision": "fp32", **training}
    kind = {"kind": strategy, "rank": 2} if strategy == "lora" else {"kind": strategy}
    return {"source": sources[source], "strategy": kind, "training": settings}


def config(place, names, *others, **settings):
    return {**common(place, *others, **settings), "tasks": [entry(place, name) for name in names]}


def train(wanted, folder, **settings):
    return nlp_transfer.run_tasks(wanted, output=folder, progress=False, **settings)


def read_encoder(folder):
    model = nlp_transfer.load(folder).model
    return find_encoder(model).module.state_dict()


@pytest.mark.parametrize(
    ("strategy", "source", "names"),
    [
        ("lora", "bert", ["mood", "points"]),
        ("full", "bag", ["mood", "topics", "alike"]),
        ("frozen", "bag", ["mood", "alike"]),
    ],
)
def test_each_task_leaves_an_ordinary_run_on_the_one_encoder(place, tmp_path, strategy, source, names):
    done = train(config(place, names, strategy, source), tmp_path / "out")

    first = read_encoder(tmp_path / "out" / names[0])
    for name in names:  # that the saved model answers as the trained one did was checked when it was saved
        assert nlp_transfer.load_config(tmp_path / "out" / name / "config.yaml").task.name == KINDS[name][0]["name"]
        other = read_encoder(tmp_path / "out" / name)
        assert all(torch.equal(first[key], other[key]) for key in first.keys() & other.keys())
    beside = done.results[names[0]].figures.beside
    assert list(beside) == ([] if strategy == "frozen" else names[1:])
    assert all(read_run(tmp_path / "out" / name).history[0]["validation"] for name in names)
    card = (tmp_path / "out" / names[0] / "README.md").read_text()
    assert ("trained together with other tasks" in card) == bool(beside)


def test_a_stopped_training_goes_on_to_the_same_weights(place, tmp_path, monkeypatch):
    wanted = config(place, ["mood", "topics"], "gradual", "bag", keep="each")
    whole = train(wanted, tmp_path / "whole")
    make_step = PhaseSteps.make_step

    def stop(self, units, step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        make_step(self, units, step)

    monkeypatch.setattr(PhaseSteps, "make_step", stop)
    with pytest.raises(StoppedError, match=r"after step 4; go on with the same command and --resume"):
        train(wanted, tmp_path / "cut")
    monkeypatch.undo()
    again = train(wanted, tmp_path / "cut", resume="auto")
    for name, one in whole.results.items():
        assert again.results[name].figures.weights == one.figures.weights
    assert not (tmp_path / "cut" / "checkpoints").exists()
    with pytest.raises(CheckpointError, match="it holds several tasks: name the folder of one of them"):
        nlp_transfer.load(tmp_path / "cut")
    with pytest.raises(ConfigError, match="holds several finished tasks; choose another"):
        train(wanted, tmp_path / "cut")
    assert "holds a finished run" in train(wanted, tmp_path / "cut", resume="auto").summary
    with pytest.raises(ConfigError, match=r"training.keep: each before, shared now"):
        train(config(place, ["mood", "topics"], "gradual", "bag", keep="shared"), tmp_path / "cut", resume="auto")


def make_row(name, correct):
    scores = {"accuracy": sum(correct) / len(correct)}
    return Comparand(name, "bert", "full", False, 1, 1, 1.0, scores, scores, correct)


def test_what_sharing_bought_is_said_with_its_interval():
    good, poor = [1.0] * 60 + [0.0] * 20, [1.0] * 20 + [0.0] * 60
    pairs = {"up": (good, poor), "down": (poor, good), "level": (good, good), "small": (good[:5], poor[:5])}
    tasks = {name: SharedTask(Sentiment, *(make_row(name, one) for one in rows)) for name, rows in pairs.items()}
    *each, last = judge_sharing(tasks)
    assert each[0].startswith("up gains by sharing: +50.0 (")
    assert each[1].startswith("down loses by sharing: negative transfer between tasks: -50.0 (")
    assert each[2].startswith("level is neither better nor worse for sharing (may be chance): +0.0 (")
    assert each[3] == "small: 5 test rows are too few to tell what sharing bought."
    assert last == "1 of 4 tasks lose: with few tasks that is usual; train those alone."


def test_a_single_task_of_several_is_trained_to_the_weights_of_an_ordinary_run(place, tmp_path):
    wanted = config(place, ["mood"])
    found = nlp_transfer.compare_tasks(wanted, output=tmp_path / "c", progress=False)
    files = [tmp_path / "c" / way / "mood" / "model" / "model.safetensors" for way in ("shared", "single")]
    both = [file.read_bytes() for file in files]
    assert both[0] == both[1]  # a single task shares with nobody
    assert "too few" in found.verdicts[0]
    assert json.loads((tmp_path / "c" / "comparison.json").read_text())["tasks"]["mood"]["score"] == "accuracy"
    page = (tmp_path / "c" / "report.html").read_text()
    assert all(escape(sentence) in page for sentence in found.verdicts)
    assert 'href="shared/mood/report.html"' in page
    with pytest.raises(ConfigError, match="frozen moves nothing that the tasks share"):
        nlp_transfer.compare_tasks(config(place, ["mood"], "frozen"), output=tmp_path / "d", progress=False)


@pytest.fixture(scope="module")
def joint(place):
    checked = load_several(config(place, ["mood", "points", "topics"]))
    return join(adapt_all(prepare_all(checked.each_task())))


def test_what_is_shared_moves_once_and_every_head_moves(joint):
    names = [name for name, _ in joint.model.named_parameters()]
    assert joint.plan.moving == set(names)
    assert sum("word_embeddings" in name for name in names) == 1
    assert {name.split(".")[1] for name in names if "encoder" not in name and "bert" not in name} == {"0", "1", "2"}
    assert all(one.numel() for one in joint.model.list_shared())


def test_every_batch_belongs_to_one_task_and_is_the_one_that_it_would_have_alone(joint):
    parts = [one.prepared.encoded["train"] for one in joint.members.values()]
    whole = join_encoded(parts)
    batches = plan_epoch(whole, 8, seed=5, epoch=1)
    assert sorted(np.concatenate(batches)) == [*range(len(whole.inputs))]
    start = 0
    for number, part in enumerate(parts):
        own = [batch - start for batch in batches if whole.owner[batch[0]] == number]
        alone = plan_epoch(part, 8, seed=5, epoch=1)
        assert [one.tolist() for one in own] == [one.tolist() for one in alone]
        assert whole.inputs[start] == part.inputs[0]
        start += len(part.inputs)
    assert whole.mean_weight == pytest.approx(1)


@pytest.mark.parametrize(
    ("sampling", "dealt"), [(1.0, [90, 9, 1]), (0.0, [34, 33, 33]), (0.5, [69, 23, 8])], ids=["all", "equal", "root"]
)
def test_batches_are_dealt_in_proportion_to_a_power_of_the_sizes(sampling, dealt):
    assert deal_batches([90, 9, 1], [900, 90, 10], sampling) == dealt


def test_a_task_with_few_batches_goes_on_where_it_stopped_in_the_epoch_before(joint):
    whole = join_encoded([one.prepared.encoded["train"] for one in joint.members.values()])
    sizes = np.bincount(whole.owner)
    seen = [
        unit
        for epoch in range(3)
        for batch in plan_epoch(whole, 4, seed=0, epoch=epoch, sampling=0.0)
        for unit in batch
    ]
    counts = np.bincount(seen, minlength=len(whole.owner))
    for number in range(len(sizes)):
        own = counts[whole.owner == number]
        assert own.max() - own.min() <= 1


class Scored:
    """A judge whose scores are given."""

    def __init__(self, scores):
        self.scores = iter(scores)
        self.task = type("Task", (), {"selection": "accuracy"})

    def validate(self, *_):
        return {"accuracy": next(self.scores)}


def judge_epochs(keep, **scores):
    tasks = {name: JudgedTask(Scored(values), None, None) for name, values in scores.items()}
    model, history = torch.nn.Linear(1, 1, bias=False), History()
    judge = JointJudge(tasks, keep, frozenset(["weight"]), lambda _: None)
    for epoch in range(len(next(iter(scores.values())))):
        model.weight.data.fill_(epoch)
        judge.judge(model, None, history, phase="full", facts={}, started=0.0)

    def read(name):
        judge.restore_for(name, model, history)
        return int(model.weight)

    return {name: read(name) for name in tasks}


def test_the_state_of_the_best_mean_rank_is_kept_for_all_or_the_best_of_each():
    scores = {"one": [0.1, 0.9, 0.5, 0.6], "two": [0.5, 0.2, 0.4, 0.3], "three": [0.1, 0.2, 0.4, 0.3]}
    assert judge_epochs("shared", **scores) == {"one": 2, "two": 2, "three": 2}
    assert judge_epochs("each", **scores) == {"one": 1, "two": 0, "three": 2}


def test_the_cosine_of_gradients_is_that_of_what_the_tasks_share():
    shared = torch.nn.Parameter(torch.zeros(2))
    found = Cosines(Tasks({"one": None, "two": None}, np.array([0, 1])), [shared])
    for step, (unit, gradient) in enumerate(((0, [1.0, 0.0]), (0, [9.0, 9.0]), (1, [-1.0, 1.0]))):
        shared.grad = torch.tensor(gradient)
        found.note(np.array([unit]), step)
    assert found.collect() == {"one, two": pytest.approx(-(0.5**0.5), abs=1e-4)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": ["mood", "mood"]}, r"tasks: the name 'mood' stands 2 times; each names a folder of its own"),
        ({"tasks": ["mood", "MOOD"]}, r"tasks: the name 'mood' stands 2 times; .* whatever its case"),
        ({"tasks": []}, r"tasks: expected at least 1 entry \(received \[\]\)"),
        ({"trainin": {}}, r"trainin: unknown key. .* Did you mean 'training'\?"),
        ({"task": {"name": "sentiment"}}, r"task: unknown key. .* Did you mean 'tasks'\?"),
    ],
)
def test_a_faulty_configuration_is_refused_in_one_line(place, changes, said):
    tasks = [{**entry(place, name.lower()), "name": name} for name in changes.get("tasks", ["mood"])]
    with pytest.raises(ConfigError, match=said):
        load_several({**common(place), **changes, "tasks": tasks})


@pytest.mark.parametrize("name", ["tasks.json", "config.yaml", "metrics.json", "checkpoints", "seed-1", "a/b", "$x"])
def test_no_task_takes_the_name_of_what_the_training_writes_beside_it(place, name):
    with pytest.raises(ConfigError, match=r"tasks.0.name: .* cannot name a folder beside those of the training"):
        load_several({**common(place), "tasks": [{**entry(place, "mood"), "name": name}]})


def test_a_table_of_the_words_of_the_texts_has_those_of_all_tasks(place, tmp_path):
    lines = (f"{'good ' * i},a\n{'bad ' * i},b\n" for i in range(1, 20))
    (tmp_path / "few.csv").write_text("text,label\n" + "".join(lines))
    wanted = config(place, ["mood", "topics"], "full", "bag")
    wanted["source"]["vocabulary"] = "data"
    wanted["tasks"][0]["data"]["train"] = str(tmp_path / "few.csv")
    joint = join(adapt_all(prepare_all(load_several(wanted).each_task())))
    words = [one.prepared.tokenizers.source.get_vocab() for one in joint.members.values()]
    assert words[0] == words[1]
    assert len(words[0]) > 20


def test_an_unknown_key_is_named_with_file_and_line(tmp_path):
    (tmp_path / "c.yaml").write_text("tasks:\n- name: a\n  task: {name: sentiment}\n  data:\n    trian: x.csv\n")
    with pytest.raises(
        ConfigError, match=r"c.yaml, line 5: tasks.0.data.trian: unknown key. .* Did you mean 'train'\?"
    ):
        load_several(tmp_path / "c.yaml")


def test_a_task_that_writes_with_a_new_decoder_cannot_share(place):
    wanted = config(place, ["mood", "points"])
    task, texts = {"name": "summarization", "style": "abstractive"}, {"text": "text", "summary": "summary"}
    wanted["tasks"][1] |= {"task": task, "data": {"train": str(place / "points.jsonl"), "columns": texts}}
    with pytest.raises(ConfigError, match=r"task 'points': a EncoderDecoderModel has a decoder of its own"):
        join(adapt_all(prepare_all(load_several(wanted).each_task())))


@pytest.fixture(scope="module")
def writers(place, tmp_path_factory):
    """Translation and summarization on one T5, told apart by a prefix."""
    root = tmp_path_factory.mktemp("writers")
    shape = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 1}
    tiny.save_checkpoint(root / "t5", "t5", AutoModelForSeq2SeqLM, **shape)
    wanted = common(place)
    wanted["source"]["name"] = str(root / "t5")
    writing = {"max_length": 24, "max_target_length": 12, "generation": {"beams": 1}}
    translation = {"name": "translation", "prefix": "the plot: ", **writing}
    summary = {"name": "summarization", "style": "abstractive", "prefix": "a film: ", **writing}
    sides, rows = {"source": "first", "target": "second"}, {"train": str(place / "points.jsonl")}
    wanted["tasks"] = [
        {"name": "said", "task": translation, "data": {"train": str(place / "alike.csv"), "columns": sides}},
        {"name": "short", "task": summary, "data": rows},
    ]
    train(wanted, root / "out")
    return root / "out"


def test_translation_and_summarization_share_an_encoder_decoder_and_are_told_apart_by_a_prefix(writers):
    said, short = (nlp_transfer.load(writers / name) for name in ("said", "short"))
    one, other = said.model.state_dict(), short.model.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {type(predictor.task).__name__ for predictor in (said, short)} == {"Translation", "Summarization"}


def test_runs_that_call_their_one_text_by_other_names_answer_it_together(writers, command, tmp_path):
    (tmp_path / "texts.txt").write_text("the plot was good\na film\n")
    both = command("predict", writers, tmp_path / "texts.txt")[1].splitlines()
    for name in ("said", "short"):
        alone = command("predict", writers / name, tmp_path / "texts.txt")[1].splitlines()
        assert [json.loads(line)[name] for line in both] == [*map(json.loads, alone)]
        assert len(alone) == 2
    code, _, err = command("predict", writers, tmp_path / "texts.txt", "--least", "0.5")
    assert code == 2
    assert "run 'said': least: the answers of this run have no confidence" in err
    code, _, err = command("predict", writers, tmp_path / "texts.txt", "--column", "text=review")
    assert code == 2
    assert "--column text: unknown role" in err


def test_check_says_what_moves_and_what_each_task_reads(place):
    found = nlp_transfer.check(config(place, ["mood", "topics"]))
    assert "== mood: data" in found.text
    assert "== topics: tokens" in found.text
    assert "members.0.bert.encoder.layer.0" in found.text
    assert "full: " in found.text.partition("== memory")[2]
    assert not any("not used" in said for said in found.warnings)


def test_a_run_of_one_task_says_that_it_shares_nothing(place):
    own = {key: value for key, value in entry(place, "mood").items() if key != "name"}
    found = nlp_transfer.check({**common(place, keep="each"), **own})
    assert "training.keep: not used, there is one task" in found.warnings
