"""Draft a configuration for data that were looked at, with comments that say what each part rests on."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlp_transfer.config.yaml_file import dump_yaml
from nlp_transfer.data.guesses.columns import Column
from nlp_transfer.data.guesses.looking import Look
from nlp_transfer.system.escaping import escape_line

WIDTH = 110  # characters of a line of comment
TOKENS_A_WORD = 1.4  # of a usual tokenizer, on usual texts
USUAL, LONGEST = 256, 512  # tokens: the default of the tasks that classify, and the most that MiniLM reads
WRITER = {"layers": 2, "width": 256, "vocabulary": 4000}  # a decoder that a CPU trains in minutes
FROZEN = "frozen: what is new is trained, on features that are computed once; full, lora or gradual may give more"
FULL = "full: everything is trained; frozen is faster"
FEW_GROUPS = 10  # with fewer a split would be one of them
FEW_ROWS = 10_000  # over so few rows a decoder passes more often
UNEVEN = 5  # times as many rows of the commonest label as of the rarest


@dataclass(frozen=True)
class Part:
    """A section of a configuration, with what is said above it and below it."""

    values: Mapping[str, Any]
    above: Sequence[str] = ()
    below: Sequence[str] = ()


def draft(look: Look, source: Mapping[str, Any], sources: Sequence[str], heading: Sequence[str]) -> str:
    """Write a configuration with comments.

    Args:
        look: what was seen and guessed.
        source: the section of the source.
        sources: what is said of the sources.
        heading: the first lines.
    """
    frozen = "contextualizer" not in source or look.guess.task != "translation"
    return write_parts(
        [
            Part({}, heading),
            Part({"task": _set_task(look)}, look.describe_guess()),
            Part({"source": source}, sources),
            Part(
                {"strategy": {"kind": "frozen" if frozen else "full"}},
                [FROZEN if frozen else FULL],
            ),
            Part({"data": _set_data(look)}, look.splits, _describe_rest(look)),
            Part({"training": _set_training(look)}, below=_warn_of_uneven(look)),
        ]
    )


def write_parts(parts: Iterable[Part]) -> str:
    """Write sections between their comments, with a blank line between them."""
    return "\n".join(
        _comment(part.above) + (dump_yaml(dict(part.values)) if part.values else "") + _comment(part.below)
        for part in parts
    )


def _comment(texts: Sequence[str]) -> str:
    """Write each text as lines of comment; what would end a line is escaped, and a long name stays whole."""
    lines = (textwrap.wrap(escape_line(text), WIDTH, break_long_words=False, break_on_hyphens=False) for text in texts)
    return "".join(f"# {line}\n" for some in lines for line in some)


def _set_task(look: Look) -> dict[str, Any]:
    """Set the options of the task: long texts are read to the length that MiniLM can read."""
    name = look.guess.task
    options = {"name": name, **look.guess.options}
    if name == "translation":
        return {**options, "decoder": WRITER}
    if name != "summarization" and look.read.long_words * TOKENS_A_WORD > USUAL:
        return {**options, "max_length": LONGEST}
    return options


def _set_data(look: Look) -> dict[str, Any]:
    dialect = look.dialect
    return {
        **look.places,
        "columns": dict(look.guess.columns),
        **({} if dialect.header else {"header": False}),
        **({"encoding": dialect.encoding} if dialect.encoding else {}),
        **({"delimiter": dialect.delimiter} if dialect.delimiter else {}),
        **({"label_separator": look.guess.separator} if look.guess.separator else {}),
    }


def _set_training(look: Look) -> dict[str, Any]:
    match look.guess.task:
        case "translation":
            return {"epochs": 20 if look.sample.read < FEW_ROWS else 5, "seed": 0}
        case "summarization":
            return {"epochs": 5, "batch_size": 16, "seed": 0}
    return {"seed": 0}


def _describe_rest(look: Look) -> list[str]:
    """Name the columns that are not used, and those whose equal values may have to stay in one split."""
    rest = [column for column in look.columns if column not in look.used.values()]
    lines = [f"not used: {', '.join(repr(column.name) for column in rest)}"] if rest else []
    cut = len(look.places) == 1
    if cut and (groups := [column for column in rest if _is_group(column)]):
        name = groups[0].name
        lines.append(f"group: {name}  keeps rows of one '{name}' in one split; take it if those are alike")
    return lines


def _is_group(column: Column) -> bool:
    """Tell whether rows come in groups by a column, as by their author or document."""
    return column.hint == "aside" and FEW_GROUPS < len(column.counts) < column.filled * 3 / 4


def _warn_of_uneven(look: Look) -> list[str]:
    counts = [*look.used["label"].counts.values()] if "label" in look.used else []
    if counts and max(counts) >= UNEVEN * min(counts):
        return ["selection: macro_f1  chooses by all labels alike; the commonest has "
                f"{max(counts) / min(counts):.0f} times as many rows as the rarest"]  # fmt: skip
    return []
