"""BLEU states how it cuts words, and cuts them as the script of the references wants; ROUGE in any script."""

import pytest

from nlp_transfer.text_metrics import WORD, rouge_scores, translation_scores


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("the film is good", "13a"),
        ("这部电影很好。", "zh"),
        ("この映画はとても良い。", "char"),
        ("이 영화는 좋다.", "char"),
        ("หนังเรื่องนี้ดี", "char"),
    ],
)
def test_bleu_cuts_words_as_the_script_wants_and_its_signature_says_how(text, cut):
    scores = translation_scores([text], [text])
    assert f"|tok:{cut}|" in scores["signatures"]["bleu"]
    assert scores["bleu"] == pytest.approx(100.0)


@pytest.mark.parametrize("word", ["हिन्दी", "বাংলা", "தமிழ்", "كِتَابٌ", "cafe\u0301", "café"])
def test_rouge_takes_a_word_with_its_vowel_signs_and_accents_as_one(word):
    assert WORD.findall(f"{word}, {word}!") == [word, word]


def test_rouge_tells_words_apart_that_differ_by_a_vowel_sign():
    assert rouge_scores(["का"], [["की"]])["rouge1"] == 0


def test_rouge_cuts_scripts_without_spaces_by_the_character():
    assert WORD.findall("电影 good_film ก็") == ["电", "影", "good", "film", "ก", "็"]
