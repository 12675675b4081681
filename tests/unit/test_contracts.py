"""What tasks and sources declare is what the library goes by, whatever they are called."""

import ast
import json
import re
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import pytest
import torch
from tiny import LABELS, ROOT, Training, checkpoint, save_checkpoint, save_csv, sentiment, tokenizer

import nlp_transfer as nt
from nlp_transfer.config.load import check_values
from nlp_transfer.config.tasks import whole_task
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.models.encoding.tokenizers import limit_tokens
from nlp_transfer.models.portable.static import StaticConfig, StaticModel
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.runs.prepare import prepare
from nlp_transfer.sources import load_source
from nlp_transfer_tasks.sentiment import Sentiment


class WordyOptions(nt.TaskOptions):
    """The length has another name here."""

    tokens: int = 12


class Wordy(Sentiment):
    """Reads so many tokens."""

    Options = WordyOptions
    length_option = "tokens"

    def build(self, source, rows, *, frozen):
        return nt.build_classifier(source, self.labels, head="pooled", frozen=frozen)

    def encode(self, rows, tokenizers, *, training=False):
        labels = rows["label"][:] if "label" in rows.column_names else None
        return nt.encode_documents(rows["text"][:], tokenizers.source, max_length=self.options.tokens, targets=labels)

    def baselines(self, splits):
        return {
            "majority": {split: self.simple(getattr(splits, split))["majority"] for split in ("validation", "test")}
        }


@pytest.fixture
def wordy(tmp_path):
    save_checkpoint(tmp_path / "model")

    def configure(**task):
        values = {
            "task": {"name": "mine.wordy", **task},
            "source": {"kind": "checkpoint", "name": str(tmp_path / "model")},
            "strategy": {"kind": "frozen", "cache": "memory"},
            "data": {"train": save_csv(tmp_path / "a.csv")},
            "training": {"precision": "fp32"},
        }
        return check_values(values, task=Wordy)

    return configure


def test_a_task_declares_which_option_is_its_length(tmp_path, wordy):
    result = nt.run(wordy(), output=tmp_path / "run", progress=False)
    saved = json.loads((tmp_path / "run" / "model" / "tokenizer_config.json").read_text())
    assert saved["model_max_length"] == 12
    assert any("texts are truncated; see task.tokens" in warning for warning in result.metrics["warnings"])
    assert len(nt.load(tmp_path / "run", task=Wordy).predict(["a warm film"])) == 1


def test_a_length_beyond_the_positions_of_the_model_is_said_by_the_name_of_the_option(wordy):
    warnings = prepare(wordy(tokens=200)).warnings
    assert any(one.startswith("task.tokens: 200 tokens, but 'model' has positions for 80") for one in warnings)


def test_texts_of_which_no_word_is_known_are_counted_before_the_training(tmp_path, wordy):
    config = wordy()
    with (tmp_path / "a.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"{word},positive\n" for word in ("zzz", "qqq", "xxx", "yyy", "vvv", "www")))
    warnings = " ".join(prepare(config).warnings)
    assert re.search(r"train: [456] of \d+ texts hold no word that 'model' knows", warnings)


def test_an_option_that_is_declared_and_lacking_is_refused():
    class Lost(Wordy):
        length_option = "max_length"

    with pytest.raises(ConfigError, match=r"Lost.*declares the option 'max_length', which its Options lack"):
        whole_task(Lost)


def test_the_tokenizer_of_a_source_stays_as_it_is(tmp_path, wordy):
    prepared = prepare(wordy())
    assert prepared.source.tokenizer.model_max_length > 10**6
    assert prepared.tokenizers.source.model_max_length == 80
    other = checkpoint(tmp_path / "other").tokenizer
    assert limit_tokens(other, 7)("a warm film")["input_ids"] == other("a warm film")["input_ids"]


@dataclass(frozen=True)
class Letters:
    """A kind of source that no file of the library knows: random vectors of words, made on the spot."""

    scratch = False
    has_layers = False
    target_tokenizer = None
    pooling = "max"
    embedding = None
    advice = ()
    name = "letters"
    unused = MappingProxyType({})

    @cached_property
    def config(self):
        return StaticConfig(vocab_size=len(self.tokenizer), vector_size=8, pad_token_id=1)

    @cached_property
    def tokenizer(self):
        return tokenizer()

    def encoder(self):
        torch.manual_seed(0)
        return LoadedModel(StaticModel(self.config), frozenset())

    def offers(self, auto):
        return False

    def model(self, auto, **settings):
        raise SourceError("letters bring no head")

    def beside(self, name):
        raise SourceError("letters have no decoder")


STRATEGIES = [
    {"kind": "full"},
    {"kind": "frozen"},
    {"kind": "lora"},
    {"kind": "gradual"},
    {"kind": "gradual", "schedule": "lp_ft"},
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.get("schedule", one["kind"]))
def test_a_new_kind_of_source_is_one_class(strategy):
    training = Training(Letters(), strategy, learning_rate="auto")
    assert training.plan.phases[-1].rates
    assert max(training.plan.phases[0].rates.values()) >= 1e-3  # not that of a checkpoint's layers
    assert training.loaded.model.config.pooling == ["max"]
    assert training.fit().scores["accuracy"] > 0


def test_layers_are_refused_of_a_new_kind_of_source_that_has_none():
    with pytest.raises(ConfigError, match=r"task\.head\.layers: this source has no layers to choose from"):
        Training(Letters(), {"kind": "frozen"}, task=sentiment(head={"layers": "last_four"}))


def test_a_run_of_a_new_kind_of_source_saves_and_answers_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp_transfer.runs.prepare.load_source", lambda **_: Letters())
    folder = nt.run(
        {
            "task": {"name": "sentiment", "max_length": 32},
            "source": {"kind": "checkpoint", "name": "letters"},
            "strategy": {"kind": "full"},
            "data": {"train": save_csv(tmp_path / "a.csv")},
            "training": {"epochs": 1, "precision": "fp32"},
        },
        output=tmp_path / "run",
        progress=False,
    ).folder
    assert nt.load(folder).predict(["a warm film"])[0]["label"] in LABELS


def test_an_unknown_kind_of_source_is_refused_and_no_table_of_vectors():
    with pytest.raises(SourceError, match="Unknown kind of source 'letters'"):
        load_source("letters", name="a")


def test_no_file_compares_the_kind_of_a_source_with_a_text():
    for path in sorted((ROOT / "nlp_transfer").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found = [
            ast.unparse(node)
            for node in (ast.walk(ast.parse(text)) if "kind" in text else ())
            if isinstance(node, ast.Compare) and re.search(r"\bsource\.kind\b|\[.kind.\]", ast.unparse(node.left))
        ]
        assert found == [], path
