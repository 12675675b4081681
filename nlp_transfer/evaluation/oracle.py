"""Which sentences of a document make its summary: what training aims at, and what is taken from scores."""

from collections.abc import Sequence

import numpy as np

from nlp_transfer.data.text.scripts import list_phrases
from nlp_transfer.evaluation.text_metrics import KINDS, rouge_each

TEMPERATURE = 5.0  # ROUGE points: a sentence this much worse than another gets 1/e of its share


def best_sentences(
    sentences: Sequence[str], references: Sequence[str], most: int, *, by: Sequence[str] = ("rouge1", "rouge2")
) -> list[int]:
    """Add sentences while the sum of F1 scores against the best reference rises (Nallapati et al. 2017, section 3.3).

    Args:
        sentences: of one document.
        references: its summaries.
        most: sentences to choose at most.
        by: the kinds of ROUGE that are summed.

    Returns:
        Indices in the order of the document; none where no sentence shares a word with a reference.
    """
    columns = [KINDS.index(kind) for kind in by]
    chosen: list[int] = []
    reached = 0.0
    while len(chosen) < min(most, len(sentences)):
        left = [index for index in range(len(sentences)) if index not in chosen]
        tried = [" ".join(sentences[index] for index in sorted([*chosen, new])) for new in left]
        gains = rouge_each(tried, [references] * len(tried))[:, columns].sum(1)
        if gains.max() <= reached:
            break
        reached = float(gains.max())
        chosen.append(left[int(gains.argmax())])
    return sorted(chosen)


def sentence_targets(sentences: Sequence[str], references: Sequence[str], most: int) -> np.ndarray:
    """(S,) how much of a document's label mass of 1 each sentence holds, or zeros where none deserves any.

    For one sentence: the softmax of its mean ROUGE-1, -2 and -L F1, since a near miss is worth nearly as much as the
    best. For more: equal shares for the `best_sentences`.
    """
    targets = np.zeros(len(sentences), dtype=np.float32)
    if most > 1:
        chosen = best_sentences(sentences, references, most)
        targets[chosen] = 1.0 / max(1, len(chosen))
        return targets
    worth = rouge_each(sentences, [references] * len(sentences)).mean(1)
    if worth.max() > 0.0:
        shares = np.exp((worth - worth.max()) / TEMPERATURE)
        targets[:] = shares / shares.sum()
    return targets


def pick_sentences(
    scores: Sequence[float], sentences: Sequence[str], most: int, *, trigram_blocking: bool = False
) -> list[int]:
    """The indices of the highest scores, in the order of the document; blank sentences are never chosen.

    Args:
        scores: one per sentence; sentences behind the last score are never chosen.
        sentences: of one document.
        most: sentences to choose at most.
        trigram_blocking: pass over a sentence that repeats a trigram of those chosen (Paulus et al. 2018, section 2.5).
    """
    chosen: list[int] = []
    said: set[tuple[str, ...]] = set()
    for index in np.argsort(-np.asarray(scores), kind="stable").tolist():
        trigrams = list_phrases(sentences[index]) if trigram_blocking else set()
        if not sentences[index].strip() or trigrams & said:
            continue
        said |= trigrams
        chosen.append(index)
        if len(chosen) == most:
            break
    return sorted(chosen)
