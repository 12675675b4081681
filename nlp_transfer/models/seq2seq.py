"""Text to text: a checkpoint that reads and writes, or any encoder beside a fresh or warm-started decoder."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertLMHeadModel,
    EncoderDecoderModel,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from nlp_transfer.errors import ConfigError, suggest
from nlp_transfer.pairs import make_ending, open_target, train_tokenizer
from nlp_transfer.sources import Checkpoint, LoadedModel, Source
from nlp_transfer.strategies.blocks import count_positions
from nlp_transfer.writing import DecoderOptions, GenerationOptions

HEAD_SIZE = 64


def build_seq2seq(
    source: Source,
    targets: Iterable[str],
    *,
    decoder: DecoderOptions,
    generation: GenerationOptions,
    max_target_length: int,
    languages: tuple[str | None, str | None] = (None, None),
) -> LoadedModel:
    """Make a model that writes text from any source.

    A sequence-to-sequence checkpoint (T5, BART, Marian, NLLB, ...) is taken as it is. Any encoder gets a decoder that
    attends to its states (Rothe et al. 2020, Leveraging pre-trained checkpoints for sequence generation tasks).

    Args:
        source: any.
        targets: texts that a fresh decoder's tokenizer learns from.
        decoder: for an encoder-only source.
        generation: kept in the model's generation configuration.
        max_target_length: tokens, special ones included.
        languages: codes of source and target, for a multilingual checkpoint, which writes the second first.

    Raises:
        ConfigError: a decoder for a checkpoint that has one, more tokens than the decoder has positions, or languages
            that the checkpoint does not know.
    """
    if isinstance(source, Checkpoint) and source.config.is_encoder_decoder:
        if decoder != DecoderOptions():
            raise ConfigError(f"task.decoder: {source.name} has a decoder of its own; leave the section out")
        loaded = source.model(AutoModelForSeq2SeqLM)
        loaded = replace(loaded, target_tokenizer=open_target(Path(source.location)))  # an earlier run's may have one
        multilingual = hasattr(source.tokenizer, "tgt_lang")
    else:
        loaded = _join(source.encoder(), *_decoder(targets, decoder, max_target_length, scratch=source.scratch))
        multilingual = False
    positions = count_positions(loaded.model.get_decoder())
    if max_target_length > positions:
        raise ConfigError(
            f"task.max_target_length: {max_target_length} tokens, but the decoder has {positions} positions; lower it"
        )
    settings = loaded.model.generation_config
    _set_search(settings, generation, max_target_length)
    if any(languages) or multilingual:
        settings.forced_bos_token_id = _target_language_id(source, *languages)
    return replace(loaded, deep=True)


def _set_search(settings: GenerationConfig, options: GenerationOptions, max_length: int) -> None:
    """Make a checkpoint's search ours: nothing sampled, nothing stopped early, no other limit of its own."""
    beams = options.beams > 1
    settings.update(
        num_beams=options.beams,
        length_penalty=options.length_penalty if beams else None,
        early_stopping=False if beams else None,
        no_repeat_ngram_size=options.no_repeat_ngram,
        min_length=options.min_length,
        max_length=max_length,
        max_new_tokens=None,
        min_new_tokens=None,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
    )
    settings.validate(strict=True)


def _target_language_id(source: Source, *languages: str | None) -> int:
    """The token that a multilingual checkpoint writes first."""
    tokenizer: Any = source.tokenizer
    rows = []
    own = {token for token in tokenizer.special_tokens_map.values() if isinstance(token, str)}  # not of a language
    for role, code in zip(("source", "target"), languages, strict=True):
        if not hasattr(tokenizer, "tgt_lang"):
            if code is None:
                continue
            raise ConfigError(f"task.{role}_language: {source.name} knows no language codes; leave it out")
        known = sorted(getattr(tokenizer, "lang_code_to_token", None) or {*tokenizer.all_special_tokens} - own)
        if code not in known:
            given = "is missing" if code is None else f"'{code}' is not known"
            raise ConfigError(f"task.{role}_language: {given} to {source.name}. {suggest(code or '', known)}")
        token = getattr(tokenizer, "lang_code_to_token", {}).get(code, code)
        rows.append(int(tokenizer.convert_tokens_to_ids(token)))
    return rows[1]


def _decoder(
    targets: Iterable[str], options: DecoderOptions, max_length: int, *, scratch: bool
) -> tuple[LoadedModel, Any]:
    """A decoder with its parameters that are new, and its tokenizer."""
    if options.source is not None:
        source = Checkpoint(options.source, scratch=scratch)
        if type(source.config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise ConfigError(
                f"task.decoder.source: {source.name} is a {source.config.model_type}, which has no decoder in "
                "transformers; bert, roberta and electra have one; or leave it out for a fresh decoder"
            )
        loaded = source.model(AutoModelForCausalLM, is_decoder=True, add_cross_attention=True)
        return loaded, make_ending(source.tokenizer)
    tokenizer = train_tokenizer(targets, options.vocabulary)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.width // HEAD_SIZE,
        intermediate_size=4 * options.width,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
        max_position_embeddings=max_length,
        is_decoder=True,
        add_cross_attention=True,
        **_ids(tokenizer),
    )
    model = BertLMHeadModel(config)
    return LoadedModel(model, frozenset(name for name, _ in model.named_parameters())), tokenizer


def _ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}


def _join(encoder: LoadedModel, decoder: LoadedModel, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    model = EncoderDecoderModel(encoder=encoder.model, decoder=decoder.model)
    ids = {**_ids(tokenizer), "decoder_start_token_id": tokenizer.bos_token_id}
    model.generation_config.update(**ids)  # generate reads these, the loss those of the configuration
    for name, value in ids.items():
        setattr(model.config, name, value)
    new = {f"encoder.{name}" for name in encoder.new} | {f"decoder.{name}" for name in decoder.new}
    new |= {name for name, _ in model.named_parameters() if name.startswith("enc_to_dec_proj.")}
    held = {name for name, _ in model.named_parameters()}
    return LoadedModel(model, frozenset(new & held), target_tokenizer=tokenizer)
