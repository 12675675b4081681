"""Each distinct word is tokenized once, and the ids are those of the tokenizer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_transfer.models.encoding import distinct
from nlp_transfer.models.encoding.distinct import DistinctWords, reads_words_alone
from nlp_transfer.models.encoding.documents import encode_documents
from nlp_transfer.sources.static import StaticVectors

WORDS = [*"abc.,!?'-<>/[]", "the", "can't", "can", "t", "é", "café", "cafe", "Paris", "new york", "日", "本", "#", "##"]
WORDS += ["0", "000", "straße", "ﬁ", "😀", "don", "’", "unk", "pad", "e\u0301", "İ", "i\u0307"]
AWKWARD = [
    "The can't-do café, CAFÉ! cafe\u0301 don’t",
    "  two  spaces \t tab\nline\u00a0nbsp\u3000wide\x1cfs\u2028ls ",
    "日本 日x本😀😀 a😀b",
    "1999 3.14 12,000 #1 ١٢٣ ²",
    "new york NEW YORK straße STRASSE ﬁ fi İ i̇",
    "[UNK] [PAD] a[UNK]b [unk] [ UNK ]",
    "",
    " ",
    "\x00 a\x01b \u200b zero\u200bwidth \ufeff",
]


def make_tokenizer(folder, words):
    (folder / "words.txt").write_text("".join(f"{word} 0.1 0.2\n" for word in words), encoding="utf-8")
    return StaticVectors(str(folder / "words.txt")).tokenizer


@pytest.fixture(scope="module", params=["cased", "lower"])
def tokenizer(request, tmp_path_factory):
    words = [word for word in WORDS if request.param == "cased" or word == word.lower()]
    return make_tokenizer(tmp_path_factory.mktemp(request.param), words)


def expected(tokenizer, texts):
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def test_awkward_texts_have_the_ids_that_the_tokenizer_gives_them(tokenizer):
    assert reads_words_alone(tokenizer)
    read = DistinctWords(tokenizer).read(AWKWARD)
    assert [ids.tolist() for ids in read] == expected(tokenizer, AWKWARD)


@given(
    texts=st.lists(
        st.text(st.sampled_from("aBc Tt.'-[]0é\u0301日😀\n\t\u00a0") | st.characters(exclude_categories=["Cs"])),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_any_text_has_the_ids_that_the_tokenizer_gives_it(tokenizer, texts):
    assert [ids.tolist() for ids in DistinctWords(tokenizer).read(texts)] == expected(tokenizer, texts)


def test_words_are_forgotten_when_they_are_too_many(tokenizer, monkeypatch):
    monkeypatch.setattr(distinct, "MOST_HELD", 3)
    words = DistinctWords(tokenizer)
    for text in (*AWKWARD, *AWKWARD):
        assert words.read([text])[0].tolist() == expected(tokenizer, [text])[0]
        assert len(words._numbers) <= 3 + len(text.split(" "))


def test_documents_are_encoded_and_their_unknown_words_counted_as_word_by_word(tokenizer, monkeypatch):
    fast = encode_documents(AWKWARD, tokenizer, max_length=8)
    monkeypatch.setattr("nlp_transfer.models.encoding.documents.reads_words_alone", lambda _: False)
    slow = encode_documents(AWKWARD, tokenizer, max_length=8)
    assert list(fast.inputs) == list(slow.inputs)
    assert (fast.unknown, fast.truncated) == (slow.unknown, slow.truncated)
    assert 0 < fast.unknown < 1


def test_a_repeated_word_reaches_the_tokenizer_once(tokenizer, monkeypatch):
    asked = []
    words = DistinctWords(tokenizer)
    monkeypatch.setattr(
        words, "_tokenize", lambda hard: asked.extend(hard) or [expected(tokenizer, [one])[0] for one in hard]
    )
    for _ in range(2):
        assert np.concatenate(words.read(["日本 the 日本", "日本"])).size
    assert asked.count("日本") == 1
