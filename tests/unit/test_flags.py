"""What to run, named by a shipped configuration or by a few flags."""

import json
from pathlib import Path

import pytest
from tiny import run_python, save_csv, save_vectors

import nlp_transfer
from nlp_transfer.config.flags import Flags, combine_flags
from nlp_transfer.config.load import load_config
from nlp_transfer.config.several import has_tasks, load_several
from nlp_transfer.config.shipped import find_config, list_configs
from nlp_transfer.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, outside of the source tree."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(config=None, *overrides, **flags):
    return load_config(*combine_flags(config, overrides, Flags(**flags)))


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_of_a_run_is_found_by_name_anywhere(here, path):
    name = f"{path.parent.name}/{path.stem}"
    if path.parent.name == "accelerate":
        with pytest.raises(ConfigError, match="no shipped configuration of that name"):
            load_config(name)
    else:
        read = load_several if has_tasks(path) else load_config
        assert read(name) == read(path)
        assert name in {one.name for one in list_configs()}


def test_a_shipped_configuration_is_described_by_its_first_comment():
    (found,) = [one for one in list_configs() if one.name == "sentiment/glove_lora"]
    assert found.description == "Low-rank updates of the GloVe table."


def test_a_file_of_the_same_name_wins(here):
    (here / "sentiment").mkdir()
    (here / "sentiment" / "minilm_frozen").write_text("task: {name: sentiment}\ndata: {train: mine.csv}\n")
    assert load_config("sentiment/minilm_frozen").data.train == "mine.csv"


def test_a_folder_of_the_same_name_does_not_hide_a_shipped_configuration(here):
    (here / "sentiment" / "minilm_frozen").mkdir(parents=True)
    assert find_config("sentiment/minilm_frozen").suffix == ".yaml"
    with pytest.raises(ConfigError, match=r"^sentiment: a folder of shipped .* sentiment/minilm_frozen, "):
        find_config("sentiment")
    (here / "other").mkdir()
    with pytest.raises(ConfigError, match=r"^other: a folder, no file, and no shipped configuration of that name"):
        find_config("other")


def test_the_folder_of_a_run_is_answered_with_its_configuration(here):
    (here / "run").mkdir()
    (here / "run" / "config.yaml").touch()
    with pytest.raises(ConfigError, match=r"^run: a folder, .* Did you mean 'run/config\.yaml'\?$"):
        find_config("run")


@pytest.mark.parametrize(
    "name",
    ["configs/sentiment/minilm_frozen.yaml", "sentiment/minilm_frozn", "minilm_frozen", "/a/sentiment/minilm_frozen"],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_nearest(here, name):
    said = rf"^{name}: no such file, and no shipped configuration .* Did you mean 'sentiment/minilm_frozen'\?$"
    with pytest.raises(ConfigError, match=said):
        find_config(name)


def test_a_name_that_no_file_can_have_is_refused_in_one_line(here):
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(ConfigError) as told:
            load_config(name)
        assert "\n" not in str(told.value)


def test_flags_say_what_a_file_says(here):
    (here / "run.yaml").write_text(
        "task: {name: sentiment, max_length: 32}\nsource: {kind: vectors, name: glove-50d, contextualizer: cnn}\n"
        "strategy: {kind: lora, rank: 4}\ndata: {train: a.csv, validation: b.csv, test: 'c: d.csv'}\n"
    )
    places = {"train": "a.csv", "validation": "b.csv", "test": "c: d.csv"}
    keys = ["task.max_length=32", "source.contextualizer=cnn", "strategy.rank=4"]
    flagged = read(*keys, task="sentiment", source="glove-50d", strategy="lora", **places)
    assert flagged == load_config("run.yaml")
    assert read("run.yaml", train="x.csv") == load_config("run.yaml", ["data.train=x.csv"])


def test_flags_leave_the_rest_to_the_defaults():
    assert read(task="sentiment", train="a.csv") == load_config(
        {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    )


def test_files_side_by_side_are_named_by_a_flag_as_well():
    found = read("data.columns={source: en, target: de}", task="translation", train="{en: a.en, de: a.de}")
    assert found.data.train == {"en": "a.en", "de": "a.de"}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("minilm", "checkpoint"),
        ("glove-50d", "vectors"),
        ("user/name", "checkpoint"),
        ("folder", "checkpoint"),
        ("table", "vectors"),
        ("v.txt", "vectors"),
        ("nowhere.vec", "vectors"),
    ],
)
def test_a_source_is_known_by_its_name_or_by_what_is_there(here, source, kind):
    (here / "folder").mkdir()
    (here / "table").mkdir()
    (here / "table" / "table.json").touch()
    (here / "v.txt").touch()
    assert read(task="sentiment", source=source, train="a.csv").source.kind == kind


def test_a_task_may_be_a_key_beside_the_flags_of_the_data(here):
    assert read("task.name=sentiment", train="a.csv") == read(task="sentiment", train="a.csv")


@pytest.mark.parametrize(
    ("config", "overrides", "flags", "said"),
    [
        (None, [], {}, "^name what to run: a YAML file, a shipped configuration such as .*, or --task and --train$"),
        (None, [], {"task": "sentiment"}, "^--train is missing: a file, "),
        (None, [], {"train": "a.csv"}, "^--task is missing; known: .*sentiment"),
        (
            "a.yaml",
            [],
            {"task": "sentiment", "source": "x"},
            "^a.yaml and --task, --source both say what to run; leave",
        ),
        (None, ["task.name=x"], {"task": "sentiment", "train": "a"}, "^--task and task.name=... say the same twice"),
        (None, ["source={kind: vectors}"], {"task": "x", "source": "y", "train": "a"}, "^--source and source=... say"),
        ("a.yaml", ["data.test=x"], {"test": "y"}, "^--test and data.test=... say the same twice; leave one out$"),
        ("training.epochs=1", [], {"train": "a.csv"}, "^--task is missing; known: .*sentiment"),
        ("data.train=a.csv", [], {}, "^data.train=a.csv: a YAML file comes first, then KEY=VALUE"),
        (
            None,
            ["data.columns={text:"],
            {"task": "sentiment", "train": "a"},
            "in a shell, put all of KEY=VALUE in quotes",
        ),
        (None, [], {"task": "sentimnt", "train": "a"}, "Unknown task 'sentimnt'.*Did you mean 'sentiment'"),
        (None, [], {"task": "sentiment", "strategy": "frozn", "train": "a"}, "unknown kind 'frozn'.*mean 'frozen'"),
    ],
)
def test_what_contradicts_or_lacks_is_refused_in_the_words_that_were_typed(config, overrides, flags, said):
    with pytest.raises(ConfigError, match=said):
        read(config, *overrides, **flags)


def test_a_run_and_a_check_out_of_flags_need_no_file(command, here):
    flags = [
        "--task",
        "classification",
        "--source",
        save_vectors("v.txt"),
        "--strategy",
        "frozen",
        "--train",
        save_csv("a.csv"),
    ]
    code, out, _ = command("check", *flags, "training.epochs=1", "--test", "a.csv")
    assert (code, "test: 60 rows" in out) == (0, True)
    code, out, err = command("run", *flags, "--output", "out")
    assert code == 0, err
    assert json.loads(Path("out/metrics.json").read_text())["test"]["accuracy"] > 0.5
    card = Path("out/README.md").read_text()
    assert "A model for text classification" in card
    assert "film" not in card.partition("## Scores")[0]
    assert 'predict(["Write a text of your own here."])' in card


def test_the_second_name_of_sentiment_has_its_keys_and_its_scores():
    from nlp_transfer.config.tasks import find_task

    first, second = find_task("sentiment"), find_task("classification")
    assert issubclass(second, first)
    assert first.Options.model_fields.keys() == second.Options.model_fields.keys()
    assert "film" not in first.example


def test_public_names_are_listed_before_their_first_use_and_nothing_is_loaded_for_it():
    out = run_python("import nlp_transfer, sys; print(*dir(nlp_transfer)); print('torch' in sys.modules)")
    names, loaded = out.splitlines()
    listed = {name for name in names.split() if not name.startswith("__")}
    assert listed == set(nlp_transfer.__all__)
    assert loaded == "False"
