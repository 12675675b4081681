"""Memory: whether an error says there was none, and giving up activations to save it."""

import gc

import torch
from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError

# The CPU allocator of torch raises a plain RuntimeError.
SAID = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
WAYS_OUT = "training.gradient_checkpointing=true, a smaller task.max_length, or strategy=frozen or lora"


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on a GPU or the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in SAID)


def release() -> None:
    """Free what an attempt that failed has left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def recompute_activations(model: nn.Module) -> None:
    """Keep only each layer's input for the backward pass and run the layer again there (Chen et al. 2016).

    Raises:
        ConfigError: nothing in the model can.
    """
    able = [one for one in model.modules() if isinstance(one, PreTrainedModel) and one.supports_gradient_checkpointing]
    for one in able:
        one.activation_checkpointing_enable({"use_reentrant": False})
    if not able:
        raise ConfigError("training.gradient_checkpointing: no layer of this model can be run again; leave it out")
