"""Summarization examples out of docstrings: what follows the first sentence -> the first sentence.

The documentation of the installed numpy, scipy, scikit-learn, torch and transformers is parsed, never imported. What is
found follows their versions.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.system.garbage import pause_collector

PACKAGES = {"numpy": 1000, "scipy": 1000, "sklearn": 1000, "torch": 1000, "transformers": 500}  # -> most pairs of each
SUMMARY_WORDS = range(4, 41)
TEXT_WORDS = range(30, 401)
SECTIONS = (
    "Parameters|Args|Arguments|Returns?|Yields?|Raises|Warns|Examples?|Attributes|Notes?|References|Inputs?|Outputs?|"
    "Shape|Warnings?|Usage|Methods|Tips?|See|Other|Keyword"
)
SECTION = re.compile(rf"\s*(?:(?:{SECTIONS})\b[\w ]{{0,20}}:{{0,2}}\s*|[-=~]{{3,}}\s*|(?:>>>|```|:\w|@).*)")
SENTENCE = re.compile(r"([A-Z].*?(?<!e\.g)(?<!i\.e)(?<!etc)[.!?])(?=\s+[A-Z`*(\[]|$)")
# Parsing takes all the time: a file that seems to hold less than one description in so many characters is left out.
SPARSE = 15_000
LONG_PROSE = re.compile(rf"\s*(?:(?!>>>|(?:{SECTIONS})(?::|\s*\n\s*---))\S+\s+){{33}}")
NO_PROSE = re.compile(r"\.\.|  |.*(?:={3}|-{3})", re.DOTALL)  # a directive, a code block, a table


class Pair(NamedTuple):
    """The prose of a docstring after its first sentence, that sentence, and the module it is from."""

    text: str
    summary: str
    module: str


def package_pairs(folder: Path, most: int, seen: set[str]) -> Iterator[Pair]:
    """Find pairs in the modules of a package, its tests left out.

    The modules come in a fixed order that is not alphabetical, so that a limit takes from all parts of the package.

    Args:
        folder: The package.
        most: Stop after this many pairs.
        seen: What marks the pairs found before, here or in another package, and is added to: a pair with the same
            summary, or whose text differs in names and numbers only, is left out.
    """
    files = {f"{folder.name}/{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*.py")}
    for name in sorted(files, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if "tests" in name.split("/"):
            continue
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for text, summary in map(split_docstring, _docstrings(files[name])):
            marks = {summary, " ".join(re.findall(r"\b[a-z]{3,}\b", text)[:20])}
            if text and not marks & seen:
                seen |= marks
                yield Pair(text, summary, module)
                most -= 1
                if not most:
                    return


def _docstrings(file: Path) -> Iterator[str]:
    source = file.read_text(encoding="utf-8", errors="replace")
    promising = sum(LONG_PROSE.match(part) is not None for part in source.split('"""')[1::2])
    if promising * SPARSE < len(source):
        return
    try:
        with pause_collector():
            blocks: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError, RecursionError):
        return  # a template or a file for another Python
    while blocks:
        block = blocks.pop(0)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield ast.get_docstring(block) or ""
        blocks += getattr(block, "body", ()) if isinstance(getattr(block, "body", ()), list) else ()


def split_docstring(docstring: str) -> tuple[str, str]:
    """Split the prose of a docstring into what follows the first sentence, and that sentence.

    Prose ends at the first section (`Parameters`, `Args:`, an underlined title) or example; code blocks and directives
    are left out. Two empty strings where either part is too short or too long.
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
