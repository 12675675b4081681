"""Pretrained transformers by bundled name, local folder or Hub id: safetensors only, no code of theirs is run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import has_file

from nlp_transfer.errors import SourceError, suggest
from nlp_transfer.layout import TARGET
from nlp_transfer.modeling import pooled, sentence_scorer, static
from nlp_transfer.network import hub_reachable
from nlp_transfer.sources.bundled import BUNDLED
from nlp_transfer.sources.shapes import refuse_misshapen, weight_files
from nlp_transfer.sources.vector_store import DESCRIPTION

T = TypeVar("T")
MOST = 300  # characters of another library's message
MAY_BE_NEW = ("pooler", "crossattention", "ln_cross_attn")  # inside an encoder; the others where it is made a decoder
OWN_TYPES = tuple(
    kind.model_type for kind in (static.StaticConfig, pooled.PooledConfig, sentence_scorer.SentenceScorerConfig)
)


@dataclass(frozen=True)
class LoadedModel:
    """A model made from a source.

    Attributes:
        model: to train.
        new: the names of its parameters that no pretrained weights were found for.
        target_tokenizer: of what it writes, where that has a vocabulary of its own.
        deep: on the encoder stands a network, not a layer or two.
    """

    model: PreTrainedModel
    new: frozenset[str]
    target_tokenizer: PreTrainedTokenizerBase | None = None
    deep: bool = False

    def values(self) -> dict[str, Any]:
        """The configuration of this encoder, as one that has it inside keeps it."""
        config = self.model.config
        return {**config.to_diff_dict(), "model_type": config.model_type}

    def under(self, model: PreTrainedModel, *, deep: bool = False) -> "LoadedModel":
        """A model that has this encoder inside: all of its head is new."""
        held = {name for name, _ in model.named_parameters()}  # an encoder's own pooler is dropped, new or not
        head = {name for name in held if name.startswith("head.")}
        return LoadedModel(model, frozenset(head | (held & {f"encoder.{name}" for name in self.new})), deep=deep)


@dataclass(frozen=True)
class Checkpoint:
    """A transformer checkpoint; `scratch` keeps its architecture and tokenizer and draws new weights."""

    name: str
    scratch: bool = False
    revision: str | None = None
    kind = "checkpoint"

    @cached_property
    def location(self) -> str:
        """What `from_pretrained` takes."""
        if self.name in BUNDLED:
            if BUNDLED[self.name].kind != "checkpoint":
                raise SourceError(f"'{self.name}' is a table of vectors: use source.kind=vectors")
            return str(BUNDLED[self.name].locate())
        if Path(self.name).is_file():
            raise SourceError(
                f"{self.name}: a checkpoint is a folder or a Hub id, this is a file; see source.kind=vectors"
            )
        return self.name

    @cached_property
    def config(self) -> PretrainedConfig:
        """The architecture.

        Raises:
            SourceError: nothing there, unreachable, or it asks to run its own code.
        """
        folder = Path(self.location)
        if folder.is_dir():
            self._inspect(folder)
        config: PretrainedConfig = self._load(AutoConfig, "configuration")
        if getattr(config, "auto_map", None) and config.model_type not in OWN_TYPES:
            raise self._code_error()
        return config

    def _inspect(self, folder: Path) -> None:
        path = folder / "config.json"
        if not path.is_file():
            hint = "; it is a table of vectors: use source.kind=vectors" if (folder / DESCRIPTION).is_file() else ""
            raise SourceError(f"{folder}: no checkpoint, for it has no config.json{hint}")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SourceError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise SourceError(f"{path}: expected an object, found a {type(values).__name__}")
        if "auto_map" in values and values.get("model_type") not in OWN_TYPES:
            raise self._code_error()

    def _code_error(self) -> SourceError:
        return SourceError(
            f"Checkpoint '{self.name}' asks to run Python code of its own (auto_map), which this tool never does; "
            "use a checkpoint of an architecture that transformers holds"
        )

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's own tokenizer.

        Raises:
            SourceError: it is missing, or knows more tokens than the embedding table has rows.
        """
        rows = getattr(self.config, "vocab_size", None)
        tokenizer: PreTrainedTokenizerBase = self._load(AutoTokenizer, "tokenizer")
        if "auto_map" in tokenizer.init_kwargs and self.config.model_type not in OWN_TYPES:
            raise self._code_error()
        vocabulary = tokenizer.get_vocab()
        if set(vocabulary) <= set(
            tokenizer.all_special_tokens
        ):  # what transformers makes up where the files are missing
            raise SourceError(f"Checkpoint '{self.name}' has no tokenizer: its vocabulary holds special tokens only")
        largest = max(vocabulary.values())
        if rows is not None and largest >= rows:
            raise SourceError(
                f"Checkpoint '{self.name}': the tokenizer's largest id is {largest}, the embedding table has {rows} "
                "rows; the two do not belong together"
            )
        return tokenizer

    @cached_property
    def target_tokenizer(self) -> PreTrainedTokenizerBase | None:
        """That of the output, where what this package saved has one of its own."""
        file = f"{TARGET}/tokenizer.json"
        if not self._attempt(lambda: has_file(self.location, file, **self._place()), "target tokenizer"):
            return None
        tokenizer: PreTrainedTokenizerBase = self._load(AutoTokenizer, "target tokenizer", subfolder=TARGET)
        return tokenizer

    def encoder(self) -> LoadedModel:
        """The encoder without any head; of a sentence scorer, which `AutoModel` opens whole, what is below it.

        Raises:
            SourceError: as `model`; or it has a decoder, without which it is no architecture of its own.
        """
        if self.config.is_encoder_decoder:
            raise SourceError(
                f"Checkpoint '{self.name}' is a {self.config.model_type}, which reads and writes; a head or a sentence "
                "scorer stands on encoders such as bert. It can translate, or summarize with task.style=abstractive"
            )
        loaded = self.model(AutoModel)
        encoder: Any = loaded.model.base_model
        if encoder is loaded.model:
            return loaded
        prefix = f"{loaded.model.base_model_prefix}."
        below = {name.removeprefix(prefix) for name in loaded.new if name.startswith(prefix)}
        return LoadedModel(encoder, frozenset(below))

    def model(self, auto: Any, **settings: Any) -> LoadedModel:
        """Load through a `transformers` auto class.

        Args:
            auto: for example `AutoModelForSequenceClassification`.
            settings: overrides of the configuration, such as `num_labels`.

        Raises:
            SourceError: weights missing, malformed, mismatched, not finite, or not safetensors.
        """
        values = self.config.to_dict()
        whole = {name: 0.0 for name in values if name.endswith("layerdrop")}  # a layer that is left out has no gradient
        config = self.config.__class__.from_dict({**values, **whole, **settings})
        if self.scratch:
            fresh = self._attempt(lambda: auto.from_config(config), "model")
            encoder = {id(parameter) for parameter in fresh.base_model.parameters()}
            head = {name for name, parameter in fresh.named_parameters() if id(parameter) not in encoder}
            return LoadedModel(fresh.float(), frozenset(head))
        what, place = f"Checkpoint '{self.name}'", self._place()
        self._attempt(
            lambda: refuse_misshapen(weight_files(self.location, **place), auto.from_config, config, what), "model"
        )
        # A head made for other labels has another shape; it is drawn anew. `_check` refuses all other mismatches.
        wanted = {"dtype": torch.float32, "use_safetensors": True, "ignore_mismatched_sizes": True}
        model, report = self._load(auto, "model", config=config, output_loading_info=True, **wanted)
        misfits = {key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]}
        missing = set(report["missing_keys"]) - misfits
        self._check(model, missing, misfits)
        names = {name for name, _ in model.named_parameters()}
        return LoadedModel(model, frozenset((missing | misfits) & names))

    def _check(self, model: PreTrainedModel, missing: set[str], misfits: set[str]) -> None:
        within = "" if model.base_model is model else f"{model.base_model_prefix}."
        if misshapen := sorted(name for name in misfits if name.startswith(within)):
            raise SourceError(
                f"Checkpoint '{self.name}': weights of another shape than config.json says: {_few(misshapen)}"
            )
        if lost := sorted(n for n in missing if n.startswith(within) and not any(part in n for part in MAY_BE_NEW)):
            raise SourceError(f"Checkpoint '{self.name}' lacks {len(lost)} encoder weights: {_few(lost)}")
        refuse_nonfinite(model, f"Checkpoint '{self.name}'")

    def _place(self) -> dict[str, Any]:
        """Which revision, and whether the cache of the Hub's client must do."""
        cached = not Path(self.location).is_dir() and not hub_reachable()
        return {"revision": self.revision or "main", "local_files_only": cached}

    def _load(self, auto: Any, what: str, **settings: Any) -> Any:
        place = {**self._place(), "trust_remote_code": False}
        return self._attempt(lambda: auto.from_pretrained(self.location, **place, **settings), what)

    def _attempt(self, load: Callable[[], T], what: str) -> T:
        try:
            return quietly(load)
        except SourceError:
            raise
        except SafetensorError as error:
            raise SourceError(
                f"Checkpoint '{self.name}': the weights file is malformed or cut short: {error}"
            ) from None
        except Exception as error:  # noqa: BLE001 - errors of several libraries, all meaning that it cannot be loaded
            raise SourceError(self._reason(error, what)) from None

    def _reason(self, error: Exception, what: str) -> str:
        said = " ".join(str(error).split())[:MOST] or type(error).__name__
        folder = Path(self.location)
        if folder.is_dir():
            if damage := find_damage(folder):
                return damage
            if (folder / "pytorch_model.bin").exists() and not list(folder.glob("*.safetensors")):
                return (
                    f"Checkpoint '{self.name}' has only pytorch_model.bin, a pickle that could run code when opened; "
                    "convert it to safetensors with model.save_pretrained on a machine where you trust it"
                )
            return f"Checkpoint '{self.name}': its {what} cannot be loaded: {said}"
        if "safetensors" in said:
            return f"Checkpoint '{self.name}': {said} Only safetensors weights are loaded, never pickles."
        if hub_reachable():
            trouble = f"could not be had from the Hub: {said}"
        else:
            trouble = "the Hub is out of reach and its cache lacks it."
        known = suggest(self.name, [name for name, one in BUNDLED.items() if one.kind == "checkpoint"])
        return f"Checkpoint '{self.name}' is no folder here, not bundled, and {trouble} {known}"


def find_damage(folder: Path) -> str | None:
    """Name the small file of a saved model that cannot be read, for a message; None where all can."""
    for path in sorted(folder.glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if path.name == "tokenizer.json":
                Tokenizer.from_str(json.dumps(values))
        except Exception as error:  # noqa: BLE001 - tokenizers raises bare exceptions
            return f"{path}: damaged ({' '.join(str(error).split())[:MOST]}); fetch or save the model again"
    return None


def quietly(load: Callable[[], T]) -> T:
    """Run without the loading report and bars of transformers; ours says what is new and what would train."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        return load()
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def refuse_nonfinite(model: torch.nn.Module, what: str) -> None:
    """Refuse NaN and infinity in weights: on some paths they still give finite outputs.

    Raises:
        SourceError: naming the tensor and the count.
    """
    for name, tensor in model.named_parameters():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise SourceError(f"{what}: {name} holds {bad} values that are NaN or infinite")


def _few(names: Any, most: int = 3) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
