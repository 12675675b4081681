"""Score written text: BLEU, chrF and TER by sacreBLEU, ROUGE by rouge_score; all offline.

BLEU, chrF and TER come with sacreBLEU's signature (Post 2018, A call for clarity in reporting BLEU scores). It names
how BLEU splits words: `zh` for Chinese, `char` for Korean and for other scripts without spaces, `13a` for the rest.
Every score treats composed and decomposed letters alike.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import regex

from nlp_transfer.data.text.scripts import ALONE, UNSPACED, compose, split_words
from nlp_transfer.errors import DataError
from nlp_transfer.evaluation.metrics import check_paired

KINDS = ("rouge1", "rouge2", "rougeL")
HAN = regex.compile(r"\p{Han}")
SYLLABLES = regex.compile(rf"[{UNSPACED}\p{{Hangul}}--\p{{Han}}]", regex.V1)
MIXED = 0.1  # a share that is enough, because Japanese mixes its syllables with Han characters


def translation_scores(predictions: Sequence[str], references: Sequence[str], *, ter: bool = False) -> dict[str, Any]:
    """Compute corpus BLEU and chrF (0 to 100), and TER on request (0 is best), with their signatures.

    Raises:
        DataError: there is nothing to score, or the lists have unequal lengths.
    """
    from sacrebleu.metrics.bleu import BLEU  # takes half a second to import
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    check_paired(predictions, references)
    said, wanted = [compose(text) for text in predictions], [compose(text) for text in references]
    cut = _choose_tokenizer(wanted)
    bleu = BLEU(tokenize=cut)

    scores: dict[str, Any] = {}
    signatures = {}
    for name, metric in {"bleu": bleu, "chrf": CHRF(), **({"ter": TER()} if ter else {})}.items():
        alone = name == "ter" and cut != "13a" and _compute_share(ALONE, wanted) > MIXED
        if alone:  # TER splits at spaces only, so it gets the words of BLEU
            said, wanted = ([bleu.tokenizer(text) for text in texts] for texts in (said, wanted))

        scores[name] = float(metric.corpus_score(said, [wanted]).score)
        signatures[name] = str(metric.get_signature())
        if alone:
            signatures[name] = signatures[name].replace("tok:tercom", f"tok:{cut}")
    return {**scores, "signatures": signatures}


def _choose_tokenizer(references: Sequence[str]) -> str:
    """Choose how BLEU splits words, by the script that most of the references are in."""
    if _compute_share(SYLLABLES, references) > MIXED:
        return "char"
    return "zh" if _compute_share(HAN, references) > 0.3 else "13a"


def _compute_share(script: "regex.Pattern[str]", texts: Sequence[str]) -> float:
    """Compute the share of a script among all characters of some texts."""
    text = "".join(texts)
    return len(script.findall(text)) / max(1, len(text))


def sentence_chrf(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """Compute the chrF of each pair, 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    check_paired(predictions, references)
    metric = CHRF()
    return [
        float(metric.sentence_score(compose(said), [compose(wanted)]).score)
        for said, wanted in zip(predictions, references, strict=True)
    ]


def rouge_scores(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Average the F1 of ROUGE-1, -2 and -L (Lin 2004), 0 to 100; of several references the best counts, by kind."""
    return dict(zip(KINDS, rouge_each(predictions, references).mean(0).tolist(), strict=True))


def rouge_each(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Compute the F1 of ROUGE-1, -2 and -L for each example against its best reference; (examples, 3), 0 to 100.

    Raises:
        DataError: there is nothing to score, the lists have unequal lengths, or an example has no reference.
    """
    check_paired(predictions, references)
    scorer = _make_scorer()
    found = np.zeros((len(predictions), len(KINDS)))

    for row, (said, several) in enumerate(zip(predictions, references, strict=True)):
        if not several:
            raise DataError(f"example {row + 1} has no reference to score against")
        for reference in several:
            scores = scorer.score(reference, said)
            found[row] = np.maximum(found[row], [100.0 * scores[kind].fmeasure for kind in KINDS])
    return found


@cache
def _make_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS), tokenizer=_Words())


class _Words:
    """Split words of any script and stem them as rouge_score does; its own tokenizer keeps only a to z and digits."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = cache(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        return [self._stem(word) if len(word) > 3 and word.isascii() else word for word in split_words(text)]
