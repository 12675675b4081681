"""Translate or summarize texts, one a line: python predict.py < texts.txt. It needs no torch.

It needs numpy; onnxruntime or ctranslate2, as the model is; and tokenizers, or sentencepiece where there is a
source.spm.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from reading import load_config, load_tokenizer, make_units, read_lines  # type: ignore[import-not-found]
from writer import write_ids  # type: ignore[import-not-found]

CLEANED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")  # without blanks, as transformers does


def write(texts: Sequence[str | Sequence[str]]) -> list[str]:
    """Write a text for each text, or for each list of sentences."""
    units = make_units([[text if isinstance(text, str) else _join(text)] for text in texts])
    return [_decode(ids) for ids in write_ids(units)]


def _join(sentences: Sequence[str]) -> str:
    """Join the text that is read: wrapped lines are joined too where the run does that."""
    from text.line_breaks import join_lines  # type: ignore[import-not-found]
    from text.sentences import join_sentences  # type: ignore[import-not-found]

    joined: str = join_sentences(sentences)
    return str(join_lines(joined)) if load_config()["writing"]["unwrap"] else joined


def _decode(ids: Sequence[int]) -> str:
    text: str = load_tokenizer(target=True).decode(ids, skip_special_tokens=True)
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
