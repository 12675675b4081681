"""Let a model find hidden tokens: an encoder under a masked-language-model head (Devlin et al. 2019, section 3.1).

The head ends in an output for every word of the vocabulary, which can cost as much as the encoder. It is computed at
the hidden places only.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from nlp_transfer.errors import SourceError
from nlp_transfer.models.anatomy import find_encoder, find_words, unwrap
from nlp_transfer.models.encoding.batches import IGNORED, Batch
from nlp_transfer.models.encoding.masking import Hidden, Masking
from nlp_transfer.models.source import LoadedModel, Source

NEW_HEAD = (
    "head: drawn new, for the checkpoint brings none for hidden words; the perplexity before is that of a random head. "
    "See by a comparison with and without whether adaptation pays: learning the head moves the encoder"
)


def build_masked(source: Source) -> LoadedModel:
    """Load an encoder under its masked-language-model head, drawn new where the source has none.

    The last layer of a new head shares its weights with the table of embeddings.

    A pooler is kept, though the head does not read it, for a classifier that will.

    Raises:
        SourceError: the architecture has no such head.
    """
    if not source.has_layers:
        raise SourceError(
            f"'{source.name}' is a table of vectors, which has no head to find hidden words; take an encoder such as "
            "bert, roberta or modernbert"
        )
    if not source.offers(AutoModelForMaskedLM.__name__):
        raise SourceError(
            f"'{source.name}' is a {source.config.model_type}, which has no head to find hidden words; take an encoder "
            "such as bert, roberta or modernbert"
        )
    loaded = source.model(AutoModelForMaskedLM)
    model, words = loaded.model, find_words(find_encoder(loaded.model).module)
    for name, part in source.encoder().model.named_children():
        if getattr(model.base_model, name, part) is None:  # there is a place for it, and it was left empty
            setattr(model.base_model, name, part)

    output: Any = model.get_output_embeddings()
    names = {name for name, parameter in model.named_parameters() if output and parameter is output.weight}
    if words is not None and names & loaded.new and output.weight.shape == words.weight.shape:
        model.config.tie_word_embeddings = True
        model.tie_weights()
    return replace(loaded, note=NEW_HEAD) if loaded.new else loaded


def put_above(masked: PreTrainedModel, encoder: PreTrainedModel) -> None:
    """Put the head of a model above another model's encoder of the same architecture, which both share from now on."""
    setattr(masked, masked.base_model_prefix, encoder)
    if getattr(masked.config, "tie_word_embeddings", False):  # that of a table of vectors has no such word
        masked.tie_weights()


def compute_masked_logits(model: nn.Module, inputs: Mapping[str, Tensor], places: Tensor) -> Tensor:
    """Compute the logits (M, V) of the tokens at M places.

    Args:
        model: with a masked-language-model head, in any wrapper.
        inputs: of the model, with hidden tokens.
        places: (B, T) true where logits are wanted.
    """

    def take(_: nn.Module, __: Any, output: Any) -> None:
        output.last_hidden_state = output.last_hidden_state[places][None]

    hook = find_encoder(unwrap(model)).module.register_forward_hook(take)
    try:
        logits: Tensor = model(**inputs)[0][0]
    finally:
        hook.remove()
    return logits


def measure_hidden(model: nn.Module, batch: Batch) -> list[tuple[float, int]]:
    """Sum the log-probabilities of the hidden tokens of each unit, whose targets name them, and count them."""
    assert batch.targets is not None  # noqa: S101 - `Masking.hide_fixed` gives some to every unit
    places = batch.targets != IGNORED
    logits = compute_masked_logits(model, batch.inputs, places).float()
    losses = nn.functional.cross_entropy(logits, batch.targets[places], reduction="none")
    counts = places.sum(1).tolist()
    return [(-float(part.sum()), count) for part, count in zip(losses.cpu().split(counts), counts, strict=True)]


def masked_loss(model: nn.Module, batch: Batch, masking: Masking) -> Tensor:
    """Hide tokens of a batch, and sum the cross-entropies of these, divided by the share that is hidden."""
    hidden = masking.hide(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    return compute_masked_loss(model, batch.inputs, hidden) / masking.share


def compute_masked_loss(model: nn.Module, inputs: Mapping[str, Tensor], hidden: Hidden) -> Tensor:
    """Compute the **sum** of the cross-entropies, (), of the hidden tokens of a batch.

    Args:
        model: as in `compute_masked_logits`.
        inputs: of the model, without hidden tokens.
        hidden: the same batch with them.
    """
    logits = compute_masked_logits(model, {**inputs, "input_ids": hidden.input_ids}, hidden.places)
    return nn.functional.cross_entropy(logits.float(), hidden.targets, reduction="sum")
