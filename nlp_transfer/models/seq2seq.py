"""Build models that read and write texts: a whole checkpoint, or any encoder beside a new or pretrained decoder."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from inspect import signature
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

from nlp_transfer.config.generation import DecoderOptions, GenerationOptions
from nlp_transfer.errors import ConfigError, suggest
from nlp_transfer.models.anatomy import count_positions, list_blocks
from nlp_transfer.models.encoding.detokenizing import learn_detokenizer
from nlp_transfer.models.encoding.pairs import make_ending, train_tokenizer
from nlp_transfer.models.source import LoadedModel, Source

HEAD_SIZE = 64  # width of an attention head in a new decoder
TOKENS = (  # generation settings of a checkpoint that depend on its vocabulary
    "pad_token_id",
    "bos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
)


def build_seq2seq(
    source: Source,
    targets: Iterable[str],
    *,
    decoder: DecoderOptions,
    generation: GenerationOptions,
    max_target_length: int,
    languages: tuple[str | None, str | None] = (None, None),
) -> LoadedModel:
    """Build a model that writes text from any source.

    A sequence-to-sequence checkpoint (T5, BART, Marian, NLLB, ...) is used as it is. Any encoder gets a decoder that
    attends to its states (Rothe et al. 2020, Leveraging pre-trained checkpoints for sequence generation tasks).

    Args:
        source: the pretrained part.
        targets: the texts to write. The tokenizer of a new decoder learns its vocabulary from them, that of a
            pretrained one how to join word pieces.
        decoder: of a source that has none.
        generation: options of the search, which are saved with the model.
        max_target_length: the most tokens of a text to write, with special ones.
        languages: codes of source and target for a multilingual checkpoint, which writes the target's code first.

    Raises:
        ConfigError: `decoder` is set for a checkpoint that has one; the decoder has too few positions; or the
            checkpoint does not know the languages.
    """
    if source.config.is_encoder_decoder:
        if decoder != DecoderOptions():
            raise ConfigError(f"task.decoder: {source.name} has a decoder of its own; leave the section out")

        target = source.target_tokenizer  # a finished run as a source may have one
        if target is None and source.config.model_type == "encoder-decoder":
            target = learn_detokenizer(make_ending(source.tokenizer), targets)
        loaded = replace(source.model(AutoModelForSeq2SeqLM), target_tokenizer=target)
        codes = _find_language_codes(source.tokenizer)
    else:
        loaded = _join(source.encoder(), *_open_decoder(source, targets, decoder, max_target_length))
        codes = {}

    positions = count_positions(loaded.model.get_decoder())
    if max_target_length > positions:
        raise ConfigError(
            f"task.max_target_length: {max_target_length} tokens, but the decoder has {positions} positions; lower it"
        )

    model: Any = loaded.model
    model.generation_config = _configure_search(model, generation, max_target_length)

    for role, code in zip(("source", "target"), languages, strict=True):
        if code not in codes and (code is not None or codes):
            raise ConfigError(f"task.{role}_language: {_refuse_code(code, source.name, codes)}")
    if codes:
        model.generation_config.forced_bos_token_id = codes[languages[1]]
    return replace(loaded, deep=True)


def _configure_search(model: Any, options: GenerationOptions, max_length: int) -> GenerationConfig:
    """Configure the search by our options and the checkpoint's special tokens; its other settings are dropped.

    For example, a checkpoint may ask to sample, or have a limit of its own on the length.

    Args:
        model: has the tokens in its generation settings. Older checkpoints have the end token in `config` only.
        options: of the configuration.
        max_length: the most tokens of an output; `generate` also counts the start token.
    """
    beams, given = options.beams > 1, model.generation_config
    settings = GenerationConfig(
        **{name: getattr(given, name) for name in TOKENS},
        eos_token_id=model.config.eos_token_id if given.eos_token_id is None else given.eos_token_id,
        num_beams=options.beams,
        length_penalty=options.length_penalty if beams else None,
        early_stopping=False if beams else None,
        no_repeat_ngram_size=options.no_repeat_ngram,
        min_length=options.min_length,
        max_length=max_length + 1,
        do_sample=False,
    )
    settings.validate(strict=True)
    return settings


def _find_language_codes(tokenizer: Any) -> dict[str | None, int]:
    """Find the language codes of a multilingual checkpoint, each with the token that a text in it begins with."""
    if not hasattr(tokenizer, "tgt_lang"):
        return {}
    own = {token for token in tokenizer.special_tokens_map.values() if isinstance(token, str)}  # those of no language
    tokens = getattr(tokenizer, "lang_code_to_token", None) or {
        code: code for code in {*tokenizer.all_special_tokens} - own
    }
    return {code: int(tokenizer.convert_tokens_to_ids(token)) for code, token in sorted(tokens.items())}


def _refuse_code(code: str | None, name: str, codes: Collection[str | None]) -> str:
    if not codes:
        return f"{name} knows no language codes; leave it out"
    given = "is missing" if code is None else f"'{code}' is not known"
    return f"{given} to {name}. {suggest(code or '', [str(one) for one in codes])}"


def _open_decoder(
    encoder: Source, targets: Iterable[str], options: DecoderOptions, max_length: int
) -> tuple[LoadedModel, Any]:
    """Load a pretrained decoder, or build a new one; return it with its tokenizer."""
    if options.source is not None:
        source = encoder.beside(options.source)
        kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(source.config), None)
        if kind is None or "encoder_hidden_states" not in signature(kind.forward).parameters:
            raise ConfigError(
                f"task.decoder.source: {source.name} is a {source.config.model_type}, which has no decoder in "
                "transformers; bert, roberta, electra and gpt2 have one; or leave it out for a fresh decoder"
            )

        loaded = source.model(AutoModelForCausalLM, is_decoder=True, add_cross_attention=True)
        return loaded, learn_detokenizer(make_ending(source.tokenizer), targets)

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
        **_find_ids(tokenizer),
    )

    model = BertLMHeadModel(config)
    return LoadedModel(model, frozenset(name for name, _ in model.named_parameters())), tokenizer


def _find_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}


def _join(encoder: LoadedModel, decoder: LoadedModel, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """Join encoder and decoder to one model, with the special tokens of the decoder's tokenizer."""
    model = EncoderDecoderModel(encoder=encoder.model, decoder=decoder.model)
    ids = {**_find_ids(tokenizer), "decoder_start_token_id": tokenizer.bos_token_id}
    model.generation_config.update(**ids)  # `generate` reads these; the loss reads those of `model.config`
    for name, value in ids.items():
        setattr(model.config, name, value)

    new = {f"encoder.{name}" for name in encoder.new} | {f"decoder.{name}" for name in decoder.new}
    new |= {name for name, _ in model.named_parameters() if name.startswith("enc_to_dec_proj.")}
    read = {name for names in list_blocks(model) for name in names}  # without the encoder's pooler
    return LoadedModel(model, frozenset(new & read), target_tokenizer=tokenizer)
