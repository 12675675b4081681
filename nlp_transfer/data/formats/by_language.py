"""Texts by language code, found under any spelling of it: `en-US` is `EN_us`, and `en` where no other English is."""

from collections.abc import Iterator, Mapping
from functools import cache

from nlp_transfer.errors import DataError


class ByLanguage(Mapping[str, str]):
    """Texts by code as written; looking one up compares codes without case, and a code with its own beginnings.

    So `en` finds `en-US` and `en-US` finds `en`, the lookup of RFC 4647 both ways, but `en-GB` does not find `en-US`.
    """

    def __init__(self, texts: Mapping[str, str], place: str) -> None:
        """Keep the texts, and the place to name in a message."""
        self._texts = texts
        self._place = place

    def __getitem__(self, code: str) -> str:
        """The text of the language nearest to a code.

        Raises:
            KeyError: no such language.
            DataError: several that are as near, as `en` to `en-GB` and `en-US`.
        """
        if code in self._texts:
            return self._texts[code]
        wanted = _subtags(code)
        near = [one for one in self._texts if _begins(wanted, _subtags(one))]
        found = [one for one in near if _subtags(one) == wanted] or near
        if not found:
            raise KeyError(code)
        if len({_subtags(one) for one in found}) > 1:
            raise DataError(
                f"{self._place}: '{code}' may be {' or '.join(found)}; name one of them in data.columns or --column"
            )
        return self._texts[found[0]]

    def __iter__(self) -> Iterator[str]:
        """The codes as written."""
        return iter(self._texts)

    def __len__(self) -> int:
        """The number of languages."""
        return len(self._texts)


@cache
def _subtags(code: str) -> tuple[str, ...]:
    return tuple(code.lower().replace("_", "-").split("-"))


def _begins(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether the shorter of two codes is how the longer one begins."""
    return all(a == b for a, b in zip(first, second, strict=False))
