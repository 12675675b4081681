"""Read what a sentence-transformers folder says of its model: the modules behind the encoder, and its prompts.

Only their files are read: classes that they name are looked up by the last part of the name, and none is imported.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nlp_transfer.errors import SourceError, list_first
from nlp_transfer.models.portable.embedding import ACTIVATIONS, MODES
from nlp_transfer.models.source import OwnEmbedding
from nlp_transfer.sources.sentence_modules import Find, Module, read_modules, read_object
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import LONGEST, MODULE, MODULES, PROMPTS

OLD_MODES = {  # as versions before 6 write them -> mode, in the order in which their results stand side by side
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
IDLE = ("Dropout",)  # modules that do nothing once a model is trained
LONGEST_CARD = 200_000  # characters of a model card that are looked through
TOLD = re.compile(  # a prompt in quotes, as the cards of E5, BGE and Nomic give it
    r"""["'`]((?:query|passage|search_query|search_document|classification|clustering): """
    r"""|Represent this sentence[^"'`\n]*)"""
)


@dataclass(frozen=True)
class Prompts:
    """The prompts of a sentence-transformers folder by name, and the name of that which is used unless told."""

    texts: Mapping[str, str]
    default: str | None = None


def read_prompts(find: Find) -> Prompts:
    """Read the prompts, those without a text left out.

    Raises:
        SourceError: the file is damaged.
    """
    path = find(PROMPTS)
    values = {} if path is None else read_object(path, dict)
    given, default = values.get("prompts") or {}, values.get("default_prompt_name")
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise SourceError(f"{path}: damaged: prompts are names with a text each, not {given!r:.80}")
    if default is not None and default not in list(given):  # a list is no name, and cannot be looked up
        raise SourceError(f"{path}: default_prompt_name is {default!r}, and there is no prompt of this name")
    return Prompts({name: text for name, text in given.items() if text}, default)


def read_embedding(find: Find, *, width: int, skip: int = 0) -> OwnEmbedding | None:
    """Read the modules behind the encoder; None if there are none.

    Args:
        find: finds a file of the folder.
        width: of the encoder's states.
        skip: the tokens of the prompt, which some folders leave out of the pooling.

    Raises:
        SourceError: a file is damaged, or two modules do not fit together.
    """
    modules = read_modules(find)
    if not modules:
        return None

    values: dict[str, Any] = {"pooling": [], "skip": 0, "steps": []}
    tensors: dict[str, Tensor] = {}
    strange: list[str] = []
    for module in modules[1:]:
        path = find(f"{module.folder}/config.json")
        settings = {} if path is None else read_object(path, dict)
        where = path or module.folder
        match module.kind:
            case "Pooling" if not values["pooling"] and not values["steps"]:
                values["pooling"] = _read_pooling(settings, where)
                values["skip"] = 0 if settings.get("include_prompt", True) else skip
                width *= len(values["pooling"])
            case "Normalize" if _is_plain(settings) and values["pooling"]:
                values["steps"].append({"name": "normalize"})
            case "Dense" if _is_plain(settings) and values["pooling"] and _find_activation(settings):
                step, weights = _read_dense(settings, find, module, width, where)
                tensors |= {f"steps.{len(values['steps'])}.{name}": one for name, one in weights.items()}
                values["steps"].append(step)
                width = step["outputs"]
            case kind if kind in IDLE:
                pass
            case kind:
                strange.append(f"{module.folder or module.kind} ({kind})")
    return OwnEmbedding(values, tensors, _read_longest(find, modules[0]), tuple(strange))


def _read_pooling(settings: Mapping[str, Any], where: Path | str) -> list[str]:
    """Read the names of the poolings, which are one text, a list, or a switch each in older folders."""
    given = settings.get("pooling_mode")
    if given is None:
        given = [mode for old, mode in OLD_MODES.items() if settings.get(old)]
    modes = given or ["mean"] if isinstance(given, list) else [given]
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise SourceError(f"{where}: unknown pooling_mode {unknown[0]!r}; known are {', '.join(MODES)}")
    return modes


def _is_plain(settings: Mapping[str, Any]) -> bool:
    """Tell whether a module reads the embedding of a text and writes it: some are for token states, or add to both."""
    names = {settings.get("module_input_name"), settings.get("module_output_name")}
    return names <= {None, "sentence_embedding"} and not settings.get("use_residual")


def _find_activation(settings: Mapping[str, Any]) -> str | None:
    """Find which of our activations a dense layer names; None if it is none of them."""
    name = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    last = name.rpartition(".")[2]
    return last if name.startswith("torch.nn.") and last in ACTIVATIONS else None


def _read_dense(
    settings: Mapping[str, Any], find: Find, module: Module, width: int, where: Path | str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the shape and the weights of a dense layer."""
    path = find(f"{module.folder}/model.safetensors")
    if path is None:
        raise SourceError(
            f"{where}: its weights are not there as model.safetensors, and a pytorch_model.bin is a pickle that could "
            "run code when opened; save the model again with a newer sentence-transformers"
        )
    try:
        stored = {name.removeprefix("linear."): tensor.float() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise SourceError(f"{path}: the weights file is malformed or cut short: {error}") from None

    inputs, outputs, bias = settings.get("in_features"), settings.get("out_features"), settings.get("bias", True)
    shapes = {"weight": [outputs, inputs], **({"bias": [outputs]} if bias else {})}
    found = {name: list(tensor.shape) for name, tensor in stored.items()}
    if found != shapes or inputs != width:
        raise SourceError(f"{path}: holds {found}, where {shapes} is said and {width} numbers come in")
    if bad := [name for name, tensor in stored.items() if not tensor.isfinite().all()]:
        raise SourceError(f"{path}: {bad[0]} holds values that are NaN or infinite")
    shape = {"inputs": inputs, "outputs": outputs, "activation": _find_activation(settings), "bias": bool(bias)}
    return {"name": "dense", **shape}, stored


def _read_longest(find: Find, first: Module) -> int | None:
    """Read how many tokens a text may have; newer folders keep that with the tokenizer."""
    for name, key in ((LONGEST, "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        path = find(f"{first.folder}/{name}".lstrip("/"))
        value = None if path is None else read_object(path, dict).get(key)
        if isinstance(value, int) and value > 0:
            return value
    return None


def choose_prompt(wanted: str | None, prompts: Prompts, what: str) -> str:
    """Choose the text to put before every text.

    Args:
        wanted: a text, or the name of a prompt; None for the folder's default.
        prompts: of the folder.
        what: is loaded, for the message.

    Raises:
        SourceError: one word names no prompt of the folder.
    """
    if wanted is None:
        return prompts.texts.get(prompts.default or "", "")
    if wanted in prompts.texts:
        return prompts.texts[wanted]
    if prompts.texts and wanted.replace("-", "_").isidentifier():
        known = list_first([repr(name) for name in prompts.texts])
        raise SourceError(
            f"source.prompt: {what} has no prompt of the name '{wanted}', but {known}; a prompt that is a text ends in "
            "a blank, as 'query: ' does"
        )
    return wanted


def advise_prompt(prompts: Prompts, card: Path | None, what: str) -> Sequence[str]:
    """Say which prompts a model knows, by its own files, for one that none is set for; a line or none."""
    ways = "source.prompt sets it, and source.prompt='' says that none is wanted"
    if prompts.texts:
        known = list_first([f"{name} ({text!r})" for name, text in prompts.texts.items()])
        return (f"{what} was trained with prompts before its texts, {known}, and none is set; {ways}",)
    text = ""
    if card is not None:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LONGEST_CARD)
    told = list(dict.fromkeys(TOLD.findall(text)))
    if not told:
        return ()
    return (
        f"the model card of {what} speaks of prompts before its texts, {list_first(list(map(repr, told)))}, and "
        f"none is set; {ways}",
    )


def copy_modules(find: Find, folder: Path) -> None:
    """Copy what says how texts are embedded beside another encoder of the same shape; nothing where nothing says so.

    Folders of modules get the names that sentence-transformers gives, by which a publication knows them: 1_Pooling.

    Raises:
        SourceError: a file is damaged.
        DiskError: there is no room.
    """
    modules = read_modules(find)
    if not modules:
        return
    copies = {f"{modules[0].folder}/{LONGEST}".lstrip("/"): LONGEST, PROMPTS: PROMPTS}
    entries = [{"idx": 0, "name": "0", "path": "", "type": modules[0].type}]  # older folders hold it in one of its own
    for number, one in enumerate(modules[1:], 1):
        name = f"{number}_{one.kind}"
        copies |= {f"{one.folder}/{file}": f"{name}/{file}" for file in MODULE}
        entries.append({"idx": number, "name": str(number), "path": name, "type": one.type})

    for source, copy in copies.items():
        if path := find(source):
            (folder / copy).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / copy, path.read_bytes())
    write_whole(folder / MODULES, dump_json(entries, indent=2) + "\n")
