"""Define the base of every part of the configuration."""

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the configuration; unknown keys and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    def changed(self, *keys: str) -> list[str]:
        """List those of the keys that are not at their defaults."""
        fields = type(self).model_fields
        return [key for key in keys if getattr(self, key) != fields[key].get_default(call_default_factory=True)]


class TaskOptions(Section):
    """The `task:` section of a configuration; a task adds its own keys in a subclass."""

    name: str = Field(description="A shipped task, or the dotted module of your own.")
