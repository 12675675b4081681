"""Write texts by the graphs of an encoder and a decoder, run by onnxruntime in batches of similar lengths."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from beams import search  # type: ignore[import-not-found]
from model import cut_batches, open_graph  # type: ignore[import-not-found]
from reading import HERE, Unit, make_batch  # type: ignore[import-not-found]

TOKENS = 1024  # of a batch, one for each beam
PAST, MASK = "past_key_values.", "attention_mask"


@cache
def load_settings() -> dict[str, Any]:
    """Load the settings of the search."""
    settings: dict[str, Any] = json.loads((HERE / "generation_config.json").read_text(encoding="utf-8"))
    return settings


def write_ids(units: Sequence[Unit]) -> list[list[int]]:
    """Write the ids of a text for each unit."""
    found: list[list[int]] = [[] for _ in units]
    beams = load_settings()["num_beams"]
    for batch in cut_batches([len(unit["input_ids"]) for unit in units], TOKENS // beams):
        decoder = Decoder([units[at] for at in batch], beams)
        for at, ids in zip(batch, search(decoder.step, len(batch), load_settings()), strict=True):
            found[at] = ids
    return found


class Decoder:
    """Decode texts a token at a time; what the graph has read is kept for each row."""

    def __init__(self, units: Sequence[Unit], beams: int) -> None:
        """Encode units; a text has a row for each beam."""
        encoder = open_graph("encoder_model*.onnx")
        names = [one.name for one in encoder.get_inputs()]  # a table of vectors reads no mask
        given = make_batch(units, [*names, MASK])
        (states,) = encoder.run(None, {name: given[name] for name in names})

        self.model = open_graph("decoder_model_merged*.onnx")
        read = {"encoder_hidden_states": states, "encoder_attention_mask": given[MASK]}
        self.read = {name: np.repeat(one, beams, axis=0) for name, one in read.items()}
        self.past = {
            one.name: np.zeros((len(states) * beams, one.shape[1], 0, one.shape[3]), np.float32)
            for one in self.model.get_inputs()
            if one.name.startswith(PAST)
        }

    def step(self, rows: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Go on from these rows of the last step, by a token each; compute logits (R, V)."""
        fewer = len(rows) < len(self.read["encoder_attention_mask"])
        if fewer:
            self.read = {name: one[rows] for name, one in self.read.items()}
        changed = {name: one[rows] for name, one in self.past.items() if fewer or ".decoder." in name}
        self.past |= changed  # what all rows of a text read of the encoder is the same

        wanted = [name for name, one in self.past.items() if ".decoder." in name or not one.size]
        outputs = ["logits", *(name.replace(PAST, "present.") for name in wanted)]
        logits, *present = self.model.run(outputs, {"input_ids": tokens[:, None], **self.read, **self.past})
        self.past |= dict(zip(wanted, present, strict=True))
        return np.asarray(logits[:, -1])
