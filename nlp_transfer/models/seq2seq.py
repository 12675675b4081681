"""Text to text: a checkpoint that reads and writes, or any encoder beside a fresh or warm-started decoder."""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertLMHeadModel,
    EncoderDecoderModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    StoppingCriteria,
)
from transformers.modeling_outputs import BaseModelOutput

from nlp_transfer.batching import IGNORED, Batch, Encoded
from nlp_transfer.documents import LongPolicy, encode_documents
from nlp_transfer.errors import ConfigError
from nlp_transfer.sources import Checkpoint, LoadedModel, Source
from nlp_transfer.task import Tokenizers
from nlp_transfer.writing import DecoderOptions, GenerationOptions

BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # how SentencePiece falls back
OUTSIDE = 0.02  # share of target tokens that tells of another language
PAD, START, END = "<pad>", "<s>", "</s>"
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
        return loaded, _ending(source.tokenizer)
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


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerBase:
    """Learn byte-level BPE (Sennrich et al. 2016; Radford et al. 2019, section 2.2): no text has unknown tokens.

    Args:
        texts: to learn from.
        size: tokens at most, the 256 bytes and special ones included.
    """
    backend = Tokenizer(BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    names = {"pad_token": PAD, "bos_token": START, "eos_token": END}
    return _ending(PreTrainedTokenizerFast(tokenizer_object=backend, **names, clean_up_tokenization_spaces=False))


def _ending(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, made to end texts and not to begin them: the start comes from shifting the targets."""
    tokenizer = copy.deepcopy(tokenizer)
    backend: Any = tokenizer.backend_tokenizer
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    end = tokenizer.eos_token
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return tokenizer


def set_languages(tokenizers: Tokenizers, source: str | None, target: str | None) -> None:
    """Tell a multilingual checkpoint's tokenizer the codes of both languages."""
    for name, code in (("src_lang", source), ("tgt_lang", target)):
        if code is not None and hasattr(tokenizers.source, name):
            setattr(tokenizers.source, name, code)


def encode_pairs(
    texts: Sequence[str],
    targets: Sequence[str] | None,
    tokenizers: Tokenizers,
    *,
    max_length: int,
    max_target_length: int,
    policy: LongPolicy = "head",
) -> Encoded:
    """Tokenize inputs as documents, and targets to lists of ids; every target token counts alike in the loss."""
    encoded = encode_documents(texts, tokenizers.source, max_length=max_length, policy=policy)
    if targets is None:
        return encoded
    if tokenizers.target is not None:
        whole = tokenizers.target(list(targets), verbose=False)["input_ids"]
    else:
        whole = tokenizers.source(text_target=list(targets), verbose=False)["input_ids"]
    ids = [row if len(row) <= max_target_length else [*row[: max_target_length - 1], row[-1]] for row in whole]
    lengths = np.array([len(row) for row in ids])
    return replace(
        encoded,
        targets=[ids[index] for index in encoded.example],
        importance=lengths / lengths.mean(),
        warnings=_target_warnings(whole, max_target_length, tokenizers.target or tokenizers.source),
    )


def _target_warnings(rows: Sequence[Sequence[int]], most: int, tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """What of the target texts the model cannot learn to write."""
    found = []
    if cut := sum(len(row) > most for row in rows):
        found.append(f"{cut} of {len(rows)} target texts are cut off; see task.max_target_length")
    total = sum(map(len, rows))
    strange = {tokenizer.unk_token_id} - {None}
    strange |= {row for token, row in tokenizer.get_vocab().items() if BYTE.fullmatch(token)}
    share = sum(token in strange for row in rows for token in row) / max(1, total)
    if share > OUTSIDE:
        found.append(
            f"{share:.0%} of the target tokens are unknown or single bytes to the target tokenizer: it was not "
            "made for this language, and such a decoder is worse than a fresh one (Rothe et al. 2020: BERT2GPT2 En-De "
            "23.2 BLEU, from scratch 26.0); leave task.decoder.source out"
        )
    return tuple(found)


def seq2seq_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum over units of weight x mean cross-entropy of the target tokens (), logits in single precision."""
    if batch.targets is None:
        raise ValueError("a batch without targets has no loss")
    given = _shifted(
        getattr(model, "module", model), batch.targets
    )  # the distributed wrapper hides the model's methods
    logits = model(**_inputs(batch), decoder_input_ids=given, use_cache=False).logits.float()
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )
    counts = (batch.targets != IGNORED).sum(1)
    return (losses.view_as(batch.targets).sum(1) / counts * batch.weights).sum()


def _shifted(model: Any, targets: Tensor) -> Tensor:
    """(B, T) what the decoder is given to predict the targets: they follow the start token."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):  # mBART turns its language code to the front
        own: Tensor = model.prepare_decoder_input_ids_from_labels(labels=targets)
        return own
    start = targets.new_full((len(targets), 1), model.config.decoder_start_token_id)
    return torch.cat([start, targets[:, :-1].masked_fill(targets[:, :-1] == IGNORED, model.config.pad_token_id)], 1)


def _inputs(batch: Batch) -> dict[str, Any]:
    """The encoder's inputs, or its states where they were computed before."""
    inputs: dict[str, Any] = dict(batch.inputs)
    if "encoder_states" in inputs:
        inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=inputs.pop("encoder_states"))
    return inputs


def generate(model: PreTrainedModel, batch: Batch, *, quick: bool) -> list[list[int]]:
    """Token ids per unit, by the model's generation configuration, or greedily."""
    core: Any = model
    if not quick and core.generation_config.num_beams > 1:
        written: list[list[int]] = core.generate(**_inputs(batch)).tolist()
        return written
    return _generate_greedily(core, batch)


def _generate_greedily(model: Any, batch: Batch) -> list[list[int]]:
    """Greedy search in which finished rows leave: whenever half of them are, the others go on without them.

    The tokens are those of one call of `generate`, which carries finished rows along until the last one ends.
    """
    inputs = _inputs(batch)
    if "encoder_outputs" not in inputs:
        mask = inputs["attention_mask"]
        inputs = {"encoder_outputs": model.get_encoder()(**inputs), "attention_mask": mask}
    settings = model.generation_config
    ends = torch.tensor(settings.eos_token_id, device=model.device).reshape(-1)
    states, mask = inputs["encoder_outputs"][0], inputs["attention_mask"]
    written: list[list[int]] = [[] for _ in range(len(states))]
    left = torch.arange(len(states), device=model.device)
    begun: dict[str, Tensor] = {}
    while len(left):
        ids = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states[left]),
            attention_mask=mask[left],
            stopping_criteria=[HalfFinished(ends)],
            num_beams=1,
            length_penalty=None,
            **begun,
        )
        done = _finished(ids, ends) | (ids.shape[1] >= settings.max_length)
        for row, tokens in zip(left[done].tolist(), ids[done].tolist(), strict=True):
            written[row] = tokens
        left, begun = left[~done], {"decoder_input_ids": ids[~done]}
    return written


def _finished(ids: Tensor, ends: Tensor) -> Tensor:
    """(B,) whether a row has ended; the first token may be an end that starts, as in BART."""
    return torch.isin(ids[:, 1:], ends).any(1)


class HalfFinished(StoppingCriteria):
    """Stops a batch as soon as half of its rows have ended."""

    def __init__(self, ends: Tensor) -> None:
        """Keep the ids (n,) that end a row."""
        self._ends = ends

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        """(B,) the same answer for all rows."""
        done = _finished(input_ids, self._ends)
        return torch.full_like(done, bool(2 * done.sum() >= len(done)))


def decode_texts(results: Sequence[Sequence[Any]], tokenizers: Tokenizers) -> list[str]:
    """The texts of generated ids; those of several units are joined by a space."""
    tokenizer = tokenizers.target or tokenizers.source
    return [
        " ".join(text.strip() for text in tokenizer.batch_decode(list(units), skip_special_tokens=True))
        for units in results
    ]
