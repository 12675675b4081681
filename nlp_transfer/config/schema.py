"""Describe a configuration file as a JSON schema, for editors."""

from typing import Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import find_task, task_names


def config_schema() -> dict[str, Any]:
    """Build the JSON schema of a configuration file, with the options of the shipped tasks."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}
    own = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": r"\."}}}
    tasks: list[dict[str, Any]] = [{**own, "description": "A task of your own, by its dotted module."}]

    for name in task_names():
        options = find_task(name).Options.model_json_schema(ref_template="#/$defs/{model}")
        options["properties"]["name"]["const"] = name
        schema["$defs"].update(options.pop("$defs", {}))
        schema["$defs"][options["title"]] = options
        tasks.append({"$ref": f"#/$defs/{options['title']}"})
    schema["properties"]["task"] = {"oneOf": tasks}

    # Several tasks stand in the place of one and its data; see `config.several`.
    entry = {"name": {"type": "string"}, "task": {"oneOf": tasks}, "data": {"$ref": "#/$defs/DataConfig"}}
    several = {"type": "object", "required": list(entry), "properties": entry, "additionalProperties": False}
    said = "Several tasks on one source, instead of `task` and `data`: each has a `name`, a `task` and `data`."
    schema["properties"]["tasks"] = {"type": "array", "minItems": 1, "items": several, "description": said}
    alone, together = {"required": schema.pop("required")}, {"required": ["tasks"]}
    neither = {"not": {"anyOf": [{"required": ["task"]}, {"required": ["data"]}]}}
    schema["oneOf"] = [{**alone, "not": together}, {**together, **neither}]
    return schema
