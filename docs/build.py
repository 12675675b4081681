"""Write config.schema.json and configuration.md, both from the configuration classes.

python docs/build.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlp_transfer import config_schema

HERE = Path(__file__).parent
Schema = dict[str, Any]
HEAD = """\
# Configuration

Written by `make docs` from the sections in `nlp_transfer/config/` and the options of the shipped
tasks; do not edit.
An editor checks a YAML file against `config.schema.json` when its first line is
`# yaml-language-server: $schema=PATH`, with the schema's path from that file (`../../docs/config.schema.json`
in `configs/sentiment/`).

A configuration has the sections `task` and `data`, and may have the others: without `source` a run starts from MiniLM,
without `strategy` all parameters move. On the command line every key can be set as `section.key=value`, for example
`nlp-transfer run sentiment/minilm_lora strategy.rank=8 training.epochs=5`.
`nlp-transfer check CONFIG` shows a configuration with every default filled in.

Instead of `task` and `data` it may list `tasks`, each with `name`, `task` and `data`; see
[several tasks](concepts.md#several-tasks).
"""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
EMPTY = {"array": "`[]`", "object": "`{}`"}


def schema_text() -> str:
    """Write the JSON schema as it is committed."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Write the whole of configuration.md."""
    schema = config_schema()
    plain = {key: value for key, value in schema["properties"].items() if not list(_sections(key, value, schema))}
    parts = [HEAD]
    written: dict[str, str] = {}  # table -> heading
    for key, value in schema["properties"].items():
        for title, description, table in _sections(key, value, schema):
            if written.get(table) == title:
                continue  # of another task already
            same = written.setdefault(table, title)
            body = table if same == title else f"Its keys are those of {same}.\n"
            parts.append(f"## {title}\n\n{description}\n\n{body}")
    parts.append("## At the root\n\n" + _table({"properties": plain, "required": schema["oneOf"][0]["required"]}))
    return "\n".join(parts)


def _sections(path: str, value: Schema, schema: Schema) -> Iterator[tuple[str, str, str]]:
    """Heading, description and table of each section that may stand at a place, then those inside it."""
    references = [one["$ref"] for one in (value, *value.get("oneOf", ())) if "$ref" in one]
    for reference_ in references:
        section = schema["$defs"][reference_.rsplit("/", 1)[1]]
        constant = next((f"{key}: {one['const']}" for key, one in section["properties"].items() if "const" in one), "")
        title = f"`{path}: {{{constant}}}`" if constant else f"`{path}`"
        shown = {key: one for key, one in section["properties"].items() if "const" not in one}
        yield title, section["description"], _table({**section, "properties": shown})
        for key, one in section["properties"].items():
            yield from _sections(f"{path}.{key}", one, schema)


def _table(section: Schema) -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in section["properties"].items():
        meaning = value.get("description", "").replace("|", "\\|")
        rows.append(f"| `{key}` | {_type(value)} | {_default(key, value, section)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _type(value: Schema) -> str:  # noqa: PLR0911 - one per kind
    """Say what may be written, in words for a reader."""
    if "anyOf" in value:
        return " or ".join(_type(one) for one in value["anyOf"] if one.get("type") != "null")
    if "$ref" in value:
        return "section"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " \\| ".join(f"`{choice}`" for choice in value["enum"])
    match value["type"]:
        case "array":
            return f"list of {_type(value['items'])}"
        case "object":
            return "key: value"
        case "integer" | "number":
            return " ".join(
                [value["type"], ", ".join(f"{BOUNDS[key]} {value[key]:.10g}" for key in _bounds(value))]
            ).strip()
        case "boolean":
            return "`true` \\| `false`"
        case _:
            return "text"


def _bounds(value: Schema) -> list[str]:
    """Say the limits of a number; the strict one if both are given."""
    both = {"minimum", "exclusiveMinimum"} <= value.keys()
    return [key for key in BOUNDS if key in value and not (both and key == "minimum")]


def _default(key: str, value: Schema, section: Schema) -> str:
    if key in section.get("required", ()):
        return "required"
    if "$ref" in value:
        return ""
    if "default" not in value:
        return EMPTY[value["type"]]
    return "unset" if value["default"] is None else f"`{json.dumps(value['default']).strip(chr(34))}`"


if __name__ == "__main__":
    (HERE / "config.schema.json").write_text(schema_text(), encoding="utf-8")
    (HERE / "configuration.md").write_text(reference(), encoding="utf-8")
