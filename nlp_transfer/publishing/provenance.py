"""Find what a model comes from, as its card states it: base models, data sets, languages and licence."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.yaml_file import read_yaml
from nlp_transfer.data.bundled import DATASETS
from nlp_transfer.data.locations import Place, is_on_hub
from nlp_transfer.errors import TransferError
from nlp_transfer.evaluation.metrics_file import Ancestor, Provenance, read_metrics
from nlp_transfer.evaluation.verdicts import ADAPTATION
from nlp_transfer.sources import BUNDLED
from nlp_transfer.system.layout import TABLE, find_run_of
from nlp_transfer.system.network import fetch_run_files, read_card

log = logging.getLogger(__name__)
LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1


def find_provenance(config: RunConfig) -> Provenance:
    """Find what the model of a run comes from."""
    weights = [config.source.name, *filter(None, [_find_decoder(config)])]
    origins = [_find_origin(name) for name in weights]
    kept = [] if config.source.scratch else origins
    licences = {one.licence for one in origins}
    datasets = [*(one for origin in kept for one in origin.datasets), *_list_datasets(config)]
    return Provenance(
        base_models=tuple(dict.fromkeys(base for origin in kept for base in origin.base_models)),
        datasets=tuple(dict.fromkeys(datasets)),
        languages=_find_languages(config),
        licence=licences.pop() if len(licences) == 1 else None,
        chain=kept[0].chain if kept else (),
    )


def _find_origin(name: str) -> Provenance:
    """Find where weights come from: those of a run from where its own came, and through which runs."""
    hub = find_hub_id(name)
    base = (hub,) if hub else ()
    plain = Provenance(base, (), (), _find_licence(name))
    if (table := Path(name) / TABLE).is_file():
        return replace(plain, chain=tuple(_list_adaptations(table)))
    run = None if name in BUNDLED else find_run_of(Path(name)) or (fetch_run_files(name) if hub else None)
    if run is None:
        return plain

    try:
        before = read_metrics(run).provenance
        ancestor = _describe_run(hub or run.resolve().name, read_yaml(run / "config.yaml"))
    except (TransferError, OSError, LookupError, TypeError) as error:
        log.warning("%s: the card will not say what it was trained on before: %s", run, error)
        return plain
    licence = plain.licence or before.licence
    return Provenance(base or before.base_models, before.datasets, (), licence, (*before.chain, ancestor))


def _list_adaptations(table: Path) -> Iterator[Ancestor]:
    """List the adaptations to texts that a table of vectors went through, by its description."""
    steps = json.loads(table.read_text(encoding="utf-8")).get("adapted", [])
    names = [*(one["source"] for one in steps[1:]), table.parent.resolve().name]
    for name, one in zip(names, steps, strict=False):
        yield Ancestor(name, task=ADAPTATION, source=one["source"], strategy="word2vec", data=one["texts"])


def _describe_run(name: str, values: Any) -> Ancestor:
    """Describe a finished run by the contents of its config.yaml."""
    train = values["data"]["train"]
    places = list(train.values()) if isinstance(train, dict) else [train]
    return Ancestor(
        name=name,
        task=values["task"]["name"],
        source=shorten(values["source"]["name"]),
        strategy=values["strategy"]["kind"],
        data=" + ".join(map(shorten, places)),
    )


def shorten(place: str) -> str:
    """Reduce a place to its last name, that of a model in a run to the run's; keep bundled names and Hub ids."""
    if place in BUNDLED or place.startswith("bundled:") or is_on_hub(place):
        return place
    parts = [part for part in re.split(r"[/\\]", place) if part]
    if len(parts) > 1 and parts[-1] == "model":
        parts.pop()
    return parts[-1] if parts else "."


def find_hub_id(name: str) -> str | None:
    """Find the id on the Hub of a source's weights; None if it is not known."""
    if name in BUNDLED:
        return BUNDLED[name].hub
    return name if is_on_hub(name) else None


def _find_decoder(config: RunConfig) -> str | None:
    """Find the checkpoint that the decoder starts from, if there is one."""
    return getattr(getattr(config.task, "decoder", None), "source", None)


def _find_licence(name: str) -> str | None:
    """Find the licence of a source: as listed for a bundled one, else from its own card."""
    if name in BUNDLED:
        return BUNDLED[name].licence
    place = str(find_run_of(Path(name)) or name)
    said = read_card(place).get("license") if Path(place).is_dir() or find_hub_id(name) else None
    return said if isinstance(said, str) else None


def _list_datasets(config: RunConfig) -> Iterator[str]:
    yield from filter(None, map(find_hub_dataset, config.data.places))


def find_hub_dataset(place: Place) -> str | None:
    """Find the id on the Hub of a data set; None for files."""
    name = str(place)
    if name.startswith("bundled:"):
        held = DATASETS.get(name.removeprefix("bundled:"))
        return held.hub if held else None
    return name if is_on_hub(place) else None


def _find_languages(config: RunConfig) -> tuple[str, ...]:
    """Find the languages: those of a bundled set, or columns that are named by codes such as `en` and `fr`."""
    kind, _, name = str(config.data.train).partition(":")
    if kind == "bundled" and name in DATASETS:
        return DATASETS[name].languages
    columns = list(config.data.columns.values())
    return tuple(columns) if len(columns) > 1 and all(map(LANGUAGE.fullmatch, columns)) else ()
