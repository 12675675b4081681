"""A folder, a file or a name from elsewhere never decides what is imported: tasks that are not ours."""

import importlib
import json
import re
import shutil
import sys

import pytest
import yaml
from faults import SOURCE, refused
from hub_client import connect
from hub_server import HubServer
from tiny import ROOT, run_python, save_csv, save_vectors

import nlp_transfer
from nlp_transfer.config.tasks import task_names
from nlp_transfer.errors import CheckpointError, ConfigError
from nlp_transfer.strategies.lora import put_adapter

OWN = """
import pathlib
from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions

pathlib.Path(__file__).with_name("mark").touch()


class MoodOptions(SentimentOptions):
    depth: int = 1


class Mood(Sentiment):
    Options = MoodOptions
    example = "a film of my own"
"""
REFUSAL = (
    f"config.yaml: the task 'moods.task' is none of ours ({', '.join(task_names())}), ",
    "what a run folder names is not imported; ",
    "--task MODULE, or load(folder, task=CLASS)",
)


@pytest.fixture
def moods(tmp_path, monkeypatch):
    """The class of a task that stands in `moods/task.py` on the path and leaves a mark there when it is imported."""
    package = tmp_path / "path" / "moods"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "task.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path / "path")
    found = importlib.import_module("moods.task").Mood
    forget(package)
    yield found
    forget(package)


def forget(package):
    """Take an import back, as in a fresh process."""
    for name in ("moods", "moods.task"):
        sys.modules.pop(name, None)
    (package / "mark").unlink(missing_ok=True)


@pytest.fixture
def imported(tmp_path, moods):
    """Ask whether the task was imported since."""
    return (tmp_path / "path/moods/mark").exists


@pytest.fixture
def own(runs, moods, here):
    """A run of that task, in the current folder."""
    shutil.copytree(runs["sentiment"], here / "run")
    rename(here / "run", "moods.task", depth=3)
    return here / "run"


def rename(run, name, **more):
    """Change the task that a run folder names."""
    path = run / "config.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**values, "task": {**values["task"], "name": name, **more}}))


@pytest.mark.parametrize(
    "arguments",
    [["predict", "run"], ["evaluate", "run", "--data", "a.csv"], ["publish", "run", "me/a", "--dry-run"]],
    ids=lambda arguments: arguments[0],
)
def test_a_task_that_only_a_run_folder_names_is_not_imported(command, here, own, imported, arguments):
    save_csv(here / "a.csv")
    refused(command, here, arguments, SOURCE, "run/" + REFUSAL[0], *REFUSAL, stdin="a film\n")
    assert not imported()


def test_a_task_that_only_a_run_folder_names_is_not_imported_in_python(own, imported):
    for verb in (nlp_transfer.load, lambda run: nlp_transfer.evaluate(run, "a.csv")):
        with pytest.raises(CheckpointError, match=r"the task 'moods\.task' is none of ours"):
            verb(own)
    assert not imported()


@pytest.mark.parametrize("name", ["os.path", "run.model", "..task", "sentiment ", "Sentiment", "__main__"])
def test_no_name_but_that_of_a_shipped_task_is_looked_up(command, runs, here, name):
    shutil.copytree(runs["sentiment"], here / "run")
    rename(here / "run", name)
    refused(command, here, ["predict", "run"], SOURCE, f"run/config.yaml: the task '{name}' is none of ours")


def test_a_shipped_task_may_go_by_its_module(runs, here):
    shutil.copytree(runs["sentiment"], here / "run")
    rename(here / "run", "nlp_transfer_tasks.sentiment")
    assert nlp_transfer.load(here / "run").predict(["good"]) == nlp_transfer.load(runs["sentiment"]).predict(["good"])


def test_the_caller_names_the_task_by_its_class(runs, own, moods, imported):
    predictor = nlp_transfer.load(own, task=moods)
    assert (type(predictor.task), predictor.task.options.depth) == (moods, 3)
    assert predictor.predict(["a good film"]) == nlp_transfer.load(runs["sentiment"]).predict(["a good film"])
    assert nlp_transfer.evaluate(own, save_csv(own.parent / "a.csv"), task=moods)["rows"] == 60
    assert not imported(), "the class was there already"


def test_the_caller_names_the_task_by_its_module(command, runs, here, own):
    expected = nlp_transfer.load(runs["sentiment"])
    code, out, _ = command("predict", "run", "--task", "moods.task", stdin="a good film\n")
    assert (code, [json.loads(out)]) == (0, expected.predict(["a good film"]))
    save_csv(here / "a.csv")
    code, out, _ = command("evaluate", "run", "--data", "a.csv", "--task", "moods.task")
    assert (code, json.loads(out)) == (0, expected.evaluate("a.csv"))
    code, _, err = command("publish", "run", "me/a", "--dry-run", "--license", "mit", "--task", "moods.task")
    assert code == 0, err
    assert "a film of my own" in (here / "run/publish/README.md").read_text()
    assert yaml.safe_load((here / "run/publish/config.yaml").read_text())["task"]["name"] == "moods.task"


def test_options_that_the_named_task_lacks_are_said_with_both_tasks(command, runs, here):
    shutil.copytree(runs["sentiment"], here / "run")
    code, _, err = command("predict", "run", "--task", "translation")
    start = "error: run/config.yaml, a run of task 'sentiment' read as one of Translation: "
    assert (code, err[: len(start)]) == (2, start)


def test_a_task_that_the_caller_names_wrongly_is_said(command, own):
    code, _, err = command("predict", "run", "--task", "mood.task")
    assert (code, err) == (2, "error: Unknown task 'mood.task'. Is its folder on PYTHONPATH?\n")
    with pytest.raises(
        ConfigError, match=r"task: expected a class of nlp_transfer\.Task, received 'moods\.task'; import"
    ):
        nlp_transfer.load(own, task="moods.task")


def test_a_wrong_key_of_a_foreign_task_is_explained_by_the_task_that_is_given(own, moods, imported):
    rename(own, "moods.task", dept=3)
    with pytest.raises(ConfigError, match=r"task\.dept: unknown key\. .* Did you mean 'depth'\?"):
        nlp_transfer.load(own, task=moods)
    assert not imported()


def test_a_published_run_of_a_foreign_task_is_read_back_by_the_task_that_is_given(own, moods, imported, monkeypatch):
    settings = {"licence": "mit"}
    with HubServer() as server:
        connect(server, monkeypatch, own.parent / "cache")
        with pytest.raises(CheckpointError, match=r"the task 'moods\.task' is none of ours"):
            nlp_transfer.publish(own, "me/moods", **settings)
        assert nlp_transfer.publish(own, "me/moods", task=moods, **settings).changed
        with pytest.raises(CheckpointError, match=r"the task 'moods\.task' is none of ours"):
            nlp_transfer.load("me/moods")
        assert nlp_transfer.load("me/moods", task=moods).predict(["good"])
    assert not imported()


def test_a_folder_that_is_gone_on_with_imports_no_task_of_its_own(command, configs, runs, here, own, imported):
    train = f"data.train={save_csv(here / 'a.csv')}"
    shutil.copytree(own, here / "unfinished")
    (here / "unfinished/metrics.json").unlink()
    shutil.copytree(own, here / "both/sentiment")
    for verb, place in (("run", "run"), ("run", "unfinished"), ("compare", "both")):
        data = [train] if verb == "run" else ["--set", train]
        code, _, err = command(verb, configs / "sentiment.yaml", *data, "--resume", place)
        assert (code, "task.name: moods.task before, sentiment now" in err) == (2, True), err
    assert not imported()


def test_a_seed_of_a_run_that_is_gone_on_with_imports_no_task_of_its_own(command, configs, here, imported):
    train = f"data.train={save_csv(here / 'a.csv')}"
    arguments = ["run", configs / "sentiment.yaml", train, "training.seeds=[0,1]"]
    assert command(*arguments, "--output", "run")[0] == 0
    (here / "run/metrics.json").unlink()
    for part in sorted((here / "run").glob("seed-*")):
        if not (part / "model").exists():
            shutil.move(here / "run/model", part)
        rename(part, "moods.task")
    code, _, err = command(*arguments, "--resume", "run")
    assert (code, "task.name: moods.task before, sentiment now" in err) == (2, True), err
    assert not imported()


def test_the_users_own_configuration_names_a_task_of_their_own_as_ever(command, configs, here, moods):
    values = yaml.safe_load((configs / "sentiment.yaml").read_text())
    values["task"] = {**values["task"], "name": "moods.task", "depth": 2}
    for name in ("one", "two"):
        (here / f"{name}.yaml").write_text(yaml.safe_dump(values))
    train = f"data.train={save_csv(here / 'a.csv')}"
    code, out, err = command("run", "one.yaml", train, "--output", "one")
    assert code == 0, err
    code, out, err = command("run", "one.yaml", train, "--resume", "one")
    assert (code, "holds a finished run" in out) == (0, True), err
    (here / "two.yaml").write_text(yaml.safe_dump({**values, "source": {**values["source"], "scratch": True}}))
    code, out, err = command("compare", "one.yaml", "two.yaml", "--set", train, "--output", "both")
    assert code == 0, err
    assert "a film of my own" in (here / "both/one/README.md").read_text()
    assert command("check", "one.yaml", train)[0] == 0


SHADOWED = """
import sys, nlp_transfer
assert sys.path[0] == ""
print(nlp_transfer.load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}).task_class.__module__)
"""


def test_a_shipped_task_is_not_taken_from_the_working_directory(tmp_path):
    (tmp_path / "nlp_transfer_tasks").mkdir()
    for name in ("nlp_transfer_tasks/__init__", "nlp_transfer_tasks/sentiment", "sentiment"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    assert run_python(SHADOWED, cwd=tmp_path) == "nlp_transfer_tasks.sentiment\n"
    assert not (tmp_path / "mark").exists()


def test_an_adapter_whose_description_names_a_module_is_refused(tmp_path, monkeypatch):
    (tmp_path / "megatron").mkdir()
    (tmp_path / "megatron/__init__.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    description = {"peft_type": "LORA", "megatron_config": {"a": 1}, "megatron_core": "megatron.core"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(description))
    with pytest.raises(nlp_transfer.SourceError, match=r"adapter_config\.json: megatron_config names a module"):
        put_adapter(None, tmp_path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("weights", [None, {}, [], "none", {"other.safetensors": "0"}])
def test_weights_that_a_run_folder_holds_no_digest_of_are_loaded_with_a_warning(runs, here, caplog, weights):
    shutil.copytree(runs["sentiment"], here / "run")
    path = here / "run/metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["weights"], metrics["checksums"]
    path.write_text(json.dumps(metrics if weights is None else {**metrics, "weights": weights}))
    if isinstance(weights, dict) and weights:
        with pytest.raises(CheckpointError, match=r"other\.safetensors: damaged or exchanged"):
            nlp_transfer.load("run")
    else:
        assert nlp_transfer.load("run").predict(["good"])
    assert "run/model/model.safetensors: loaded unchecked: run/metrics.json holds no digest of it" in caplog.text


@pytest.mark.parametrize("sums", [{}, {"other.safetensors": "0"}], ids=["no checksum", "that of another file"])
def test_weights_whose_checksum_was_left_out_are_held_against_their_sha256(runs, here, sums):
    shutil.copytree(runs["sentiment"], here / "run")
    path = here / "run/metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "checksums": sums}))
    assert nlp_transfer.load("run").predict(["good"])
    weights = here / "run/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged or exchanged"):
        nlp_transfer.load("run")


def test_whole_weights_are_loaded_without_a_word(runs, caplog):
    nlp_transfer.load(runs["sentiment"])
    assert not caplog.text


def test_the_task_of_the_guide_runs_as_it_is_printed(command, here, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "tasks/README.md").read_text(encoding="utf-8"), re.DOTALL)
    (here / "my_package").mkdir()
    (here / "my_package" / "topic.py").write_text(code)
    monkeypatch.syspath_prepend(here)
    save_csv(here / "a.csv")
    save_vectors(here / "vectors.txt")
    flags = ["--task", "my_package.topic", "--source", "vectors.txt", "--strategy", "frozen", "--train", "a.csv"]
    code, _, err = command("run", *flags, "--output", "run")
    assert code == 0, err
    metrics = nlp_transfer.load(here / "run", task=importlib.import_module("my_package.topic").Topic).evaluate("a.csv")
    assert metrics["accuracy"] > metrics["simple"]["majority"]["accuracy"]
    code, out, _ = command("predict", "run", "--task", "my_package.topic", stdin="a good film\n")
    assert json.loads(out).keys() == {"label"}
