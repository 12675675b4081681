"""JSON in all the layouts that people have it in, one value at a time."""

import json
from pathlib import Path

import pytest

from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import DataError

ROWS = [{"text": f"film {number}", "parts": [{"a": number}], "label": "é"} for number in range(3)]
INDENTED = "\n".join(json.dumps(row, indent=2) for row in ROWS)
LAYOUTS = {
    "a.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "indented.json": INDENTED,
    "indented.jsonl": INDENTED,
    "joined.json": "".join(map(json.dumps, ROWS)),
    "blanks.json": "\n \n" + "\r\n\r\n".join(map(json.dumps, ROWS)) + "\n\n",
    "list.json": json.dumps(ROWS),
    "indented list.json": json.dumps(ROWS, indent=1),
    "wrapped.json": json.dumps({"data": ROWS}),
    "indented wrapped.json": json.dumps({"version": "1.0", "count": 3, "rows": ROWS, "split": "train"}, indent=1),
}


def write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8", newline="")
    return str(folder / name)


def rows(path: str) -> list[tuple[int, dict[str, object]]]:
    return [(row.number, dict(row.cells)) for row in open_rows(path).rows]


def refusal(folder: Path, name: str, content: str) -> str:
    path = write(folder, name, content)
    with pytest.raises(DataError) as caught:
        rows(path)
    return str(caught.value).replace(path, name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_of_json_gives_the_same_rows(tmp_path, name):
    assert [cells for _, cells in rows(write(tmp_path, name, LAYOUTS[name]))] == ROWS


def test_of_many_different_faults_the_first_ten_are_told_apart(tmp_path):
    said = refusal(tmp_path, "a.jsonl", "{}\n" + "".join("[" + "1, " * number + "x\n" for number in range(30)))
    assert said.count("broken JSON at position") == 10
    assert said.splitlines()[0] == "a.jsonl: 30 bad lines"
    assert said.splitlines()[-1] == "  lines 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 10 more: other faults"


def test_objects_over_several_lines_are_numbered_by_their_first_line(tmp_path):
    assert [number for number, _ in rows(write(tmp_path, "a.json", INDENTED))] == [1, 10, 19]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_longer_than_a_block_is_read_in_pieces(tmp_path, indent):
    many = [{"text": f"é {number} " + "x" * (number % 997)} for number in range(2000)]
    many.append({"text": "long " * BLOCK})
    assert [cells for _, cells in rows(write(tmp_path, "a.json", json.dumps(many, indent=indent)))] == many


def test_a_list_gives_what_stands_before_a_fault(tmp_path):
    stream = open_rows(write(tmp_path, "a.json", '[{"text": "one"},\n {"text": "two"},\n {"text" 3}]')).rows
    assert [next(stream).cells["text"], next(stream).cells["text"]] == ["one", "two"]
    with pytest.raises(DataError, match=r"a\.json:3: broken JSON at position 10: Expecting ':' delimiter"):
        next(stream)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{\n "text": "a",\n "label" 1\n}', "a.json:3: broken JSON at position 10: Expecting ':' delimiter"),
        ("a.json", '{\n "text": "a"\n', "a.json:1: broken JSON: what begins here has no end"),
        ("a.json", '[{"text": "a"}\n{"text": "b"}]', "a.json:2: broken JSON: expected ',' or ']' in the list"),
        ("a.json", '[{"text": "a"}]\n[1]', "a.json:2: more after the list of records"),
        ("a.json", '[{"text": "a"}, [1]]', "a.json, row 2: expected an object"),
        ("a.json", '{"train": [{"b": 1}], "test": [{"b": 1}]}', "a.json:1: a second list of objects, under 'test'"),
        ("a.jsonl", '{"text":\n{"text": "b"}\n{"text"\n', "a.jsonl: 2 bad lines"),
    ],
)  # fmt: skip
def test_faults_name_the_line_and_what_was_expected(tmp_path, name, content, said):
    assert refusal(tmp_path, name, content).startswith(said)


@pytest.mark.parametrize("behind", ["1234.5e-10", "-Infinity", '"1234"', "true"])
def test_a_value_behind_the_list_may_be_cut_anywhere_by_the_end_of_a_block(tmp_path, behind):
    end = f'"}}], "more": {behind}, "split": "train", "count": 12}}'
    for cut in range(len(behind) + 1):
        start = '{"data": [{"text": "'
        text = "x" * (BLOCK - len(start) - end.index(behind) - cut)
        assert rows(write(tmp_path, "a.json", start + text + end)) == [(1, {"text": text})]
