"""Make summarization examples from docstrings: the first sentence is the summary of the text that follows it.

The docstrings of the installed numpy, scipy, scikit-learn, torch and transformers are parsed; nothing is imported. The
examples change with the versions of these packages.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.system.garbage import pause_collector

DOCUMENTED = {
    "numpy": 1000,
    "scipy": 1000,
    "sklearn": 1000,
    "torch": 1000,
    "transformers": 500,
}  # package -> the most pairs to take
SUMMARY_WORDS = range(4, 41)
TEXT_WORDS = range(30, 401)
SECTIONS = (
    "Parameters|Args|Arguments|Returns?|Yields?|Raises|Warns|Examples?|Attributes|Notes?|References|Inputs?|Outputs?|"
    "Shape|Warnings?|Usage|Methods|Tips?|See|Other|Keyword"
)
SECTION = re.compile(rf"\s*(?:(?:{SECTIONS})\b[\w ]{{0,20}}:{{0,2}}\s*|[-=~]{{3,}}\s*|(?:>>>|```|:\w|@).*)")
SENTENCE = re.compile(r"([A-Z].*?(?<!e\.g)(?<!i\.e)(?<!etc)[.!?])(?=\s+[A-Z`*(\[]|$)")
# Parsing takes most of the time. So a file is skipped if it seems to hold less than one long docstring in so many
# characters.
SPARSE = 15_000
LONG_PROSE = re.compile(rf"\s*(?:(?!>>>|(?:{SECTIONS})(?::|\s*\n\s*---))\S+\s+){{33}}")
NO_PROSE = re.compile(r"\.\.|  |.*(?:={3}|-{3})", re.DOTALL)  # a directive, a code block, a table


class Pair(NamedTuple):
    """The prose of a docstring after its first sentence, that sentence, and the name of its module."""

    text: str
    summary: str
    module: str


def find_pairs(folder: Path, most: int, seen: set[str]) -> Iterator[Pair]:
    """Find pairs in the modules of a package, but not in its tests.

    The modules are read in a fixed order that is not alphabetical, so that the limit takes from all parts of a package.

    Args:
        folder: The folder of the package.
        most: Stop after this many pairs.
        seen: Marks of the pairs so far, also of other packages; new ones are added. A pair is left out if its summary
            was seen, or if its text differs from another one only in names and numbers.
    """
    files = {f"{folder.name}/{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*.py")}
    for name in sorted(files, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if "tests" in name.split("/"):
            continue

        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for text, summary in map(split_docstring, _read_docstrings(files[name])):
            # The summary, and the first plain words of the text.
            marks = {summary, " ".join(re.findall(r"\b[a-z]{3,}\b", text)[:20])}
            if text and not marks & seen:
                seen |= marks
                yield Pair(text, summary, module)

                most -= 1
                if not most:
                    return


def _read_docstrings(file: Path) -> Iterator[str]:
    """Yield the docstrings of the functions and classes of a file; empty ones too."""
    source = file.read_text(encoding="utf-8", errors="replace")
    promising = sum(LONG_PROSE.match(part) is not None for part in source.split('"""')[1::2])
    if promising * SPARSE < len(source):
        return

    try:
        with pause_collector():
            blocks: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError, RecursionError):
        return  # a template, or a file for another version of Python

    while blocks:
        block = blocks.pop(0)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield ast.get_docstring(block) or ""
        blocks += getattr(block, "body", ()) if isinstance(getattr(block, "body", ()), list) else ()


def split_docstring(docstring: str) -> tuple[str, str]:
    """Split the prose of a docstring into its first sentence and the rest; return the rest, then the sentence.

    Prose ends at the first section (`Parameters`, `Args:`, an underlined title) or example. Code blocks and directives
    are left out. Both strings are empty if one of the parts is too short or too long.
    """
    lines = docstring.splitlines()
    end = next((i for i, line in enumerate(lines) if SECTION.fullmatch(line)), len(lines))

    paragraphs = re.split(r"\n\s*\n", "\n".join(lines[:end]))
    prose = [" ".join(part.split()) for part in paragraphs if part.strip() and not NO_PROSE.match(part)]
    first = SENTENCE.match(prose[0]) if prose else None
    if first is None:
        return "", ""

    text = "\n".join(part for part in (prose[0][first.end() :].strip(), *prose[1:]) if part)
    fits = len(first[1].split()) in SUMMARY_WORDS and len(text.split()) in TEXT_WORDS
    return (text, first[1]) if fits else ("", "")
