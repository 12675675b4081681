"""The language of texts is found where most are in one."""

from nlp_transfer.data.text.languages import find_language

GERMAN = ["Das Haus steht am Ende der Straße.", "Wir gehen morgen ins Kino.", "Niemand wusste, wo er war."]
FRENCH = ["La maison est au bout de la rue.", "Nous allons au cinéma demain.", "Personne ne savait où il était."]


def test_the_language_of_most_texts_is_found():
    assert find_language(GERMAN) == "de"
    assert find_language([*FRENCH * 10, GERMAN[0]]) == "fr"


def test_mixed_texts_and_texts_without_words_have_no_language():
    assert find_language([*GERMAN, *FRENCH]) is None
    assert find_language(["", " ", "12 %", "..."]) is None
    assert find_language([]) is None


def test_texts_without_words_do_not_count():
    assert find_language([*GERMAN, *["..."] * 10]) == "de"


def test_the_order_of_the_texts_does_not_matter_and_a_long_one_takes_no_longer():
    assert find_language(GERMAN[::-1]) == find_language(["Das Haus ist alt. " * 200_000]) == "de"
