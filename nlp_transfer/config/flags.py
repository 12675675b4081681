"""Make a configuration from a few flags, for users who have no file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.errors import ConfigError
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import MODULES, TABLE
from nlp_transfer.system.wheels import BUNDLED

VECTORS = (".txt", ".vec", ".floret", ".bin", ".npy", ".gz")  # endings of vector files; a checkpoint is a folder
TABLES = (TABLE, "key2row", "vocab/key2row", "*/vocab/key2row", "weights/*.safetensors")  # in folders of vectors
STATIC = b"StaticEmbedding"  # a module of model2vec and sentence-transformers
HEAD = 1 << 16  # bytes of a small file that are looked at
WHAT = ("--task", "--source", "--strategy")


@dataclass(frozen=True)
class Flags:
    """Hold the flags that say what to run instead of a file, and those that name data, also beside a file."""

    task: str | None = None
    source: str | None = None
    strategy: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None

    def list_keys(self) -> dict[str, dict[str, str]]:
        """Map each flag that is given to the keys of the configuration that it sets."""
        found = {
            "--task": self.task and {"task.name": self.task},
            "--source": self.source and {"source.kind": guess_kind(self.source), "source.name": self.source},
            "--strategy": self.strategy and {"strategy.kind": self.strategy},
            "--train": self.train and {"data.train": self.train},
            "--validation": self.validation and {"data.validation": self.validation},
            "--test": self.test and {"data.test": self.test},
        }
        return {flag: keys for flag, keys in found.items() if keys}


def combine_flags(config: str | None, overrides: Sequence[str], flags: Flags) -> tuple[str | dict[str, Any], list[str]]:
    """Find the configuration and the overrides that a command line means.

    Args:
        config: the first word: a file, a shipped name, or already an override.
        overrides: the other words.
        flags: the flags beside them.

    Raises:
        ConfigError: nothing says what to run, or two things do.
    """
    given = flags.list_keys()
    what = [flag for flag in WHAT if flag in given]

    if config is not None and "=" in config and not Path(config).exists():
        if not given:
            raise ConfigError(
                f"{config}: a YAML file comes first, then KEY=VALUE; with `compare` and `curve` each behind --set"
            )
        overrides, config = [config, *overrides], None

    if config is not None and what:
        raise ConfigError(
            f"{config} and {', '.join(what)} both say what to run; leave one out, or override keys of the file, as in "
            "source.name=roberta-base; data are named by --train"
        )

    said = list(_list_keys(overrides))
    if config is None:
        _refuse_lacking(given, said)

    for flag, keys in given.items():
        if twice := next((one for one in said for key in keys if f"{key}.".startswith(f"{one}.")), None):
            raise ConfigError(f"{flag} and {twice}=... say the same twice; leave one out")

    flagged = [f"{key}={_quote_yaml(value)}" for keys in given.values() for key, value in keys.items()]
    return {} if config is None else config, [*flagged, *overrides]


def _list_keys(overrides: Sequence[str]) -> Iterator[str]:
    for override in overrides:
        yield override.partition("=")[0].strip()


def _refuse_lacking(given: dict[str, dict[str, str]], said: list[str]) -> None:
    if not given and not said:
        raise ConfigError(
            "name what to run: a YAML file, a shipped configuration such as sentiment/minilm_frozen (`nlp-transfer "
            "sources` lists them), or --task and --train"
        )
    if "--task" not in given and not {"task", "task.name"} & set(said):
        from nlp_transfer.config.tasks import task_names  # not at the top: `--help` would wait for pydantic

        raise ConfigError(f"--task is missing; known: {', '.join(task_names())}")
    if "--train" not in given and not {"data", "data.train"} & set(said):
        raise ConfigError("--train is missing: a file, a folder, an id on the Hub, or bundled:NAME")


def read_numbers(text: str, option: str) -> list[int]:
    """Read whole numbers between commas.

    Raises:
        ConfigError: something else stands between them.
    """
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option}: expected whole numbers between commas, received {text!r:.60}") from None


def read_source_list(names: str | None, file: Path | None) -> list[str]:
    """List the sources of a command line: those between commas, then those of a file, one a line.

    Blank lines and those that begin with # are left out.

    Raises:
        ConfigError: there are none, or the file cannot be read.
    """
    lines: list[str] = []
    if file is not None:
        try:
            lines = expand_home(file).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
            raise ConfigError(f"--hub-list {file}: {why}; it names one source a line") from None

    stripped = [one.strip() for one in [*(names or "").split(","), *lines]]
    if not (found := [one for one in stripped if one and not one.startswith("#")]):
        raise ConfigError("name the sources to rank: --sources minilm,glove-50d, or --hub-list FILE with one a line")
    return list(dict.fromkeys(found))


def guess_kind(source: str) -> str:
    """Tell whether a source is a checkpoint or a table of vectors, by its name and by what is on the disk."""
    if source in BUNDLED:
        return BUNDLED[source].kind
    path = expand_home(source)
    table = _is_table(path) if path.is_dir() else path.is_file() or path.suffix in VECTORS
    return "vectors" if table else "checkpoint"


def _is_table(folder: Path) -> bool:
    """Tell whether a folder holds a table of vectors, and no model of layers."""
    if any(True for pattern in TABLES for _ in folder.glob(pattern)):
        return True
    try:
        with (folder / MODULES).open("rb") as file:
            return STATIC in file.read(HEAD)
    except OSError:
        return False


def _quote_yaml(value: str) -> str:
    """Write a text as a YAML value; {COLUMN: FILE, ...} is YAML already."""
    return value if value.startswith("{") else json.dumps(value, ensure_ascii=False)
