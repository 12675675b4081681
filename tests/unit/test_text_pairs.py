"""The task of two texts: how they are joined, compared, learned from and answered, to a label or to a number."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from hub_client import connect
from hub_server import HubServer
from scipy.stats import pearsonr, spearmanr
from tiny import BAD, GOOD, PLAIN, checkpoint, save_checkpoint, save_vectors, save_word_pieces, tokenizer, vectors
from tokenizers import Tokenizer, processors
from tokenizers.models import WordLevel
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast, pipeline

import nlp_transfer
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import Splits
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.correlations import correlation_each, number_scores
from nlp_transfer.evaluation.tfidf import flatten_columns, join_columns, weigh_words
from nlp_transfer.inference.activations import find_boundary
from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.data_units import Rescaled, write_in_data_units
from nlp_transfer.models.encoding.text_pairs import cut_longest_first, encode_text_pairs, find_frame
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.pairs import NumberPairs, Pairs, PairsOptions

LABELS = ("other", "same")
CENTRE, STEP = 5000.0, 400.0  # numbers that a head of its own units would not reach in a few steps


def rows(count=96, seed=0):
    """Pairs of moods: alike or not, and a number that says so."""
    rng = np.random.default_rng(seed)
    moods = rng.integers(0, 2, (count, 2))
    sides = [
        [" ".join([*rng.choice([BAD, GOOD][mood], 2), *rng.choice(PLAIN, 3)]) for mood in side] for side in moods.T
    ]
    same = (moods[:, 0] == moods[:, 1]).astype(int)
    numbers = CENTRE + STEP * same + rng.normal(size=count)
    return {"first": sides[0], "second": sides[1], "label": same.tolist(), "number": numbers.tolist()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a checkpoint, vectors, and a table of pairs with columns of other names."""
    folder = tmp_path_factory.mktemp("pairs")
    save_word_pieces(folder / "bert", num_hidden_layers=1)
    save_vectors(folder / "v.txt")
    found = rows()
    with (folder / "a.csv").open("w", newline="") as file:
        lines = zip(found["first"], found["second"], (LABELS[i] for i in found["label"]), found["number"], strict=True)
        csv.writer(file).writerows([("q1", "q2", "label", "number"), *lines])
    return folder


def run(place, output, source, strategy, *, target="label", **changes):
    task = {"name": "pairs", "target": target, "max_length": 32, **changes.pop("task", {})}
    named = {"kind": "checkpoint", "name": str(place / "bert")}
    if source != "bert":
        named = {"kind": "vectors", "name": str(place / "v.txt"), "contextualizer": source, "width": 8}
    settings = {
        "task": task,
        "source": named,
        "strategy": strategy,
        "data": {"train": str(place / "a.csv"), "columns": {"first": "q1", "second": "q2"}},
        "training": {"epochs": 1, "batch_size": 16, "precision": "fp32", **changes},
    }
    return nlp_transfer.run(settings, output=output, progress=False)


@pytest.mark.parametrize("sizes", [(9, 9), (3, 12), (12, 3), (2, 2), (10, 1)])
@pytest.mark.parametrize("most", [8, 9, 12])
def test_pairs_are_joined_typed_and_cut_as_the_tokenizer_does_it(tmp_path, sizes, most):
    own = AutoTokenizer.from_pretrained(save_word_pieces(tmp_path))
    first, second = ("abcdefghijklm"[:size].replace("", " ").strip() for size in sizes)
    expected = own(first, second, truncation="longest_first", max_length=most)
    encoded = encode_text_pairs([first], [second], own, max_length=most)
    (unit,) = encoded.inputs
    assert unit == {name: expected[name] for name in ("input_ids", "token_type_ids")}
    assert encoded.truncated == (sum(sizes) + 3 > most)


def test_the_longer_text_is_cut_first():
    assert [cut_longest_first(*sizes, 8) for sizes in ((10, 2), (2, 10), (10, 10), (3, 4))] == [
        (6, 2),
        (2, 6),
        (4, 4),
        (3, 4),
    ]


def test_a_tokenizer_without_a_way_to_join_texts_puts_its_marks_around_each():
    (unit,) = encode_text_pairs(["good film"], ["bad"], tokenizer(), max_length=32).inputs
    assert tokenizer().decode(unit["input_ids"]) == "<s> good film </s> bad </s>"
    assert "token_type_ids" not in unit


def test_a_tokenizer_that_turns_a_pair_round_is_one_without_a_way_to_join_texts():
    words = {word: at for at, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "a", "b"])}
    core = Tokenizer(WordLevel(words, unk_token="<unk>"))
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $B </s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    odd = PreTrainedTokenizerFast(tokenizer_object=core, sep_token="</s>", pad_token="<pad>", unk_token="<unk>")
    (unit,) = encode_text_pairs(["a"], ["b"], odd, max_length=32).inputs
    assert odd.decode(unit["input_ids"]) == "<s> a </s> b </s>"


@pytest.mark.parametrize(("family", "typed"), [("bert", True), ("distilbert", False)])
def test_types_are_given_where_the_model_reads_them_whatever_its_tokenizer_says(tmp_path, family, typed):
    source = checkpoint(tmp_path / "own", family)
    own = AutoTokenizer.from_pretrained(save_word_pieces(tmp_path / "pieces"))
    own.model_input_names = [name for name in own.model_input_names if typed == (name != "token_type_ids")]
    source.__dict__["tokenizer"] = own
    build_classifier(source, LABELS, head="native", pair="together")
    assert (find_frame(own).types is not None) == typed
    own.save_pretrained(tmp_path / "saved")
    assert (find_frame(AutoTokenizer.from_pretrained(tmp_path / "saved")).types is not None) == typed


def built(source, **options):
    task = Pairs(PairsOptions(name="pairs", max_length=32, **options), LABELS)
    loaded = task.build(source, TaskRows(rows(4)), frozen=True)
    return task, loaded.model.eval()


SOURCES = ("bert", "bag", "cnn", "bilstm", "transformer")


@pytest.mark.parametrize("kind", SOURCES)
def test_texts_that_are_read_apart_are_pooled_as_each_alone(tmp_path, kind):
    source = checkpoint(tmp_path / "c") if kind == "bert" else vectors(tmp_path / "v.txt", kind)
    task, model = built(source)
    first, second = ["good film", "bad", "very warm and funny film"], ["a dull plot is stale", "sad", "good"]
    pairs = TaskRows({"first": first, "second": second})
    units = TokenInputs(task.encode(pairs, nlp_transfer.Tokenizers(source.tokenizer)), source.tokenizer.pad_token_id)
    with torch.inference_mode():
        together = model.features(**units.make_batch(np.arange(3)).inputs)
        model.config.pairs = False
        alone = nlp_transfer.encode_documents([*first, *second], source.tokenizer, max_length=32)
        each = [TokenInputs(alone, units.pad_token_id).make_batch(np.array([i])) for i in range(6)]
        single = torch.cat([model.features(**batch.inputs) for batch in each])
    torch.testing.assert_close(together, torch.cat([single[:3], single[3:]], dim=2), atol=1e-5, rtol=1e-4)


def test_a_head_on_two_texts_reads_both_their_distance_and_their_product(tmp_path):
    _, model = built(vectors(tmp_path / "v.txt"))
    features = torch.randn(2, 1, 6, 8)
    u, v = features[:, 0, 1], features[:, 0, 4]  # the means
    assert torch.equal(model.head.select(features), torch.cat([u, v, (u - v).abs(), u * v], dim=1))


def test_a_single_text_is_compared_with_itself(tmp_path):
    _, model = built(checkpoint(tmp_path / "c"))
    ids = torch.tensor([[0, 5, 6, 2]])
    with torch.inference_mode():
        halves = model.features(torch.ones_like(ids), input_ids=ids).split(3, dim=2)
    assert torch.equal(*halves)


def test_a_frozen_encoder_that_reads_apart_is_stored_and_its_layers_are_not(tmp_path):
    _, model = built(checkpoint(tmp_path / "c"))
    head = frozenset(name for name, _ in model.named_parameters() if name.startswith("head."))
    assert find_boundary(model, head).kind == "pooled"
    assert find_boundary(model, head | {"encoder.encoder.layer.1.output.dense.weight"}) is None


STRATEGIES = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "rank": 2},
    "frozen": {"kind": "frozen"},
    "gradual": {"kind": "gradual"},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}
CELLS = [  # `finished` has the labels of a whole BERT and the numbers of its adapter
    *(("bert", "frozen", "label"), ("bag", "full", "label"), ("bag", "lora", "number"), ("cnn", "frozen", "number")),
    *(("bilstm", "gradual", "number"), ("transformer", "lp_ft", "label")),
]


@pytest.mark.parametrize(("source", "strategy", "target"), CELLS)
def test_every_source_and_strategy_learns_and_is_read_back(place, tmp_path, source, strategy, target):
    result = run(place, tmp_path / "run", source, STRATEGIES[strategy], target=target)
    predictor = nlp_transfer.load(result.folder)
    (answer,) = predictor.predict([{"first": "good film", "second": "a bad plot"}])
    assert answer.keys() == ({"number"} if target == "number" else {"label", "confidence", "probabilities"})
    if target == "number":
        assert abs(answer["number"] - CENTRE) < 3 * STEP
        assert not any("deviation" in name for name in predictor.model.state_dict())


@pytest.fixture(scope="module")
def finished(place, tmp_path_factory):
    """A run for each target: labels by a native head on both texts, numbers by LoRA."""
    folder = tmp_path_factory.mktemp("finished")
    run(place, folder / "label", "bert", STRATEGIES["full"])
    run(place, folder / "number", "bert", STRATEGIES["lora"], target="number")
    return folder


def test_two_texts_are_told_apart_where_one_average_could_not(place, tmp_path):
    apart, together = (
        run(place, tmp_path / texts, "bag", STRATEGIES["frozen"], task={"texts": texts}).metrics["test"]["accuracy"]
        for texts in ("apart", "together")
    )
    assert apart >= 0.8 > together


def test_a_solved_head_gives_numbers_in_the_units_of_the_data(place, tmp_path):
    result = run(place, tmp_path / "run", "bag", STRATEGIES["frozen"], target="number")
    assert result.metrics["steps"] == 0
    assert result.metrics["test"]["mean_absolute_error"] < STEP / 2
    assert result.metrics["test"]["pearson"] > 0.8


def test_what_a_run_leaves_holds_both_texts(finished):
    lines = [json.loads(line) for line in (finished / "label/predictions.jsonl").read_text().splitlines()]
    assert all(line["input"].keys() == {"first", "second"} for line in lines)
    assert all(line["reference"].keys() == {"label"} for line in lines)
    probe = json.loads((finished / "number/probes.jsonl").read_text().splitlines()[0])
    assert (probe["input"].keys(), probe["said"].keys()) == ({"first", "second"}, {"number"})


def test_the_command_line_reads_both_columns(command, place, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = nlp_transfer.load(finished / "label").predict([("good film", "bad plot")])
    for name, text in {
        "a.csv": "q1,q2\ngood film,bad plot\ngood,\n",
        "a.tsv": "q2\tq1\nbad plot\tgood film\n\tgood\n",
        "a.jsonl": '{"q1": "good film", "q2": "bad plot"}\n{"q1": "good"}\n',
    }.items():
        (tmp_path / name).write_text(text)
        code, out, err = command("predict", finished / "label", name)
        first, second = map(json.loads, out.splitlines())
        assert (code, [first]) == (0, expected), err
        assert second["label"] is None
        assert second["reason"] in ("the text 'second' is empty", "there is no text 'second'")
    code, out, _ = command("predict", finished / "label", stdin='{"q1": "good film", "q2": "bad plot"}\n')
    assert [json.loads(out)] == expected
    given = ("--column", "first=a", "--column", "second=b")
    code, out, _ = command("predict", finished / "label", *given, stdin='{"a": "good film", "b": "bad plot"}\n')
    assert [json.loads(out)] == expected
    code, _, err = command("predict", finished / "label", "a.csv", "--column", "q1")
    assert (code, err) == (2, "error: --column 'q1' is not ROLE=NAME; for example text=review\n")


def test_a_run_is_scored_on_another_file_and_checked_before_it_trains(command, place, finished):
    code, out, err = command("evaluate", finished / "number", "--data", place / "a.csv")
    scores = json.loads(out)
    assert (code, scores["rows"], scores["simple"].keys()) == (0, 96, {"mean", "tfidf_ridge"}), err
    settings = ["task.target=number", "data.columns={first: q1, second: q2}", "training.label_smoothing=0.1"]
    flags = ("--task", "pairs", "--source", place / "bert", "--train", place / "a.csv")
    code, out, err = command("check", *flags, *settings)
    assert code == 0, err
    assert "number: mean 5" in out
    assert "training.label_smoothing: not used, the task has no labels" in out


def test_the_card_shows_how_two_texts_are_given(finished):
    label, number = ((finished / target / "README.md").read_text() for target in ("label", "number"))
    own = '.predict([{"first": "A man plays a guitar.", "second": "Somebody makes music."}]))'
    assert own in label
    assert own in number
    assert 'classify({"text": "A man plays a guitar.", "text_pair": "Somebody makes music."}, truncation=True)' in label
    assert "It answers with a number in the units of the data (`number`: 49" in number


def test_pipelines_of_transformers_give_the_same_answers(finished):
    one = {"text": "good film", "text_pair": "a bad plot"}
    expected = nlp_transfer.load(finished / "number").predict([tuple(one.values())])
    said = pipeline("text-classification", model=str(finished / "number/model"))(one)
    assert said["score"] == pytest.approx(expected[0]["number"], rel=1e-5)


def test_a_published_run_is_read_back_and_answers_the_same(finished, tmp_path, monkeypatch):
    inputs = [("good film", "a bad plot")]
    expected = nlp_transfer.load(finished / "number").predict(inputs)
    with HubServer() as server:
        connect(server, monkeypatch, tmp_path / "cache")
        assert nlp_transfer.publish(finished / "number", "me/pairs", licence="mit").changed
        assert nlp_transfer.load("me/pairs").predict(inputs) == expected


def test_an_adapter_alone_answers_in_the_units_of_the_data(finished, tmp_path):
    run = finished / "number"
    for path in (run / "config.yaml", run / "metrics.json", *(run / "adapter").iterdir(), *run.glob("model/tok*")):
        shutil.copy(path, tmp_path)
    inputs = [("good film", "a bad plot")]
    (answer,), (expected,) = (nlp_transfer.load(folder).predict(inputs) for folder in (tmp_path, run))
    assert answer["number"] == pytest.approx(expected["number"])


def number_model(source, numbers=(1000.0, 3000.0), **settings):
    return build_classifier(source, (), numbers=numbers, pair="together", **{"head": "native", **settings})


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "deberta-v2", "albert", "xlnet"])
def test_a_native_head_learns_in_deviations_and_is_saved_in_the_units_of_the_data(tmp_path, family):
    loaded = number_model(checkpoint(tmp_path / "c", family))
    model, ids = loaded.model.eval(), torch.tensor([[0, 5, 6, 2]])
    (layer,) = (module for module in model.modules() if isinstance(module, Rescaled))
    assert (float(layer.mean), float(layer.deviation)) == (2000.0, 1000.0)
    with torch.inference_mode():
        before = model(input_ids=ids).logits
    write_in_data_units(model).save_pretrained(tmp_path / "saved")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    with torch.inference_mode():
        torch.testing.assert_close(plain(input_ids=ids).logits, before, rtol=1e-5, atol=1e-2)
    assert plain.config.problem_type == "regression"


def test_a_checkpoint_that_gives_one_number_starts_from_its_own_answers(tmp_path):
    path = save_checkpoint(tmp_path / "c", "bert", AutoModelForSequenceClassification, num_labels=1)
    own, ids = AutoModelForSequenceClassification.from_pretrained(path).eval(), torch.tensor([[0, 5, 6, 2]])
    loaded = number_model(load_source("checkpoint", name=path))
    with torch.inference_mode():
        torch.testing.assert_close(
            loaded.model.eval()(input_ids=ids).logits, own(input_ids=ids).logits, rtol=1e-3, atol=1e-3
        )
    assert loaded.note == "head: starts as the checkpoint's own, which gives one number"
    assert {"classifier.weight", "classifier.bias"} <= loaded.new


def test_words_of_the_second_text_are_looked_up_as_its_own(tmp_path):
    own = vectors(tmp_path / "v.txt").tokenizer
    lower = own("good Film", "BAD plot")["input_ids"]
    assert own.convert_ids_to_tokens(lower) == ["good", "film", "bad", "plot"]


def test_options_that_contradict_each_other_are_refused():
    for options, said in (
        ({"texts": "apart", "head": {"kind": "native"}}, "texts: apart needs head.kind: pooled"),
        ({"target": "number", "class_weights": "balanced"}, "class_weights: numbers have no classes"),
    ):
        with pytest.raises(ConfigError, match=said):
            nlp_transfer.load_config({"task": {"name": "pairs", **options}, "data": {"train": "a.csv"}})
    found = nlp_transfer.load_config({"task": {"name": "pairs", "target": "number"}, "data": {"train": "a.csv"}})
    assert found.task_class is NumberPairs


def test_correlations_are_the_means_of_what_each_example_adds():
    rng = np.random.default_rng(0)
    said = np.round(rng.normal(size=60), 1)
    true = said + rng.normal(size=60)
    found = number_scores(said.tolist(), true.tolist())
    assert found["pearson"] == pytest.approx(pearsonr(said, true)[0])
    assert found["spearman"] == pytest.approx(spearmanr(said, true)[0])
    assert found["mean_absolute_error"] == pytest.approx(np.abs(said - true).mean())
    assert correlation_each([1.0, 1.0], [1.0, 2.0]) == [0.0, 0.0]


def test_what_an_example_adds_tells_how_far_a_correlation_depends_on_the_examples():
    rng = np.random.default_rng(0)
    said = rng.normal(size=2000)
    true = 0.8 * said + 0.6 * rng.normal(size=2000)
    each = correlation_each(said.tolist(), true.tolist())
    assert np.std(each) == pytest.approx(1 - pearsonr(said, true)[0] ** 2, rel=0.1)  # Fisher 1915


def test_tfidf_of_two_texts_holds_both_and_what_they_share():
    columns = (["a b", "c"], ["b", "d"])
    listed = flatten_columns(columns, 1)
    assert listed == ["a b", "b", "c", "d"]
    features = weigh_words(listed, 2, most=9).rows
    joined = join_columns(features, 2, 1).toarray()
    width = features.shape[1]
    first, second = joined[:, :width], joined[:, width : 2 * width]
    assert np.allclose(joined[:, 2 * width : 3 * width], abs(first - second))
    assert np.allclose(joined[:, -1], (first * second).sum(1))
    assert joined[0, -1] > 0 == joined[1, -1]


def test_ridge_on_tfidf_beats_the_mean(place):
    part = {name: TaskRows(rows(200, seed)) for seed, name in enumerate(("train", "validation", "test"))}
    found = nlp_transfer.number_baselines(Splits(**part, labels=(), report=None), texts=("first", "second"))
    assert set(found["mean"]["test"]) == {np.mean(part["train"]["number"][:])}
    assert number_scores(found["tfidf_ridge"]["test"], part["test"]["number"][:])["pearson"] > 0.2
    assert found["tfidf_ridge"].chosen.startswith("words")


def test_ridge_on_tfidf_says_the_same_in_any_units():
    part = {name: rows(200, seed) for seed, name in enumerate(("train", "validation", "test"))}

    def answer(scale, offset):
        """What ridge says in other units, in those of the data again."""
        numbers = {name: [number * scale + offset for number in given["number"]] for name, given in part.items()}
        other = {name: TaskRows({**given, "number": numbers[name]}) for name, given in part.items()}
        found = nlp_transfer.number_baselines(Splits(**other, labels=(), report=None), texts=("first", "second"))
        return (np.array(found["tfidf_ridge"]["test"]) - offset) / scale

    plain = answer(1.0, 0.0)
    for units in ((1e37, 0.0), (1e-30, 0.0), (1.0, 1e9)):
        assert np.allclose(answer(*units), plain, atol=1e-3), units
