"""Look at data and propose a configuration for it; write it only if asked to.

nlp-transfer init reviews.csv
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path

from nlp_transfer.config.flags import guess_kind
from nlp_transfer.config.load import check_values
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import task_names
from nlp_transfer.config.yaml_file import parse_yaml
from nlp_transfer.data.folders import ALIASES
from nlp_transfer.data.guesses.choosing import Wish
from nlp_transfer.data.guesses.looking import Look, look
from nlp_transfer.data.guesses.places import join_places, refuse_unreadable
from nlp_transfer.data.locations import Named, refuse_missing
from nlp_transfer.errors import ConfigError, suggest
from nlp_transfer.runs.drafting.draft import draft
from nlp_transfer.sources.suggesting import MULTILINGUAL, Suggestion, find_doubt, make_source, suggest_sources
from nlp_transfer.system.disk import write_whole

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Proposal:
    """A configuration for data, and what it rests on.

    Attributes:
        config: the configuration.
        text: the same as YAML with comments.
        saw: what was read, and what each column holds.
        guessed: the task and its columns, how sure that is and by what, and the next guess with the flags for it.
        splits: where the splits come from.
        sources: sources worth comparing.
        run: the command that trains by it.
        compare: the commands that compare two sources.
        file: the file that was written; None: nothing was.
    """

    config: RunConfig
    text: str = field(repr=False)
    saw: Sequence[str] = field(repr=False)
    guessed: Sequence[str]
    splits: Sequence[str] = field(repr=False)
    sources: Sequence[str] = field(repr=False)
    run: str
    compare: Sequence[str]
    file: Path | None = None

    @property
    def summary(self) -> str:
        """All but the configuration, to read."""
        parts = {
            "saw": self.saw,
            "guessed": self.guessed,
            "splits": self.splits,
            "sources worth comparing": self.sources,
            "compare them": self.compare,
            "what it would do": [self.run.replace(" run ", " check ", 1)],
            "next": [self.run],
        }
        return "\n".join("\n  ".join((title, *lines)) for title, lines in parts.items() if lines)


def init(
    data: str | PathLike[str] | Sequence[str | PathLike[str]] | Mapping[str, str],
    *,
    task: str | None = None,
    text: str | Sequence[str] = (),
    label: str | None = None,
    source: str | None = None,
    yes: bool = False,
    output: str | PathLike[str] | None = None,
    force: bool = False,
) -> Proposal:
    """Look at data and propose a configuration: task, columns, splits, and two sources to compare.

    Args:
        data: a file, folder, bundled set or Hub id; several tables named as splits; or files of texts side by side.
        task: the task, if it shall not be guessed.
        text: the column to read, or two; guessed if empty.
        label: the column to learn: labels, a number, a translation or a summary; guessed if None.
        source: what to start from; by default the first that is suggested.
        yes: write the configuration, to a file named after the data in the current folder.
        output: write it to this file.
        force: replace the file if there is one.

    Raises:
        ConfigError: the file is there already or is no YAML by its name, or a task or a column is not there.
        DataError: the data cannot be read, or nothing in them can be learnt.
        DiskError: the file cannot be written.
    """
    places = _read_places(data)
    file = Path(output) if output is not None else Path(f"{_name_data(places['train'])}.yaml")
    writes = yes or output is not None
    if file.suffix.lower() not in ENDINGS:
        raise ConfigError(f"--output {file}: a configuration is YAML; let its name end in {' or '.join(ENDINGS)}")
    if writes and file.exists() and not force:
        raise ConfigError(f"{file} exists already; choose another by --output, or replace it by --force")
    if task is not None and task not in task_names():
        raise ConfigError(f"--task {task}: unknown, or none of ours. {suggest(task, task_names())}")

    wish = Wish(task, (text,) if isinstance(text, str) else tuple(text), label)
    proposal = _propose(look(places, wish), source, file)
    if not writes:
        return proposal
    write_whole(file, proposal.text)
    return replace(proposal, file=file)


def _read_places(data: str | PathLike[str] | Sequence[str | PathLike[str]] | Mapping[str, str]) -> dict[str, Named]:
    """Read what a user names as split -> place.

    Raises:
        ConfigError: several tables whose names do not tell which split each is.
        DataError: a file is missing, or cannot be read twice.
    """
    if isinstance(data, Mapping):
        places: dict[str, Named] = {"train": dict(data)}
    else:
        places = join_places([fspath(one) for one in ([data] if isinstance(data, str | PathLike) else data)])
    refuse_missing(*places.values())
    for place in places.values():
        refuse_unreadable(place)
    return places


def _name_data(place: Named) -> str:
    """Name a configuration after its data; what only names a split, as train.csv, goes by its folder."""
    name = place if isinstance(place, str) else next(iter(place.values()))
    path = Path(name.removeprefix("bundled:")).resolve()
    stem = path.name.partition(".")[0] or path.name
    return path.parent.name if stem.lower() in ALIASES and path.parent.name else stem


def _propose(seen: Look, named: str | None, file: Path) -> Proposal:
    """Propose a configuration for what was seen, to be written to a file, from a source that is named or suggested."""
    writes = seen.guess.task == "translation"
    suggested = suggest_sources(seen.read.language)
    name = named or next((one.name for one in suggested if one.available), "minilm")
    source = make_source(guess_kind(name), name, writes=writes)

    doubt = find_doubt(named) if named else None
    sources = [*([doubt] if doubt else []), *_describe_sources(suggested, seen)]
    run = shlex.join(["nlp-transfer", "run", str(file)])
    others = [one.name for one in suggested if one.available and one.name != source["name"]]
    compare = _list_comparison(seen, others, file)
    heading = [f"Proposed by `nlp-transfer init`; {seen.sample.describe()}. All keys: docs/configuration.md", run]

    text = draft(seen, source, sources, heading)
    config = check_values(parse_yaml(text), f"{file}: ")
    return Proposal(config, text, seen.describe_columns(), seen.describe_guess(), seen.splits, sources, run, compare)


def _describe_sources(suggested: Sequence[Suggestion], seen: Look) -> list[str]:
    """Say which sources are worth comparing; where none in the language is here, what to train or to fetch."""
    known = [f"{one.name}: {one.what}" for one in suggested]
    if any(one.available for one in suggested) or seen.read.language in {None, "en"}:
        return known
    train, texts = seen.places["train"], ""
    if isinstance(train, str):
        texts = shlex.join(["nlp-transfer", "vectors", "train", train, "vectors/own", "--column", seen.read.name])
    return [
        f"the texts seem to be in '{seen.read.language}', which no bundled source {'here ' if known else ''}knows; "
        "minilm, which is English, is a first try only",
        *known,
        f"source: {{kind: checkpoint, name: {MULTILINGUAL}}}, from the Hub, knows 94 languages",
        *(
            [f"source: {{kind: vectors, name: vectors/own}}, word vectors of your own, after `{texts}`"]
            if texts
            else []
        ),
    ]


def _list_comparison(seen: Look, others: Sequence[str], file: Path) -> list[str]:
    """List the commands that make a second configuration, from another source, and compare it with the first."""
    if not others:
        return []
    train = seen.places["train"]
    data = [train] if isinstance(train, str) else [*train.values()]
    second = str(file.with_name(f"{file.stem}-{others[0]}{file.suffix}"))
    flags = [*seen.wish.list_flags(), "--source", others[0], "--output", second]
    return [
        shlex.join(["nlp-transfer", "init", *data, *flags]),
        shlex.join(["nlp-transfer", "compare", str(file), second]),
    ]
