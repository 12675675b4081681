"""Running text is cut into sentences where a reader would cut it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_transfer.sentences import join_sentences, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rains.", "We stay!", "Do you?", "Yes…", "Good."],
        ["He said “Stop.”", "Then he left.", '(He came "back.")', "The end."],
        ["Prof. Smith met Dr. J. R. Jones in the U.S. Senate.", "They spoke."],
        ["It grew by 3.5 percent to 1.2 million.", "That is much."],
        ["See Fig. 3 and e.g. the work of Lee et al. (2019) in sec. 2.", "It holds."],
        ["It ends in 1999.", "A new age begins."],
        ["How odd?!", "Indeed..."],
        ["He said no. 5 was right.", "She said no.", "They left."],
        ["“Really?” he asked.", "She nodded, smiled, etc.", "That was all."],
        ["how odd !", "it was a good film .", "the plot is thin ."],
        ["Der Preis stieg.", "Öl wurde teuer.", "Warum?"],
        ["Он пришёл.", "Она ушла."],
    ],
)
def test_sentences_joined_by_a_space_come_apart_again(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["今日は雨です。", "外に出ますか？", "「いいえ。」", "残念！"],
        ["我们提出一种方法。", "它很快！"],
        ["यह अच्छा है।", "वह नहीं है।"],
        ["هل هذا جيد؟", "نعم۔"],
    ],
)
def test_sentences_without_spaces_between_them_come_apart(sentences):
    assert split_sentences("".join(sentences)) == sentences


def test_a_dot_before_a_lower_case_word_or_inside_a_name_ends_nothing():
    assert len(split_sentences("The file nlp.py of approx. ten lines, i.e. short, is at example.org today.")) == 1


def test_an_empty_line_ends_a_sentence_and_a_line_break_does_not():
    assert split_sentences("A heading\n\nThe first\nsentence.") == ["A heading", "The first sentence."]


@pytest.mark.parametrize("text", ["no mark at all", "x", "..."])
def test_a_text_without_an_end_is_one_sentence(text):
    assert split_sentences(text) == [text]


@given(st.text())
def test_no_character_but_space_is_lost_and_there_is_always_a_sentence(text):
    found = split_sentences(text)
    assert found
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_long_text_is_cut_in_time_that_grows_with_its_length():
    start = time.process_time()
    assert len(split_sentences("A short one. " * 50_000)) == 50_000
    assert len(split_sentences("vs. " * 100_000)) == 1
    assert len(split_sentences("." * 1_000_000)) == 1
    assert len(split_sentences('.")' * 300_000)) == 1
    assert len(split_sentences("\n " * 500_000)) == 1
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("sentences", "text"),
    [
        (["One.", "Two."], "One. Two."),
        (["今天很好。", "明天也好。"], "今天很好。明天也好。"),
        (["「はい」。", "「いいえ」"], "「はい」。「いいえ」"),
        (["“好。”", "“是。”"], "“好。”“是。”"),
        (["좋다.", "아니다."], "좋다. 아니다."),
        (["See 东京。", "Then go."], "See 东京。 Then go."),
        ([], ""),
        (["", "One.", "", "Two."], "One. Two."),
    ],
)
def test_sentences_are_joined_as_their_script_is_written(sentences, text):
    assert join_sentences(sentences) == text


def test_no_more_sentences_are_looked_for_than_wanted():
    assert split_sentences("One. Two. Three.", most=2) == ["One.", "Two."]
    assert split_sentences("One. Two. Three.", most=9) == ["One.", "Two.", "Three."]


def test_empty_lines_between_sentences_count_as_none_of_those_wanted():
    text = "One.\n\nTwo.\n\n\nThree.\n\nFour."
    for most in (1, 2, 3, 4):
        assert split_sentences(text, most=most) == ["One.", "Two.", "Three.", "Four."][:most]
