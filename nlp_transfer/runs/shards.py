"""Predict a file in shards: each is answered by one of the processes and kept, so that a job that was killed goes on.

The shards of OUTPUT stand in the folder OUTPUT.shards until all are whole; then one process joins them in input order.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from nlp_transfer import __version__
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.runs.predict import READ_AHEAD, Predictor, Seen
from nlp_transfer.system.disk import hash_file, replace_whole, write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import FINISHED
from nlp_transfer.system.processes import find_place, is_true_anywhere, wait_for_all
from nlp_transfer.system.room import guard_writing

log = logging.getLogger(__name__)
CHUNKS = 2  # in a shard, whose texts are sorted by length; few, so that a short file is dealt evenly
JOB = "job.json"
WAY = "make room, or choose another file with --output"


def describe_job(run: Path, file: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe all that answers depend on: the run, the file by size and time of its last change, and settings."""
    known = file.stat()
    return {
        "run": hash_file(run / FINISHED),  # holds the digests of its weights
        "file": [str(file.resolve()), known.st_size, known.st_mtime_ns],
        "shard": [CHUNKS, READ_AHEAD],
        "version": __version__,
        **{name: str(value) for name, value in settings.items()},
    }


def predict_in_shards(
    predictor: Predictor, inputs: Iterable[Any], output: Path, *, run: Path, file: Path, settings: Mapping[str, Any]
) -> Seen:
    """Write the answers to `output`, the same bytes however many processes there are. All of them must call this.

    Every process reads the whole input, and answers each n-th shard. Shards that an earlier attempt at the same job has
    left are kept.

    Args:
        predictor: of the run.
        inputs: what the file holds; see `Predictor.predict`.
        output: a file to write; it appears when it is whole.
        run: its folder.
        file: where the inputs come from.
        settings: name -> value of what else the answers depend on.

    Raises:
        ConfigError: where the shards would be gathered stands something else.
        DataError: the file cannot be used; no shard is kept, for it will have to change.
        DiskError: the disk is full or fails.
    """
    folder = output.with_name(f"{output.name}.shards")
    index, count = find_place()
    predictor.half = not is_true_anywhere(not predictor.half)  # each has tried for itself whether bf16 is faster
    if index == 0:
        _open_folder(folder, describe_job(run, file, {**settings, "half": predictor.half}))
    wait_for_all()

    try:
        shards = 0
        for shards, chunks in enumerate(_group(predictor.cut_chunks(inputs)), 1):
            path = _name_shard(folder, shards - 1)
            if (shards - 1) % count == index and not path.exists():
                _write_shard(predictor, chunks, path, output)
        wait_for_all()
        return _join(folder, shards, output) if index == 0 else Seen()
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


def _write_shard(predictor: Predictor, chunks: Iterable[Any], path: Path, output: Path) -> None:
    """Answer the texts of a shard. Its first line counts them; see `Seen`."""
    predictor.seen = Seen()
    lines = [dump_json(said) + "\n" for chunk in chunks for said in predictor.answer(chunk)]
    with guard_writing(output, way=WAY), replace_whole(path) as fresh:
        fresh.write_text("".join([json.dumps(asdict(predictor.seen)) + "\n", *lines]), encoding="utf-8")


def _join(folder: Path, shards: int, output: Path) -> Seen:
    """Join the answers in order to one file, which appears when it is whole, and remove the shards."""
    total = Seen()
    with guard_writing(output, way=WAY), replace_whole(output) as fresh, fresh.open("wb") as joined:
        for number in range(shards):
            with _name_shard(folder, number).open("rb") as shard:
                counted = json.loads(shard.readline())
                total = Seen(*(known + counted[name] for name, known in asdict(total).items()))
                shutil.copyfileobj(shard, joined)
    shutil.rmtree(folder)
    return total
