"""Show single rows of test: errors, the answers that score lowest, and labels that may be wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nlp_transfer.config.tasks import LABELLED, RoleKind
from nlp_transfer.data.text.line_breaks import end_lines
from nlp_transfer.data.text.sentences import join_sentences, split_sentences
from nlp_transfer.evaluation.html_report.differences import mark_differences, mark_sentences, shorten
from nlp_transfer.evaluation.html_report.parts import Item, Items, Piece
from nlp_transfer.evaluation.html_report.recorded import Answered, Recorded

SUSPECT = "label in doubt"


def list_rows(run: Recorded, suspects: Sequence[Answered], most: int) -> Items | None:
    """List the rows that are worth a look, `most` of them; None where no texts were recorded.

    These are the errors of a classifier, the most confident first, and of other models the answers with the lowest
    scores, and as many spread evenly over the rest.
    """
    role, kind = run.answer
    if not run.answered or kind is None:
        return None
    doubted = {one.number for one in suspects}
    chosen, note = (_choose_errors if kind in LABELLED else _choose_lowest)(run.answered, most)
    items = [
        Item(
            title=f"row {one.number}",
            facts=list(_list_facts(one, kind)),
            texts=list(_list_texts(one, role, kind, run.config.task)),
            marks=[*_list_better(one, run.task.ceilings), *([SUSPECT] if one.number in doubted else [])],
        )
        for one in chosen
    ]
    caption = "Errors on test, the most confident first" if kind in LABELLED else "Answers to test"
    return Items(caption, items, note)


def list_suspects(
    split: str, suspects: Sequence[Answered], answered: Sequence[Answered], run: Recorded, most: int
) -> Items:
    """List rows of a split whose label may be wrong, of all that were answered; the clearest first."""
    items = [
        Item(
            f"row {one.number}",
            [
                ("in the data", str(one.right)),
                ("likelier", f"{one.said} ({one.details['probabilities'][one.said]:.2f})"),
            ],
            [(name, mark_input(text, one, run.config.task)) for name, text in one.inputs.items()],
        )
        for one in suspects[:most]
    ]
    more = f"; the {most} clearest are shown" if len(suspects) > most else ""
    unseen = "The model, which has not seen these rows," if split == "test" else "A head that has not seen the row"
    right = find_share_right(answered)
    note = (
        f"{len(suspects):,} of {len(answered):,} rows{more}. {unseen} is surest of another label here, and by "
        f"its confidence so many labels are wrong; but it is right on {right:.0%} of them all, and the weaker a model, "
        "the less its doubts mean."
    )
    return Items(f"Labels of {split} that may be wrong", items, note)


def _choose_errors(answered: Sequence[Answered], most: int) -> tuple[list[Answered], str]:
    wrong = sorted((one for one in answered if not is_right(one)), key=lambda one: -_find_confidence(one))
    more = f"; the {most} most confident are shown" if len(wrong) > most else ""
    return wrong[:most], f"{len(wrong):,} of {len(answered):,} rows are answered wrongly{more}."


def _choose_lowest(answered: Sequence[Answered], most: int) -> tuple[list[Answered], str]:
    ranked = sorted(answered, key=lambda one: (one.score is None, one.score or 0.0))
    if len(ranked) <= most:
        return ranked, f"All {len(ranked):,} rows, those with the lowest score first."
    lowest, rest = ranked[: most // 2], ranked[most // 2 :]
    spread = [rest[place * len(rest) // (most - len(lowest))] for place in range(most - len(lowest))]
    shown = f"the {len(lowest)} with the lowest score, and {len(spread)} spread evenly over the rest"
    return [*lowest, *spread], f"Of {len(ranked):,} rows {shown}."


def is_right(one: Answered) -> bool:
    """Tell whether a label is right, or all of several in any order."""
    return sorted(one.said) == sorted(one.right) if isinstance(one.said, list) else bool(one.said == one.right)


def find_share_right(answered: Sequence[Answered]) -> float:
    """Find the share of right answers; 0 if there are none."""
    return sum(map(is_right, answered)) / max(len(answered), 1)


def _find_confidence(one: Answered) -> float:
    """Find how sure an answer is; of several labels how sure the surest of them is."""
    likely: Mapping[str, float] = one.details.get("probabilities", {})
    given = one.details.get("confidence")
    return float(given if given is not None else max(likely.values(), default=0.0))


def _list_facts(one: Answered, kind: RoleKind) -> Iterator[tuple[str, str]]:
    """Yield what was said and what is right, where both are short."""
    if kind in LABELLED or kind == "number":
        sure = f" ({_find_confidence(one):.2f})" if kind == "label" and one.details.get("probabilities") else ""
        yield "answered", write_answer(one.said) + sure
        yield "right", write_answer(one.right)
    elif one.score is not None:
        yield "score", f"{one.score:.2f}"
        yield from ((name, f"{score:.2f}") for name, score in one.others.items())


def write_answer(value: Any) -> str:
    """Write an answer that is a text, a number or some labels."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list_better(one: Answered, ceilings: Sequence[str]) -> list[str]:
    """Name the methods that do better on this row, but for those that know the answers."""
    better = [name for name, score in one.others.items() if one.score is not None and score > one.score]
    return [f"better: {name}" for name in better if name not in ceilings]


def _list_texts(one: Answered, role: str, kind: RoleKind, options: Any) -> Iterator[tuple[str, list[Piece]]]:
    """Yield the texts of a row by their names; those that were written beside the reference, with differences."""
    for name, text in one.inputs.items():
        yield name, mark_input(text, one, options)
    if kind in ("text", "texts"):
        right = "\n".join(one.right) if isinstance(one.right, list) else str(one.right)
        said, marked = mark_differences(str(one.said), right)
        yield "answer", said
        yield f"reference ({role})", marked


def mark_input(text: Any, one: Answered, options: Any) -> list[Piece]:
    """Mark the sentences that an extract consists of."""
    sentences = text if isinstance(text, list) else [text]
    picked = one.details.get("sentences")
    if not isinstance(picked, list):
        return [(shorten("\n".join(map(str, sentences))), "")]

    if len(sentences) == 1:
        language = getattr(options, "language", "auto")
        lines = end_lines(sentences[0]) if getattr(options, "line_breaks", "") == "sentence" else sentences[0]
        sentences = split_sentences(lines, language=None if language == "auto" else language)
    whole = all(place < len(sentences) for place in picked)
    if not whole or join_sentences([sentences[place] for place in picked]) != one.said:
        picked = []  # split otherwise than now
    return mark_sentences(sentences, set(picked))
