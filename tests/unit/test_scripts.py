"""Words in any script, and characters where a script has no blanks between words."""

import unicodedata

import pytest
import regex

from nlp_transfer.data.text.scripts import list_phrases, split_runs, split_tokens, split_words

ALONE = {
    "Thai": "กขค",
    "Lao": "ກຂຄ",
    "Khmer": "កខគ",
    "Burmese": "ကခဂ",
    "Tibetan": "ཀཁག",
    "Javanese": "ꦏꦒꦔ",
    "Balinese": "ᬓᬕᬗ",
    "Batak": "ᯀᯂᯄ",
    "Tai Le": "ᥐᥑᥒ",
    "New Tai Lue": "ᦀᦁᦂ",
    "Tai Tham": "ᨠᨡᨢ",
    "Tai Viet": "ꪀꪁꪂ",
    "Chinese": "电影好",
    "rare Chinese": "𠀀𠀁〇",
    "Japanese": "ひカー",
    "half-width Japanese": "ｶﾀﾅ",
    "Yi": "ꆈꌠꁱ",
}
APART = {
    "English": "the film",
    "Korean": "이 영화는",
    "Hindi": "यह फ़िल्म",
    "Amharic": "ይህ ፊልም",
    "Mongolian": "энэ кино",
}


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_a_script_without_blanks_gives_characters(text):
    assert split_words(text) == list(text)


def test_every_letter_that_breaks_by_dictionary_stands_alone():
    letters = regex.findall(r"(?V1)[\p{LB=SA}&&\p{L}]", "".join(map(chr, range(0xD800))))
    assert len(letters) > 300
    assert split_words("".join(letters)) == letters


@pytest.mark.parametrize("text", APART.values(), ids=APART)
def test_a_script_with_blanks_gives_as_many_words_as_they_part(text):
    assert len(split_words(text)) == 2


def test_a_vowel_sign_stays_with_its_letter_where_the_script_is_cut_between_syllables():
    assert split_words("ꦏꦶꦠ") == ["ꦏꦶ", "ꦠ"]


def test_marks_and_emoji_are_tokens_and_no_words():
    assert split_words("Good, good_film 👍!") == ["good", "good", "film"]
    assert split_tokens("Good, 电影 👍!") == ["good", ",", "电", "影", "👍", "!"]


def test_runs_are_cut_at_blanks_and_marks_only():
    assert split_runs("这部电影，很好 film") == ["这部电影", "，", "很好", "film"]


@pytest.mark.parametrize("split", [split_words, split_tokens, split_runs])
def test_a_decomposed_text_has_the_words_of_the_composed_one(split):
    text = "Très déçu, Việt Nam 한국어"
    assert split(unicodedata.normalize("NFD", text)) == split(text)


def test_phrases_are_three_words_or_as_many_characters_as_those_have():
    assert list_phrases("A warm, warm film.") == {("a", "warm", "warm"), ("warm", "warm", "film")}
    assert list_phrases("电影好看") == set()
    assert list_phrases("这部电影非常好看。") == set()
    assert list_phrases("这部电影真的非常好看") == {tuple("这部电影真的非常好"), tuple("部电影真的非常好看")}
