"""Find the shipped configurations: `sentiment/minilm_frozen` is `configs/sentiment/minilm_frozen.yaml`."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.config.tasks import config_folder
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.disk import expand_home

LAUNCHES = "accelerate"  # this folder holds settings of another program


@dataclass(frozen=True)
class ShippedConfig:
    """Name a configuration that comes with this package."""

    name: str
    path: Path

    @property
    def description(self) -> str:
        """The comment in its first line."""
        with self.path.open(encoding="utf-8") as file:
            return file.readline().removeprefix("#").strip()


def list_configs() -> list[ShippedConfig]:
    """List the shipped configurations by name."""
    files = sorted(path for path in config_folder().glob("*/*.yaml") if path.parent.name != LAUNCHES)
    return [ShippedConfig(f"{path.parent.name}/{path.stem}", path) for path in files]


def find_config(config: str | Path) -> Path:
    """Find the file that a user named, or else the shipped configuration of that name.

    Raises:
        ConfigError: there is neither, or only a folder.
    """
    path = expand_home(config)
    try:
        there, folder = path.exists(), path.is_dir()
    except OSError:
        there, folder = True, False  # reading the file will report the error

    if there and not folder:
        return path
    known = {one.name: one.path for one in list_configs()}
    if found := known.get(str(config)):
        return found

    of_run = path / "config.yaml"
    is_run = folder and of_run.is_file()
    inside = [name for name in known if name.startswith(f"{config}/")]
    if inside and not is_run:
        raise ConfigError(f"{config}: a folder of shipped configurations; name one of {', '.join(inside)}")

    beside = difflib.get_close_matches(str(path), [str(one) for one in path.parent.glob("*.y*ml")], n=1)
    nearest = difflib.get_close_matches("/".join((path.parent / path.stem).parts[-2:]), known, n=1)
    near = [str(of_run)] if is_run else beside or nearest
    question = f" Did you mean '{near[0]}'?" if near else ""
    what = "a folder, no file," if folder else "no such file,"
    raise ConfigError(
        f"{config}: {what} and no shipped configuration of that name (see `nlp-transfer sources`).{question}"
    )
