"""`rank`: which source to take, from rows of train and nothing else."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.flags import read_source_list
from nlp_transfer.config.tasks import find_task
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import load_splits, load_train
from nlp_transfer.data.splitting import deal_folds
from nlp_transfer.errors import ConfigError, DataError, SourceError
from nlp_transfer.evaluation.ranking import MeasuredSource, count_agreement, order_sources, write_sentences
from nlp_transfer.inference.activations import compute, open_store
from nlp_transfer.inference.layer_mean import POOLED, read_features
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.ranking import rank as ranking
from nlp_transfer.sources import load_source
from nlp_transfer.training.crossing import cross_validate
from nlp_transfer.training.regression import Rows

ROLES = {"text": "text", "label": "label"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with rows, two random checkpoints, and word vectors that know good from bad."""
    folder = tmp_path_factory.mktemp("ranking")
    tiny.save_csv(folder / "train.csv", 80)
    tiny.save_checkpoint(folder / "bert")
    tiny.save_vectors(folder / "words.txt")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))


def configure(place, **changes):
    data = {"train": str(place / "train.csv"), **changes.pop("data", {})}
    return {"task": {"name": "sentiment", "max_length": 32}, "data": data, **changes}


def sources(place):
    return [str(place / "bert"), str(place / "words.txt")]


def test_rows_in_memory_are_ranked_as_those_of_a_file(place, tmp_path):
    with (place / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    held, named = (
        nlp_transfer.rank(configure(place), sources=sources(place)[1:], data=data, output=tmp_path / name)
        for name, data in (("held", rows), ("named", None))
    )
    assert held.sources[0].measured.hits == named.sources[0].measured.hits
    assert "in memory (80 rows: text, label; sha256" in (tmp_path / "held" / "config.yaml").read_text()


def read_figures(folder):
    """The contents of rank.json but for the time."""
    figures = json.loads((folder / "rank.json").read_text())
    for one in figures["sources"]:
        del one["seconds"], one["computed"]
    return figures


def test_the_source_that_knows_most_comes_first_and_what_was_measured_is_kept(place, tmp_path):
    broken = tmp_path / "broken.txt"
    broken.write_text("good 1 2\nbad 1\n")
    twice = [{"kind": kind, "name": str(broken)} for kind in ("checkpoint", "vectors")]  # two settings of one name
    found = nlp_transfer.rank(configure(place), sources=[*sources(place), *twice], output=tmp_path / "r")
    best, other = found.sources
    assert best.measured.kind == "vectors"
    assert best.score.difference > 0.9 > other.score.high
    assert best.level
    assert not other.level
    assert best.measured.h_score > other.measured.h_score
    assert best.measured.log_me > other.measured.log_me
    assert found.agreement == {"pairs_apart": 1, "ordered_alike": {"h_score": 1, "log_me": 1}}
    assert list(found.failed) == [f"{broken} ({json.dumps(one)})" for one in twice]
    assert found.verdict[0].startswith("words.txt comes first: its probe has accuracy")
    figures = read_figures(tmp_path / "r")
    assert figures["rows"]["used"] == 64
    assert [one["source"] for one in figures["sources"]] == ["words.txt", "bert"]
    assert figures["verdict"] == list(found.verdict)


def test_a_ranking_that_was_killed_goes_on_to_the_same_result(place, tmp_path, monkeypatch):
    nlp_transfer.rank(configure(place), sources=sources(place), output=tmp_path / "whole")
    measure, done = ranking.measure_source, []

    def die(*given, **settings):
        if done:
            raise KeyboardInterrupt
        done.append(measure(*given, **settings))
        return done[0]

    monkeypatch.setattr(ranking, "measure_source", die)
    with pytest.raises(KeyboardInterrupt):
        nlp_transfer.rank(configure(place), sources=sources(place), output=tmp_path / "cut")

    done.clear()
    same = configure(place, training={"epochs": 9})  # nothing is trained
    nlp_transfer.rank(same, sources=sources(place), output=tmp_path / "cut", resume="auto")
    assert len(done) == 1  # the other was kept
    assert read_figures(tmp_path / "cut") == read_figures(tmp_path / "whole")


def test_a_ranking_is_not_gone_on_with_after_train_has_changed(place, tmp_path):
    tiny.save_csv(tmp_path / "train.csv", 60)
    nlp_transfer.rank(configure(tmp_path), sources=sources(place)[1:], output=tmp_path / "r")
    tiny.save_csv(tmp_path / "train.csv", 60, seed=1)
    with pytest.raises(ConfigError, match="train has changed since its ranking began"):
        nlp_transfer.rank(configure(tmp_path), sources=sources(place), resume=tmp_path / "r")
    with pytest.raises(ConfigError, match=r"data.limit: unset before, 30 now"):
        nlp_transfer.rank(configure(tmp_path, data={"limit": 30}), sources=sources(place), resume=tmp_path / "r")

    for damaged in ("{", "[]", '{"rows": "x", "section": "y", "measured": {"depth": 3}}'):
        (tmp_path / "r" / ranking.MEASURED).write_text(damaged)
        with pytest.raises(ConfigError, match=r"measured\.jsonl: damaged, or of another version; .* --output"):
            nlp_transfer.rank(configure(tmp_path), sources=sources(place), resume=tmp_path / "r")


def test_a_source_is_measured_alike_whatever_stands_beside_it(place, tmp_path):
    scratch = {"kind": "checkpoint", "name": str(place / "bert"), "scratch": True}
    for name, order in (("one", [scratch, sources(place)[0]]), ("two", [sources(place)[0], scratch])):
        nlp_transfer.rank(configure(place, training={"seed": 1}), sources=order, output=tmp_path / name)
    assert read_figures(tmp_path / "one")["sources"] == read_figures(tmp_path / "two")["sources"]


def test_no_row_that_a_run_is_judged_by_is_read(place):
    data = DataConfig(train=str(place / "train.csv"))
    train = load_train(data, ROLES, most=1000, folds=5)
    splits = load_splits(data, ROLES)
    assert train.rows["row"][:] == splits.train["row"][:]
    assert train.labels == splits.labels


def test_validation_and_test_are_not_opened(place, tmp_path):
    (tmp_path / "broken.csv").write_bytes(b"\xff\x00\xff")
    for name in ("validation", "test"):
        (tmp_path / f"{name}.parquet").write_bytes(b"no parquet")
    tiny.save_csv(tmp_path / "train.csv", 60)

    given = DataConfig(train=str(place / "train.csv"), validation=str(tmp_path / "broken.csv"), test="nowhere.csv")
    assert len(load_train(given, ROLES, most=1000, folds=5).rows) == 80

    brought = DataConfig(train=str(tmp_path))  # would the run cut from train if they had no labels? then not these
    assert len(load_train(brought, ROLES, most=1000, folds=5).rows) == 48


def test_at_most_so_many_rows_are_read_with_the_shares_of_the_labels(place):
    data = DataConfig(train=str(place / "train.csv"))
    assert np.bincount(load_train(data, ROLES, most=20, folds=5).rows["label"][:]).tolist() == [10, 10]
    assert len(load_train(data.model_copy(update={"limit": 12}), ROLES, most=1000, folds=5).rows) == 12


def test_too_few_texts_for_folds_are_refused(tmp_path):
    tiny.save_csv(tmp_path / "train.csv", 11)
    with pytest.raises(DataError, match="7 different texts in train, too few for 5 folds"):
        load_train(DataConfig(train=str(tmp_path / "train.csv")), ROLES, most=1000, folds=5)


def test_folds_have_one_size_and_the_shares_of_the_classes_and_keep_equal_texts_together():
    strata = np.repeat([0, 1, 2], [50, 30, 20])
    keys = np.arange(100)
    keys[[3, 60, 90]] = 3
    folds = deal_folds(keys, strata, 5, seed=0)
    assert len(set(folds[[3, 60, 90]])) == 1
    counts = [np.bincount(folds[strata == one], minlength=5) for one in range(3)]
    assert all(np.ptp(count) <= 2 for count in counts)
    assert (folds == deal_folds(keys + 7, strata, 5, seed=0)).all()


def test_no_row_is_answered_by_a_probe_that_has_seen_it():
    """There are more features than rows, so that a probe knows all that it has seen by heart."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 300)).astype(np.float32), rng.integers(0, 2, 100)
    answers = cross_validate(Rows(x, y, np.ones(100)), np.arange(100) % 5, solved_as="softmax", count=2)
    assert (answers.argmax(1) == y).mean() < 0.7


def test_a_probe_lets_classes_count_alike_where_that_finds_the_rare_one():
    rng = np.random.default_rng(0)
    y = np.array([0] * 180 + [1] * 20)
    x = (rng.normal(size=(200, 4)) + 0.8 * y[:, None]).astype(np.float32)
    given = Rows(x, y, np.ones(200)), np.arange(200) % 5
    scores = {
        weighing: cross_validate(*given, solved_as="softmax", count=2, selection="macro_f1", weighing=weighing)
        for weighing in (False, True)
    }
    found, more = ((scores[weighing].argmax(1) == 1).sum() for weighing in (False, True))
    assert more > found


def test_folds_that_leave_a_single_class_are_answered_by_it():
    rows = Rows(np.random.default_rng(0).normal(size=(20, 3)), np.array([0] * 18 + [1] * 2), np.ones(20))
    answers = cross_validate(rows, np.array([*range(5)] * 3 + [0, 1, 2, 3, 4]), solved_as="softmax", count=3)
    assert (answers.argmax(1) == 0).sum() >= 15


@pytest.mark.parametrize("kind", ["bert", "words.txt", "sentences"])
def test_features_are_those_of_a_frozen_run_and_of_all_layers(place, tmp_path, kind):
    folder = place / kind
    if kind == "sentences":  # with an embedding of another width than its states
        modules = [("Pooling", {"pooling_mode": "cls"}), ("Dense", tiny.dense(tiny.HIDDEN, 6))]
        folder = tiny.save_sentence_folder(tmp_path / kind, modules)
    source = load_source("vectors" if kind == "words.txt" else "checkpoint", name=str(folder))
    task, rows = tiny.sentiment(), tiny.rows(12)
    model = task.build(source, rows, frozen=True).model.eval()
    encoded = task.encode(rows, tiny.Tokenizers(source.tokenizer, None))
    units = TokenInputs(encoded, source.tokenizer.pad_token_id)

    found = read_features(model, units, tmp_path, has_layers=source.has_layers, progress=False)
    plain = compute(model, units, POOLED, np.arange(12), progress=False)
    assert np.array_equal(found.read, model.stacked([torch.tensor(row) for row in plain]).numpy())
    assert found.computed == 12

    def fail(_):
        raise AssertionError("a frozen run would compute them again")

    stored = open_store(model, POOLED, tmp_path).fill(encoded.inputs, fail)
    assert all(np.array_equal(one, other) for one, other in zip(stored, plain, strict=True))
    again = read_features(model, units, tmp_path, has_layers=source.has_layers, progress=False)
    assert again.computed == 0
    assert np.array_equal(again.layer_mean, found.layer_mean)

    batch = units.make_batch(np.array([3]))
    with torch.inference_mode():
        states = model.encoder(**batch.inputs, output_hidden_states=True)
    every = states.hidden_states if source.has_layers else [states.last_hidden_state]
    assert np.allclose(found.layer_mean[3], torch.stack(list(every)).mean(0)[0].mean(0), atol=1e-5)


@pytest.mark.parametrize("own", [False, True])
def test_the_mean_of_all_layers_of_two_texts_compares_their_means(place, tmp_path, own):
    modules = [("Pooling", {"pooling_mode": "cls"}), ("Dense", tiny.dense(tiny.HIDDEN, 6))]
    folder = tiny.save_sentence_folder(tmp_path / "own", modules) if own else place / "bert"
    source = load_source("checkpoint", name=str(folder))
    task = find_task("pairs")(find_task("pairs").Options(name="pairs", max_length=32), tiny.LABELS)
    texts = {"first": ["a good film", "it was bad"], "second": ["some plot", "very dull"]}
    rows = TaskRows({**texts, "label": [0, 1]})
    model = task.build(source, rows, frozen=True).model.eval()
    units = TokenInputs(task.encode(rows, tiny.Tokenizers(source.tokenizer, None)), source.tokenizer.pad_token_id)
    found = read_features(model, units, tmp_path, has_layers=True, progress=False)

    plain = compute(model, units, POOLED, np.arange(2), progress=False)
    assert np.array_equal(found.read, model.stacked([torch.tensor(row) for row in plain]).numpy())
    sides = []
    for text in ("it was bad", "very dull"):
        with torch.inference_mode():
            states = model.encoder(**source.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        sides.append(torch.stack(list(states.hidden_states)).mean(0)[0].mean(0).numpy())
    u, v = sides
    assert np.allclose(found.layer_mean[1], np.concatenate([u, v, abs(u - v), u * v]), atol=1e-5)


def write_rows(path, names, rows):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return str(path)


def pairs(place, *, number):
    texts, labels = tiny.texts(60)
    beside, others = tiny.texts(60, seed=1)[0], np.random.default_rng(0).permutation(60)
    same = [int(labels[i] == j % 2) for i, j in enumerate(others)]
    cells = [float(one) if number else ["other", "same"][one] for one in same]
    rows = [(texts[i], beside[j], cell) for (i, j), cell in zip(enumerate(others), cells, strict=True)]
    return write_rows(place, ("first", "second", "number" if number else "label"), rows)


@pytest.mark.parametrize("kind", ["pairs", "numbers", "several labels", "sentences"])
def test_other_tasks_than_one_label_are_ranked_too(place, tmp_path, kind):
    texts, labels = tiny.texts(60)
    file, task = tmp_path / "rows.csv", {"name": "pairs", "max_length": 32}
    score, classes, ranked = "accuracy", True, sources(place)
    match kind:
        case "pairs":
            pairs(file, number=False)
        case "numbers":
            pairs(file, number=True)
            task["target"], score, classes = "number", "spearman", False
        case "several labels":
            rows = [
                (
                    text,
                    "good" if label else "",
                )
                for text, label in zip(texts, labels, strict=True)
            ]
            write_rows(file, ("text", "labels"), [(text, cell or "bad,dull") for text, cell in rows])
            task, score = {"name": "multilabel", "max_length": 32}, "example_f1"
            ranked = ranked[1:]  # a regression for each label, each feature and each fold takes its time
        case "sentences":
            file = tmp_path / "rows.jsonl"
            documents = [{"text": [*texts[i : i + 3]], "summary": texts[i + labels[i]]} for i in range(57)]
            file.write_text("\n".join(map(json.dumps, documents)))
            task, score, classes = {"name": "summarization", "max_length": 64}, "rouge1", False

    config = {"task": task, "data": {"train": str(file)}}
    found = nlp_transfer.rank(config, sources=ranked, output=tmp_path / "r")
    assert found.score == score
    for one in found.sources:
        assert one.score.low <= one.score.difference <= one.score.high
        assert np.isfinite(one.measured.log_me)
        assert (one.measured.h_score is not None) == classes


def test_tasks_that_write_are_refused_before_anything_is_opened(tmp_path):
    config = {"task": {"name": "translation"}, "data": {"train": "nowhere.csv"}}
    with pytest.raises(ConfigError, match="task 'translation' writes text"):
        nlp_transfer.rank(config, sources=["minilm"], output=tmp_path / "r")


def test_a_head_without_pooled_features_is_refused_with_the_way_out(place, tmp_path):
    config = configure(place, task={"name": "sentiment", "head": {"kind": "native"}})
    with pytest.raises(SourceError, match=r"leave task.head.kind out, or set it to pooled"):
        nlp_transfer.rank(config, sources=sources(place)[:1], output=tmp_path / "r")


def test_a_source_that_the_options_do_not_fit_or_the_memory_does_not_hold_does_not_stop_the_others(
    place, tmp_path, monkeypatch
):
    config = configure(place, task={"name": "sentiment", "head": {"layers": [0, -1]}})  # vectors have no layers
    measure = ranking.measure_source

    def lack_memory(config, *given, **settings):
        if config.source.scratch:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return measure(config, *given, **settings)

    monkeypatch.setattr(ranking, "measure_source", lack_memory)
    large = {"kind": "checkpoint", "name": str(place / "bert"), "scratch": True}
    found = nlp_transfer.rank(config, sources=[large, *sources(place)], output=tmp_path / "r")
    assert [one.name for one in found.sources] == ["bert"]
    (short,) = (reason for name, reason in found.failed.items() if "scratch" in name)
    assert "not enough memory" in short
    assert "this source has no layers" in found.failed[str(place / "words.txt")]


def test_sources_of_which_none_opens_are_an_error(place, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"none of the sources can be ranked: .*empty: no checkpoint"):
        nlp_transfer.rank(configure(place), sources=[str(tmp_path / "empty")], output=tmp_path / "r")


def test_mistyped_sources_are_told_at_once_and_nothing_is_measured(place, tmp_path, monkeypatch):
    monkeypatch.setattr(ranking, "load_train", lambda *_, **__: pytest.fail("data were read"))
    wanted = [*sources(place), "minlm", {"kind": "vectors", "name": "glove-50"}]
    with pytest.raises(SourceError) as caught:
        nlp_transfer.rank(configure(place), sources=wanted, output=tmp_path / "r")
    heading, *said = str(caught.value).splitlines()
    assert heading == "2 sources"
    assert [one.split("Did you mean ")[1] for one in said] == ["'minilm'?", "'glove-50d'?"]
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"kind": "checkpoint", "name": "minilm", "sise": 1}, r"source\.sise"),
        ({"kind": "vectors", "name": "x" * 300}, "no such file or folder"),
    ],
)
def test_a_section_that_is_none_or_a_name_that_can_be_none_ends_in_a_sentence(place, tmp_path, section, said):
    with pytest.raises(SourceError, match=said):
        nlp_transfer.rank(configure(place), sources=[section], output=tmp_path / "r")


def measured(name, hits, size, **scores):
    scores = {"h_score": None, "log_me": None, **scores}
    return MeasuredSource(
        name, "vectors", **scores, width=1, parameters=1, size=size, seconds={}, computed=0, hits=hits
    )


def test_sources_within_chance_of_the_best_are_level_and_the_smallest_of_them_is_named():
    hits = [1.0] * 80 + [0.0] * 20
    ranked = order_sources(
        [
            measured("poor", [0.0] * 60 + [1.0] * 40, 5, h_score=0.9, log_me=-0.9),
            measured("big", hits, 9000, h_score=0.5, log_me=-0.4),
            measured("small", [*hits[1:], 0.0], 1000, h_score=0.4, log_me=-0.5),
        ]
    )
    assert [(one.name, one.level) for one in ranked] == [("big", True), ("small", True), ("poor", False)]
    agreement = count_agreement(ranked)
    assert agreement == {"pairs_apart": 2, "ordered_alike": {"h_score": 0, "log_me": 2}}

    said = write_sentences(ranked, agreement, score="accuracy", points=100.0, rows=100, folds=5)
    assert "The smallest of these is small (1.0 kB)." in said[1]
    assert said[2].startswith("Behind it by more than chance: poor (-40.0 points")
    assert said[3] == "Of 2 pairs of sources that the probe tells apart, H-score 0 and LogME 2 in the same order."
    assert said[4:] == ["H-score prefers poor: trust the probe, which has answered rows."]


def test_a_source_that_answers_as_the_best_does_is_behind_it_by_no_negative_zero():
    hits = [1.0] * 80 + [0.0] * 20
    ranked = order_sources([measured("small", hits, 1), measured("big", hits, 2)])
    said = write_sentences(ranked, count_agreement(ranked), score="accuracy", points=100.0, rows=100, folds=5)
    assert "big (+0.0 points, +0.0 to +0.0)" in said[1]


def test_the_command_prints_the_order_and_what_could_not_be_opened(place, tmp_path, caplog):
    (tmp_path / "nope").mkdir()
    (tmp_path / "list.txt").write_text(f"# ours\n{place / 'words.txt'}\n\n{tmp_path / 'nope'}\n")
    words = ["rank", "--task", "sentiment", "--train", str(place / "train.csv"), "--sources", str(place / "bert")]
    words += ["--hub-list", str(tmp_path / "list.txt"), "--output", str(tmp_path / "r")]
    with caplog.at_level(logging.INFO):
        done = CliRunner().invoke(
            app, [*words, "--hub-list", f"{tmp_path / 'list.txt'}", "--output", f"{tmp_path / 'r'}"]
        )
    assert done.exit_code == 0, done.output
    assert done.output.index("words.txt") < done.output.index("bert")
    assert "nope was left out: " in done.output.replace("\n", "")
    assert "nope is left out: " in caplog.text
    assert "(3 of 3)" in caplog.text


def test_sources_are_listed_once_each_from_words_and_from_a_file(tmp_path):
    (tmp_path / "list.txt").write_text("b\n# c\n\n d \n")
    assert read_source_list("a, b", tmp_path / "list.txt") == ["a", "b", "d"]
    with pytest.raises(ConfigError, match="name the sources to rank"):
        read_source_list(None, None)
    with pytest.raises(ConfigError, match=r"--hub-list .*gone.txt: No such file"):
        read_source_list("a", tmp_path / "gone.txt")
