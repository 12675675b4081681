"""Define the section `source`: a checkpoint, or a table of word vectors."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from nlp_transfer.config.base import Section
from nlp_transfer.config.fields import Positive, SourceName

COMMIT = re.compile(r"[0-9a-f]{40}")


def _check_commit(value: Any) -> Any:
    """Refuse whatever could mean other code tomorrow than today."""
    if value is not None and not (isinstance(value, str) and COMMIT.fullmatch(value)):
        raise ValueError(
            f"expected a full commit hash, 40 hex digits (in quotes if all are numbers), received {value!r:.60}; a "
            "branch, a tag or `true` could mean other code tomorrow"
        )
    return value


def _check_prompt(value: Any) -> Any:
    """Refuse what YAML makes of a prompt that ends in a colon and stands in no quotes, as `query: `."""
    if value and isinstance(value, dict):
        raise ValueError(f"expected a text, received {value!r:.60}; put it in quotes of its own, as '\"query: \"'")
    return value


class CheckpointSource(Section):
    """A pretrained transformer: bundled name, local folder or Hub id."""

    kind: Literal["checkpoint"]
    name: SourceName = Field("minilm", description="Bundled name, local folder (a run's too) or Hub id.")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hub.")
    prompt: Annotated[str | None, BeforeValidator(_check_prompt)] = Field(
        None,
        description="Put before every text: a text such as `'query: '`, or the name of a prompt of the checkpoint's. "
        "Unset: the default of a sentence-transformers folder, if it has one; `''`: none.",
    )
    trust_remote_code: Annotated[str | None, BeforeValidator(_check_commit)] = Field(
        None,
        description="Run the code that a checkpoint on the Hub brings for its architecture, as it is at this commit of "
        "the repository that holds it: the full hash; `revision` is the same unless set. Read it first. Unset: never.",
    )
    scratch: bool = Field(False, description="Same architecture, random weights: the control.")


class VectorsSource(Section):
    """A table of static word vectors, with an optional contextualizer above it."""

    kind: Literal["vectors"]
    name: SourceName = Field("glove-50d", description="Bundled name, vector file, or imported folder.")
    contextualizer: Literal["bag", "cnn", "bilstm", "transformer"] = Field(
        "bag", description="What stands above the table; all but `bag` are newly initialised."
    )
    width: Positive = Field(100, description="CNN filters per kernel size, LSTM or Transformer units.")
    layers: Positive = Field(1, description="Layers of the BiLSTM or Transformer.")
    vocabulary: Literal["all", "data"] | Positive = Field(
        "all", description="`all` rows, the `data`'s words only, or the first N rows of the file."
    )
    scratch: bool = Field(False, description="Same architecture, random vectors: the control.")


Source = Annotated[CheckpointSource | VectorsSource, Field(discriminator="kind")]
