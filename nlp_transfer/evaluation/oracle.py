"""Choose the sentences of a document that are nearest to its summaries, as targets of training."""

from collections.abc import Sequence

import numpy as np

from nlp_transfer.evaluation.text_metrics import KINDS, rouge_each

TEMPERATURE = 5.0  # ROUGE points; a sentence that is worse by this much gets 1/e of the share


def best_sentences(
    sentences: Sequence[str], references: Sequence[str], most: int, *, by: Sequence[str] = ("rouge1", "rouge2")
) -> list[int]:
    """Add sentences while the sum of F1 scores against the best reference rises (Nallapati et al. 2017, section 3.3).

    Args:
        sentences: the sentences of one document.
        references: its summaries.
        most: how many sentences to choose at most.
        by: the kinds of ROUGE to sum.

    Returns:
        Indices in the order of the document; none if no sentence shares a word with a reference.
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
    """Share a document's label mass of 1 among its sentences, (S,); all zeros if none shares a word with a reference.

    For one sentence the shares are the softmax of the mean ROUGE-1, -2 and -L F1, because a near miss is worth nearly
    as much as the best sentence. For more, the `best_sentences` have equal shares.
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
