"""Transfer learning for NLP: any pretrained source, any strategy, one interface.

Names are imported on first use, so that `import nlp_transfer` does not load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp_transfer.config import RunConfig as RunConfig
    from nlp_transfer.config import config_schema as config_schema
    from nlp_transfer.config import load_config as load_config
    from nlp_transfer.errors import TransferError as TransferError
    from nlp_transfer.task import Section as Section
    from nlp_transfer.task import Task as Task
    from nlp_transfer.task import TaskOptions as TaskOptions

_HOME = {
    "RunConfig": "config",
    "config_schema": "config",
    "load_config": "config",
    "TransferError": "errors",
    "Section": "task",
    "Task": "task",
    "TaskOptions": "task",
}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name from the module it lives in."""
    if name not in _HOME:
        raise AttributeError(f"module 'nlp_transfer' has no attribute '{name}'")
    return getattr(importlib.import_module(f"nlp_transfer.{_HOME[name]}"), name)
