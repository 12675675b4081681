"""`lora`: train low-rank updates beside frozen weights, by peft; new modules are trained in full."""

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.config.strategies import LoraStrategy
from nlp_transfer.errors import ConfigError, SourceError
from nlp_transfer.models.anatomy import find_encoder, find_words, list_blocks
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Adapted, Phase
from nlp_transfer.strategies.rates import Rates
from nlp_transfer.system.disk import replace_whole
from nlp_transfer.system.room import MARGIN, guard_writing

NOTHING = "this model has no pretrained linear layer"
PISSA: Any = "pissa_niter_4"  # the randomised decomposition: seconds where the exact one takes half a minute


def apply_lora(strategy: LoraStrategy, loaded: LoadedModel, rates: Rates, epochs: int) -> Adapted:
    """Add adapters (Hu et al. 2021; rsLoRA: Kalajdzievski 2023; DoRA: Liu et al. 2024; PiSSA: Meng et al. 2024).

    Modules that hold new parameters are trained and saved whole.

    Raises:
        ConfigError: no module matches the targets, or the start asked for does not fit them.
    """
    from peft import LoraConfig, get_peft_model

    model = loaded.model
    chosen, table_only = _choose_modules(strategy, loaded)
    owners, tied = _find_owners(model, loaded.new), _find_tied(model)

    config = LoraConfig(
        r=strategy.rank,
        lora_alpha=strategy.alpha,
        lora_dropout=0.0 if table_only else strategy.dropout,
        target_modules=chosen,
        modules_to_save=owners,
        use_rslora=strategy.rslora,
        use_dora=strategy.dora,
        init_lora_weights=PISSA if strategy.init == "pissa" else True,
    )

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft itself causes it
        wrapped = get_peft_model(model, config)
    _tie_again(wrapped, tied, owners)

    moving = {
        name: rates.fresh if "modules_to_save" in name else rates.body
        for name, parameter in wrapped.named_parameters()
        if parameter.requires_grad
    }
    return Adapted(wrapped, (Phase("lora", epochs, moving),), "none", merge, adapter=True)


def _choose_modules(strategy: LoraStrategy, loaded: LoadedModel) -> tuple[list[str], bool]:
    """Name the modules to adapt, and tell whether the word embeddings are the only one."""
    linear, table = _find_modules(loaded)
    wanted = [""] if strategy.targets == "all-linear" else strategy.targets
    if unknown := [end for end in wanted if end and not any(name.endswith(end) for name in linear)]:
        raise ConfigError(f"strategy.targets: no linear layer's name ends in '{unknown[0]}'. {_list_ends(linear)}")
    chosen = [name for name in linear if name.endswith(tuple(wanted))]

    # By default the table is adapted only if there is no linear layer, as in word vectors.
    if strategy.embeddings or (strategy.embeddings is None and not linear):
        chosen.append(_require_adaptable(table, loaded.model))
    if not chosen:
        raise ConfigError(f"strategy.embeddings: {NOTHING}, and without them nothing would be adapted")
    if strategy.init == "pissa" and chosen == [table]:
        raise ConfigError("strategy.init: pissa is for linear layers, and here only a table of vectors is adapted")
    return chosen, chosen == [table]


def _require_adaptable(table: str | None, model: nn.Module) -> str:
    """Return the path of the word embeddings, if they can be adapted.

    Raises:
        ConfigError: the model has none, or another layer shares them.
    """
    if table is None:
        raise ConfigError("strategy.embeddings: the architecture has no table of word embeddings; leave it out")
    if any(f"{table}.weight" in names for names in _find_tied(model)):
        raise ConfigError(
            "strategy.embeddings: the word embeddings serve a decoder or an output layer too, and an adapter on "
            "one use would change them all when merged; leave it out"
        )
    return table


def _find_modules(loaded: LoadedModel) -> tuple[list[str], str | None]:
    """Find the paths of pretrained linear layers, and that of the word embeddings.

    The output layer over words is left out: it is often tied to the embeddings, and an adapter on one of the two would
    separate them.
    """
    model = loaded.model
    pretrained = {name for names in list_blocks(model, loaded.unread) for name in names} - loaded.new
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and f"{name}.weight" in pretrained
        and module is not model.get_output_embeddings()
    ]
    words = find_words(find_encoder(model).module)
    return linear, next((name for name, module in model.named_modules() if module is words), None)


def _list_ends(linear: Sequence[str]) -> str:
    """List the last parts of the names of linear layers, for a message."""
    return f"There are {', '.join(sorted({name.rpartition('.')[2] for name in linear}))}" if linear else NOTHING


def _find_owners(model: nn.Module, new: frozenset[str]) -> list[str]:
    """Find the largest modules with new parameters only. peft matches the ends of paths, so each end must be unique."""
    owners: list[str] = []
    fresh = {id(parameter) for name, parameter in model.named_parameters() if name in new}
    paths = [path for path, _ in model.named_modules()]
    for path, module in model.named_modules():
        held = {id(parameter) for parameter in module.parameters()}
        inside = any(path.startswith(f"{owner}.") for owner in owners)
        meant = [
            one for one in paths if one.endswith(path)
        ]  # for peft, `classifier` is also the end of `pre_classifier`
        if path and held and held <= fresh and not inside and all(one in {path, *owners} for one in meant):
            owners.append(path)
    return owners


def _find_tied(model: nn.Module) -> list[list[str]]:
    """List the names of each parameter that has several."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [several for several in names.values() if len(several) > 1]


def _tie_again(wrapped: nn.Module, tied: list[list[str]], owners: list[str]) -> None:
    """Tie the copies of new modules that peft trains, as the originals were tied."""
    for names in tied:
        places = [_find_copy(name, owners) for name in names]
        shared, *others = [place for place in places if place] or [""]
        for place in others:
            module, _, name = place.rpartition(".")
            setattr(wrapped.get_submodule(module), name, wrapped.get_parameter(shared))


def _find_copy(name: str, owners: list[str]) -> str | None:
    """Find the path of the copy that peft trains of a parameter in a new module; None if there is no copy."""
    owner = next((one for one in owners if name.startswith(f"{one}.")), None)
    return None if owner is None else f"base_model.model.{owner}.modules_to_save.default{name[len(owner) :]}"


def merge(model: nn.Module) -> PreTrainedModel:
    """Add the updates to the frozen weights, and remove the wrapper."""
    merged: PreTrainedModel = model.merge_and_unload()  # type: ignore[operator]
    return merged


def put_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Load a saved adapter and its new modules into their base model, and merge them.

    Raises:
        SourceError: adapter_config.json names a module that peft would import.
    """
    from peft import PeftModel

    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(values, dict) and values.get("megatron_config"):
        raise SourceError(f"{path}: megatron_config names a module to import, which no run of ours does; take it out")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft itself causes it
        return merge(PeftModel.from_pretrained(model, str(folder)))


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write the adapter and the new modules as safetensors. Of `base`, a local path, only the last part is written.

    Raises:
        DiskError: the disk is full or fails; no part of the adapter is left.
    """
    needed = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad) + MARGIN
    with guard_writing(folder, needed), replace_whole(folder) as fresh:
        _write_adapter(model, fresh, base)


def _write_adapter(model: Any, folder: Path, base: str) -> None:
    model.create_or_update_model_card = lambda _: None  # else peft writes a template, which shows local paths
    # New modules are saved anyway. The default of `save_embedding_layers` would ask the Hub for the vocabulary's size.
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["target_modules"] = sorted(values["target_modules"])  # peft holds a set
    values["base_model_name_or_path"] = Path(base).name if Path(base).exists() else base
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copymode(path, folder / "adapter_model.safetensors")  # safetensors makes it readable by this user only
