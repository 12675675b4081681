"""Define the base of every part of the configuration."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the configuration; unknown keys and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    def changed(self, *keys: str) -> list[str]:
        """List those of the keys that are not at their defaults."""
        fields = type(self).model_fields
        return [key for key in keys if getattr(self, key) != fields[key].get_default(call_default_factory=True)]


FUNCTION = r"^\w+(\.\w+)*:\w+$"


def _check_function(name: str) -> str:
    if not re.fullmatch(FUNCTION, name):
        raise ValueError(f"write module:function, such as sklearn.metrics:cohen_kappa_score (received {name!r:.80})")
    return name


FunctionName = Annotated[str, Field(json_schema_extra={"pattern": FUNCTION}), AfterValidator(_check_function)]


class Metric(Section):
    """A function of your own that scores answers."""

    function: FunctionName = Field(description="`MODULE:FUNCTION`, as `sklearn.metrics:cohen_kappa_score`.")
    better: Literal["higher", "lower"] = Field("higher", description="`lower`: the score is negated, as `neg_NAME`.")

    @property
    def name(self) -> str:
        """The name of the score, of which more is better."""
        name = self.function.partition(":")[2]
        return name if self.better == "higher" else f"neg_{name}"


class TaskOptions(Section):
    """The `task:` section of a configuration; a task adds its own keys in a subclass."""

    name: str = Field(description="A shipped task, or the dotted module of your own.")
    metrics: Annotated[
        list[FunctionName | Metric],
        BeforeValidator(
            lambda given: [given] if isinstance(given, str | dict | Metric) else given,
            json_schema_input_type=FunctionName | Metric | list[FunctionName | Metric],
        ),
    ] = Field(
        [],
        description="Functions that score too: each takes the right answers and those of the model, and gives a "
        "number; `training.selection` may name one.",
    )

    def list_metrics(self) -> tuple[Metric, ...]:
        """List the functions, with what is better."""
        return tuple(one if isinstance(one, Metric) else Metric(function=one) for one in self.metrics)
