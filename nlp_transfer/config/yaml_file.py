"""Read YAML as people mean it, and only what a configuration needs: no aliases, no Python objects, no key twice.

Every complaint names the line.
"""

import copy
import functools
import re
from pathlib import Path
from typing import Any

import yaml

from nlp_transfer.errors import TOKEN, ConfigError
from nlp_transfer.system.escaping import CONTROL


class _Loader(yaml.SafeLoader):
    """Read YAML safely, refuse duplicate keys and aliases, and read 3e-4 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; refuse a key that appears twice or is no plain word."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{_name_line(key)}: a key must be a plain word")
            if key.value in seen:
                raise ConfigError(f"{_name_line(key)}: key '{key.value}' appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value; if that is impossible, as with the date 2020-99-99, name the line."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ConfigError(f"{_name_line(node)}: {error}") from None
        except (LookupError, AttributeError, TypeError, OverflowError):  # for example an empty `!!int`
            raise ConfigError(
                f"{_name_line(node)}: '{node.value}' is no {_name_tag(node)}; write a plain value"
            ) from None

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases, because a few lines of them can expand to gigabytes."""
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise ConfigError(f"line {line}: YAML aliases (*name) are not supported; write the value out")
        return super().compose_node(parent, index)


def _refuse_tag(_: _Loader, node: yaml.Node) -> Any:
    raise ConfigError(f"{_name_line(node)}: the tag {_name_tag(node)} is not supported; write a plain value")


def _name_tag(node: yaml.Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")


def _name_line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


class _Dumper(yaml.SafeDumper):
    """Write YAML with quotes around a text that would be read as a number, or folded at a line break of Unicode."""


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if CONTROL.search(text) else None)


_Dumper.add_representer(str, _write_text)
_Loader.add_constructor(None, _refuse_tag)  # None stands for every tag that SafeLoader does not know
# YAML 1.1 demands a dot and a signed exponent in floats, but people write 3e-4.
FLOAT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789"))


def dump_yaml(values: Any) -> str:
    """Write values so that `parse_yaml` reads the same back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str) -> Any:
    """Read one YAML value.

    Raises:
        ConfigError: the text is not YAML, or uses more than a configuration may; the message begins with the line.
    """
    try:
        return copy.deepcopy(_load_once(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"line {line}: {error.problem}") from None

    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"line {line}: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError("line 1: nested too deeply") from None


@functools.lru_cache(maxsize=8)  # a run reads the configuration in its folder several times
def _load_once(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader


def find_line(path: Path, keys: str) -> str:
    """Find the line of dotted keys such as `tasks.0.data.train` in a file that was read: `, line 7`; else nothing."""
    node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    line = ""
    for key in keys.split("."):
        if isinstance(node, yaml.SequenceNode) and key.isdecimal():
            node = node.value[int(key)]
            line = _name_line(node)
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((name, value) for name, value in pairs if name.value == key), None)
        if found is None:  # it comes from an override, or is missing
            return ""
        line, node = _name_line(found[0]), found[1]
    return f", {line}"


def read_yaml(path: Path, *, needed: str = "it needs at least `task:` and `data:`") -> dict[str, Any]:
    """Read a file of `key: value` sections; `needed` says what an empty one lacks.

    Raises:
        ConfigError: the file is missing, not UTF-8, not YAML, empty, not a mapping at its root, or holds a token; the
            message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None

    refuse_token(text, str(path))
    try:
        value = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{path}, {error}") from None

    if value is None:
        raise ConfigError(f"{path}: the file is empty; {needed}")
    if not isinstance(value, dict):
        way = (
            ""
            if path.suffix in {".yaml", ".yml"}
            else "; a configuration comes first, data is named in it (data.train)"
        )
        raise ConfigError(f"{path}: expected `key: value` sections at the root, found a {type(value).__name__}{way}")
    return value


def refuse_token(text: str, where: str) -> None:
    """Refuse a text that holds a Hub token, without repeating the token.

    Raises:
        ConfigError: the message names the line and the way out.
    """
    if found := TOKEN.search(text):
        line = f", line {text.count(chr(10), 0, found.start()) + 1}" if "\n" in text else ""
        raise ConfigError(
            f"{where}{line}: a Hub token ({found.group()[:6]}...) must not stand here, where it can be read; "
            "use `hf auth login` or HF_TOKEN, and revoke this one"
        )
