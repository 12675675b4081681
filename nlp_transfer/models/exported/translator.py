"""Write a model that writes texts for CTranslate2, which runs it without torch."""

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from nlp_transfer.errors import ConfigError

PATIENCE = 4.0  # a search goes on until four texts for each beam have ended, at least as long as that of transformers
# What the converters of BART and its kin ask of configurations, and transformers no longer has.
NORMS = {
    "bart": {"normalize_before": False, "normalize_embedding": True},
    "mbart": {"normalize_before": True, "normalize_embedding": True},
    "pegasus": {"normalize_before": True, "normalize_embedding": False},
}


def write_translator(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path, *, quantized: bool) -> None:
    """Write an encoder-decoder checkpoint (T5, BART, Marian and their kin) in the format of CTranslate2.

    Args:
        model: on the CPU.
        tokenizer: of what it reads and writes.
        folder: is made.
        quantized: whether its weights are int8, and not in single precision.

    Raises:
        ConfigError: CTranslate2 has no converter for the model.
    """
    from ctranslate2.converters import transformers as converters

    config = model.config
    convert = converters._MODEL_LOADERS.get(type(config).__name__)
    if convert is None:
        raise ConfigError(
            f"{type(model).__name__} cannot be written for CTranslate2, which has no converter for it; take "
            "--format onnx"
        )
    model.config = copy.deepcopy(config)  # the converter writes into it
    for name, value in NORMS.get(config.model_type, {}).items():
        setattr(model.config, name, value)
    try:
        with torch.no_grad():
            spec = convert(model, tokenizer)
            _correct(spec, model, tokenizer)
            spec.validate()
            spec.optimize(quantization="int8" if quantized else None)
        folder.mkdir()
        spec.save(str(folder))
    except (ValueError, NotImplementedError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"{type(model).__name__} cannot be written for CTranslate2: {error}") from None
    finally:
        model.config = config


def _correct(spec: Any, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Correct what the converters take from the architecture and not from the model."""
    for name in ("bos_token", "unk_token"):  # without one of them CTranslate2 writes what it cannot read
        if getattr(spec.config, name, "") is None:
            setattr(spec.config, name, spec.config.eos_token)
    if model.config.model_type != "marian":  # which begins with zeros, and not with a token
        start = model.generation_config.decoder_start_token_id
        spec.config.decoder_start_token = tokenizer.convert_ids_to_tokens(start)
    if getattr(model.config, "scale_decoder_outputs", True) is False:  # of a T5 with an output layer of its own
        from ctranslate2.specs.model_spec import OPTIONAL

        spec.decoder.scale_outputs = OPTIONAL


def describe_search(model: Any, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Describe the search of a model by the arguments of `Translator.translate_batch`.

    Lengths of transformers count the token that a text begins with; those of CTranslate2 do not.
    """
    search = model.generation_config
    ends = search.forced_eos_token_id is not None  # the last token is the end then, which is no part of the text
    found = {
        "beam_size": search.num_beams,
        "no_repeat_ngram_size": search.no_repeat_ngram_size or 0,
        "max_decoding_length": search.max_length - 1 - ends,
        "min_decoding_length": max(0, (search.min_length or 0) - 1),
    }
    if search.num_beams > 1:
        found |= {"length_penalty": search.length_penalty, "patience": PATIENCE}
    if search.forced_bos_token_id is not None:
        found["target_prefix"] = [tokenizer.convert_ids_to_tokens(search.forced_bos_token_id)]
    return found
