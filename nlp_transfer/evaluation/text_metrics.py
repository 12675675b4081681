"""Scores of written text: BLEU, chrF and TER by sacreBLEU, ROUGE by rouge_score; all offline.

BLEU, chrF and TER are reported with sacreBLEU's signature (Post 2018, A call for clarity in reporting BLEU scores),
which names how BLEU cuts words: `zh` for Chinese, `char` for other scripts without blanks between words and for Korean,
`13a` for the rest. Composed and decomposed letters are one to every score.
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
MIXED = 0.1  # share that is enough: Japanese mixes its syllables with Han


def translation_scores(predictions: Sequence[str], references: Sequence[str], *, ter: bool = False) -> dict[str, Any]:
    """Corpus BLEU and chrF (0 to 100), TER on request (0 is best), with their signatures.

    Raises:
        DataError: nothing to score, or lists of unequal lengths.
    """
    from sacrebleu.metrics.bleu import BLEU  # half a second to import
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    check_paired(predictions, references)
    said, wanted = [compose(text) for text in predictions], [compose(text) for text in references]
    cut = _tokenizer(wanted)
    bleu = BLEU(tokenize=cut)
    scores: dict[str, Any] = {}
    signatures = {}
    for name, metric in {"bleu": bleu, "chrf": CHRF(), **({"ter": TER()} if ter else {})}.items():
        alone = name == "ter" and cut != "13a" and _share(ALONE, wanted) > MIXED
        if alone:  # TER knows words by their blanks only, and gets those of BLEU
            said, wanted = ([bleu.tokenizer(text) for text in texts] for texts in (said, wanted))
        scores[name] = float(metric.corpus_score(said, [wanted]).score)
        signatures[name] = str(metric.get_signature())
        if alone:
            signatures[name] = signatures[name].replace("tok:tercom", f"tok:{cut}")
    return {**scores, "signatures": signatures}


def _tokenizer(references: Sequence[str]) -> str:
    """Say how BLEU cuts words in the script that most of the references are in."""
    if _share(SYLLABLES, references) > MIXED:
        return "char"
    return "zh" if _share(HAN, references) > 0.3 else "13a"


def _share(script: "regex.Pattern[str]", texts: Sequence[str]) -> float:
    """Of the characters of some texts, blanks too, those of a script."""
    text = "".join(texts)
    return len(script.findall(text)) / max(1, len(text))


def sentence_chrf(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ChrF of each pair, 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    check_paired(predictions, references)
    metric = CHRF()
    return [
        float(metric.sentence_score(compose(said), [compose(wanted)]).score)
        for said, wanted in zip(predictions, references, strict=True)
    ]


def rouge_scores(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean F1 of ROUGE-1, -2 and -L (Lin 2004), 0 to 100; of several references the best counts, kind by kind."""
    return dict(zip(KINDS, rouge_each(predictions, references).mean(0).tolist(), strict=True))


def rouge_each(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """(examples, 3) F1 of ROUGE-1, -2 and -L, 0 to 100, against the best reference of each.

    Raises:
        DataError: nothing to score, lists of unequal lengths, or an example without a reference.
    """
    check_paired(predictions, references)
    scorer = _scorer()
    found = np.zeros((len(predictions), len(KINDS)))
    for row, (said, several) in enumerate(zip(predictions, references, strict=True)):
        if not several:
            raise DataError(f"example {row + 1} has no reference to score against")
        for reference in several:
            scores = scorer.score(reference, said)
            found[row] = np.maximum(found[row], [100.0 * scores[kind].fmeasure for kind in KINDS])
    return found


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS), tokenizer=_Words())


class _Words:
    """Words in any script, stemmed as rouge_score does: its own tokenizer keeps only a to z and digits."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = cache(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        return [self._stem(word) if len(word) > 3 and word.isascii() else word for word in split_words(text)]
