"""Pair the plural forms of gettext: find the form for one and the form for two, and their source texts.

The forms of a language are numbered; its `Plural-Forms` header computes the form for a number. The first form is for
one in French, but for zero in Arabic. See https://www.gnu.org/software/gettext/manual/html_node/Plural-forms.html
"""

import re
from collections.abc import Sequence
from gettext import c2py
from typing import NamedTuple

RULE = re.compile(r"^plural-forms:\s*nplurals\s*=\s*(\d+)\s*;\s*plural\s*=([^;\n]+)", re.IGNORECASE | re.MULTILINE)
UNGUIDED = {1: (0, 0), 2: (0, 1)}  # number of forms -> the forms for one and for two, alike in all such languages

# A placeholder for a value: `%d`, `%2$s`, `%(n)d`, `%1`, `{n}`. Two signs, `%%`, are a percent sign.
NUMBER = re.compile(r"%%|(%(?:\(\w+\)|\d+\$)?[-+#'.\d]*[a-z]|%\d+|\{[^{}]*\})", re.IGNORECASE)

UNTRANSLATED = "not translated"
UNCLEAR = "plural forms of which Plural-Forms does not say which are for 1 and for 2"
UNSAID = "plural form with a number where its source has none, or without one where it has"
SHARED = "singular without a form of its own (its plural is kept)"


class PluralRule(NamedTuple):
    """Say how many forms a language has, and which are for one and for two."""

    forms: int
    one: int
    two: int


class Paired(NamedTuple):
    """Hold the pairs of an entry, and why a part of it was left out, if it was."""

    pairs: Sequence[tuple[str, str]]
    lacking: str | None = None


def read_rule(header: str) -> PluralRule | None:
    """Evaluate the `Plural-Forms` line of a header; None if there is none or it makes no sense."""
    found = RULE.search(header)
    if found is None:
        return None
    try:
        count, form = int(found[1]), c2py(found[2])
        one, two = form(1), form(2)
    except (ValueError, ArithmeticError):
        return None
    return PluralRule(count, one, two) if max(one, two) < count else None


def pair_forms(sources: Sequence[str], forms: Sequence[str], rule: PluralRule | None) -> Paired:
    """Pair the strings of an entry with their translations.

    Args:
        sources: a text; or a singular and a plural. The singular is paired with the form for one, the plural with the
            form for two. If these are the same form, as in Japanese, only the plural is paired. A pair is left out if
            only one side has a place for a number, as with `One file` and `%d файл`.
        forms: the translation, or its plural forms.
        rule: the rule of the language. Without it one or two forms are still clear, more are not.
    """
    if not any(forms):
        return Paired((), UNTRANSLATED)
    if len(sources) == 1:
        return Paired([(sources[0], forms[0])])

    if rule is not None and rule.forms == len(forms):
        one, two = rule.one, rule.two
    elif rule is None and len(forms) in UNGUIDED:
        one, two = UNGUIDED[len(forms)]
    else:
        return Paired((), UNCLEAR)

    if not (forms[one] and forms[two]):
        return Paired((), UNTRANSLATED)

    singular, plural, *_ = sources
    shared = one == two
    pairs = [(plural, forms[two])] if shared else [(singular, forms[one]), (plural, forms[two])]
    alike = [(source, form) for source, form in pairs if count_places(source) == count_places(form)]
    return Paired(alike, UNSAID if len(alike) < len(pairs) else SHARED if shared else None)


def count_places(text: str) -> int:
    """Count the places for values in a text: "two files" in Arabic has none, where English has `%d files`."""
    return sum(map(bool, NUMBER.findall(text)))
