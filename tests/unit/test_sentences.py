"""Running text is cut into sentences where a reader would cut it."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_transfer.data.text.languages import STRETCH, find_rules
from nlp_transfer.data.text.sentences import join_sentences, split_sentences

FLOORS = {  # F1 of the ends inside the texts of sentences.txt, in percent: where the language is known, and where not
    "en": (95, 93), "de": (97, 76), "fr": (94, 83), "es": (94, 84), "it": (100, 86), "pt": (100, 84), "nl": (100, 83),
    "ru": (91, 76), "pl": (97, 83), "cs": (100, 82), "tr": (91, 83), "el": (100, 80), "ar": (100, 100),
    "hi": (100, 97), "zh": (91, 91), "ja": (90, 90), "hy": (100, 100), "am": (100, 96), "my": (100, 100),
    "km": (92, 92), "vi": (93, 82),
}  # fmt: skip


def written(language):
    """The texts of a language, each as a list of sentences; the second half was not looked at to find the rules."""
    found, here = [], False
    for block in (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        first, *rest = block.split("\n")
        if first.startswith("["):
            here = first.strip("[]").split()[0] == language
        if here:
            found.append(rest if first.startswith("[") else [first, *rest])
    return found


def ends(sentences):
    """Where sentences end inside their text, in characters that are not blank."""
    lengths = [len("".join(sentence.split())) for sentence in sentences]
    return {sum(lengths[:index]) for index in range(1, len(lengths))}


def agreement(language, known, write=str):
    """F1 of the ends that are found, in percent."""
    right = wanted = found = 0
    for original in written(language):
        sentences = [write(sentence) for sentence in original]
        text = ("" if language in ("zh", "ja") else " ").join(sentences)
        ours = ends(split_sentences(text, language=language if known else None))
        right, wanted, found = right + len(ours & ends(sentences)), wanted + len(ends(sentences)), found + len(ours)
    return 200 * right / (wanted + found)


@pytest.mark.parametrize("language", FLOORS)
def test_sentences_written_for_the_purpose_come_apart_in_every_language(language):
    for known, floor in zip((True, False), FLOORS[language], strict=True):
        assert agreement(language, known) >= floor


@pytest.mark.parametrize("language", ["en", "de", "fr", "ru", "tr", "el"])
def test_texts_without_capitals_come_apart_at_least_as_well_in_a_known_language(language):
    assert agreement(language, known=True, write=str.lower) > agreement(language, known=False, write=str.lower)


@pytest.mark.parametrize("language", [None, "en"])
def test_a_text_without_capitals_is_not_one_sentence(language):
    text = "a good film. what a plot! was it long? no."
    assert split_sentences(text, language=language) == ["a good film.", "what a plot!", "was it long?", "no."]


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("de", ["„Es ist warm.“", "Am 3. Mai kam Dr. Roth aus dem 2. Stock.", "Er las z. B. Verse usw.", "Na."]),
        ("de", ["»Ja.«", "Am 12. 3. war er da.", "Er kam um 4 Uhr."]),
        ("en", ["We met on Jan. 5 at Smith & Co. in town.", "It rained."]),
        ("cs", ["Přišel 3. května, tj. včera.", "Bylo teplo."]),
        ("fr", ["« Il pleut. »", "M. Roux dort."]),
    ],
)
def test_ordinals_dates_and_abbreviations_of_a_known_language_end_nothing(language, sentences):
    assert split_sentences(" ".join(sentences), language=language) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["„Es ist warm.“", "Dann kam er."],
        ["»Es ist warm.«", "Dann kam er."],
        ["« Il fait chaud. »", "Puis il vint."],
        ["«Тепло», — сказал он.", "«Где?» — спросила она.", "Он ушёл."],
        ["Նա եկավ։", "Որտե՞ղ է նա։", "Նա ծնվել է 1900 թ. Երևանում:", "Վերջ։"],
        ["Πού είναι;", "Εδώ."],
        ["እሱ መጣ፡፡", "ማን ነው፧", "አዎ።"],
        ["သူ လာသည်၊ သွားသည်။", "ဟုတ်သည်။"],
        ["It was on Jan. 5 and on Oct. 12.", "It rained."],
        ["価格は３．５倍だ。", "高い！"],
    ],
)
def test_quotes_and_full_stops_of_every_script_are_known_in_an_unknown_language(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


def test_a_japanese_quotation_goes_on_with_what_is_said_of_it():
    assert split_sentences("「雨です。」と彼は言った。「はい。」「いいえ。」") == [
        "「雨です。」と彼は言った。",
        "「はい。」",
        "「いいえ。」",
    ]


def test_a_language_is_known_by_its_tag_and_one_without_rules_is_cut_as_an_unknown_one():
    text = "Am 3. Mai kam er. Er blieb."
    assert split_sentences(text, language="de-AT") == split_sentences(text, language="DE") == [text[:17], text[18:]]
    assert find_rules("km") is None
    assert split_sentences(text, language="km") == split_sentences(text)


@pytest.mark.parametrize("language", ["de", "fr", "el"])
def test_a_long_text_is_cut_like_its_parts(language):
    sentences = written(language)[-1] * 50
    assert len(" ".join(sentences)) > 3 * STRETCH
    assert split_sentences(" ".join(sentences), language=language) == sentences


def test_a_dot_before_a_lower_case_word_or_inside_a_name_ends_nothing():
    assert len(split_sentences("The file nlp.py of approx. ten lines, i.e. short, is at example.org today.")) == 1


def test_an_empty_line_ends_a_sentence_and_a_line_break_does_not():
    assert split_sentences("A heading\n\nThe first\nsentence.") == ["A heading", "The first sentence."]


@pytest.mark.parametrize("text", ["no mark at all", "x", "..."])
def test_a_text_without_an_end_is_one_sentence(text):
    assert split_sentences(text) == [text]


@given(st.text(), st.sampled_from([None, "en", "de", "ja"]))
def test_no_character_but_space_is_lost_and_there_is_always_a_sentence(text, language):
    found = split_sentences(text, language=language)
    assert found
    assert "".join("".join(found).split()) == "".join(text.split())


def test_marks_over_and_over_are_cut_behind_sentences_only():
    assert len(split_sentences("A short one. " * 100)) == 100
    assert all(len(split_sentences(unit * 100)) == 1 for unit in ("vs. ", ".", '.")', "\n "))


@pytest.mark.parametrize(
    ("unit", "language"),
    [
        *((unit, None) for unit in ("A short one. ", "vs. ", ".", '.")', "\n ")),
        *((unit, "de") for unit in ("A short one. ", "Nr. ", ". ", "(„a. B ", "3. Mai ", "x", "… ")),
    ],
)
def test_a_long_text_is_cut_in_time_that_grows_with_its_length(unit, language):
    def seconds(count):
        start = time.process_time()
        split_sentences(unit * (count // len(unit)), language=language)
        return time.process_time() - start

    seconds(1_000)
    # A ratio of one moment, and more than one try: what else the machine does may fall into any of them.
    assert any(seconds(20_000) < 8 * seconds(5_000) + 0.03 for _ in range(10))


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
