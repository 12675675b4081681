"""Code of others: never unasked, and where it is asked for by its commit, that code and no other."""

import json
import sys
from pathlib import Path

import pytest
from fresh import run_fresh
from tiny import config, rows, run, save_csv, sentiment, texts, tokenizer
from transformers import AutoModel

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.errors import CheckpointError, ConfigError, PublishError, SourceError
from nlp_transfer.sources import foreign_code, load_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = {
    "configuration_odd.py": (
        "from transformers import BertConfig\n\n\nclass OddConfig(BertConfig):\n    model_type='odd'"
    ),
    "modeling_odd.py": (
        "from transformers import BertForSequenceClassification, BertModel\n\n"
        "from .configuration_odd import OddConfig\n\n\n"
        "class OddModel(BertModel):\n    config_class = OddConfig\n\n\n"
        "class OddForSequenceClassification(BertForSequenceClassification):\n    config_class = OddConfig\n"
    ),
}
MAP = {
    "AutoConfig": "configuration_odd.OddConfig",
    "AutoModel": "modeling_odd.OddModel",
    "AutoModelForSequenceClassification": "modeling_odd.OddForSequenceClassification",
}


def save_snapshot(cache, name="me/odd", commit=COMMIT, **changes):
    """Put a checkpoint with code of its own into a cache of the Hub's client, as if it had been fetched."""
    folder = Path(cache) / f"models--{name.replace('/', '--')}" / "snapshots" / commit
    AutoModel.from_config(config()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    values |= {"model_type": "odd", "auto_map": MAP, "architectures": ["OddModel"], **changes}
    (folder / "config.json").write_text(json.dumps(values))
    for file, text in CODE.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def cache(home, monkeypatch):
    """An empty cache of the Hub's client, and another place for the modules of others."""
    from huggingface_hub import constants
    from transformers import dynamic_module_utils

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(home / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield home / "hub"
    forget()


def forget():
    """Undo what was admitted, as the end of the process does."""
    foreign_code._admitted.clear()
    foreign_code.CONFIG_MAPPING._extra_content.pop("odd", None)


def name_source(**changes):
    return {"kind": "checkpoint", "name": "me/odd", "trust_remote_code": COMMIT, **changes}


@pytest.mark.parametrize("given", ["true", "main", "v1.0", COMMIT[:7], COMMIT.upper(), f"'{COMMIT}0'", "7"])
def test_only_a_full_commit_hash_is_taken(given):
    with pytest.raises(ConfigError, match=r"source\.trust_remote_code: expected a full commit hash, 40 hex digits"):
        load_config(
            {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}},
            ["source.kind=checkpoint", f"source.trust_remote_code={given}"],
        )


def test_without_it_the_code_is_refused_as_ever(cache):
    save_snapshot(cache)
    with pytest.raises(SourceError, match=r"asks to run Python code of its own \(auto_map\)"):
        sentiment().build(load_source("checkpoint", name="me/odd", revision=COMMIT), rows(), frozen=False)
    assert not foreign_code.is_admitted("me/odd", COMMIT)


def test_another_commit_is_not_that_commit(cache):
    save_snapshot(cache)
    with pytest.raises(SourceError, match=r"Checkpoint 'me/odd'"):
        sentiment().build(load_source(**name_source(trust_remote_code="1" * 40)), rows(), frozen=False)


def test_a_folder_has_no_commit(tmp_path, cache):
    folder = save_snapshot(cache)
    with pytest.raises(SourceError, match=r"is a folder, which has no commit that pins its code"):
        sentiment().build(load_source(**name_source(name=str(folder))), rows(), frozen=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bert"}, r"is a bert, which transformers .* has itself"),
        ({"model_type": "even"}, r"is a 'even' by its config.json \(model_type\), and a 'odd' by its class OddConfig"),
        ({"auto_map": "modeling.Odd"}, r"names no code for its configuration and its encoder"),
        ({"auto_map": {"AutoConfig": MAP["AutoConfig"]}}, r"names no code for its configuration and its encoder"),
        ({"auto_map": {**MAP, "AutoModel": "you/other--modeling.Odd"}}, r"lies in me/strange and you/other"),
    ],
)
def test_code_that_one_commit_cannot_pin_or_nobody_needs_is_refused(cache, changes, said):
    save_snapshot(cache, "me/strange", **changes)
    with pytest.raises(SourceError, match=said):
        sentiment().build(load_source(**name_source(name="me/strange")), rows(), frozen=False)


def refuse_then_answer(home, given, folders):
    """Load each run unasked, which is refused, then with the commit, and print what it says."""
    from huggingface_hub import constants
    from transformers import dynamic_module_utils

    constants.HF_HUB_CACHE, dynamic_module_utils.HF_MODULES_CACHE = str(home / "hub"), str(home / "modules2")
    for folder in folders:
        with pytest.raises(nlp_transfer.TransferError, match="needs code of others"):
            nlp_transfer.load(folder)
        assert not any("modeling_odd" in name for name in sys.modules)
    sys.stdout.write(json.dumps([nlp_transfer.load(one, trust_remote_code=COMMIT).predict(given) for one in folders]))


def test_at_its_commit_it_is_trained_saved_and_answers_in_a_fresh_process_that_is_told_so(
    cache, home, tmp_path, caplog
):
    save_snapshot(cache)
    data = save_csv(tmp_path / "data.csv")
    folders = [run(tmp_path / kind, name_source(), {"kind": kind}, data).folder for kind in ("frozen", "full")]
    assert f"configuration_odd.py, modeling_odd.py of me/odd at {COMMIT}" in caplog.text
    for folder in folders:
        assert COMMIT in (folder / "config.yaml").read_text()
        card = (folder / "README.md").read_text()
        assert f"running the code that it brings at commit `{COMMIT}`" in card
        assert f'trust_remote_code="{COMMIT}"' in card
        assert "With `transformers` alone" not in card
        with pytest.raises(PublishError, match=r"its architecture is code of others \('me/odd' at "):
            nlp_transfer.publish(folder, "me/it", dry_run=True, licence="mit", output=tmp_path / "tree")

    given = texts(4)[0]
    said = [nlp_transfer.load(folder).predict(given) for folder in folders]
    again = run_fresh(tmp_path, refuse_then_answer, home, given, folders)
    assert json.loads(again.stdout) == said, again.stderr


def test_a_run_folder_alone_never_runs_code(tmp_path, cache):
    save_snapshot(cache)
    folder = run(tmp_path / "run", name_source(), {"kind": "frozen"}, save_csv(tmp_path / "data.csv")).folder
    forget()
    for given in (None, "1" * 40):
        with pytest.raises(CheckpointError, match=rf"needs code of others.*--trust-remote-code {COMMIT}"):
            nlp_transfer.load(folder, trust_remote_code=given)
    with pytest.raises(ConfigError, match=r"expected a full commit hash, 40 hex digits, received 'main'"):
        nlp_transfer.load(folder, trust_remote_code="main")
