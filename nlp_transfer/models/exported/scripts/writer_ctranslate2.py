"""Write texts by CTranslate2."""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from reading import HERE, Unit, load_config, load_tokenizer  # type: ignore[import-not-found]

TEXTS = 32  # of a batch


@cache
def load_model() -> Any:
    """Load the model; OMP_NUM_THREADS says how many threads compute it."""
    import ctranslate2

    kind = "int8" if load_config()["writing"]["quantized"] else "float32"
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as CTranslate2 takes by itself
    return ctranslate2.Translator(str(HERE / "ctranslate2"), device="cpu", compute_type=kind, intra_threads=threads)


def write_ids(units: Sequence[Unit]) -> list[list[int]]:
    """Write the ids of a text for each unit."""
    tokenizer = load_tokenizer()
    given = [[tokenizer.id_to_token(one) for one in unit["input_ids"]] for unit in units]
    search = dict(load_config()["writing"]["search"])
    prefix = search.pop("target_prefix", None)
    found = load_model().translate_batch(given, [prefix] * len(given), max_batch_size=TEXTS, **search)
    written = ([tokenizer.token_to_id(token) for token in one.hypotheses[0]] for one in found)
    return [[one for one in ids if one is not None] for ids in written]
