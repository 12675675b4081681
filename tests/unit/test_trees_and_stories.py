"""Trees of the Stanford Sentiment Treebank, and stories with highlights."""

from pathlib import Path

import pytest

from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.locations import open_place
from nlp_transfer.data.splits import read_rows
from nlp_transfer.errors import DataError

TREES = "(3 (2 It) (4 (2 -LRB-) (4 (3 really) (3 shines))))\n\n(0 (1 Dull) (2 .))\n(2 Fine)\n"
STORY = "A man opened a shop.\n\nIt sold  bread.\n\n@highlight\n\nman opens\nshop\n\n@highlight\n\nit sells bread\n"


def write(file: Path, content: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return str(file)


def read(place: Path | str, split: str = "train") -> list[tuple[object, ...]]:
    return [(row.number, *row.cells.values()) for row in open_place(str(place), split).rows]


def test_a_tree_is_a_text_with_the_label_of_its_root(tmp_path):
    file = write(tmp_path / "a.txt", TREES)
    assert read(file) == [(1, "It ( really shines", "3"), (3, "Dull .", "0"), (4, "Fine", "2")]
    assert list(stream_texts(file, "text")) == ["It ( really shines", "Dull .", "Fine"]


def test_a_blank_before_a_label_changes_nothing(tmp_path):
    file = write(tmp_path / "a.txt", "(3 (2 It) (4 shines))\n( 1 (2 It) (0 fades))\n")
    assert read(file)[1] == (2, "It fades", "1")


def test_a_folder_of_trees_has_splits_by_name(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.txt", TREES.replace("Fine", name))
    assert [row[1] for row in read(tmp_path, "validation")][-1] == "dev"


def test_broken_trees_are_listed_together(tmp_path):
    file = write(tmp_path / "a.txt", TREES + "(3 (2 It) (4 shines)\n(3 (2 It)))\n(7 (2 It) (4 a))\nplain\n")
    with pytest.raises(DataError, match=r"a\.txt, lines 5, 6, 7, 8: no tree such as"):
        read(file)


def test_other_brackets_are_text(tmp_path):
    lines = ["(1) Open the file", "(2 files)", "(see below)"]
    assert list(stream_texts(write(tmp_path / "a.txt", "\n".join(lines)), "text")) == lines


def test_a_story_is_a_text_and_its_highlights(tmp_path):
    file = write(tmp_path / "a.story", STORY)
    text, summary = "A man opened a shop.\nIt sold bread.", ["man opens shop", "it sells bread"]
    assert read(file) == [(1, text, summary)]
    rows = read_rows(file, {}, {"text": "texts", "summary": "texts"})
    assert rows["summary"][0] == summary


def test_a_folder_of_stories_is_a_data_set_and_may_have_splits(tmp_path):
    for name in ("a/1.story", "a/2.story", "b/train/3.story", "b/val/4.story"):
        write(tmp_path / name, STORY.replace("bread", name[-7]))
    assert [(row[0], row[-1]) for row in read(tmp_path / "a")] == [(1, "1.story"), (2, "2.story")]
    assert [row[-1] for row in read(tmp_path / "b", "validation")] == ["4.story"]


@pytest.mark.parametrize("content", ["A text alone.\n", "\n@highlight\n\nx\n", "A text\n\n@highlight\n"])
def test_a_story_without_text_or_highlight_is_named(tmp_path, content):
    write(tmp_path / "1.story", STORY)
    write(tmp_path / "2.story", content)
    with pytest.raises(DataError, match=r"row 2: .*2\.story:1: expected a text, then a highlight"):
        read(tmp_path)
