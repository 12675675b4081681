"""Refuse what a config.json may not ask for: a stranger's file describes a model, and nothing else is loaded.

Without this, transformers would advise to install a package, fetch a kernel from the Hub and run it, change classes of
its own for the rest of the process, or read weights from another place.
"""

from collections.abc import Mapping
from typing import Any

import transformers
from transformers import CONFIG_MAPPING

from nlp_transfer.errors import SourceError, suggest_nearest

PLAIN = (None, "eager", "sdpa")  # implementations of attention that are part of PyTorch
CHOICES = ("attn_implementation", "experts_implementation")
DEMANDS = {
    **dict.fromkeys(("quantization_config", "compression_config"), "use the weights that it was quantised from"),
    **dict.fromkeys(("fusion_config", "kernel_config", "transformers_weights"), "take it out of config.json"),
}


def refuse_demands(values: Mapping[str, Any], what: str) -> None:
    """Refuse a configuration that asks for more than an architecture, in itself or in a part.

    Args:
        values: the content of config.json.
        what: the name of what is loaded, for the message.

    Raises:
        SourceError: the message names the key and its value.
    """
    for key, value in values.items():
        choice = key.strip("_").removesuffix("_internal")
        way = DEMANDS.get(key) if value is not None else None
        if choice in CHOICES and value not in PLAIN:
            way = "only eager and sdpa are computed here; take it out of config.json"
        if way is not None:
            raise SourceError(f"{what}: its config.json asks for {key}: {value!s:.60}, which is not followed; {way}")

        if isinstance(value, Mapping):
            refuse_demands(value, what)


def refuse_unknown_type(values: Mapping[str, Any], what: str) -> None:
    """Refuse an architecture that transformers lacks, before it advises to install another version of itself.

    Args:
        values: of a config.json; one that brings code of its own is refused elsewhere.
        what: is loaded, for the message.

    Raises:
        SourceError: naming the architecture.
    """
    kind = values.get("model_type")
    if isinstance(kind, str) and kind not in CONFIG_MAPPING and "auto_map" not in values:
        raise SourceError(
            f"{what}: its config.json names the architecture '{kind}', which transformers {transformers.__version__} "
            f"does not have; take a checkpoint of another.{suggest_nearest(kind, CONFIG_MAPPING)}"
        )
