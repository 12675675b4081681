"""Scores of written text: BLEU, chrF and TER by sacreBLEU, ROUGE by rouge_score; all offline.

BLEU and chrF are reported with sacreBLEU's signature (Post 2018, A call for clarity in reporting BLEU scores), which
names how BLEU cuts words: `zh` for Chinese, `char` for Japanese, Korean and Thai, `13a` for scripts with spaces.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from nlp_transfer.errors import DataError
from nlp_transfer.metrics import check_paired

KINDS = ("rouge1", "rouge2", "rougeL")
LONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff"  # scripts that do not space their words
HAN, SYLLABLES = re.compile("[\u4e00-\u9fff]"), re.compile("[\u3040-\u30ff\uac00-\ud7af\u0e00-\u0e7f]")
# Vowel signs and accents that stand as characters of their own (Hindi, Bengali, Arabic, ...): `\w` leaves them out.
MARKS = "".join(chr(c) for c in range(0x300, 0x2000) if unicodedata.category(chr(c)) in ("Mn", "Mc") and c >> 8 != 0xE)
WORD = re.compile(rf"[{LONE}]|[^\W_{LONE}]+(?:[{MARKS}]+[^\W_{LONE}]*)*")


def translation_scores(predictions: Sequence[str], references: Sequence[str], *, ter: bool = False) -> dict[str, Any]:
    """Corpus BLEU and chrF (0 to 100), TER on request (0 is best), with their signatures.

    Raises:
        DataError: nothing to score, or lists of unequal lengths.
    """
    from sacrebleu.metrics.bleu import BLEU  # half a second to import
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    check_paired(predictions, references)
    scores: dict[str, Any] = {}
    signatures = {}
    for name, metric in {
        "bleu": BLEU(tokenize=_tokenizer(references)),
        "chrf": CHRF(),
        **({"ter": TER()} if ter else {}),
    }.items():
        scores[name] = float(metric.corpus_score(list(predictions), [list(references)]).score)
        signatures[name] = str(metric.get_signature())
    return {**scores, "signatures": signatures}


def _tokenizer(references: Sequence[str]) -> str:
    """How BLEU cuts words in the script that most of the references are in."""
    text = "".join(references)
    if len(SYLLABLES.findall(text)) > 0.1 * len(text):  # Japanese mixes them with Han
        return "char"
    return "zh" if len(HAN.findall(text)) > 0.3 * len(text) else "13a"


def sentence_chrf(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ChrF of each pair, 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    check_paired(predictions, references)
    metric = CHRF()
    return [float(metric.sentence_score(p, [r]).score) for p, r in zip(predictions, references, strict=True)]


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
    """Words as rouge_score cuts and stems them, in any script: its own tokenizer keeps only a to z and digits."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = cache(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        words = WORD.findall(text.lower())
        return [self._stem(word) if len(word) > 3 and word.isascii() else word for word in words]
