"""Predict a file in shards: each is answered by one of the processes and kept, so that a job that was killed goes on.

The shards of OUTPUT stand in the folder OUTPUT.shards until all are whole; then one process joins them in input order.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from nlp_transfer import __version__
from nlp_transfer.data.formats.writing import LINES, find_ending
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.runs.answering.answers import Kept, write_answers
from nlp_transfer.runs.answering.heads import TasksPredictor
from nlp_transfer.runs.answering.predictor import READ_AHEAD, Predictor, Seen
from nlp_transfer.system.disk import hash_file, replace_whole, write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import FINISHED
from nlp_transfer.system.processes import find_place, is_true_anywhere, wait_for_all
from nlp_transfer.system.room import guard_writing
from nlp_transfer.task import Prediction

log = logging.getLogger(__name__)
CHUNKS = 2  # in a shard, whose texts are sorted by length; few, so that a short file is dealt evenly
JOB = "job.json"
WAY = "make room, or choose another file with --output"


def describe_job(runs: Sequence[Path], file: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe all that answers depend on: the runs, files by size and time of their last change, and settings."""
    files = sorted(path for path in file.rglob("*") if path.is_file()) if file.is_dir() else [file]
    known = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return {
        "runs": [hash_file(run / FINISHED) for run in runs],  # each holds the digests of its weights
        "files": known,
        "shard": [CHUNKS, READ_AHEAD],
        "version": __version__,
        **{name: str(value) for name, value in settings.items()},
    }


def predict_in_shards(
    predictor: Predictor | TasksPredictor,
    inputs: Iterable[Any],
    output: Path,
    *,
    run: Path | Sequence[Path],
    file: Path,
    settings: Mapping[str, Any],
    kept: Kept | None = None,
) -> Seen:
    """Write the answers to `output`, the same however many processes there are. All of them must call this.

    Every process reads the whole input, and answers each n-th shard. Shards that an earlier attempt at the same job has
    left are kept.

    Args:
        predictor: of the run, or of several.
        inputs: what the file holds; see `Predictor.predict`.
        output: a file to write, as its ending says; it appears when it is whole.
        run: its folder, or the folders of several.
        file: where the inputs come from; a folder that is one data set, too.
        settings: name -> value of what else the answers depend on.
        kept: the columns of the file to put before the answers.

    Raises:
        ConfigError: where the shards would be gathered stands something else.
        DataError: the file cannot be used; no shard is kept, for it will have to change.
        DiskError: the disk is full or fails.
    """
    folder = output.with_name(f"{output.name}.shards")
    index, count = find_place()
    predictor.half = not is_true_anywhere(not predictor.half)  # each has tried for itself whether bf16 is faster
    if index == 0:
        how = {"half": predictor.half, "least": predictor.least, "keys": predictor.answer_keys}
        _open_folder(folder, describe_job([run] if isinstance(run, Path) else run, file, {**settings, **how}))
    wait_for_all()

    try:
        shards = 0
        for shards, chunks in enumerate(_group(predictor.cut_chunks(inputs)), 1):
            path = _name_shard(folder, shards - 1)
            if (shards - 1) % count == index and not path.exists():
                _write_shard(predictor, chunks, path, output)
        wait_for_all()
        return _join(predictor, folder, shards, output, kept) if index == 0 else Seen()
    except DataError:
        if index == 0:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if index == 0 and not any(folder.glob("*.jsonl")):  # joined, or nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)


def _open_folder(folder: Path, job: Mapping[str, Any]) -> None:
    """Make the folder; empty it if it holds the shards of another job.

    Raises:
        ConfigError: what stands there is not ours.
    """
    said = json.dumps(job, sort_keys=True)
    known = folder / JOB
    if known.is_file() and known.read_text(encoding="utf-8") == said:
        log.info("%s: %d shards are whole, and are kept", folder, len(list(folder.glob("*.jsonl"))))
        return

    if folder.exists():
        if not (folder.is_dir() and (known.is_file() or not any(folder.iterdir()))):
            raise ConfigError(
                f"{folder}: the answers are gathered there, but something else is; choose another --output"
            )
        log.warning("%s: of another run, file or setting; it is emptied", folder)
        shutil.rmtree(folder)
    with guard_writing(folder, way=WAY):
        folder.mkdir()
    write_whole(known, said)


def _group(chunks: Iterator[Any]) -> Iterator[list[Any]]:
    """Group chunks to shards."""
    while group := list(islice(chunks, CHUNKS)):
        yield group


def _name_shard(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.jsonl"


def _write_shard(predictor: Predictor | TasksPredictor, chunks: Iterable[Any], path: Path, output: Path) -> None:
    """Answer the texts of a shard. Its first line counts them; see `Seen`."""
    predictor.seen = Seen()
    lines = [dump_json(said) + "\n" for chunk in chunks for said in predictor.answer(chunk)]
    with guard_writing(output, way=WAY), replace_whole(path) as fresh:
        fresh.write_text("".join([json.dumps(asdict(predictor.seen)) + "\n", *lines]), encoding="utf-8")


def _join(predictor: Predictor | TasksPredictor, folder: Path, shards: int, output: Path, kept: Kept | None) -> Seen:
    """Join the answers in order to one file, which appears when it is whole, and remove the shards."""
    paths = [_name_shard(folder, number) for number in range(shards)]
    total = Seen()
    for path in paths:
        with path.open("rb") as shard:
            counted = json.loads(shard.readline())
        total = Seen(*(known + counted.get(name, 0) for name, known in asdict(total).items()))

    ending = find_ending(output)
    with guard_writing(output, way=WAY), replace_whole(output) as fresh:
        if kept is None and ending in LINES:
            _copy_lines(paths, fresh)
        else:
            lay_out = predictor.lay_flat if isinstance(predictor, TasksPredictor) and ending not in LINES else dict
            answers = partial(_read_answers, paths, lay_out)
            explained = total.empty + total.unsure + total.unknown > 0
            write_answers(fresh, ending, answers, keys=predictor.answer_keys, kept=kept, explained=explained)
    shutil.rmtree(folder)
    return total


def _copy_lines(shards: Iterable[Path], target: Path) -> None:
    """Copy the answers of all shards as they stand."""
    with target.open("wb") as joined:
        for path in shards:
            with path.open("rb") as shard:
                shard.readline()
                shutil.copyfileobj(shard, joined)


def _read_answers(shards: Iterable[Path], lay_out: Callable[[Any], Prediction]) -> Iterator[Prediction]:
    """Read the answers of all shards, each as it is to be written."""
    for path in shards:
        with path.open(encoding="utf-8") as shard:
            shard.readline()
            yield from (lay_out(json.loads(line)) for line in shard)
