"""What surgery puts aside in the `__dict__` of a module, where neither `state_dict` nor an optimizer finds it."""

from collections.abc import Iterator

from torch import nn

WHOLE_TABLES = "_whole"  # in the embeddings, while only some of their rows are at work
TAKEN_OUT = "_taken_out"  # in the model, while parts are taken out: the state of these parts
LAYER = "_layer"  # in what replaces a layer that was taken out
KEYS = (WHOLE_TABLES, TAKEN_OUT, LAYER)


def list_aside(model: nn.Module) -> Iterator[object]:
    """List all that is put aside in a model, for a copy that is to share it."""
    for module in model.modules():
        yield from (module.__dict__[key] for key in KEYS if key in module.__dict__)
