"""Say in plain values how a model's texts are read, for the scripts that lie beside an exported model."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.documents import find_special_ids
from nlp_transfer.models.encoding.prompts import read_prompt, tokenize_prompt
from nlp_transfer.models.encoding.text_pairs import APART, Frame, find_frame
from nlp_transfer.models.portable.static import StaticTokenizer

WORDS = ("form", "ngram_buckets", "min_n", "max_n", "hashing")  # settings that `words.look_up` reads


def describe_reading(tokenizer: PreTrainedTokenizerBase, most: int, kind: str, *, prefix: str = "") -> dict[str, Any]:
    """Describe how a tokenizer reads texts, by the keys that `scripts/reading.py` knows.

    Args:
        tokenizer: of the model.
        most: tokens that it reads at once.
        kind: `text`, `pair` of texts, or `sentences` of a document.
        prefix: stands before a text, behind the prompt.
    """
    prompts = [read_prompt(tokenizer) + prefix]
    if kind == "pair":
        frame = find_frame(tokenizer)
        prompts.append(prompts[0] if tokenizer.init_kwargs.get(APART) else "")
    else:
        before, after = find_special_ids(tokenizer)
        frame = Frame(before, [], after, None)
    if kind == "sentences":  # the prompt stands once, before all of them
        frame = frame._replace(before=[*frame.before, *tokenize_prompt(tokenizer)])
        prompts = [""]

    known = tokenizer.init_kwargs if isinstance(tokenizer, StaticTokenizer) else {}
    tries = bool(known) and not known.get("own_tokens")
    return {
        "prompts": prompts,
        "frame": [frame.before, frame.between, frame.after],
        "types": frame.types,
        "most": most,
        "pad": tokenizer.pad_token_id,
        "filler": tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id,
        "unknown": tokenizer.unk_token_id,
        "dropped": known.get("dropped_id"),
        "words": {name: known[name] for name in WORDS if known.get(name) is not None} if tries else None,
    }
