"""Look texts up by language code in any spelling: `en-US` finds `EN_us`, or `en` if there is no nearer English."""

from collections.abc import Iterator, Mapping
from functools import cache

from nlp_transfer.errors import DataError


class ByLanguage(Mapping[str, str]):
    """Map language codes, as they are written in the file, to texts.

    A lookup ignores case and accepts a code that begins with the other, as RFC 4647 does, but in both directions: `en`
    finds `en-US`, and `en-US` finds `en`. It does not equate two regions: `en-GB` does not find `en-US`.
    """

    def __init__(self, texts: Mapping[str, str], place: str) -> None:
        """Keep the texts; `place` is named in messages."""
        self._texts = texts
        self._place = place

    def __getitem__(self, code: str) -> str:
        """Return the text whose language is nearest to a code.

        Raises:
            KeyError: no language fits.
            DataError: several fit equally well, as `en-GB` and `en-US` both fit `en`.
        """
        if code in self._texts:
            return self._texts[code]

        wanted = _split_code(code)
        near = [one for one in self._texts if _is_prefix(wanted, _split_code(one))]
        found = [one for one in near if _split_code(one) == wanted] or near
        if not found:
            raise KeyError(code)

        if len({_split_code(one) for one in found}) > 1:
            raise DataError(
                f"{self._place}: '{code}' may be {' or '.join(found)}; name one of them in data.columns or --column"
            )
        return self._texts[found[0]]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the codes as they are written."""
        return iter(self._texts)

    def __len__(self) -> int:
        """Count the languages."""
        return len(self._texts)


@cache
def _split_code(code: str) -> tuple[str, ...]:
    return tuple(code.lower().replace("_", "-").split("-"))


def _is_prefix(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Tell whether the longer of two codes begins with the shorter one."""
    return all(a == b for a, b in zip(first, second, strict=False))
