"""Guess which task rows are for: every task says what in the columns speaks for it, in points, and the most win.

The points are a judgement, made so that what a column holds decides where it can, and names decide between likes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any

from nlp_transfer.data.guesses.columns import Column
from nlp_transfer.data.guesses.names import are_counterparts, find_code
from nlp_transfer.data.text.scripts import split_words
from nlp_transfer.data.text.sentences import split_sentences

CLEAR, LIKELY = 4, 2  # points ahead of the next guess
COMPARED = 50  # rows whose two texts are compared
FEELINGS = """
positive negative neutral pos neg positiv negativ positif négatif neutre positivo negativo neutro positief negatief
позитив негатив 正面 负面 中性 积极 消极 ポジティブ ネガティブ 긍정 부정
"""
RELATIONS = """
entailment contradiction neutral not_entailment same other different duplicate not_duplicate paraphrase equivalent
related unrelated similar supports refutes supported refuted match mismatch
"""


@dataclass(frozen=True)
class Evidence:
    """What speaks for a guess, or against it, in words and in points."""

    points: int
    words: str = ""


@dataclass(frozen=True)
class Guess:
    """A task for the rows.

    Attributes:
        task: its name.
        columns: role -> column.
        options: of the task.
        evidence: what speaks for it and against it.
        separator: the mark between labels in a cell; None: the usual one, or none.
    """

    task: str
    columns: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    separator: str | None = None

    @property
    def points(self) -> int:
        """How much speaks for it."""
        return sum(one.points for one in self.evidence)

    @property
    def reasons(self) -> list[str]:
        """What speaks for it, in words."""
        return [one.words for one in self.evidence if one.points > 0 and one.words]

    def describe(self) -> str:
        """Name task and columns."""
        target = "".join(f" ({value})" for key, value in self.options.items() if key == "target")
        return f"{self.task}{target}: " + ", ".join(f"{role} from '{name}'" for role, name in self.columns.items())


def rank_guesses(texts: Sequence[Column], targets: Sequence[Column]) -> list[Guess]:
    """Make every guess that the columns allow, the likeliest first.

    Args:
        texts: columns of texts, of which a task reads one or two.
        targets: columns that may be what is to be learnt.
    """
    texts = sorted(texts, key=rate_text, reverse=True)
    found = [*_guess_classes(texts, targets), *_guess_pairs(texts, targets), *_guess_writing(texts, targets)]
    order = {column.name: column.place for column in (*texts, *targets)}
    return sorted(found, key=lambda guess: (-guess.points, [order[name] for name in guess.columns.values()]))


def name_certainty(guesses: Sequence[Guess]) -> str:
    """Say how sure the first guess is beside the second."""
    if len(guesses) == 1:
        return "nothing else fits"
    lead = guesses[0].points - guesses[1].points
    return "clear" if lead >= CLEAR else "likely" if lead >= LIKELY else "close"


def rate_text(column: Column) -> float:
    """Rate how likely a column is the text to read, by its words and its name."""
    return min(column.words, 50) / 10 + {"text": 3, "source": 1, "aside": -4}.get(column.hint or "", 0)


def _rate_label(column: Column) -> list[Evidence]:
    """Collect what tells that a column holds the labels to learn."""
    found = [Evidence(1, f"'{column.name}' has {column.what}")]
    if column.hint == "label":
        found.append(Evidence(4, f"'{column.name}' is named as labels are"))
    if column.hint in ("aside", "text", "title"):
        found.append(Evidence(-4))
    if column.whole and column.hint != "label":
        found.append(Evidence(-1))  # may be a count
    if column.kind == "constant":
        found.append(Evidence(-4))
    return found


def _guess_classes(texts: Sequence[Column], targets: Sequence[Column]) -> Iterator[Guess]:
    for label in targets:
        for place, text in enumerate(one for one in texts if one.name != label.name and one.kind == "text"):
            evidence = [*_rate_label(label), Evidence(2 if len(texts) == 1 else 1, f"'{text.name}' holds {text.what}")]
            evidence.append(Evidence(-LIKELY * place))
            if label.kind == "labels":
                evidence.append(Evidence(3, "a row may have several labels, or none"))
                yield Guess("multilabel", {"text": text.name, "labels": label.name}, {}, (*evidence,), label.separator)
            elif label.kind in ("label", "constant"):
                felt = {value.casefold() for value in label.counts} <= set(FEELINGS.split())
                task = "sentiment" if felt or "sentiment" in label.name.lower() else "classification"
                yield Guess(task, {"text": text.name, "label": label.name}, {}, (*evidence,))


def _guess_pairs(texts: Sequence[Column], targets: Sequence[Column]) -> Iterator[Guess]:
    for one, two in combinations([text for text in texts if text.kind == "text"], 2):
        shared = list(_compare(one, two))
        first, second = sorted((one, two), key=lambda column: column.place)
        for target in targets:
            if target.name in (one.name, two.name):
                continue
            roles = {"first": first.name, "second": second.name}
            if target.kind in ("label", "constant"):
                about = {value.casefold() for value in target.counts} <= set(RELATIONS.split())
                evidence = [*_rate_label(target), *shared]
                evidence += [Evidence(2, "its values say how two texts relate")] if about else []
                yield Guess("pairs", {**roles, "label": target.name}, {}, (*evidence,))
            if target.kind == "number" or target.whole:
                evidence = [Evidence(1, f"'{target.name}' holds {target.what}"), *shared]
                named = {"number": 4, "aside": -4, "label": -2}.get(target.hint or "", 0)
                evidence.append(Evidence(named, f"'{target.name}' is named as a measure is" if named > 0 else ""))
                yield Guess("pairs", {**roles, "number": target.name}, {"target": "number"}, (*evidence,))


def _compare(one: Column, two: Column) -> Iterator[Evidence]:
    """Collect what tells that two texts are to be compared."""
    if are_counterparts(one.name, two.name):
        yield Evidence(4, f"'{one.name}' and '{two.name}' are named as two texts to compare are")
    if "title" in (one.hint, two.hint):
        yield Evidence(-2)
    ratio = _find_ratio(one, two)
    if ratio < 2:
        yield Evidence(1, "both texts are about as long")
    elif ratio > 4:
        yield Evidence(-1)
    if one.language and two.language and one.language != two.language:
        yield Evidence(-4)


def _guess_writing(texts: Sequence[Column], targets: Sequence[Column]) -> Iterator[Guess]:
    """Guess translation and summarization: one text is to be written from the other."""
    labels = [one for one in targets if one.kind in ("label", "labels") and one.hint != "aside"]
    labelled = Evidence(-CLEAR if labels else 0)
    written = [one for one in targets if one.kind in ("text", "texts")]
    for read, target in permutations(texts, 2):
        if target.name not in [one.name for one in written]:
            continue
        named = Evidence(
            2 if target.hint == "target" else -2 if read.hint == "target" else 0,
            f"'{target.name}' is named as what is to be written is",
        )
        if {read.kind, target.kind} == {"text"}:
            roles = {"source": read.name, "target": target.name}
            yield Guess("translation", roles, {}, (*_judge_translation(read, target), named, labelled))
        if read.length > target.length:
            roles = {"text": read.name, "summary": target.name}
            evidence = (*_judge_summary(read, target), named, labelled)
            yield Guess("summarization", roles, _choose_style(target), evidence)


def _judge_translation(source: Column, target: Column) -> Iterator[Evidence]:
    one, two = source.language, target.language
    if one and two and one != two:
        yield Evidence(5, f"'{source.name}' is in {one}, '{target.name}' in {two}")
    elif one != two or one is None:
        yield Evidence(2, "the two texts may be in two languages")
    if find_code(source.name) and find_code(target.name) and one != two:
        yield Evidence(2, "the names of the columns are the codes of languages")
    ratio = _find_ratio(source, target)
    yield Evidence(1, "both texts are about as long") if ratio < 2.5 else Evidence(-3)
    yield Evidence(0 if source.place < target.place else -CLEAR)  # the other way is said beside the guess


def _judge_summary(source: Column, target: Column) -> Iterator[Evidence]:
    ratio, overlap = _find_ratio(source, target), _find_overlap(source, target)
    if target.hint == "summary":
        yield Evidence(4, f"'{target.name}' is named as summaries are")
    if ratio >= 2:
        yield Evidence(2 if ratio >= 4 else 1, f"'{target.name}' is {ratio:.0f} times as short as '{source.name}'")
    elif ratio < 1.5:
        yield Evidence(-3)
    if overlap >= 0.5:
        yield Evidence(2, f"{overlap:.0%} of its words stand in '{source.name}'")
    elif overlap < 0.2:
        yield Evidence(-3)
    if source.hint == "text":
        yield Evidence(1)


def _choose_style(target: Column) -> dict[str, Any]:
    """Choose the length of an extractive summary: as many sentences as those of the data have in the middle."""
    counts = sorted(len(split_sentences(text)) for text in target.texts[:COMPARED])
    return {"style": "extractive", "sentences": max(1, round(counts[len(counts) // 2] / target.items))}


def _find_ratio(one: Column, two: Column) -> float:
    shorter, longer = sorted((one.length, two.length))
    return longer / max(1, shorter)


def _find_overlap(source: Column, target: Column) -> float:
    """Find which share of the words of one text stands in the other one of its row."""
    shares = []
    for text, summary in zip(source.rows[:COMPARED], target.rows[:COMPARED], strict=True):
        words, known = split_words(summary[:2000]), set(split_words(text[:20_000]))
        shares += [sum(word in known for word in words) / len(words)] if words else []
    return sum(shares) / len(shares) if shares else 0.0
