"""One thread, no network, and caches of the tests' own."""

import gc
import os
import tempfile
from pathlib import Path

import pytest

CACHE = tempfile.TemporaryDirectory(prefix="nlp-transfer-tests-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(CACHE.name) / "huggingface")
os.environ["NLP_TRANSFER_CACHE"] = str(Path(CACHE.name) / "nlp-transfer")
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the same numbers everywhere


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)
    gc.freeze()  # what is imported stays: collections need not walk through it again and again
