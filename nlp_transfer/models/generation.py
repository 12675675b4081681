"""Compute the loss of models that write, and let them write by `model.generate`, without the rows that have ended."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, StoppingCriteria
from transformers.modeling_outputs import BaseModelOutput

from nlp_transfer.data.text.sentences import join_sentences
from nlp_transfer.models.anatomy import unwrap
from nlp_transfer.models.encoding.batches import IGNORED, Batch
from nlp_transfer.models.encoding.tokenizers import Tokenizers


def seq2seq_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum the weighted cross-entropies of a batch to one number (), each the mean over the target tokens of a unit."""
    if batch.targets is None:
        raise ValueError("a batch without targets has no loss")

    logits = seq2seq_logits(model, batch, batch.targets)
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )

    counts = (batch.targets != IGNORED).sum(1)
    return (losses.view_as(batch.targets).sum(1) / counts * batch.weights).sum()


def seq2seq_logits(model: nn.Module, batch: Batch, targets: Tensor) -> Tensor:
    """Compute the logits (B, T, V) of targets (B, T), each token given those before it and the inputs of a batch."""
    given = _shift_right(unwrap(model), targets)  # wrappers hide the model's methods
    logits: Tensor = model(**_select_inputs(batch), decoder_input_ids=given, use_cache=False).logits.float()
    return logits


def _shift_right(model: Any, targets: Tensor) -> Tensor:
    """Shift the targets (B, T) to the right, behind the start token: the decoder reads them to predict the targets."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):  # mBART, for example, puts the language code first
        own: Tensor = model.prepare_decoder_input_ids_from_labels(labels=targets)
        return own
    start = targets.new_full((len(targets), 1), model.config.decoder_start_token_id)
    return torch.cat([start, targets[:, :-1].masked_fill(targets[:, :-1] == IGNORED, model.config.pad_token_id)], 1)


def _select_inputs(batch: Batch) -> dict[str, Any]:
    """Select the inputs of the encoder, or its states if these are stored."""
    inputs: dict[str, Any] = dict(batch.inputs)
    if "encoder_states" in inputs:
        inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=inputs.pop("encoder_states"))
    return inputs


def generate(model: PreTrainedModel, batch: Batch, *, quick: bool) -> list[list[int]]:
    """Generate the token ids of each unit by the model's generation configuration, or greedily if `quick`."""
    core: Any = model
    if not quick and core.generation_config.num_beams > 1:
        written: list[list[int]] = core.generate(**_select_inputs(batch)).tolist()
        return written
    return _generate_greedily(core, batch)


def _generate_greedily(model: Any, batch: Batch) -> list[list[int]]:
    """Search greedily, and drop finished rows whenever half of the rows have finished.

    The tokens are the same as those of one call of `generate`, which would carry finished rows along to the end.
    """
    inputs = _select_inputs(batch)
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

        done = _are_finished(ids, ends) | (ids.shape[1] >= settings.max_length)
        for row, tokens in zip(left[done].tolist(), ids[done].tolist(), strict=True):
            written[row] = tokens
        left, begun = left[~done], {"decoder_input_ids": ids[~done]}
    return written


def _are_finished(ids: Tensor, ends: Tensor) -> Tensor:
    """Tell which rows have ended, (B,). The first token does not count: BART begins a text with its end token."""
    return torch.isin(ids[:, 1:], ends).any(1)


class HalfFinished(StoppingCriteria):
    """Stop a batch when half of its rows have ended."""

    def __init__(self, ends: Tensor) -> None:
        """Keep the ids (n,) that end a row."""
        self._ends = ends

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        """Return the same answer for all rows, (B,): whether half of them have ended."""
        done = _are_finished(input_ids, self._ends)
        return torch.full_like(done, bool(2 * done.sum() >= len(done)))


def decode_texts(results: Sequence[Sequence[Any]], tokenizers: Tokenizers) -> list[str]:
    """Decode generated ids to texts. The texts of several units are joined like sentences, equal ones only once."""
    tokenizer = tokenizers.target or tokenizers.source
    written = (tokenizer.batch_decode(list(units), skip_special_tokens=True) for units in results)
    return [join_sentences(list(dict.fromkeys(text.strip() for text in texts))) for texts in written]
