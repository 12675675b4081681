"""Describe the machine in one screen, for a bug report, and name installed versions that are known to fail.

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

# Modules that need torch or numpy are imported where they are used, so that a broken one is reported like any problem.
SHOWN_PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "peft", "huggingface_hub",
                  "tokenizers", "safetensors", "gensim", "scikit-learn", "numpy", "pandas", "pyarrow")  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """The facts by name, and the problems: versions that are known to fail, and facts that could not be found."""

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
    """Look at versions, devices, caches, disk and the Hub. A look that fails is listed as a problem."""
    facts, problems = {}, _find_bad_versions()
    for name, look in LOOKS.items():
        try:
            facts[name] = look()
        except Exception as error:  # noqa: BLE001 - a broken installation raises anything, and is what to report
            first = (str(error).strip() or "no message").splitlines()[0]
            facts[name] = "unknown"
            problems.append(f"{name}: {type(error).__name__}: {first}")
    return Diagnosis(facts, tuple(problems))


def _find_bad_versions() -> list[str]:
    lines = files("nlp_transfer").joinpath("requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = [one for one in map(Requirement, lines) if not _is_met(one)]
    return [f"{one.name} {_read_version(one.name)}, but nlp-transfer needs {one}" for one in needed]


def _is_met(wanted: Requirement) -> bool:
    found = _read_version(wanted.name)
    return found != "none" and wanted.specifier.contains(found.partition("+")[0], prereleases=True)


def _read_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _describe_devices() -> str:
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return ", ".join(f"{card.name} ({decimal(card.total_memory)})" for card in cards)
    return str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"


def _describe_processors() -> str:
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} usable cores, {torch.get_num_threads()} threads, {decimal(psutil.virtual_memory().total)} memory"


def _describe_precision() -> str:
    from nlp_transfer.system.precision import choose_precision

    return f"{choose_precision('auto')} (what training.precision: auto takes)"


def _list_bundled() -> str:
    from nlp_transfer.system.wheels import BUNDLED

    return ", ".join(one.name for one in BUNDLED.values() if one.available) or "none"


def _find_cache() -> Path:
    from nlp_transfer.system.caches import find_cache_folder

    return find_cache_folder()


def _measure_folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} (not there yet)"
    held = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{folder} ({decimal(held)})"


def _measure_free() -> str:
    cache = next(path for path in (_find_cache(), *_find_cache().absolute().parents) if path.is_dir())
    return f"{decimal(shutil.disk_usage('.').free)} here, {decimal(shutil.disk_usage(cache).free)} at the cache"


LOOKS: Mapping[str, Callable[[], str]] = {
    "python": lambda: f"{platform.python_version()} on {platform.platform()}",
    "packages": lambda: ", ".join(
        [f"nlp-transfer {__version__}", *(f"{name} {_read_version(name)}" for name in SHOWN_PACKAGES)]
    ),
    "devices": _describe_devices,
    "processors": _describe_processors,
    "precision": _describe_precision,
    "bundled": _list_bundled,
    "cache": lambda: _measure_folder(_find_cache()),
    "hub cache": lambda: _measure_folder(find_hub_cache()),
    "hub": describe_hub,
    "free disk": _measure_free,
}
