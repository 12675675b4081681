"""Word pieces become text again: blanks, accents and capitals as the texts of train have them, saved in plain form."""

import unicodedata

import pytest
from tiny import PIECES
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from nlp_transfer.models.encoding.detokenizing import learn_detokenizer
from nlp_transfer.models.encoding.pairs import make_ending, train_tokenizer

NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def word_pieces(*, lowercase: bool = True) -> PreTrainedTokenizerFast:
    """Single characters as pieces, cut and put together as BERT's are."""
    backend = Tokenizer(WordPiece(PIECES, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return make_ending(PreTrainedTokenizerFast(tokenizer_object=backend, **NAMES))


def written(tokenizer, text):
    return tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)


LEARNT = {  # texts of train, another text that comes back as it is
    "French": (
        ["L'été d'avant : 50 % de réduction !", "À l'aide, qu'il dit.", "Il y a l'hiver ?"],
        "L'aide d'hiver : 20 % !",
    ),
    "French with protected blanks": (["Il dit\u00a0: 5\u202f%.", "Elle dit\u00a0: 6\u202f%."], "Elle\u00a0: 7\u202f%."),
    "English": (
        ["It's a well-known (and loved) film, isn't it?", "He's (un)happy; it's 3.14 or so."],
        "He's well-loved (and known), it's 2.71.",
    ),
    "placeholders": (["Open {0} of {1}: %s", "Close {0}, %s/%s"], "Close {1}: %s/%s"),
    "quotation marks": (['Press "save" or "open".', 'He says "save".'], 'He says "open" or "press".'),
    "typographic quotation marks": (["Il dit « oui » et “non”."], "Il dit « non » et “oui”."),
    "ideographs": (["漢字本語", "語 a 本"], "本字 a 漢"),
    "Russian": (["Файл удалён – ё.", "Ёж и файл."], "Файл и ёж удалён."),
    "brackets that were never seen": (["one two"], "one (two) [one], {two}."),
    "names": (["We love Paris.", "Is Paris in JSON?", "No JSON in it."], "We love JSON in Paris."),
    "sentences": (["It is. Is it? No.", "No. It is."], "Is it. It is? No."),
    "texts in small letters": (["it is", "no paris"], "no it is"),
    "words that only begin sentences": (["Été froid.", "Après tout."], "Après froid été."),
}  # fmt: skip


@pytest.mark.parametrize("case", LEARNT)
def test_blanks_accents_and_capitals_are_written_as_the_texts_of_train_have_them(case):
    train, text = LEARNT[case]
    assert written(learn_detokenizer(word_pieces(), train), text) == text


def test_what_is_learnt_is_kept_where_the_vocabulary_has_capitals_and_accents():
    text = "Le NAIN dit: l'Ete"
    assert written(learn_detokenizer(word_pieces(lowercase=False), ["l'été, il dit: Le nain est là."]), text) == text


def test_capitals_of_a_vocabulary_that_has_them_stay_where_they_were_only_seen_at_the_start():
    learnt = learn_detokenizer(word_pieces(lowercase=False), ["Save all.", "open it."])
    assert written(learnt, "Save it. open all.") == "Save it. open all."


def test_decomposed_accents_of_train_are_learnt_as_composed_ones():
    learnt = learn_detokenizer(word_pieces(), [unicodedata.normalize("NFD", "un café d'été")])
    assert written(learnt, "café") == "café"


def test_two_words_do_not_run_into_each_other_whatever_marks_were_seen():
    assert written(learn_detokenizer(word_pieces(), ["l'un", "a-b", "(c)"]), "un a b c") == "un a b c"


@pytest.mark.parametrize("kind", ["bert", "general"])
def test_what_was_learnt_is_in_the_saved_tokenizer_and_needs_nothing_of_ours(tmp_path, kind):
    made = make_ending(BertTokenizer(vocab=PIECES, do_lower_case=True)) if kind == "bert" else word_pieces()
    learnt = learn_detokenizer(made, ["L'été : 50 %", "D'après Paris : 5 %"])
    learnt.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert written(again, "L'été : 50 %") == "L'été : 50 %"
    assert again("l'été")["input_ids"] == made("l'été")["input_ids"]
    assert (again.eos_token, again.pad_token, again.bos_token) == ("[SEP]", "[PAD]", "[CLS]")


def test_a_tokenizer_that_has_learnt_or_has_other_pieces_or_sees_no_text_is_kept():
    learnt = learn_detokenizer(word_pieces(), ["l'un"])
    for tokenizer, texts in ((learnt, ["l ' un"]), (train_tokenizer(["l'un"], 300), ["l'un"]), (word_pieces(), [])):
        assert learn_detokenizer(tokenizer, texts) is tokenizer


@pytest.mark.parametrize(
    "text", ["L'ÉTÉ : 50\u00a0%", "a  b\tc", "漢字を書く", "नमस्ते 😀", "{0} <b>\\n</b> ~", "x\u2028y"]
)
def test_a_fresh_vocabulary_gives_every_text_back(text):
    fresh = train_tokenizer(["hello"], 300)
    assert written(fresh, text).strip() == text
