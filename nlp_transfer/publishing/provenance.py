"""What a model comes from, as a card on the Hub states it: base models, data sets, languages and licence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.config.sections import RunConfig
from nlp_transfer.data import bundled
from nlp_transfer.data.locations import Place, on_hub
from nlp_transfer.sources import BUNDLED
from nlp_transfer.system.network import read_card

LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1


@dataclass(frozen=True)
class Provenance:
    """Found at the end of a run, while local folders can still be told from names on the Hub.

    Attributes:
        base_models: Hub ids of the pretrained weights; none for weights from elsewhere and for scratch controls.
        datasets: Hub ids of the data.
        languages: ISO 639-1 codes, where the data tell.
        licence: of the pretrained weights; None where it is not known.
    """

    base_models: tuple[str, ...]
    datasets: tuple[str, ...]
    languages: tuple[str, ...]
    licence: str | None


def provenance(config: RunConfig) -> Provenance:
    """Say what a run's model comes from."""
    weights = [config.source.name, *filter(None, [_decoder(config)])]
    licences = {_licence(name) for name in weights}
    bases = [] if config.source.scratch else [base for name in weights if (base := hub_id(name))]
    return Provenance(
        base_models=tuple(dict.fromkeys(bases)),
        datasets=tuple(dict.fromkeys(_datasets(config))),
        languages=_languages(config),
        licence=licences.pop() if len(licences) == 1 else None,
    )


def hub_id(name: str) -> str | None:
    """Find where on the Hub the weights of a source are; None where that is not known."""
    if name in BUNDLED:
        return BUNDLED[name].hub
    return name if on_hub(name) else None


def _decoder(config: RunConfig) -> str | None:
    """The checkpoint that a decoder starts from."""
    return getattr(getattr(config.task, "decoder", None), "source", None)


def _licence(name: str) -> str | None:
    """The licence of a source: as bundled, else as its own card says."""
    if name in BUNDLED:
        return BUNDLED[name].licence
    said = read_card(name).get("license") if Path(name).is_dir() or hub_id(name) else None
    return said if isinstance(said, str) else None


def _places(config: RunConfig) -> Iterator[Place]:
    yield from filter(None, (config.data.train, config.data.validation, config.data.test))


def _datasets(config: RunConfig) -> Iterator[str]:
    yield from filter(None, map(hub_dataset, _places(config)))


def hub_dataset(place: Place) -> str | None:
    """The id on the Hub of data that is there; None of files."""
    name = str(place)
    if name.startswith("bundled:"):
        return bundled.ON_HUB.get(name.removeprefix("bundled:"))
    return name if on_hub(place) else None


def _languages(config: RunConfig) -> tuple[str, ...]:
    """Those of a bundled set; else of columns or files that are named by a code, as `en` and `fr`."""
    kind, _, name = str(config.data.train).partition(":")
    if kind == "bundled" and name in bundled.LANGUAGES:
        return bundled.LANGUAGES[name]
    columns = list(config.data.columns.values())
    return tuple(columns) if len(columns) > 1 and all(map(LANGUAGE.fullmatch, columns)) else ()
