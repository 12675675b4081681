"""Translate or summarize texts, one a line: python predict.py < texts.txt. The model is run by CTranslate2, not torch.

It needs ctranslate2, numpy, and tokenizers, or sentencepiece where there is a source.spm.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from reading import HERE, load_config, load_tokenizer, make_units, read_lines  # type: ignore[import-not-found]

TEXTS = 32  # of a batch
CLEANED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")  # without blanks, as transformers does


@cache
def load_model() -> Any:
    """Load the model; OMP_NUM_THREADS says how many threads compute it."""
    import ctranslate2

    kind = "int8" if load_config()["writing"]["quantized"] else "float32"
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as CTranslate2 takes by itself
    return ctranslate2.Translator(str(HERE / "ctranslate2"), device="cpu", compute_type=kind, intra_threads=threads)


def write(texts: Sequence[str | Sequence[str]]) -> list[str]:
    """Write a text for each text, or for each list of sentences."""
    settings, tokenizer = load_config()["writing"], load_tokenizer()
    units = make_units([[text if isinstance(text, str) else _join(text)] for text in texts])
    given = [[tokenizer.id_to_token(one) for one in unit["input_ids"]] for unit in units]

    search = dict(settings["search"])
    prefix = search.pop("target_prefix", None)
    found = load_model().translate_batch(given, [prefix] * len(given), max_batch_size=TEXTS, **search)
    return [_decode(one.hypotheses[0]) for one in found]


def _join(sentences: Sequence[str]) -> str:
    """Join the text that is read: wrapped lines are joined too where the run does that."""
    from text.line_breaks import join_lines  # type: ignore[import-not-found]
    from text.sentences import join_sentences  # type: ignore[import-not-found]

    joined: str = join_sentences(sentences)
    return str(join_lines(joined)) if load_config()["writing"]["unwrap"] else joined


def _decode(tokens: Sequence[str]) -> str:
    tokenizer = load_tokenizer()
    ids = [one for one in map(tokenizer.token_to_id, tokens) if one is not None]
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    if load_config()["writing"]["clean"]:
        for spaced in CLEANED:
            text = text.replace(spaced, spaced.strip())
    return text.strip()


def answer_raw(inputs: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Answer inputs, as the comparison with the run asks for them."""
    settings = load_config()["writing"]
    return [{settings["answer"]: said, **settings["beside"]} for said in write([one for (one,) in inputs])]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("error: predict.py takes no argument, but a text a line: python predict.py < texts.txt")
    texts = load_config()["writing"]["texts"]  # whether texts are lists of sentences
    for _, text in read_lines():
        said = write([[text] if texts else text])[0] if text.strip() else None  # an empty text has no answer
        print(json.dumps(said, ensure_ascii=False))  # noqa: T201 - a script
