"""Summarize documents by their own sentences, a document a line: python predict.py < texts.txt.

It needs numpy, onnxruntime, tokenizers and regex, and yasbd-lib where the language has rules; no torch. A line may also
be a list of sentences in JSON.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from model import compute  # type: ignore[import-not-found]
from reading import Read, Unit, load_config, read_lines, read_texts  # type: ignore[import-not-found]
from text.line_breaks import end_lines  # type: ignore[import-not-found]
from text.picking import pick_sentences  # type: ignore[import-not-found]
from text.sentences import join_sentences, split_sentences  # type: ignore[import-not-found]


def list_sentences(document: Sequence[str]) -> list[str]:
    """List the sentences of a document: those of its text, or those that it consists of."""
    settings, (text, *more) = load_config()["summary"], document
    most = settings["max_sentences"] + 1
    if more:
        return list(document[:most])
    lines = end_lines(text) if settings["line_breaks"] == "sentence" else text
    found: list[str] = split_sentences(lines, language=settings["language"], most=most)
    return found


def score_sentences(documents: Sequence[Sequence[str]]) -> list[list[float]]:
    """Score the sentences of documents, (S,) each; those behind the first `max_sentences` have no score."""
    units, owners, counts = [], [], []
    for number, sentences in enumerate(documents):
        for unit, count in _cut_windows(sentences[: load_config()["summary"]["max_sentences"]]):
            units.append(unit)
            owners.append(number)
            counts.append(count)

    scores: list[list[float]] = [[] for _ in documents]
    for owner, count, row in zip(owners, counts, compute(units), strict=True):
        scores[owner] += row[:count].tolist()
    return scores


def _cut_windows(sentences: Sequence[str]) -> Iterator[tuple[Unit, int]]:
    """Cut a document between its sentences into what the model reads at once; yield that, and how many they are."""
    settings = load_config()["reading"]
    before, _, after = settings["frame"]
    room = settings["most"] - len(before) - len(after)
    window: list[Read] = []
    held = 0
    for ids, grams in read_texts(sentences, room):
        kept = ids[:room], grams[:room]
        if window and held + len(kept[0]) > room:
            yield _make_unit(window, before, after), len(window)
            window, held = [], 0
        window.append(kept)
        held += len(kept[0])
    yield _make_unit(window, before, after), len(window)


def _make_unit(window: Sequence[Read], before: list[int], after: list[int]) -> Unit:
    owners = [number for number, (ids, _) in enumerate(window) for _ in ids]
    return {
        "input_ids": [*before, *(one for ids, _ in window for one in ids), *after],
        "ngram_ids": [*([] for _ in before), *(one for _, grams in window for one in grams), *([] for _ in after)],
        "sentence_ids": [*(-1 for _ in before), *owners, *(-1 for _ in after)],
    }


def summarize(documents: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Summarize documents, each a list of one text or of several sentences: the summary, and which sentences it is."""
    settings, listed = load_config()["summary"], [list_sentences(one) for one in documents]
    answers = []
    for sentences, scores in zip(listed, score_sentences(listed), strict=True):
        chosen = pick_sentences(scores, sentences, settings["sentences"], trigram_blocking=settings["trigram_blocking"])
        answers.append({"summary": join_sentences([sentences[at] for at in chosen]), "sentences": chosen})
    return answers


def read_line(line: str) -> list[str]:
    """Read a document of a line: a list of sentences in JSON, or else a text."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, list) and found and all(isinstance(one, str) for one in found) else [line]


def answer_raw(inputs: Sequence[Sequence[Sequence[str]]]) -> list[dict[str, Any]]:
    """Answer inputs, as the comparison with the run asks for them."""
    return summarize([document for (document,) in inputs])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("error: predict.py takes no argument, but a document a line: python predict.py < texts.txt")
    for _, line in read_lines():
        document = read_line(line)
        said = summarize([document])[0] if "".join(document).strip() else None  # an empty text has no answer
        print(json.dumps(said, ensure_ascii=False))  # noqa: T201 - a script
