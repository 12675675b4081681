"""BLEU states how it cuts words, and cuts them as the script of the references wants; ROUGE in any script."""

import unicodedata

import pytest

from nlp_transfer.data.text.picking import pick_sentences
from nlp_transfer.data.text.scripts import split_words
from nlp_transfer.evaluation.oracle import best_sentences
from nlp_transfer.evaluation.text_metrics import rouge_each, rouge_scores, sentence_chrf, translation_scores

UNSPACED = {
    "lo": "ຂ້ອຍຮັກປະເທດລາວຫຼາຍທີ່ສຸດ",
    "km": "ខ្ញុំស្រឡាញ់ប្រទេសកម្ពុជាខ្លាំងណាស់",
    "my": "ကျွန်တော်သည်မြန်မာနိုင်ငံကိုချစ်သည်",
    "bo": "ང་བོད་ལ་དགའ་པོ་ཡོད་པ་རེད་དེ་རིང་",
    "jv": "ꦱꦼꦭꦩꦠ꧀ꦥꦒꦶꦱꦸꦒꦼꦁꦲꦺꦚ꧀ꦗꦁ",
    "ii": "ꆈꌠꁱꂷꃅꋊꇰꊨꏦꄮꀨꑌ",
}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("the film is good", "13a"),
        ("यह फ़िल्म अच्छी है", "13a"),
        ("这部电影很好。", "zh"),
        ("この映画はとても良い。", "char"),
        ("이 영화는 좋다.", "char"),
        ("หนังเรื่องนี้ดี", "char"),
        *((text, "char") for text in UNSPACED.values()),
    ],
)
def test_bleu_cuts_words_as_the_script_wants_and_its_signature_says_how(text, cut):
    scores = translation_scores([text], [text])
    assert f"|tok:{cut}|" in scores["signatures"]["bleu"]
    assert scores["bleu"] == pytest.approx(100.0)


@pytest.mark.parametrize("text", UNSPACED.values(), ids=UNSPACED)
def test_one_wrong_character_costs_a_script_without_blanks_little(text):
    wrong = f"{text[:8]}x{text[9:]}"
    scores = translation_scores([wrong], [text], ter=True)
    assert scores["bleu"] > 70
    assert scores["ter"] < 10
    assert "|tok:char|" in scores["signatures"]["ter"]
    assert rouge_scores([wrong], [[text]])["rouge1"] > 80


def test_ter_counts_words_where_there_are_blanks():
    scores = translation_scores(["이 영화는 나쁘다"], ["이 영화는 좋다"], ter=True)
    assert scores["ter"] == pytest.approx(100 / 3)
    assert "|tok:tercom|" in scores["signatures"]["ter"]


@pytest.mark.parametrize(("latin", "cut"), [("the film is good. " * 8, "13a"), ("the film", "zh")])
def test_of_two_scripts_the_share_decides(latin, cut):
    text = f"{latin}这部电影很好"
    assert f"|tok:{cut}|" in translation_scores([text], [text])["signatures"]["bleu"]


def test_composed_and_decomposed_texts_are_one_to_every_score():
    text = "très déçu de ce café , vraiment"
    apart = unicodedata.normalize("NFD", text)
    for said, wanted in ((text, apart), (apart, text)):
        scores = translation_scores([said], [wanted], ter=True)
        assert scores["bleu"] == pytest.approx(100)
        assert (scores["chrf"], scores["ter"]) == (100, 0)
        assert sentence_chrf([said], [wanted]) == [100]
        assert rouge_each([said], [[wanted]]).tolist() == [[100, 100, 100]]


@pytest.mark.parametrize("word", ["हिन्दी", "বাংলা", "தமிழ்", "كِتَابٌ", "q\u0301ue", "café"])
def test_rouge_takes_a_word_with_its_vowel_signs_and_accents_as_one(word):
    assert split_words(f"{word}, {word}!") == [word, word]


def test_rouge_tells_words_apart_that_differ_by_a_vowel_sign():
    assert rouge_scores(["का"], [["की"]])["rouge1"] == 0


def test_rouge_cuts_scripts_without_spaces_by_the_character():
    assert split_words("电影 good_film ก็") == ["电", "影", "good", "film", "ก", "็"]


KHMER = ["ភ្លៀងធ្លាក់ខ្លាំងនៅទីក្រុង។", "រថយន្តឈប់នៅមុខហាង។", "ឆ្កែរត់នៅក្នុងសួនច្បារ។"]


def test_the_oracle_finds_the_nearest_sentence_in_a_script_without_blanks():
    assert best_sentences(KHMER, ["ឆ្កែរត់នៅក្នុងសួនច្បា"], 1, by=("rouge1",)) == [2]


def test_blocking_passes_over_a_repeated_sentence_and_not_over_another_in_a_script_without_blanks():
    sentences = [KHMER[0], f"ហើយ{KHMER[0]}", KHMER[2]]
    assert pick_sentences([3.0, 2.0, 1.0], sentences, 2, trigram_blocking=True) == [0, 2]
