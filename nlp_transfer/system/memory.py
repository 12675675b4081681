"""Recognise that memory ran out, and say what a user can do about it."""

import gc

import torch

# The CPU allocator of torch raises a plain RuntimeError.
NO_MEMORY = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
WAYS_OUT = "training.gradient_checkpointing=true, a smaller task.max_length, or strategy=frozen or lora"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory ran out, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in NO_MEMORY)


def release() -> None:
    """Free the memory that a failed attempt has left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
