"""Let the models of several tasks have one encoder, and run them as one model.

Each stays a whole model of its own otherwise: it answers alone, and is saved as if it had been trained alone.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import EncoderDecoderModel, PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import find_encoder, unwrap
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.models.surgery.packed import use_packing

Shapes = list[tuple[str, Any]]


class SharedModel(nn.Module):
    """Hold the models of several tasks, by number. A batch belongs to one of them.

    Attributes:
        members: the models, or their wrappers of peft, whose encoders share parts.
        logits_only: whether the task of each reads the logits only.
    """

    def __init__(self, members: Sequence[nn.Module], logits_only: Sequence[bool]) -> None:
        """Take models as `share_encoders` leaves them."""
        super().__init__()
        self.members = nn.ModuleList(members)
        self.logits_only = tuple(logits_only)

    def forward(self, number: int, inputs: Mapping[str, Any]) -> Any:
        """Run the model of a task on a batch."""
        model = self.members[number]
        with self._use_shortcuts(model, logits_only=self.logits_only[number]):
            return model(**inputs)

    @contextlib.contextmanager
    def _use_shortcuts(self, model: nn.Module, *, logits_only: bool) -> Iterator[None]:
        """Spare what this model does not need; in the layers that another shares, only while this one runs.

        Layers that run again in the backward pass would run without, and so they have to the first time.
        """
        if any(getattr(one, "gradient_checkpointing", False) for one in model.modules()):
            yield
            return
        with use_first_token(model, logits_only=logits_only), use_packing(model):
            yield

    def list_shared(self) -> list[nn.Parameter]:
        """List the parameters that all members have."""
        first, *others = ({id(one): one for one in member.parameters()} for member in self.members)
        return [one for key, one in first.items() if all(key in held for held in others)]

    def rename(self, number: int, name: str) -> str:
        """Name a parameter of a member as it is named in here."""
        return f"members.{number}.{name}"


def share_encoders(models: Mapping[str, nn.Module]) -> None:
    """Let models have the parts of their encoders in common, those of the first one that has them.

    What only one of them has, such as a pooler under the head that reads it, stays its own. Models that write, such as
    T5, have their decoder in common too; their tasks are told apart by a prefix or by the codes of languages.

    Args:
        models: task -> model, or its wrapper of peft; they are changed.

    Raises:
        ConfigError: two encoders differ, or a decoder belongs to one task alone.
    """
    roots: list[PreTrainedModel] = []
    for task, model in models.items():
        base = unwrap(model)
        root = _find_common(base, task)
        if roots and type(root) is not type(roots[0]):
            raise ConfigError(
                f"task '{task}': cannot share the encoder, a {type(root).__name__} beside a {type(roots[0]).__name__}"
            )
        _take_parts(root, roots, task)
        roots.append(root)


def _find_common(model: PreTrainedModel, task: str) -> PreTrainedModel:
    """Find what a model can have in common with others: its encoder, or all of it if it is made to write."""
    if not model.config.is_encoder_decoder:
        return find_encoder(model).module
    if isinstance(model, EncoderDecoderModel) or not model.can_generate():
        raise ConfigError(
            f"task '{task}': a {type(model).__name__} has a decoder of its own, and cannot share its encoder; tasks "
            "that write share a checkpoint that has one, such as T5 or BART"
        )
    return model


def _take_parts(root: PreTrainedModel, others: Sequence[PreTrainedModel], task: str) -> None:
    """Replace the parts of an encoder by those of the others that have them already."""
    for name, part in list(root.named_children()):
        known = next((one for other in others if (one := getattr(other, name, None)) is not None), None)
        if known is None:
            continue
        if _list_shapes(part) != _list_shapes(known):
            raise ConfigError(f"task '{task}': cannot share the encoder, for its {name} has other parameters")
        setattr(root, name, known)
    for name, parameter in list(root._parameters.items()):
        if others and parameter is not None:
            root._parameters[name] = others[0]._parameters[name]
    if others:
        root.config = others[0].config  # the layers look into theirs, and surgery into that of the root


def _list_shapes(part: nn.Module) -> Shapes:
    return [(name, tuple(parameter.shape)) for name, parameter in part.named_parameters()]


def join_equal(models: Sequence[PreTrainedModel]) -> list[list[int]]:
    """Let models of one kind whose encoders hold the same numbers have one encoder.

    Returns:
        The numbers of the models that now share one, for each encoder.
    """
    groups: list[list[int]] = []
    for number, model in enumerate(models):
        encoder = find_encoder(model)
        for group in groups:
            first = models[group[0]]
            known = find_encoder(first).module
            if type(model) is type(first) and encoder.prefix and _is_equal(encoder.module, known):
                parent, _, name = encoder.prefix.removesuffix(".").rpartition(".")
                setattr(model.get_submodule(parent), name, known)
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _is_equal(one: nn.Module, other: nn.Module) -> bool:
    if type(one) is not type(other):
        return False
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(tensor, its[name]) for name, tensor in mine.items())
