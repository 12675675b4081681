"""Search for texts by beams, as transformers does it, with numpy alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
NEVER = np.float32(-1e9)  # the score of a beam that is not there


def search(step: Step, count: int, settings: Mapping[str, Any]) -> list[list[int]]:
    """Search for the best text of each of several; the ids begin with the start token.

    A text has at most `num_beams` candidates, and as many that have ended. It is done when no candidate can do better
    than the worst of these. One beam without a penalty of length is a greedy search.

    Args:
        step: (rows, tokens) -> logits (R, V): goes on from these rows of its last call, by a token each. Texts have
            `num_beams` rows each; those of texts that are done are no longer given.
        count: how many texts.
        settings: as in `generation_config.json`.
    """
    beams, longest = settings["num_beams"], settings["max_length"]
    penalty = settings.get("length_penalty") or 0.0 if beams > 1 else 0.0
    ends = np.ravel(settings["eos_token_id"])
    ids = np.full((count * beams, 1), settings["decoder_start_token_id"])
    scores = np.tile(np.array([0.0, *[NEVER] * (beams - 1)], np.float32), (count, 1))
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(count)]
    left, rows = np.arange(count), np.arange(count * beams)  # texts that go on, and rows that they go on from

    while len(left):
        found = _normalise(step(rows, ids[:, -1]))
        _rule_out(found, ids, settings)
        found = (found.reshape(len(left), beams, -1) + scores[..., None]).reshape(len(left), -1)
        places, best = _take_best(found, beams * max(2, 1 + len(ends)))
        origins, tokens = np.divmod(places, found.shape[1] // beams)
        origins += np.arange(len(left))[:, None] * beams

        length = ids.shape[1]  # without the start token, and with the new one
        stop = np.isin(tokens, ends) | (length + 1 >= longest)
        for at, column in np.argwhere(stop[:, :beams]):
            text = [*ids[origins[at, column]].tolist(), int(tokens[at, column])]
            ended[left[at]].append((float(best[at, column] / np.float32(length**penalty)), text))
        best = best + stop * NEVER
        kept, scores = _take_best(best, beams)
        origins, tokens = (np.take_along_axis(one, kept, axis=1) for one in (origins, tokens))

        going = np.array(
            [_goes_on(ended[text], scores[at, 0] / length**penalty, beams) for at, text in enumerate(left)]
        )
        going &= length + 1 < longest
        rows, left, scores = origins[going].ravel(), left[going], scores[going]
        ids = np.concatenate([ids[rows], tokens[going].reshape(-1, 1)], axis=1)
    return [candidates[0][1] for candidates in ended]


def _goes_on(ended: list[tuple[float, list[int]]], best: float, beams: int) -> bool:
    """Keep the best that have ended; tell whether another may be better than one of them."""
    ended.sort(key=lambda one: -one[0])
    del ended[beams:]
    return len(ended) < beams or best > ended[-1][0]


def _take_best(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Take the places and scores of the best in each row, (N, count), the best first."""
    places = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)


def _normalise(logits: np.ndarray) -> np.ndarray:
    """Compute the logarithms of the probabilities of tokens, (R, V)."""
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def _rule_out(scores: np.ndarray, ids: np.ndarray, settings: Mapping[str, Any]) -> None:
    """Give no chance to the tokens that the settings rule out behind these ids, (R, T)."""
    length, size = ids.shape[1], settings.get("no_repeat_ngram_size") or 0
    forced = {1: "forced_bos_token_id", settings["max_length"] - 1: "forced_eos_token_id"}.get(length, "")
    if (token := settings.get(forced)) is not None:
        scores[:, :] = -np.inf
        scores[:, token] = 0.0
    if length < (settings.get("min_length") or 0):
        scores[:, settings["eos_token_id"]] = -np.inf
    scores[:, settings.get("suppress_tokens") or []] = -np.inf
    if length == 1 + (settings.get("forced_bos_token_id") is not None):
        scores[:, settings.get("begin_suppress_tokens") or []] = -np.inf
    for row, known in zip(scores, ids.tolist(), strict=True):
        row[[word[-1] for word in settings.get("bad_words_ids") or [] if _ends_with(known, word[:-1])]] = -np.inf
        if size:
            row[[known[at + size - 1] for at in _find(known, size)]] = -np.inf


def _ends_with(known: list[int], tokens: Sequence[int]) -> bool:
    return not tokens or known[-len(tokens) :] == list(tokens)


def _find(known: list[int], size: int) -> list[int]:
    """Find the n-grams of a size that begin with the last tokens."""
    last = known[len(known) - size + 1 :]
    return [at for at in range(len(known) - size + 1) if known[at : at + size - 1] == last]
