"""BLEU states how it cuts words, and cuts them as the script of the references wants."""

import pytest

from nlp_transfer.text_metrics import translation_scores


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
