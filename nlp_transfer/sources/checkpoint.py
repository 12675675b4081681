"""Load pretrained transformers by bundled name, folder or Hub id: only safetensors, and never their own code."""

import copy
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    EncoderDecoderConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file, has_file

from nlp_transfer.errors import SourceError, suggest_nearest
from nlp_transfer.models.encoding.documents import find_special_ids
from nlp_transfer.models.encoding.prompts import read_prompt, settle_prompt
from nlp_transfer.models.portable import pooled, sentence_scorer, static
from nlp_transfer.models.portable.headed import Headed, HeadedConfig, take_encoder
from nlp_transfer.models.source import LoadedModel, OwnEmbedding, run_quietly
from nlp_transfer.sources.composing import unify_forms
from nlp_transfer.sources.demands import refuse_demands, refuse_unknown_type
from nlp_transfer.sources.foreign_code import admit_code
from nlp_transfer.sources.heads import SEVERAL, copy_with_labels, find_label_rows, follow_names
from nlp_transfer.sources.loading import LONGEST_ERROR, find_damage, find_unused_layers, refuse_changed, refuse_misfits
from nlp_transfer.sources.other_weights import explain_other_weights
from nlp_transfer.sources.sentence_folder import (
    Prompts,
    advise_prompt,
    choose_prompt,
    copy_modules,
    read_embedding,
    read_prompts,
)
from nlp_transfer.sources.sentence_modules import Module, read_modules
from nlp_transfer.sources.shapes import find_weight_files, refuse_misshapen
from nlp_transfer.system.hub_calls import make_fetching_error
from nlp_transfer.system.layout import ADAPTER, TABLE, TARGET, explain_unfinished, find_run_of, is_run
from nlp_transfer.system.network import is_hub_reachable
from nlp_transfer.system.room import is_full
from nlp_transfer.system.wheels import BUNDLED

T = TypeVar("T")
log = logging.getLogger(__name__)
OWN_TYPES = tuple(
    kind.model_type for kind in (static.StaticConfig, pooled.PooledConfig, sentence_scorer.SentenceScorerConfig)
)
CLASSIFIER_POOLING: Mapping[str | None, Literal["cls", "mean"]] = {"cls": "cls", "bos": "cls"}  # others are means


class Filled(NamedTuple):
    """Hold a model with its weights, and how these fit it."""

    model: PreTrainedModel
    missing: set[str]  # names that the weights lack
    misfits: dict[str, Sequence[int]]  # names that have another shape there, with that shape
    unused: list[int]  # layers that the weights hold and the configuration leaves out


@dataclass(frozen=True)
class Checkpoint:
    """Name a transformer checkpoint; with `scratch` only its architecture and tokenizer are used, with new weights.

    If the checkpoint brings a head, its rows follow the names of the labels. Turn `by_name` off to load an old adapter,
    which was trained on rows in the checkpoint's own order.
    """

    name: str
    scratch: bool = False
    revision: str | None = None
    prompt: str | None = None
    trust_remote_code: str | None = None
    by_name: bool = True

    @cached_property
    def has_layers(self) -> bool:
        """Whether it has layers; a run of ours on word vectors has none."""
        return not self._table

    @property
    def pooling(self) -> Literal["cls", "mean", "max"]:
        """Choose by what stands above the table or behind the encoder, or as the configuration says of classifiers."""
        if self._table:
            return static.POOLING.get(str(self._table.get("contextualizer")), "mean")
        behind = self.embedding.values["pooling"] if self.embedding else []
        if len(behind) == 1 and behind[0] in pooled.POOLINGS:
            return cast("Literal['cls', 'mean', 'max']", behind[0])
        return CLASSIFIER_POOLING.get(getattr(self.config, "classifier_pooling", None), "mean")

    @cached_property
    def embedding(self) -> OwnEmbedding | None:
        """The modules behind the encoder, of a sentence-transformers folder; with `scratch` their weights are new too.

        Raises:
            SourceError: a file of the folder is damaged, or its modules do not fit together.
        """
        tokenizer = self.tokenizer
        prompt = read_prompt(tokenizer)
        count = len(tokenizer(prompt)["input_ids"]) - len(find_special_ids(tokenizer)[1]) if prompt else 0
        found = read_embedding(self._find, width=getattr(self.config, "hidden_size", 0), skip=count)
        return replace(found, tensors={}) if found and self.scratch else found

    def copy_modules(self, folder: Path) -> None:
        """Copy the description of the modules behind the encoder, and its prompts, beside another encoder."""
        copy_modules(self._find, folder)

    @cached_property
    def advice(self) -> Sequence[str]:
        """Name the modules that are not computed, and the prompts that a text could have."""
        what = f"'{Path(self.name).name if Path(self.name).exists() else self.name}'"
        strange = self.embedding.strange if self.embedding else ()
        said = [f"{what}: these of its modules are not computed here: {', '.join(strange)}"] if strange else []
        if self.prompt is None and not read_prompt(self.tokenizer):
            said += advise_prompt(self._prompts, self._find("README.md"), what)
        return said

    @cached_property
    def _prompts(self) -> Prompts:
        return read_prompts(self._find)

    def _find(self, name: str) -> Path | None:
        """Find a small file beside the model by its name; None if it is not there."""
        if Path(self._root).is_dir():
            path = Path(self._root) / name
            return path if path.is_file() else None
        lenient = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
        found = self._attempt(lambda: cached_file(self._root, name, **lenient, **self._locate()), name)
        return None if found is None else Path(found)

    @property
    def unused(self) -> Mapping[str, str]:
        """Name the revision, of what is not on the Hub."""
        return {"revision": "not used, the checkpoint is here"} if Path(self.location).is_dir() else {}

    @property
    def _table(self) -> Mapping[str, Any]:
        """The configuration of the word vectors below the head or decoder; empty if there are none."""
        below = getattr(self.config, "encoder", None)
        below = below.to_dict() if isinstance(below, PretrainedConfig) else below
        found = isinstance(below, Mapping) and below.get("model_type") == static.StaticConfig.model_type
        return cast("Mapping[str, Any]", below) if found else {}

    @cached_property
    def location(self) -> str:
        """The folder or Hub id for `from_pretrained`.

        Folders of the first versions of sentence-transformers hold the encoder in a folder of its own.
        """
        root = Path(self._root)
        if root.is_dir() and not (root / "config.json").is_file():
            first = next(iter(read_modules(self._find)), Module("", ""))
            if first.kind == "StaticEmbedding":
                raise SourceError(f"{root}: a table of vectors (StaticEmbedding): use source.kind=vectors")
            return str(root / first.folder)
        return self._root

    @cached_property
    def _root(self) -> str:
        """The folder or Hub id, as a whole."""
        if self.name in BUNDLED:
            return str(BUNDLED[self.name].of_kind("checkpoint").locate())
        if Path(self.name).is_file():
            raise SourceError(
                f"{self.name}: a checkpoint is a folder or a Hub id, this is a file; see source.kind=vectors"
            )
        path = Path(self.name)
        if is_run(path):
            return str(_find_model(path))
        if run := find_run_of(path):  # the model itself is named, or a run was fetched as it was published
            refuse_changed(run, path)
        return self.name

    @cached_property
    def config(self) -> PretrainedConfig:
        """The configuration of the architecture.

        Raises:
            SourceError: nothing is there, the Hub is out of reach, or it asks for code of its own or other extras.
        """
        folder = Path(self.location)
        if self.trust_remote_code is not None:
            self._admit_code(self.trust_remote_code)
        if folder.is_dir():
            self._inspect(folder)
        self._attempt(self._refuse_demands, "configuration")
        config: PretrainedConfig = self._load(AutoConfig, "configuration")
        return config

    def _admit_code(self, commit: str) -> None:
        if Path(self.location).is_dir():
            raise SourceError(
                f"source.trust_remote_code: {self.name} is a folder, which has no commit that pins its code; name the "
                "checkpoint by its id on the Hub"
            )
        place = {"revision": self.revision, "local_files_only": self._locate()["local_files_only"]}
        self._attempt(lambda: admit_code(self.name, commit, **place), "code")

    def _inspect(self, folder: Path) -> None:
        path = folder / "config.json"
        if not path.is_file():
            if other := explain_other_weights(folder):
                raise SourceError(other)
            hint = "; name the folder that holds config.json and model.safetensors; vectors need source.kind=vectors"
            if (folder / TABLE).is_file():
                hint = "; it is a table of vectors: use source.kind=vectors"
            if (folder / ADAPTER[0]).is_file():
                hint = "; it holds an adapter alone: name the run that it is of, whose model is whole"
            raise SourceError(f"{folder}: no checkpoint, for it has no config.json{hint}")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SourceError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise SourceError(f"{path}: expected an object, found a {type(values).__name__}")

    def _refuse_demands(self) -> None:
        values, _ = PretrainedConfig.get_config_dict(self.location, **self._locate())
        foreign = values.get("auto_map") is not None and values.get("model_type") not in OWN_TYPES
        if foreign and self.trust_remote_code is None:
            raise self._make_code_error()
        refuse_demands(values, f"Checkpoint '{self.name}'")
        refuse_unknown_type(values, f"Checkpoint '{self.name}'")

    def _make_code_error(self) -> SourceError:
        return SourceError(
            f"Checkpoint '{self.name}' asks to run Python code of its own (auto_map), which this tool never does, but "
            "where source.trust_remote_code names its commit; use a checkpoint that transformers alone can open"
        )

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's own tokenizer, taught to read composed and decomposed letters alike.

        Raises:
            SourceError: it is missing, or its ids exceed the rows of the embedding table.
        """
        rows = getattr(self.config, "vocab_size", None)
        tokenizer: PreTrainedTokenizerBase = self._load(AutoTokenizer, "tokenizer")
        if "auto_map" in tokenizer.init_kwargs and not isinstance(tokenizer, static.StaticTokenizer):  # which is ours
            raise self._make_code_error()

        vocabulary = tokenizer.get_vocab()
        # transformers makes up a vocabulary of special tokens if the files are missing.
        if set(vocabulary) <= set(tokenizer.all_special_tokens):
            raise SourceError(f"Checkpoint '{self.name}' has no tokenizer: its vocabulary holds special tokens only")

        largest = max(vocabulary.values())
        if rows is not None and largest >= rows:
            raise SourceError(
                f"Checkpoint '{self.name}': the tokenizer's largest id is {largest}, the embedding table has {rows} "
                "rows; the two do not belong together"
            )

        tokenizer = unify_forms(tokenizer)
        prompt = choose_prompt(self.prompt, self._prompts, f"Checkpoint '{self.name}'")
        if prompt or self.prompt is not None:  # a run of ours has one already, which stays unless another is named
            settle_prompt(tokenizer, prompt)
        return tokenizer

    @cached_property
    def target_tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The tokenizer of the output, if a saved model of ours has one."""
        file = f"{TARGET}/tokenizer.json"
        if not self._attempt(lambda: has_file(self.location, file, **self._locate()), "target tokenizer"):
            return None
        tokenizer: PreTrainedTokenizerBase = self._load(AutoTokenizer, "target tokenizer", subfolder=TARGET)
        return tokenizer

    def offers(self, auto: str) -> bool:
        """Tell whether `transformers` or this package has a model of that auto class for the architecture."""
        return type(self.config) in getattr(transformers, auto)._model_mapping

    def beside(self, name: str) -> "Checkpoint":
        """Name a checkpoint whose decoder is put beside this encoder."""
        return Checkpoint(name, scratch=self.scratch)

    def encoder(self) -> LoadedModel:
        """Load the encoder without a head or a decoder; of a saved model of ours, the part below its head.

        Raises:
            SourceError: as `model`.
        """
        if isinstance(self.config, HeadedConfig):
            below = self._attempt(self.config.encoder_config, "configuration")
            return self._read(AutoModel, below, inside=f"{Headed.base_model_prefix}.")
        if isinstance(self.config, EncoderDecoderConfig):
            below = cast(PretrainedConfig, copy.deepcopy(self.config.encoder))
            return self._read(AutoModel, below, inside="encoder.")
        if not self.config.is_encoder_decoder:
            return self.model(AutoModel)

        # Of T5, BART and their like the encoder alone is kept, which such a model makes from the same configuration.
        loaded = self.model(AutoModelForSeq2SeqLM)
        fresh = {id(loaded.model.get_parameter(name)) for name in loaded.new}
        encoder = take_encoder(loaded.model.base_model)
        new = {name for name, parameter in encoder.named_parameters() if id(parameter) in fresh}
        return replace(loaded, model=encoder, new=frozenset(new))

    def model(self, auto: Any, **settings: Any) -> LoadedModel:
        """Load through a `transformers` auto class.

        Args:
            auto: the class, for example `AutoModelForSequenceClassification`.
            settings: values that replace those of the configuration. The rows of the checkpoint's head follow the
                names of the labels in `id2label`.

        Raises:
            SourceError: weights are missing, malformed, mismatched, not finite or not safetensors; or the architecture
                has no such model.
        """
        if not self.offers(auto.__name__):
            raise SourceError(
                f"Checkpoint '{self.name}' is a {self.config.model_type}, which transformers cannot open as "
                f"{auto.__name__}; a classifier can stand on its encoder, with task.head.kind: pooled"
            )

        config = self.config.__class__.from_dict({**self.config.to_dict(), **settings})
        named = self.by_name and settings.get("problem_type") != "regression"  # of which the one row has no name
        labels = list(settings.get("id2label", {}).values()) if named else []
        several = settings.get("problem_type") == SEVERAL
        return self._read(auto, config, labels=labels, several=several)

    def _read(
        self,
        auto: Any,
        config: PretrainedConfig,
        *,
        inside: str = "",
        labels: Sequence[str] = (),
        several: bool = False,
    ) -> LoadedModel:
        """Build the model of a configuration, and fill it with the checkpoint's weights.

        Args:
            auto: the class to load through.
            config: the configuration.
            inside: the beginning of the stored names, if the model was saved as a part of a larger one.
            labels: the names that the rows of the head shall follow.
            several: a text may have several of them.
        """
        for name in config.to_dict():
            if name.endswith("layerdrop"):
                setattr(config, name, 0.0)  # a layer that is dropped in a step has no gradient

        if self.scratch:
            fresh = self._attempt(lambda: auto.from_config(config), "model")
            encoder = {id(parameter) for parameter in fresh.base_model.parameters()}
            head = {name for name, parameter in fresh.named_parameters() if id(parameter) not in encoder}
            return LoadedModel(fresh.float(), frozenset(head))

        model, missing, misfits, unused = self._fill(auto, config, inside)
        if unused:
            log.warning(
                "Checkpoint '%s': its weights hold %d layers that its config.json leaves out (layers %d to %d); "
                "they are not used",
                *(self.name, len(unused), unused[0], unused[-1]),
            )

        # The new weights are those that the files lack, or hold in another shape.
        new = (missing | misfits.keys()) & {name for name, _ in model.named_parameters()}
        rows = find_label_rows(model, auto.from_config, len(labels)) if labels else {}
        if missing.issuperset(rows):
            return LoadedModel(model, frozenset(new))

        # The head has rows for other labels, or in another order: put them into the order of ours.
        def reload(count: int) -> PreTrainedModel:
            return self._fill(auto, copy_with_labels(config, count), inside).model

        stored = {name: 0 if name in missing else misfits.get(name, loaded.shape)[0] for name, loaded in rows.items()}
        found = follow_names(labels, model, stored, self.config, reload, several=several)
        drawn = rows.keys() if None in found.chosen else frozenset()
        return LoadedModel(model, frozenset((new - rows.keys()) | drawn), note=found.note)

    def _fill(self, auto: Any, config: PretrainedConfig, inside: str) -> Filled:
        """Load the weights, and see how they fit."""
        what, files = f"Checkpoint '{self.name}'", find_weight_files(self.location, **self._locate())
        self._attempt(lambda: refuse_misshapen(files, auto.from_config, config, what, inside=inside), "model")

        # A head for other labels has another shape and is drawn anew; `refuse_misfits` refuses all other differences.
        wanted = {"dtype": torch.float32, "use_safetensors": True, "ignore_mismatched_sizes": True}
        renamed = {"key_mapping": {f"^{re.escape(inside)}": ""}} if inside else {}
        model, report = self._load(auto, "model", config=config, output_loading_info=True, **wanted, **renamed)
        misfits = {name: stored for name, stored, _ in report["mismatched_keys"]}
        missing = set(report["missing_keys"]) - misfits.keys()
        refuse_misfits(model, missing, misfits, what)
        return Filled(model, missing, misfits, find_unused_layers(model, report["unexpected_keys"]))

    def _locate(self) -> dict[str, Any]:
        """Name the revision, and say whether only the cache of the Hub's client can be used."""
        cached = not Path(self.location).is_dir() and not is_hub_reachable()
        return {"revision": self.revision or self.trust_remote_code or "main", "local_files_only": cached}

    def _load(self, auto: Any, what: str, **settings: Any) -> Any:
        place = {**self._locate(), "trust_remote_code": False}
        return self._attempt(lambda: auto.from_pretrained(self.location, **place, **settings), what)

    def _attempt(self, load: Callable[[], T], what: str) -> T:
        try:
            return run_quietly(load)
        except SourceError:
            raise
        except SafetensorError as error:
            raise SourceError(
                f"Checkpoint '{self.name}': the weights file is malformed or cut short: {error}"
            ) from None
        except Exception as error:  # noqa: BLE001 - several libraries raise, and each error means that loading failed
            if is_full(error):
                raise make_fetching_error(error) from None
            raise SourceError(self._explain(error, what)) from None

    def _explain(self, error: Exception, what: str) -> str:
        said = " ".join(str(error).split())[:LONGEST_ERROR] or type(error).__name__
        if isinstance(error, KeyError):  # its text is only the key, for instance the name of an activation
            said = f"nothing is called {said}"

        folder = Path(self.location)
        if folder.is_dir():
            if damage := find_damage(folder):
                return damage
            if (folder / "pytorch_model.bin").exists() and not list(folder.glob("*.safetensors")):
                return (
                    f"Checkpoint '{self.name}' has only pytorch_model.bin, a pickle that could run code when opened; "
                    "convert it to safetensors with model.save_pretrained on a machine where you trust it"
                )
            return explain_other_weights(folder) or f"Checkpoint '{self.name}': its {what} cannot be loaded: {said}"

        if "safetensors" in said:
            return f"Checkpoint '{self.name}': {said} Only safetensors weights are loaded, never pickles."
        if is_hub_reachable():
            trouble = f"could not be had from the Hub: {said}"
        else:
            trouble = "the Hub is out of reach and its cache lacks it."
        known = ", ".join(sorted(name for name, one in BUNDLED.items() if one.kind == "checkpoint"))
        near = suggest_nearest(self.name, BUNDLED)  # tables too: one is refused with the way to take it
        return f"Checkpoint '{self.name}' is no folder here, not bundled, and {trouble} Known: {known}.{near}"


def _find_model(root: Path) -> Path:
    """Find the model in the folder of a finished run; refuse one that has changed since."""
    if fault := explain_unfinished(root):
        raise SourceError(f"{root}: {fault}")
    refuse_changed(root, root / "model")
    log.info("%s is a run; its model is %s", root, root / "model")
    return root / "model"
