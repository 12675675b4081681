"""Text to text: a checkpoint that reads and writes, or any encoder beside a fresh or warm-started decoder."""

from collections.abc import Iterable
from typing import Any

from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertLMHeadModel,
    EncoderDecoderModel,
    PreTrainedTokenizerBase,
)

from nlp_transfer.errors import ConfigError
from nlp_transfer.pairs import make_ending, train_tokenizer
from nlp_transfer.sources import Checkpoint, LoadedModel, Source
from nlp_transfer.writing import DecoderOptions, GenerationOptions

HEAD_SIZE = 64


def build_seq2seq(
    source: Source,
    targets: Iterable[str],
    *,
    decoder: DecoderOptions,
    generation: GenerationOptions,
    max_target_length: int,
    target_language: str | None = None,
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
        target_language: code that a multilingual checkpoint must write first.

    Raises:
        ConfigError: a decoder was named for a checkpoint that has one, or a language that it does not know.
    """
    native = source.kind == "checkpoint" and source.config.is_encoder_decoder
    if native:
        if decoder.source is not None:
            raise ConfigError(f"task.decoder.source: {source.name} has a decoder of its own; leave it out")
        loaded = source.model(AutoModelForSeq2SeqLM)
    else:
        loaded = _join(source.encoder(), *_decoder(targets, decoder, max_target_length))
    settings = loaded.model.generation_config
    settings.update(
        num_beams=generation.beams,
        length_penalty=generation.length_penalty if generation.beams > 1 else None,
        no_repeat_ngram_size=generation.no_repeat_ngram,
        min_length=generation.min_length,
        max_length=max_target_length,
        do_sample=False,
    )
    if native and target_language is not None:
        settings.forced_bos_token_id = _language_id(source, target_language)
    return loaded


def _language_id(source: Source, language: str) -> int | None:
    """The token that a multilingual checkpoint starts with; None for one that knows no languages."""
    tokenizer: Any = source.tokenizer
    if not hasattr(tokenizer, "tgt_lang"):
        return None
    token = tokenizer.convert_tokens_to_ids(language)
    if token is None or token == tokenizer.unk_token_id:
        raise ConfigError(f"task.target_language: {source.name} has no token '{language}'")
    return int(token)


def _decoder(targets: Iterable[str], options: DecoderOptions, max_length: int) -> tuple[LoadedModel, Any]:
    """A decoder with its parameters that are new, and its tokenizer."""
    if options.source is not None:
        source = Checkpoint(options.source)
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
