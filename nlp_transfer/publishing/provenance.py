"""Find what a model comes from, as its card states it: base models, data sets, languages and licence."""

import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.config.sections import RunConfig
from nlp_transfer.data import bundled
from nlp_transfer.data.locations import Place, is_on_hub
from nlp_transfer.evaluation.metrics_file import Provenance
from nlp_transfer.sources import BUNDLED
from nlp_transfer.system.network import read_card

LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1


def find_provenance(config: RunConfig) -> Provenance:
    """Find what the model of a run comes from."""
    weights = [config.source.name, *filter(None, [_find_decoder(config)])]
    licences = {_find_licence(name) for name in weights}
    bases = [] if config.source.scratch else [base for name in weights if (base := find_hub_id(name))]
    return Provenance(
        base_models=tuple(dict.fromkeys(bases)),
        datasets=tuple(dict.fromkeys(_list_datasets(config))),
        languages=_find_languages(config),
        licence=licences.pop() if len(licences) == 1 else None,
    )


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
    said = read_card(name).get("license") if Path(name).is_dir() or find_hub_id(name) else None
    return said if isinstance(said, str) else None


def _list_places(config: RunConfig) -> Iterator[Place]:
    yield from filter(None, (config.data.train, config.data.validation, config.data.test))


def _list_datasets(config: RunConfig) -> Iterator[str]:
    yield from filter(None, map(find_hub_dataset, _list_places(config)))


def find_hub_dataset(place: Place) -> str | None:
    """Find the id on the Hub of a data set; None for files."""
    name = str(place)
    if name.startswith("bundled:"):
        return bundled.ON_HUB.get(name.removeprefix("bundled:"))
    return name if is_on_hub(place) else None


def _find_languages(config: RunConfig) -> tuple[str, ...]:
    """Find the languages: those of a bundled set, or columns that are named by codes such as `en` and `fr`."""
    kind, _, name = str(config.data.train).partition(":")
    if kind == "bundled" and name in bundled.LANGUAGES:
        return bundled.LANGUAGES[name]
    columns = list(config.data.columns.values())
    return tuple(columns) if len(columns) > 1 and all(map(LANGUAGE.fullmatch, columns)) else ()
