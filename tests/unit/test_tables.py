"""Tables as people have them: quotes, headers, delimiters, ragged rows, and all faults said at once."""

import csv
import io
import logging
from pathlib import Path

import pytest

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.text_lines import LONGEST
from nlp_transfer.data.splits import read_rows, stream_texts
from nlp_transfer.errors import DataError

REVIEW = {"text": "text", "label": "label"}
SPEECH = 'text\tlabel\n"I love it , she said .\tgood\nIt is warm .\tgood\nWe stay ."\tbad\nNo .\tbad\n'
ROWS = [["text", "label", "stars"], ["a film", "good", "5"], ['he said "no"', "bad", "1"], ["two\nlines", "bad", "2"]]


def write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8", newline="")
    return str(folder / name)


def written(quoting: int, rows: list[list[str]] = ROWS, delimiter: str = "\t") -> str:
    """A table as a program writes it."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    return text.getvalue()


def texts(path: str, **settings: object) -> list[str]:
    return list(stream_texts(path, "text", Dialect(**settings)))


def refusal(path: str, columns: list[str] | None = None, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        list(open_rows(path, Dialect(**settings)).read_blocks(columns))
    return str(caught.value).replace(path, Path(path).name)


def test_speech_that_opens_in_one_line_and_closes_in_another_is_a_row_a_line(tmp_path):
    path = write(tmp_path, "a.tsv", SPEECH)
    assert texts(path) == ['"I love it , she said .', "It is warm .", 'We stay ."', "No ."]


def test_every_way_to_read_a_file_takes_its_quotes_alike(tmp_path):
    path = write(tmp_path, "a.tsv", SPEECH)
    assert texts(path) == read_rows(path, {}, REVIEW, labels=("bad", "good"))["text"][:]


@pytest.mark.parametrize(
    "line",
    [
        '" opens and stays\tbad',
        '"bravo" he said\tbad',
        'it ends "\tbad',
        'so "called" films\tbad',
        '"It is quoted."\tbad',
    ],
)
def test_one_line_that_a_program_would_write_otherwise_makes_quotes_characters(tmp_path, line):
    path = write(tmp_path, "a.tsv", f"text\tlabel\na film\tgood\n{line}\n")
    assert texts(path) == ["a film", line.split("\t")[0]]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quotes_enclose_cells_where_a_program_has_written_them(tmp_path, quoting):
    rows = [[float(cell) if cell.isdigit() else cell for cell in row] for row in ROWS]
    path = write(tmp_path, "a.tsv", written(quoting, rows))
    assert texts(path) == ["a film", 'he said "no"', "two\nlines"]


def test_a_spreadsheet_encloses_cells_with_commas(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"warm, funny"\tgood\ndull\tbad\n')
    assert texts(path) == ["warm, funny", "dull"]
    path = write(tmp_path, "b.tsv", 'text\tlabel\n"warm, funny"\tgood\ndull, long\tbad\n')
    assert texts(path) == ['"warm, funny"', "dull, long"]


def test_a_line_without_a_tab_in_speech_does_not_make_quotes_enclose(tmp_path):
    path = write(tmp_path, "a.tsv", SPEECH + "no tab\n")
    assert refusal(path).startswith("a.tsv:6: the row has 1 of the header's 2 fields")


def test_a_quote_that_is_never_closed_is_a_character_between_tabs_and_a_fault_between_commas(tmp_path):
    assert texts(write(tmp_path, "a.tsv", 'text\tlabel\n"open\tgood\n' + "more\tbad\n" * 5000))[0] == '"open'
    said = refusal(write(tmp_path, "a.csv", 'text,label\n"open,good\nmore,bad\n'))
    assert said.startswith("a.csv:2: a quote is opened here and never closed (read on to line 3); close it, or take")
    assert said.endswith("data.quoting=none")


def test_what_was_decided_about_quotes_is_said_and_can_be_forced(tmp_path, caplog):
    path = write(tmp_path, "a.tsv", SPEECH)
    with caplog.at_level(logging.WARNING):
        texts(path, options=True)
    said = "quotes are characters, for they do not enclose cells throughout (--quoting minimal reads them otherwise)"
    assert caplog.messages == [f"{path}: {said}"]
    assert texts(path, quoting="minimal") == ["I love it , she said .\tgood\nIt is warm .\tgood\nWe stay .", "No ."]
    assert texts(write(tmp_path, "a.csv", 'text,label\n"a",b\n'), quoting="none") == ['"a"']


@pytest.mark.parametrize("mark", ["|", ";"])
def test_rows_that_a_quote_may_have_joined_are_said_between_other_marks(tmp_path, caplog, mark):
    path = write(tmp_path, "a.csv", SPEECH.replace("\t", mark))
    assert len(texts(path, delimiter=mark)) == 2
    assert "a.csv: 1 row goes over several lines, of which each would be a row by itself" in caplog.text
    assert "if quotes are characters: data.quoting=none (first: 2)" in caplog.text
    caplog.clear()
    assert len(texts(path, delimiter=mark, quoting="none")) == 4
    assert len(texts(path, delimiter=mark, quoting="minimal")) == 2
    assert not caplog.text


@pytest.mark.parametrize(
    "content",
    [
        'text,label\n"two, then\nlines",good\n"three\nwhole\nlines",bad\n',
        'text\n"two\nlines"\nbad\n',
        "text,label\na film,good\n\na play,bad\n",
    ],
)
def test_nothing_is_said_of_rows_that_go_over_lines_as_cells_do(tmp_path, caplog, content):
    texts(write(tmp_path, "a.csv", content))
    assert not caplog.text


def test_nothing_is_said_of_quotes_that_are_not_there(tmp_path, caplog):
    texts(write(tmp_path, "a.tsv", "text\tlabel\na\tb\n"))
    assert not caplog.messages


def test_columns_of_a_file_without_header_have_numbers(tmp_path):
    path = write(tmp_path, "a.csv", "4,x,good film\n0,y,bad film\n")
    rows = read_rows(path, {"text": "2", "label": "0"}, REVIEW, dialect=Dialect(header=False), labels=("0", "4"))
    assert rows["text"][:] == ["good film", "bad film"]
    assert rows["row"][:] == [1, 2]


def test_blank_lines_before_the_first_cell_of_a_single_column_without_header_are_empty_cells(tmp_path):
    path = write(tmp_path, "a.csv", "\n" * 3 + "a\n\nb\n\n")
    assert list(stream_texts(path, "0", Dialect(header=False))) == ["", "", "", "a", "", "b"]
    path = write(tmp_path, "b.csv", "\n\na,b\n")
    assert list(stream_texts(path, "0", Dialect(header=False))) == ["a"]


def test_of_a_broken_header_no_more_is_said_than_that(tmp_path):
    said = refusal(write(tmp_path, "a.csv", '"te"xt,label\na,b,c\nd,e\n'))
    assert said.startswith("a.csv:1: text after a closing quote; ")
    assert "fields" not in said


@pytest.mark.parametrize("first", ["4,x,a long and moving film", "0,0,film", "a film that goes on and on,good,x"])
def test_a_header_that_looks_like_data_is_answered_with_the_way_out(tmp_path, first):
    path = write(tmp_path, "a.csv", f"{first}\n4,y,other\n")
    with pytest.raises(
        DataError, match=r"If the first row is data: data\.header=false and columns by number, as data\."
    ):
        read_rows(path, {}, REVIEW)
    with pytest.raises(
        DataError, match=r"If the first row is data: --no-header and columns by number, as --column 0\."
    ):
        texts(path, options=True)


@pytest.mark.parametrize(("options", "way"), [(False, "data.header=true"), (True, "--header")])
def test_a_header_that_was_said_not_to_be_there_is_asked_for(tmp_path, options, way):
    path = write(tmp_path, "a.csv", "text,label\na,b\n")
    with pytest.raises(DataError) as caught:
        list(stream_texts(path, "5", Dialect(header=False, options=options)))
    assert f" If the first row names the columns: {way} and columns by name, as " in str(caught.value)


def test_a_first_row_that_holds_a_value_twice_is_answered_with_the_way_out(tmp_path):
    said = refusal(write(tmp_path, "a.csv", "0,0,film\n"))
    assert said == "a.csv:1: column '0' appears twice in the header; rename one, or data.header=false if this is data"


def test_an_ordinary_header_is_not_taken_for_data(tmp_path):
    with pytest.raises(DataError) as caught:
        texts(write(tmp_path, "a.csv", "Review text,Stars given\na,b\n"))
    assert "If the first row is data" not in str(caught.value)


@pytest.mark.parametrize("mark", [";", "\t", "|", ":"])
def test_any_character_may_divide_columns(tmp_path, mark):
    path = write(tmp_path, "a.csv", f"label{mark}text\ngood{mark}warm, funny\n")
    assert texts(path, delimiter=mark) == ["warm, funny"]


def test_another_delimiter_is_named_once_with_the_way_to_set_it(tmp_path):
    path = write(tmp_path, "a.csv", "label;text\n" + "good;warm, funny\n" * 20)
    assert refusal(path).endswith("The file seems to use another delimiter: data.delimiter=\"';'\"")
    assert refusal(path, options=True).endswith("another delimiter: --delimiter ';'")


def test_empty_columns_without_names_are_passed_over(tmp_path):
    assert texts(write(tmp_path, "a.csv", "text,label,,,\na,b,,,\nc,d\ne,f,,,,\n")) == ["a", "c", "e"]


def test_text_behind_the_last_named_column_is_said_not_to_be_read(tmp_path, caplog):
    path = write(tmp_path, "a.csv", "text,label,,\na,b,,\nc,d,more,\n")
    assert texts(path) == ["a", "c"]
    assert "1 row has text behind the last column that has a name; it is not read (first: 3)" in caplog.text


def test_a_row_needs_the_cells_that_are_used_and_no_others(tmp_path):
    path = write(tmp_path, "a.csv", "text,label,note\na,b\nc\n")
    assert texts(path) == ["a", "c"]
    with pytest.raises(
        DataError, match=r"a\.csv:3: the row has 1 of the header's 3 fields \(text, label, note\); fill it"
    ):
        read_rows(path, {}, REVIEW, labels=("b",))


def test_a_column_that_is_not_used_may_stand_twice(tmp_path):
    assert texts(write(tmp_path, "a.csv", "id,text,id\n1,a,2\n")) == ["a"]


def test_all_bad_lines_are_said_at_once(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\na,b\nalone\n"c"d,e\nf,g,h\nalone\ni,j\n')
    fields, way = "of the header's 2 fields (text, label)", "quote a field that holds the delimiter"
    assert refusal(path).split("\n  ") == [
        "a.csv: 4 bad lines",
        f"lines 3, 6: the row has 1 {fields}; fill it up",
        'line 4: text after a closing quote; write a quote inside a quoted field as "", or take quotes as they are: '
        "data.quoting=none",
        f"line 5: the row has 3 {fields}; {way}",
    ]


def test_of_many_bad_lines_the_first_ten_and_the_count_are_said(tmp_path):
    said = refusal(write(tmp_path, "a.csv", "text,label\n" + "alone\n" * 5000))
    assert said.startswith("a.csv, lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 4990 more: the row has 1 of")


def test_the_same_fault_of_quotes_is_said_once(tmp_path):
    said = refusal(write(tmp_path, "a.csv", "text,label\n" + '"a"b,c\n' * 20))
    assert said.startswith("a.csv, lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 10 more: text after a closing quote; write")
    said = refusal(write(tmp_path, "a.csv", 'text,label\n"a\nb"c,d\n'))
    assert said.startswith("a.csv:2: text after a closing quote (on line 3); write")


def test_bad_lines_and_bad_cells_are_said_together(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a", "label": "x"}\n{"text": [], "label": "x"}\n{"text":\n[1]\n')
    with pytest.raises(DataError) as caught:
        read_rows(path, {}, REVIEW, labels=("x",))
    assert [line.strip().split(":")[0] for line in str(caught.value).splitlines()[1:]] == ["line 2", "line 3", "line 4"]


def test_rows_before_the_first_bad_line_come_before_it_and_none_after(tmp_path):
    found = stream_texts(write(tmp_path, "a.csv", "text,label\na,b\nc,d\n,,x\ne,f\n"), "text")
    assert [next(found), next(found)] == ["a", "c"]
    with pytest.raises(DataError, match=r"a\.csv:4: the row has 3"):
        next(found)


BROKEN = {
    "bytes.csv": (b"\xff,e\n", "byte 0xff at position 1 is not UTF-8"),
    "nul.csv": (b"e\0,f\n", "a NUL byte"),
    "cell.csv": (b'"' + b"aaaaaaa\n" * (LONGEST // 8 + 1), "a cell of more than"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rows_before_a_fault_that_ends_the_reading_come_before_it(tmp_path, name):
    line, said = BROKEN[name]
    (tmp_path / name).write_bytes(b"text,label\na,b\nc,d\n" + line)
    found = stream_texts(str(tmp_path / name), "text")
    assert [next(found), next(found)] == ["a", "c"]
    with pytest.raises(DataError, match=rf"{name}:4: {said}"):
        next(found)


def test_bad_lines_are_said_with_the_fault_that_ends_the_reading(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\na,b\nalone\n\xff,e\n")
    with pytest.raises(DataError, match=r"a\.csv:3: the row has 1(?s:.*)a\.csv:4: byte 0xff"):
        list(open_rows(str(tmp_path / "a.csv")).read_blocks())


def test_rows_after_a_cell_of_several_lines_keep_their_numbers(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"one\n\ntwo",a\n\nb,c\n"three\nfour",d\ne,f\n')
    assert [row.number for row in open_rows(path).rows] == [2, 6, 7, 9]
    assert refusal(write(tmp_path, "b.csv", 'text,label\n"one\ntwo",a\nalone\n')).startswith("b.csv:4: ")


def test_windows_line_ends_inside_a_cell_become_line_feeds(tmp_path):
    assert texts(write(tmp_path, "a.csv", 'text,label\r\n"one\r\ntwo",a\r\n')) == ["one\ntwo"]


@pytest.mark.parametrize(("options", "way"), [(True, "--delimiter ';'"), (False, "data.delimiter=\"';'\"")])
def test_what_is_no_table_is_told_the_mark_in_the_words_of_the_caller(options, way, tmp_path):
    path = tmp_path / "plain"
    path.write_text("only words\n")
    said = refusal(str(path), options=options)
    assert f"or name the mark between its columns, as {way}; or name a file" in said
