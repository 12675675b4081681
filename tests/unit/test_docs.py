"""The reference is what the code says, and the schema agrees with the loader."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.main import get_command

from nlp_transfer.cli.commands import app
from nlp_transfer.config.flags import Flags, combine_flags
from nlp_transfer.config.load import load_config, render
from nlp_transfer.config.several import has_tasks, load_several
from nlp_transfer.config.space import check_space, read_space
from nlp_transfer.config.yaml_file import parse_yaml, read_yaml
from nlp_transfer.data.bundled import list_datasets
from nlp_transfer.errors import ConfigError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SHIPPED = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "accelerate")
SCHEMA = json.loads((DOCS / "config.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)  # `jsonschema.validate` would check the schema each time
BASE = {"task": {"name": "sentiment"}, "data": {"train": "x.csv"}}


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_schema_is_up_to_date(build):
    assert (DOCS / "config.schema.json").read_text(encoding="utf-8") == build.schema_text(), "run `make docs`"


def test_committed_reference_is_up_to_date(build):
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == build.reference(), "run `make docs`"


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_schema_accepts_every_shipped_configuration_as_written_and_as_rendered(path):
    VALIDATOR.validate(read_yaml(path))
    config = load_several(path) if has_tasks(path) else load_config(path)
    VALIDATOR.validate(yaml.safe_load(render(config)))


@pytest.mark.parametrize(
    "change",
    [
        {"trainning": {}},
        {"training": {"epoch": 3}},
        {"training": {"epochs": 0}},
        {"training": {"epochs": "3"}},
        {"source": {"kind": "vectors", "contextualiser": "cnn"}},
        {"source": {"name": "minilm"}},
        {"source": {"kind": "vector"}},
        {"strategy": {"kind": "frozen", "rank": 4}},
        {"task": {"name": "sentimnt"}},
        {"task": {"name": "sentiment", "max_lenth": 9}},
        {"task": {"name": "sentiment", "head": {"poling": "mean"}}},
        {"data": {}},
    ],
    ids=json.dumps,
)
def test_schema_and_loader_refuse_the_same_mistakes(change):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**BASE, **change})
    with pytest.raises(ConfigError):
        load_config({**BASE, **change})


def test_schema_and_loader_take_several_tasks_instead_of_one():
    entry = {"name": "first", "task": BASE["task"], "data": BASE["data"]}
    several = {"tasks": [entry], "source": {"kind": "vectors", "name": "glove-50d"}}
    VALIDATOR.validate(several)
    assert list(load_several(several).each_task()) == ["first"]
    for wrong in ({**several, **BASE}, {"tasks": []}, {"tasks": [{**entry, "dta": {}}]}):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(wrong)
        with pytest.raises(ConfigError):
            load_several(wrong)


PAGES = [ROOT / "README.md", ROOT / "tasks" / "README.md", *sorted(DOCS.glob("*.md"))]


def blocks(language):
    """Each page's blocks in a language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(page.name, block) for page in PAGES for block in pattern.findall(page.read_text(encoding="utf-8"))]


def commands():
    """The command lines of the pages' blocks, without what stands before a pipe."""
    lines = [line for _, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    found = [line[line.index("nlp-transfer") :] for line in lines if "nlp-transfer" in line.split("#")[0]]
    return list(dict.fromkeys(found))


def words_of(line):
    """The arguments of a command line, {a,b} written out as a shell does."""
    found = []
    for word in shlex.split(line, comments=True)[1:]:
        before, brace, rest = word.partition("{")
        inside, _, after = rest.partition("}")
        several = brace and "," in inside and "=" not in word
        found += [f"{before}{one}{after}" for one in inside.split(",")] if several else [word]
    return found


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_pages_is_one(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verb, *arguments = words_of(line)
    for name in [word for word in arguments if word.endswith(".yaml")]:
        Path(name).write_text(json.dumps(BASE), encoding="utf-8")  # `init` writes it, or the reader
    command = get_command(app).commands[verb]
    given = command.make_context(verb, arguments).params if verb != "vectors" else {}
    flags = Flags(**{name: given.get(name) for name in vars(Flags())})
    for config in given.get("configs") or [given["config"]] if {"config", "configs"} & given.keys() else []:
        chosen, keys = combine_flags(config, given.get("overrides") or given.get("override") or [], flags)
        assert load_config(chosen, keys)


@pytest.mark.parametrize(("page", "block"), blocks("yaml"))
def test_every_configuration_of_the_pages_is_one(page, block):
    shown = parse_yaml(block)
    if any("." in key for key in shown):  # a space for `search`
        check_space(load_config(BASE), read_space(shown))
        return
    load = load_several if "tasks" in shown else load_config
    assert load(shown if "tasks" in shown else BASE | shown | {"data": BASE["data"] | shown.get("data", {})})


def test_llms_txt_lists_the_pages_of_the_site():
    listed = re.findall(r"\((\w+)\.html\)", (DOCS / "llms.txt").read_text(encoding="utf-8"))
    in_menu = re.findall(r'"(\w+)\.md"', (DOCS / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(in_menu)
    assert {path.stem for path in DOCS.glob("*.md")} <= set(listed)


def test_the_readme_names_every_bundled_data_set():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [one.name for one in list_datasets() if f"`{one.name}`" not in text.replace("--train ", "")]


def test_schema_leaves_tasks_of_other_people_alone():
    VALIDATOR.validate({**BASE, "task": {"name": "my_tasks.topics", "depth": 3}})


def test_every_key_has_a_meaning_in_the_reference(build):
    rows = [line for line in build.reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert not [row for row in rows if row.endswith("|  |")]


def test_readme_and_its_tree_fit_on_a_screen():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if len(line) > 120] == []
    (tree,) = re.findall(r"## The tree\n\n```text\n(.*?)```", text, re.DOTALL)
    assert len(tree.splitlines()) <= 30


@pytest.mark.parametrize("page", ["README.md", "docs/evidence.md"])
def test_sources_are_ranked_by_a_configuration_that_fits_every_kind(page):
    names = re.findall(r"nlp-transfer rank (\S+)", (ROOT / page).read_text(encoding="utf-8"))
    assert names
    for name in names:
        assert load_config(ROOT / "configs" / f"{name}.yaml").task.head.changed("layers", "pooling", "kind") == []
