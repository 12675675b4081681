"""Read trees of the Stanford Sentiment Treebank: `(3 (2 It) (4 shines))`; a line is a sentence, its root the label."""

import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.data.formats.records import Fault, Record, refuse_empty
from nlp_transfer.data.formats.text_lines import read_lines

PART = re.compile(r"\s*(?:\(\s*(?P<label>[0-4])(?=[\s(])|(?P<token>[^()\s]+)|(?P<end>\)))")
TREE = re.compile(r"\s*\([0-4]\s*(?:\([0-4]\s|[^()\s]+\)\s*$)")  # how the line of a tree begins
BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}


def is_tree(line: str) -> bool:
    """Tell whether a line begins like a tree of the treebank."""
    return TREE.match(line) is not None


def read_trees(file: Path, encoding: str | None) -> Iterator[Record | Fault]:
    """Yield the sentences of a file: `text`, its tokens with a blank between them, and `label`, 0 to 4."""
    rows = 0
    for number, line in read_lines(file, encoding):
        if not line.strip():
            continue
        rows += 1
        tokens = _list_tokens(line)
        if not tokens:
            yield Fault(number, "no tree such as (3 (2 It) (4 shines)); each node is a label from 0 to 4 and its parts")
        else:
            text = " ".join(BRACKETS.get(token, token.replace("\\/", "/")) for token in tokens)
            yield Record(number, {"text": text, "label": line.strip()[1:].lstrip()[0]})
    refuse_empty(file, rows, found="nothing")


def _list_tokens(line: str) -> list[str]:
    """List the tokens of a tree; none if it is not one whole tree."""
    tokens, depth, at = [], 0, 0
    line = line.strip()
    while part := PART.match(line, at):
        at = part.end()
        if part["token"]:
            tokens.append(part["token"])
        else:
            depth += 1 if part["label"] else -1
        if depth < 1:
            break
    return tokens if line.startswith("(") and depth == 0 and at == len(line) else []
