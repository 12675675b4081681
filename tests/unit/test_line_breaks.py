"""Line breaks are told apart: turns and items end, wrapped lines go on."""

import textwrap

import pytest

from nlp_transfer.data.text.line_breaks import end_lines, find_line_breaks, join_lines

PROSE = (
    "A run is one source, one strategy and one task on data. It leaves a folder with the model, the scores and a card, "
    "and goes on where it was stopped. Nothing of it is fetched. What was measured stands in one file."
)
TURNS = "Bo: hey there\nAna: hi, what's up\nBo: I will bring some of the soup on Friday\nAna: good :)\nBo: see you"
ITEMS = "- two eggs\n- flour, enough for a dough that does not stick to the hands\n- salt\n\n- butter for the pan"
CHINESE = "甲：你好\n乙：今天天气很好，我们一起去公园散步好不好？我想去看花，也想去湖边坐一坐\n甲：好的\n乙：三点见"
THAI = "การอ่านหนังสือทำให้เรามีความรู้มากขึ้น" * 6


def wrapped(text, width):
    """Break a text without blanks between its words at a width."""
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


@pytest.mark.parametrize("width", [40, 72, 100])
def test_lines_that_were_full_are_wrapped(width):
    assert find_line_breaks([textwrap.fill(PROSE, width)]) == "space"
    assert find_line_breaks([textwrap.fill(PROSE, width) + "\n\n" + textwrap.fill(PROSE[9:], width)]) == "space"


@pytest.mark.parametrize("text", [TURNS, ITEMS, CHINESE, "yes\nno\nyes\nno", "A heading\n" + PROSE + "\n" + PROSE[50:]])
def test_turns_items_and_paragraphs_end_with_their_line(text):
    assert find_line_breaks([text]) == "sentence"


@pytest.mark.parametrize("text", [wrapped(CHINESE.replace("\n", "") * 3, 35), wrapped(THAI, 60)])
def test_wrapped_lines_are_known_in_scripts_without_blanks_between_words(text):
    assert find_line_breaks([text]) == "space"


def test_most_of_the_texts_decide():
    assert find_line_breaks([TURNS] * 9 + [textwrap.fill(PROSE, 72)]) == "sentence"
    assert find_line_breaks([TURNS] + [textwrap.fill(PROSE, 40)] * 9) == "space"


@pytest.mark.parametrize("texts", [[], [""], ["\n\n"], [PROSE], ["One paragraph.\n\nAnother."]])
def test_texts_without_line_breaks_leave_things_as_they_are(texts):
    assert find_line_breaks(texts) == "space"


def test_lines_are_ended_or_joined():
    assert end_lines("one\r\ntwo\n\nthree") == "one\n\ntwo\n\n\n\nthree"
    assert join_lines("one\n two\n \nthree\nfour") == "one two\n\nthree four"
