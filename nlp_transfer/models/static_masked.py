"""Let a table of word vectors under a contextualizer find hidden words, which a bag of them could not."""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.errors import SourceError
from nlp_transfer.models.portable.static import StaticConfig, StaticModel
from nlp_transfer.models.source import LoadedModel, Source


class StaticForMasked(PreTrainedModel):
    """Map states to vectors of the table's width; their products with the rows of the table are the logits."""

    config_class = StaticConfig
    base_model_prefix = "encoder"

    def __init__(self, config: StaticConfig, encoder: StaticModel) -> None:
        """Put a new head above an encoder."""
        super().__init__(config)
        self.encoder = encoder
        width = config.vector_size
        self.transform = nn.Sequential(nn.Linear(config.hidden_size, width), nn.GELU(), nn.LayerNorm(width))

    def forward(self, **inputs: Any) -> tuple[Tensor]:
        """Compute the logits (B, T, V) of all words at each place."""
        states = self.transform(self.encoder(**inputs).last_hidden_state)
        return (states @ self.encoder.embeddings.weight.T,)


def build_static_masked(source: Source) -> LoadedModel:
    """Put a head that finds hidden words above a table of vectors.

    Raises:
        SourceError: nothing above the table reads the words beside a hidden one.
    """
    encoder = source.encoder().model
    assert isinstance(encoder, StaticModel)  # noqa: S101 - a source without layers is one
    if encoder.contextualizer is None:
        raise SourceError(
            f"'{source.name}' as a bag of vectors reads no words beside a hidden one, so it cannot find that; set "
            "source.contextualizer, or adapt the table before (nlp-transfer adapt)"
        )
    model = StaticForMasked(encoder.config, encoder)
    new = {name for name, _ in model.named_parameters() if name.startswith("transform.")}
    return LoadedModel(model, frozenset(new))
