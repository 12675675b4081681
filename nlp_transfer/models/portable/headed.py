"""Put any encoder under a head of our own; a copy of this file travels with published models."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from .static import StaticConfig


class HeadedConfig(PretrainedConfig):
    """Hold the encoder's configuration as plain values, and which of its layers the head reads."""

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        reads: list[int] | None = None,
        combine: str = "concatenate",
        **settings: Any,
    ) -> None:
        """Keep plain values; without an encoder, as when `transformers` makes a default, take static vectors.

        `reads` are indices into `hidden_states`; -1 is the last. `combine` says what happens to several of them:
        concatenate, mean, or mix, which is a mean with learned weights.
        """
        self.encoder = encoder or StaticConfig().to_dict()
        self.reads = reads or [-1]
        self.combine = combine
        super().__init__(**settings)

    @property
    def depth(self) -> int:
        """The number of states that reach the head."""
        return 1 if self.combine == "mean" else len(self.reads)

    def encoder_config(self) -> PretrainedConfig:
        """Make the encoder's own configuration object."""
        values = {key: value for key, value in self.encoder.items() if key != "model_type"}
        config: PretrainedConfig = AutoConfig.for_model(self.encoder["model_type"], **values)
        return config


def take_encoder(model: Any) -> Any:
    """Take the encoder out of a model that also writes, such as T5; any other model is one."""
    writes = hasattr(model, "encoder") and hasattr(model, "decoder")
    return model.get_encoder() if writes else model


class Headed(PreTrainedModel):
    """Join an encoder and a head that reads its states."""

    config: HeadedConfig
    base_model_prefix = "encoder"

    def __init__(self, config: HeadedConfig, encoder: PreTrainedModel | None = None) -> None:
        """Build the encoder from the configuration, unless a loaded one is given."""
        super().__init__(config)
        self.encoder = encoder if encoder is not None else take_encoder(AutoModel.from_config(config.encoder_config()))
        if hasattr(self.encoder, "pooler"):
            self.encoder.pooler = None  # never used here, and distributed training refuses unused parameters

    def get_input_embeddings(self) -> nn.Module:
        """Return the encoder's embeddings."""
        return self.encoder.get_input_embeddings()

    def states(self, attention_mask: Tensor, **inputs: Tensor | None) -> list[Tensor]:
        """Run the encoder, and return the states (B, T, H) that the head reads, one for each of `depth` layers."""
        given = {name: value for name, value in inputs.items() if value is not None}
        deep = self.config.reads != [-1]
        output = self.encoder(attention_mask=attention_mask, output_hidden_states=deep, **given)
        read = [output.hidden_states[index] for index in self.config.reads] if deep else [output.last_hidden_state]
        return [torch.stack(read).mean(0)] if self.config.combine == "mean" else read
