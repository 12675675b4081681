"""Pick the sentences that summarize a document by the scores that a model gives them."""

from collections.abc import Sequence

from .scripts import list_phrases


def pick_sentences(
    scores: Sequence[float], sentences: Sequence[str], most: int, *, trigram_blocking: bool = False
) -> list[int]:
    """Pick the sentences with the highest scores, as indices in the order of the document; never a blank one.

    Args:
        scores: one for each sentence; sentences behind the last score are never picked.
        sentences: the sentences of one document.
        most: how many sentences to pick at most.
        trigram_blocking: skip a sentence that repeats a trigram of those picked (Paulus et al. 2018, section 2.5).
    """
    chosen: list[int] = []
    said: set[tuple[str, ...]] = set()
    for index in sorted(range(len(scores)), key=lambda at: -scores[at]):  # of equal ones the first
        trigrams = list_phrases(sentences[index]) if trigram_blocking else set()
        if not sentences[index].strip() or trigrams & said:
            continue

        said |= trigrams
        chosen.append(index)
        if len(chosen) == most:
            break
    return sorted(chosen)
