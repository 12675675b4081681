"""Guess the encoding of bytes that are not UTF-8, and say how to name it."""

import re

WAY = "data.encoding={0} in a configuration, --encoding {0} elsewhere"
# Windows-1252 is Latin-1 with quotation marks and dashes in place of controls, which no text holds. Its relatives for
# Polish or Turkish cannot be told from it by a few letters.
USUAL = ("cp1252", "cp1251", "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "cp1253", "cp1255", "cp1256")
NEAR = {"cp1252": " (or cp1250 for Central Europe, cp1254 for Turkish)"}
LATIN, OTHER = re.compile(rb"[A-Za-z]"), re.compile(rb"[\x80-\xff]")


def advise_encoding(data: bytes) -> str:
    """Say what encoding bytes seem to have, and how to name it."""
    name = guess_encoding(data)
    return f"it looks like {name}{NEAR.get(name, '')}: name it in {WAY.format(name)}"


def guess_encoding(data: bytes) -> str:
    """Guess the encoding from the lines that are not ASCII; if Latin letters prevail, it is Windows-1252."""
    lines = b"\n".join(line for line in data.split(b"\n") if not line.isascii())
    if len(LATIN.findall(lines)) > len(OTHER.findall(lines)):
        return USUAL[0]

    from charset_normalizer import from_bytes  # only a file with a fault needs it

    guess = from_bytes(lines, cp_isolation=list(USUAL)).best()
    return guess.encoding if guess else USUAL[0]
