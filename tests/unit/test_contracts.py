"""What tasks and sources declare is what the library goes by, whatever they are called."""

import json

import pytest
from tiny import checkpoint, save_checkpoint, save_csv

import nlp_transfer
import nlp_transfer as nt
from nlp_transfer.config.sections import check_values
from nlp_transfer.config.tasks import whole_task
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.tokenizers import limited
from nlp_transfer.runs.prepare import prepare
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
    result = nlp_transfer.run(wordy(), output=tmp_path / "run", progress=False)
    saved = json.loads((tmp_path / "run" / "model" / "tokenizer_config.json").read_text())
    assert saved["model_max_length"] == 12
    assert any("texts are truncated; see task.tokens" in warning for warning in result.metrics["warnings"])
    assert len(nlp_transfer.load(tmp_path / "run", task=Wordy).predict(["a warm film"])) == 1


def test_a_length_beyond_the_positions_of_the_model_is_said_by_the_name_of_the_option(wordy):
    warnings = prepare(wordy(tokens=200)).warnings
    assert any(one.startswith("task.tokens: 200 tokens, but 'model' has positions for 80") for one in warnings)


def test_an_option_that_is_declared_and_lacking_is_refused():
    class Lost(Wordy):
        length_option = "max_length"

    with pytest.raises(ConfigError, match=r"Lost.*declares the option 'max_length', which its Options lack"):
        whole_task(Lost)


def test_the_tokenizer_of_a_source_stays_as_it_is(tmp_path, wordy):
    prepared = prepare(wordy())
    assert prepared.source.tokenizer.model_max_length > 10**6
    assert prepared.tokenizers.source.model_max_length == 80
    tokenizer = checkpoint(tmp_path / "other").tokenizer
    assert limited(tokenizer, 7)("a warm film")["input_ids"] == tokenizer("a warm film")["input_ids"]
