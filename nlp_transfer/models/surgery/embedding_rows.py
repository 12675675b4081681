"""Train only those rows of the embeddings that a run uses, of word vectors or of a checkpoint's vocabulary.

A row that no text uses gets no gradient and no decay, so the result is the same as with the whole table. But every step
of the optimizer handles a few thousand rows, whether the table has XLM-R's 250,002 rows or BERT's 30,522.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nlp_transfer.models.anatomy import find_encoder, find_words, unwrap
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.surgery.aside import TAKEN_OUT, WHOLE_TABLES


class _Whole(NamedTuple):
    parameter: nn.Parameter
    dimension: int
    ids: Tensor


@contextlib.contextmanager
def use_embedding_rows(
    model: nn.Module, rates: Mapping[str, float], splits: Sequence[Encoded], pad: int
) -> Iterator[None]:
    """Reduce input embeddings that train to the rows of the run's tokens; any other id gets one of these rows.

    LoRA's matrix A, which has a column for every token, is cut in the same way. Embeddings that also serve a decoder
    or an output layer stay whole.
    """
    table = _find_table(model, rates)
    if table is None:
        yield
        return

    inner = next(one for one in table.modules() if isinstance(one, nn.Embedding))
    padding = inner.padding_idx
    used = {pad, *(token for split in splits for token in np.unique(split.inputs.ids).tolist())}
    ids = torch.tensor(sorted(used | {padding} - {None}), device=inner.weight.device)
    rows = torch.zeros(inner.num_embeddings, dtype=torch.long, device=ids.device)
    rows[ids] = torch.arange(len(ids), device=ids.device)

    table.__dict__[WHOLE_TABLES] = whole = dict(_cut(table, inner.num_embeddings, ids))
    inner.padding_idx = None if padding is None else int(rows[padding])
    hook = table.register_forward_pre_hook(lambda _, inputs: (rows[inputs[0]], *inputs[1:]))

    try:
        yield
    finally:
        _write_back(table)
        del table.__dict__[WHOLE_TABLES]
        for name, one in whole.items():
            _put(table, name, one.parameter)
        inner.padding_idx = padding
        hook.remove()


def collect_state(model: nn.Module) -> dict[str, Tensor]:
    """Collect the model's state by name, with whole tables in place of reduced ones, and layers that were taken out."""
    state: dict[str, Tensor] = model.__dict__.get(TAKEN_OUT, {}) | model.state_dict()
    for path, module in model.named_modules():
        if WHOLE_TABLES in module.__dict__:
            _write_back(module)
            state |= {f"{path}.{name}": one.parameter.detach() for name, one in module.__dict__[WHOLE_TABLES].items()}
    return state


def _find_table(model: nn.Module, rates: Mapping[str, float]) -> nn.Module | None:
    """Find the input embeddings, with LoRA's, if they train, serve nothing else, and are a plain table."""
    table = find_words(find_encoder(unwrap(model)).module)
    if table is None or not any(isinstance(one, nn.Embedding) for one in table.modules()):  # I-BERT's are quantised
        return None
    # Models of several tasks have one table, under a path each.
    paths = tuple(f"{name}." for name, module in model.named_modules(remove_duplicate=False) if module is table)
    held = {id(parameter) for parameter in table.parameters()}
    names = {name for name, one in model.named_parameters(remove_duplicate=False) if id(one) in held}
    alone = all(name.startswith(paths) for name in names)
    rowwise = not any("lora_magnitude_vector" in name for name in names)  # DoRA scales by norms over the whole table
    return table if alone and rowwise and not names.isdisjoint(rates) else None


def _cut(table: nn.Module, size: int, ids: Tensor) -> Iterator[tuple[str, _Whole]]:
    """Replace each parameter with a row for every token by one with the rows `ids`; yield the whole one."""
    for name, parameter in list(table.named_parameters()):
        dimension = 1 if "lora_embedding_A" in name else 0
        if parameter.shape[dimension] == size:
            part = parameter.detach().index_select(dimension, ids)
            _put(table, name, nn.Parameter(part, parameter.requires_grad))
            yield name, _Whole(parameter, dimension, ids)


def _write_back(table: nn.Module) -> None:
    """Copy the rows that were trained into the whole parameters."""
    with torch.no_grad():
        for name, (whole, dimension, ids) in table.__dict__[WHOLE_TABLES].items():
            if whole.requires_grad:
                whole.index_copy_(dimension, ids, table.get_parameter(name).to(whole.device))


def _put(table: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _, leaf = name.rpartition(".")
    table.get_submodule(path)._parameters[leaf] = parameter
