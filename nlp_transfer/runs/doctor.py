"""What a bug report needs to say of the machine, in one screen, and which installed versions are known to fail.

nlp-transfer doctor
"""

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement
from rich.filesize import decimal

from nlp_transfer import __version__
from nlp_transfer.system.network import describe_hub, find_hub_cache

# What needs torch or numpy is imported where it is looked at: a broken one is to be reported, not to be met.
SHOWN = ("torch", "transformers", "datasets", "evaluate", "accelerate", "peft", "huggingface_hub", "tokenizers",
         "safetensors", "gensim", "scikit-learn", "numpy", "pandas", "pyarrow")  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """What was found: facts by name, and what is known to fail or could not be found out."""

    facts: Mapping[str, str] = field(repr=False)
    problems: tuple[str, ...]

    @property
    def text(self) -> str:
        """One screen to paste into a bug report; the home folder is written `~`."""
        width = max(map(len, self.facts))
        lines = [f"{name:<{width}}  {fact}" for name, fact in self.facts.items()]
        lines += [f"PROBLEM: {problem}" for problem in self.problems] or ["no known problem"]
        text, home = "\n".join(lines), Path.home()
        return text.replace(str(home), "~") if len(home.parts) > 1 else text


def doctor() -> Diagnosis:
    """Look at versions, devices, caches, disk and the Hub; a look that fails is a problem and stops nothing."""
    facts, problems = {}, _bad_versions()
    for name, look in LOOKS.items():
        try:
            facts[name] = look()
        except Exception as error:  # noqa: BLE001 - a broken installation raises anything, and is what to report
            first = (str(error).strip() or "no message").splitlines()[0]
            facts[name] = "unknown"
            problems.append(f"{name}: {type(error).__name__}: {first}")
    return Diagnosis(facts, tuple(problems))


def _bad_versions() -> list[str]:
    lines = files("nlp_transfer").joinpath("requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = [one for one in map(Requirement, lines) if not _holds(one)]
    return [f"{one.name} {_installed(one.name)}, but nlp-transfer needs {one}" for one in needed]


def _holds(wanted: Requirement) -> bool:
    found = _installed(wanted.name)
    return found != "none" and wanted.specifier.contains(found.partition("+")[0], prereleases=True)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _devices() -> str:
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return ", ".join(f"{card.name} ({decimal(card.total_memory)})" for card in cards)
    return str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"


def _processors() -> str:
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} usable cores, {torch.get_num_threads()} threads, {decimal(psutil.virtual_memory().total)} memory"


def _precision() -> str:
    from nlp_transfer.system.precision import choose_precision

    return f"{choose_precision('auto')} (what training.precision: auto takes)"


def _bundled() -> str:
    from nlp_transfer.system.wheels import BUNDLED

    return ", ".join(one.name for one in BUNDLED.values() if one.available) or "none"


def _cache() -> Path:
    from nlp_transfer.system.caches import find_cache_folder

    return find_cache_folder()


def _folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} (not there yet)"
    held = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{folder} ({decimal(held)})"


def _free() -> str:
    cache = next(path for path in (_cache(), *_cache().absolute().parents) if path.is_dir())
    return f"{decimal(shutil.disk_usage('.').free)} here, {decimal(shutil.disk_usage(cache).free)} at the cache"


LOOKS: Mapping[str, Callable[[], str]] = {
    "python": lambda: f"{platform.python_version()} on {platform.platform()}",
    "packages": lambda: ", ".join([f"nlp-transfer {__version__}", *(f"{name} {_installed(name)}" for name in SHOWN)]),
    "devices": _devices,
    "processors": _processors,
    "precision": _precision,
    "bundled": _bundled,
    "cache": lambda: _folder(_cache()),
    "hub cache": lambda: _folder(find_hub_cache()),
    "hub": describe_hub,
    "free disk": _free,
}
