"""The configuration of a model that is any encoder under a head of our own; travels with published models."""

from typing import Any

from transformers import AutoConfig, PretrainedConfig

from .static import StaticConfig


class HeadedConfig(PretrainedConfig):
    """Keeps the encoder's configuration as plain values."""

    def __init__(self, encoder: dict[str, Any] | None = None, **settings: Any) -> None:
        """Without an encoder, as `transformers` makes one to compare with, it is one of static vectors."""
        self.encoder = encoder or StaticConfig().to_dict()
        super().__init__(**settings)

    def encoder_config(self) -> PretrainedConfig:
        """The encoder's own configuration object."""
        values = {key: value for key, value in self.encoder.items() if key != "model_type"}
        config: PretrainedConfig = AutoConfig.for_model(self.encoder["model_type"], **values)
        return config
