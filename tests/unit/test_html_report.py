"""The page of a run: what stands in it, that it obeys no text, and that it loads nothing."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hostile import configure
from tiny import BAD, GOOD, ROOT

import nlp_transfer
from nlp_transfer.errors import CheckpointError, ConfigError, DataError
from nlp_transfer.evaluation.html_report import recorded, rendering
from nlp_transfer.evaluation.html_report.class_parts import LARGEST, tabulate_confusion
from nlp_transfer.evaluation.html_report.differences import mark_differences, mark_sentences
from nlp_transfer.evaluation.html_report.parts import Cell, Item, Items, Page, Section, Table
from nlp_transfer.evaluation.html_report.recorded import Answered, make_answer, read_run
from nlp_transfer.evaluation.html_report.rendering import write_report
from nlp_transfer.evaluation.html_report.row_parts import list_rows
from nlp_transfer.evaluation.html_report.run_page import SURE, make_run_page, open_run_page
from nlp_transfer.evaluation.html_report.score_parts import Scored, make_interval, tabulate_scores
from nlp_transfer.evaluation.html_report.suspects import find_suspects
from nlp_transfer.evaluation.verdicts import SPREAD
from nlp_transfer.publishing.tree import list_files, write_publication
from nlp_transfer.runs.train_answers import answer_train
from nlp_transfer.system.layout import REPORT
from nlp_transfer_tasks.adaptation import Adaptation
from nlp_transfer_tasks.multilabel import Multilabel
from nlp_transfer_tasks.sentiment import Sentiment
from nlp_transfer_tasks.summarization import Summarization
from nlp_transfer_tasks.translation import Translation

NOTHING = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Reader(HTMLParser):
    """Reads a page: its elements, its words, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.open, self.ids = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in NOTHING:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on texts that a page might obey, with labels of that kind, and enough rows for every part of the page."""
    place = tmp_path_factory.mktemp("report")
    config = configure(place, solver="gradient")
    return nlp_transfer.run(config, output=place / "run", progress=False).folder


@pytest.fixture(scope="module")
def page(folder):
    return Reader((folder / REPORT).read_text(encoding="utf-8"))


def test_a_run_leaves_a_page_with_the_verdict_first(folder, page):
    verdict = json.loads((folder / "metrics.json").read_text())["verdict"]
    assert all(line in page.text for line in verdict)
    headings = re.findall(r"<h2[^>]*>([^<]+)", (folder / REPORT).read_text())
    assert headings == [
        *("Verdict", "Scores", "Training", "Classes", "Confidence", "Lengths", "Rows of test", "Data", "Cost"),
        "How to reproduce it",
    ]


def test_a_page_shows_texts_and_labels_as_they_are_and_obeys_none(page):
    assert {"b", "i"}.isdisjoint(name for name, _ in page.elements)
    assert len(page.find("script")) == 1
    assert "answered <b>good</b>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "turned\\u202eround" in page.text
    assert "\u202e" not in page.text


def test_a_page_refers_to_nothing_outside_itself(folder, page):
    for name, attributes in page.elements:
        for key in ("href", "src", "xlink:href", "srcset", "action"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), f"{name} {key}={value}"
    text = (folder / REPORT).read_text()
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    assert "default-src 'none'" in text


def test_every_link_of_a_page_leads_to_a_place_in_it_and_no_two_places_have_one_name(page):
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in page.elements:
        for key in ("href", "xlink:href", "aria-labelledby"):
            if (value := attributes.get(key, "")).startswith("#") or (key == "aria-labelledby" and value):
                assert value.removeprefix("#") in names


def test_a_page_counts_what_was_answered_wrongly(folder, page):
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().split("\n") if line]
    wrong = sum(line["label"] != line["reference"]["label"] for line in lines)
    assert wrong
    assert f"{wrong} of {len(lines)} rows are answered wrongly." in page.text


def test_a_page_tells_which_simple_methods_are_right_where_the_run_is_wrong(folder):
    run = read_run(folder)
    (section,) = [one for one in make_run_page(run, most=200).sections if one.name == "rows"]
    marked = [item.title for item in section.parts[0].items if "better: tfidf_logistic" in item.marks]
    hits = json.loads((folder / "hits.json").read_text())
    both = zip(hits["rows"], hits["run"], hits["baselines"]["tfidf_logistic"], strict=True)
    assert sorted(marked) == sorted(f"row {row}" for row, own, other in both if other > own)


def test_a_page_is_never_published(folder, tmp_path):
    write_publication(folder, tmp_path / "tree", "user/name", licence="mit", adapter_only=False)
    assert REPORT not in list_files(tmp_path / "tree")


def test_a_page_that_cannot_be_made_costs_a_line_of_warning_and_no_run(folder, tmp_path, caplog):
    broken = shutil.copytree(folder, tmp_path / "run")
    (broken / "predictions.jsonl").write_text("{")
    assert not write_report(broken / REPORT, open_run_page(broken))
    (line,) = caplog.messages
    assert str(broken / REPORT) in line
    assert "\n" not in line
    assert not (broken / REPORT).exists()
    (broken / REPORT).mkdir()
    assert not write_report(broken / REPORT, open_run_page(broken)), "something else is there"


def test_a_page_names_the_version_that_made_it_and_not_that_of_the_run(folder, tmp_path):
    older = shutil.copytree(folder, tmp_path / "run")
    known = json.loads((older / "environment.json").read_text())
    known["packages"]["nlp-transfer"] = "0.0.1"
    (older / "environment.json").write_text(json.dumps(known))
    text = Reader(nlp_transfer.report([older], tmp_path / "page.html").file.read_text()).text
    assert f"Made by nlp-transfer {nlp_transfer.__version__}." in text
    assert "nlp-transfer 0.0.1" in text


def test_a_page_of_a_run_that_recorded_less_says_what_is_missing(tmp_path):
    old = ROOT / "tests" / "older_runs" / "finished"
    assert write_report(tmp_path / REPORT, open_run_page(old))
    text = Reader((tmp_path / REPORT).read_text()).text
    assert "The answers to single rows: predictions.jsonl was written by a version that kept no texts in it." in text
    assert "The cost of answers: it was not measured." in text


def test_of_more_answers_than_a_page_reads_it_shows_none_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(recorded, "LARGEST", 1000)
    run = read_run(folder)
    assert run.answered == []
    assert "predictions.jsonl is larger than the 1,000 bytes that a page reads." in run.missing[0]
    assert make_run_page(run, most=9).sections


def test_a_page_has_fewer_rows_where_they_would_not_fit(monkeypatch):
    def make(most):
        items = [Item(f"row {row}", [], [("text", [("x" * 1000, "")])]) for row in range(most)]
        return Page("large", "", [], [Section("rows", "Rows", [Items("Rows", items)])])

    monkeypatch.setattr(rendering, "LARGEST", 160_000)
    _, text = rendering.render_page(make)
    assert len(text) <= 160_000
    assert "row 99" in text
    assert "row 100" not in text


def test_words_that_differ_are_marked_and_nothing_else():
    said, right = mark_differences("the old film ended", "the new film has ended")
    assert said == [("the ", ""), ("old", "del"), (" film ", ""), ("ended", "")]
    assert [piece for piece, mark in right if mark == "ins"] == ["new", "has "]
    assert "".join(piece for piece, _ in right) == "the new film has ended"


def test_signs_of_a_script_without_spaces_are_compared_one_by_one():
    said, _ = mark_differences("我喜歡貓", "我喜歡狗")
    assert said == [("我喜歡", ""), ("貓", "del")]


def test_picked_sentences_are_marked():
    assert mark_sentences(["One.", "Two."], {1}) == [("One.", ""), (" ", ""), ("Two.", "mark"), (" ", "")]


def answer(number, right, said, sure):
    other = {"a": "b", "b": "a"}[said]
    return Answered(number, {"text": "x"}, right, said, {"probabilities": {said: sure, other: 1 - sure}}, None, {})


def test_labels_are_in_doubt_where_the_model_is_surer_of_another_than_it_usually_is():
    rows = [answer(row, "a", "a", 0.8) for row in range(8)] + [answer(row, "b", "b", 0.8) for row in range(8, 16)]
    rows += [answer(16, "a", "b", 0.95), answer(17, "a", "b", 0.55), answer(18, "b", "a", 0.9)]
    assert [one.number for one in find_suspects(rows, ["a", "b"])] == [16, 18]


def test_an_under_confident_model_doubts_as_many_labels_as_it_finds_wrong_in_the_rows_that_it_is_sure_of():
    rows = [answer(row, label, label, 0.6 + 0.2 * (row % 2)) for row in range(20) for label in "ab"]
    rows += [answer(100 + row, "a", "b", 0.6 + 0.2 * (row % 2)) for row in range(4)]  # half as sure as usual
    assert [one.number for one in find_suspects(rows, ["a", "b"])] == [101, 103, 100, 102]


def test_of_many_labels_the_pairs_that_are_confused_most_are_listed():
    labels = [f"l{number}" for number in range(LARGEST + 1)]
    rows = [Answered(0, {}, "l1", "l2", {}, None, {})] * 3 + [Answered(0, {}, "l2", "l2", {}, None, {})] * 9
    (row,) = tabulate_confusion(rows, labels).rows
    assert (row[0], row[1], row[2].text) == ("l1", "l2", "3")
    assert tabulate_confusion(rows[3:], labels) is None


@pytest.mark.parametrize(("right", "listed"), [(8, True), (7, False)])
def test_labels_are_doubted_only_by_a_model_that_is_right_often(folder, right, listed):
    run = read_run(folder)
    low, high = run.labels
    share = replace(run, answered=[_doubt(row, low, high, row < right) for row in range(10)])
    sections = {one.name: one for one in make_run_page(share, most=200).sections}
    captions = [getattr(part, "caption", "") for part in sections["data"].parts]
    assert ("Labels of test that may be wrong" in captions) == listed
    assert any("label in doubt" in item.marks for item in sections["rows"].parts[0].items) == listed
    said = [line for part in sections["data"].parts for line in getattr(part, "lines", ())]
    assert any("where a model is right on 80% of its rows or more" in line for line in said) != listed


def test_a_page_says_where_no_label_is_in_doubt(folder):
    run = read_run(folder)
    sure = replace(run, answered=[_doubt(row, *run.labels, True) for row in range(10)])
    (data,) = [one for one in make_run_page(sure, most=200).sections if one.name == "data"]
    said = [line for part in data.parts for line in getattr(part, "lines", ())]
    assert f"No label of test is in doubt: {SURE}." in said


def _doubt(row, low, high, right):
    given = (low, high)[row % 2]
    said = given if right else (low, high)[1 - row % 2]
    sure = {said: 0.6 if right else 0.99}
    probabilities = {label: sure.get(label, 1 - sure[said]) for label in (low, high)}
    return Answered(row, {"text": "x"}, given, said, {"probabilities": probabilities}, None, {})


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory):
    """A frozen run on clear rows, of which the eleventh of train has the other label."""
    place = tmp_path_factory.mktemp("mislabelled")
    lines = [{"text": f"{[BAD, GOOD][row % 2][row % 3]} {row}", "label": row % 2} for row in range(60)]
    swapped = [{**line, "label": 1 - line["label"]} if row == 10 else line for row, line in enumerate(lines)]
    for name, rows in (("train", swapped), ("validation", lines[:20]), ("test", lines[20:])):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = configure(place)
    config["data"] = {name: str(place / f"{name}.jsonl") for name in ("train", "validation", "test")}
    return nlp_transfer.run(config, output=place / "run", progress=False).folder


def test_labels_of_train_are_doubted_by_heads_that_have_not_seen_them(mislabelled, tmp_path):
    assert "report RUN PAGE.html --train-labels" in (mislabelled / REPORT).read_text()
    text = nlp_transfer.report([mislabelled], tmp_path / "page.html", train_labels=True).file.read_text()
    assert "--train-labels" not in text
    doubted = text[text.index("Labels of train that may be wrong") :]
    assert re.findall("<h4>(row [0-9]+)", doubted) == ["row 11"]


def test_labels_of_train_are_doubted_for_one_frozen_run_on_the_same_rows(mislabelled, folder, tmp_path):
    with pytest.raises(ConfigError, match="train_labels: is for the page of one run"):
        nlp_transfer.report([mislabelled, folder], tmp_path / "page.html", train_labels=True)

    moved = shutil.copytree(mislabelled, tmp_path / "moved")
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(re.sub(r"strategy:\n( .*\n)+", "strategy: {kind: full}\n", config))
    with pytest.raises(ConfigError, match="has learned from the labels of train by strategy 'full'"):
        nlp_transfer.report([moved], tmp_path / "page.html", train_labels=True)

    other = tmp_path / "other.jsonl"
    other.write_text((mislabelled.parent / "train.jsonl").read_text().replace(" 8", " 9"))
    (moved / "config.yaml").write_text(config.replace(str(mislabelled.parent / "train.jsonl"), str(other)))
    with pytest.raises(DataError, match=r"other.jsonl.*the train rows are not those that the run was trained with"):
        nlp_transfer.report([moved], tmp_path / "page.html", train_labels=True)


def test_labels_of_train_are_doubted_for_a_run_whose_fingerprints_are_of_an_earlier_version(mislabelled, tmp_path):
    older = shutil.copytree(mislabelled, tmp_path / "older")
    figures = json.loads((older / "metrics.json").read_text())
    figures["data"]["splits"]["train"]["fingerprint"] = "0" * 64
    (older / "metrics.json").write_text(json.dumps(figures))
    assert len(answer_train(older)) == 60


def test_only_a_page_with_texts_says_that_it_holds_some(page):
    assert "holds texts of the data" in page.text
    _, text = rendering.render_page(lambda _: Page("none", "", [], [Section("rows", "Rows", [Items("Rows", [])])]))
    assert "holds texts of the data" not in text


def test_the_score_of_single_rows_stands_once_with_its_interval_where_it_is_known():
    right = {"accuracy": 0.75, "macro_f1": 0.7, SPREAD: {"accuracy": 0.02}}
    methods = [Scored("seeds", right, right, [1.0, 1.0, 1.0, 0.0]), Scored("other", right, right)]
    table = tabulate_scores(methods, Sentiment, "")
    assert table.header == [
        *("method", "test accuracy, 95 % interval", "validation accuracy", "test macro_f1", "validation macro_f1")
    ]
    seeds, other = (row[1].text for row in table.rows)
    assert seeds == "0.7500 (0.3006 to 0.9544); ± 0.0200"
    assert other == "0.7500 ± 0.0200"


@pytest.mark.parametrize(("columns", "shade", "folds"), [(2, None, False), (3, None, True), (3, 0.5, False)])
def test_a_table_of_many_columns_folds_on_a_narrow_page_and_a_matrix_does_not(columns, shade, folds):
    row = ["name", *[Cell("1", shade)] * (columns - 1)]
    assert Table("Table", ["column"] * columns, [row]).folds == folds


@pytest.fixture(scope="module")
def other(folder):
    """A second run on the same rows."""
    config = configure(folder.parent, solver="auto")
    return nlp_transfer.run(config, output=folder.parent / "other", progress=False).folder


def test_the_python_of_the_page_about_reports_runs(folder, other, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name, run in (("first", folder), ("second", other)):
        (tmp_path / "runs" / name).symlink_to(run)
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "report.md").read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(code, "docs/report.md", "exec"), {})  # noqa: S102 - the page's own
    assert " of test accuracy." in capsys.readouterr().out
    assert (tmp_path / "both.html").is_file()


def test_several_runs_stand_on_one_page_with_their_verdicts(folder, other, tmp_path):
    found = nlp_transfer.report([folder, other], tmp_path / "both.html")
    page = Reader(found.file.read_text())
    assert found.verdict[0].startswith("Best on validation: ")
    assert all(sentence in page.text for sentence in found.verdict)
    assert "Rows on which the runs differ" in page.text
    assert json.loads(json.dumps(found.values()))["verdict"] == list(found.verdict)


def test_rows_on_which_runs_differ_say_who_is_right(folder, other, tmp_path):
    nlp_transfer.report([folder, other], tmp_path / "both.html")
    page = Reader((tmp_path / "both.html").read_text())
    hits = [json.loads((run / "hits.json").read_text())["run"] for run in (folder, other)]
    differ = sum(one != two for one, two in zip(*hits, strict=True))
    assert f"{differ} of {len(hits[0])} rows" in page.text


def test_the_command_writes_a_page_and_replaces_none_unasked(folder, tmp_path, command):
    code, out, _ = command("report", folder, tmp_path / "page.html")
    assert (code, f"report: {tmp_path / 'page.html'}" in out) == (0, True)
    code, _, err = command("report", folder, tmp_path / "page.html")
    assert (code, "exists already" in err) == (2, True)
    assert command("report", folder, tmp_path / "page.html", "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}", "page.txt"], "expected the page to write, a name in .html; received 'page.txt'"),
        (["{run}"], "expected the page to write, a name in .html"),
        (["{run}", "{run}", "page.html"], "a run is named twice"),
        (["{run}/nothing", "page.html"], "nothing: no such folder"),
        (
            ["{run}/model", "page.html"],
            "model: not a finished run: it lacks config.yaml, metrics.json; name a run, such as {run}",
        ),
        (["{run}", "nowhere/page.html"], "there is no folder nowhere; make it first"),
        (["page.html"], "none is named; name the folder of a run"),
    ],
)
def test_a_wrong_command_is_answered_in_one_line(words, said, folder, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("report", *(word.format(run=folder) for word in words))
    assert code != 0
    assert said.format(run=folder) in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("comparison.json", '{"runs": 5, "verdict": []}'),
        ("hits.json", '{"run": 5}'),
    ],
)
def test_a_damaged_file_of_a_run_is_told_in_one_line(folder, name, text, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "run")
    (broken / name).write_text(text)
    with pytest.raises(
        CheckpointError,
        match=r"run(: a file in it is|/\w+.json\w?:) damaged .*; bring (it|the file) back, or train again",
    ):
        nlp_transfer.report([broken], tmp_path / "page.html")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (3, "report: expected the folder of a run, or a list of them; received an int"),
        ([None], "report: the folder of a run: expected a path or its name, received None"),
        ("runs/one", "runs/one: no such folder"),
    ],
)
def test_runs_are_named_by_a_folder_or_a_list_of_them(runs, said, tmp_path):
    with pytest.raises((ConfigError, CheckpointError), match=said):
        nlp_transfer.report(runs, tmp_path / "page.html")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hits.json", b"[", "hits.json: damaged (JSONDecodeError: "),
        ("history.jsonl", b"[]", "history.jsonl: damaged (line 1: TypeError: expected an object, not a list)"),
        ("predictions.jsonl", b'{"row": 1, "input": {}, "reference": {}}', "predictions.jsonl: damaged (line 1: "),
        ("predictions.jsonl", b'{"row": 1}\n{"ro', "predictions.jsonl: damaged (line 2: JSONDecodeError: "),
        ("predictions.jsonl", b"\xff" * 9999, "predictions.jsonl: damaged (line 1: UnicodeDecodeError: "),
        (
            "predictions.jsonl",
            b'{"row": 1, "input": {}, "reference": {"label": "a"}, "label": "a", "probabilities": {"a": "much"}}',
            "predictions.jsonl: damaged (line 1: TypeError: a: 'much'",
        ),
        (
            "history.jsonl",
            b'{"phase": "a", "validation": 3}',
            "history.jsonl: damaged (line 1: TypeError: validation: 3",
        ),
        ("hits.json", b'{"run": ["x"]}', "hits.json: damaged (TypeError: run: "),
        ("environment.json", b'{"packages": []}', "environment.json: damaged (TypeError: packages: []"),
    ],
)
def test_a_damaged_file_is_named_with_its_line_and_none_of_its_bytes(folder, name, content, said, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "run")
    (broken / name).write_bytes(content)
    with pytest.raises(CheckpointError) as told:
        nlp_transfer.report([broken], tmp_path / "page.html")
    assert str(told.value).startswith(f"{broken}/{said}")
    assert str(told.value).endswith("; bring the file back, or train again")
    assert len(str(told.value)) < len(str(broken)) + 300


@pytest.mark.parametrize(
    "name", ["metrics.json", "hits.json", "history.jsonl", "predictions.jsonl", "environment.json"]
)
def test_a_file_that_a_failing_disk_does_not_give_is_named(folder, name, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "run")
    (broken / name).unlink()
    (broken / name).symlink_to("/proc/self/mem")  # which answers to reading its first byte as such a disk does
    with pytest.raises(CheckpointError, match=rf"/{name}: damaged \(.*Input/output error\); bring the file back"):
        nlp_transfer.report([broken], tmp_path / "page.html")


@pytest.mark.parametrize("key", ["run", "baselines", "majority"])
def test_a_score_that_runs_are_compared_by_is_named_with_its_file_where_it_is_gone(folder, key, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "run")
    hits = json.loads((broken / "hits.json").read_text())
    del (hits["baselines"] if key == "majority" else hits)[key]
    (broken / "hits.json").write_text(json.dumps(hits))
    with pytest.raises(CheckpointError, match=rf"hits\.json: damaged \(KeyError: '{key}'\); bring the file back"):
        nlp_transfer.report([broken, folder], tmp_path / "both.html")


def test_runs_without_scores_of_single_rows_are_not_compared_and_the_way_out_is_told(folder, tmp_path):
    older = shutil.copytree(folder, tmp_path / "run")
    (older / "hits.json").unlink()
    assert nlp_transfer.report([older], tmp_path / "page.html").missing
    with pytest.raises(CheckpointError, match=r"run: lacks hits.json.*train that run again, or score its model"):
        nlp_transfer.report([older, folder], tmp_path / "both.html")
    with pytest.raises(CheckpointError, match=r"run: lacks hits.json.*train that run again, or score its model"):
        nlp_transfer.run(nlp_transfer.load_config(older / "config.yaml"), output=older, resume="auto")


def test_runs_that_were_tested_on_other_rows_are_not_set_side_by_side(folder, tmp_path):
    elsewhere = shutil.copytree(folder, tmp_path / "run")
    metrics = json.loads((elsewhere / "metrics.json").read_text())
    metrics["data"]["splits"]["test"]["fingerprint"] = "0" * 32
    (elsewhere / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="its test rows are not those of"):
        nlp_transfer.report([folder, elsewhere], tmp_path / "both.html")


@pytest.fixture
def of_task(folder):
    """Make a run of another task out of that of the fixture, with these answers and scores of single rows."""

    def make(task, lines, hits):
        run = read_run(folder)
        name = task.__module__.rpartition(".")[2]
        config = nlp_transfer.load_config({"task": {"name": name}, **run.config.model_dump(include={"source", "data"})})
        scores = [{"": score, "simple": 0.5} for score in hits]
        answered = [make_answer(line, task, score) for line, score in zip(lines, scores, strict=True)]
        return replace(run, config=config, answered=answered)

    return make


def test_a_translation_stands_beside_its_reference_those_with_the_lowest_score_first(of_task):
    lines = [
        {"row": 1, "input": {"source": "open"}, "reference": {"target": "ouvrir"}, "translation": "ouvrir"},
        {"row": 2, "input": {"source": "a new tab"}, "reference": {"target": "un onglet"}, "translation": "un fichier"},
    ]
    first, second = list_rows(of_task(Translation, lines, [1.0, 0.2]), [], 9).items
    assert [first.title, second.title] == ["row 2", "row 1"]
    assert dict(first.texts)["answer"] == [("un ", ""), ("fichier", "del")]
    assert dict(first.texts)["reference (target)"] == [("un ", ""), ("onglet", "ins")]
    assert (first.marks, second.marks) == (["better: simple"], [])


def test_of_many_answers_the_lowest_and_some_of_the_rest_are_shown(of_task):
    lines = [
        {"row": row, "input": {"source": "x"}, "reference": {"target": "y"}, "translation": "y"} for row in range(40)
    ]
    run = of_task(Translation, lines, [row / 40 for row in range(40)])
    assert [item.title for item in list_rows(run, [], 8).items] == [f"row {row}" for row in (0, 1, 2, 3, 4, 13, 22, 31)]


def test_the_sentences_that_an_extract_consists_of_are_marked(of_task):
    line = {"row": 1, "input": {"text": ["It opens. It is read. It closes."]}, "reference": {"summary": ["It is."]}}
    line |= {"summary": "It is read.", "sentences": [1]}
    (item,) = list_rows(of_task(Summarization, [line], [0.4]), [], 9).items
    assert [piece for piece, mark in dict(item.texts)["text"] if mark == "mark"] == ["It is read."]


def test_several_labels_are_right_in_any_order(of_task):
    lines = [
        {"row": 1, "input": {"text": "x"}, "reference": {"labels": ["a", "b"]}, "labels": ["b", "a"]},
        {"row": 2, "input": {"text": "y"}, "reference": {"labels": []}, "labels": ["a"], "probabilities": {"a": 0.8}},
    ]
    (item,) = list_rows(of_task(Multilabel, lines, [1.0, 0.0]), [], 9).items
    assert item.facts == [("answered", "a"), ("right", "none")]


def test_a_text_that_is_its_own_answer_has_no_list_of_errors(of_task):
    line = {"row": 1, "input": {"text": "x"}, "reference": {}, "log_probability": -2.0, "tokens": 3}
    run = of_task(Adaptation, [line], [-2.0])
    assert list_rows(run, [], 9) is None
    assert make_interval([-2.0, -1.0], Adaptation).span is None
