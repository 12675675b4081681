"""A full disk, wherever something is written: the place, the bytes, the way on, and nothing half.

The system itself refuses, in the middle of a write (a limit on the size of files) or when a file is to be on the disk.
"""

import contextlib
import errno
import functools
import gzip
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from safetensors import SafetensorError
from survival import config, largest_file, outcome, run
from tiny import ROOT, save_vectors, texts

import nlp_transfer
from nlp_transfer.errors import DiskError, SourceError, TransferError
from nlp_transfer.inference.store import Store
from nlp_transfer.runs.answering import predict as prediction
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors
from nlp_transfer.sources.vectors.word2vec import train_vectors
from nlp_transfer.system.room import guard_writing, is_full, make_full_error

# Runs and comparisons

FILES = [
    *("config.yaml", "environment.json", "history.jsonl", "predictions.jsonl", "probes.jsonl"),
    *("README.md", "hits.json", "metrics.json"),
]


@pytest.fixture
def no_room_for(monkeypatch):
    """Let the system refuse to put a file of a name on the disk."""

    def arrange(name):
        def fsync(descriptor):
            if Path(f"/proc/self/fd/{descriptor}").readlink().name == f".{name}.tmp":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("os.fsync", fsync)

    return arrange


def refused_run(wanted, folder, place):
    """A run that finds no room for `place`, and what it says; nothing in its folder passes for finished."""
    with pytest.raises(DiskError) as told:
        run(wanted, folder)
    assert told.value.exit_code == 5
    assert told.value.path == place
    assert str(told.value).startswith(f"no room for {place}: ")
    assert told.value.needed is not None or place == folder
    assert told.value.free > 0
    assert not list(folder.rglob("*.tmp"))
    with pytest.raises(TransferError):
        prediction.load(folder)
    return str(told.value)


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """Strategy and source -> what the run leaves that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")

    @functools.cache
    def trained(*wanted):
        run(config(place, *wanted, epochs=1), folder / "-".join(wanted))
        return outcome(folder / "-".join(wanted))

    return trained


def go_on(wanted, folder, said):
    """The run after room was made, as the message says."""
    resumed = said.endswith(f"; make room; go on with the same command and --resume {folder}")
    assert resumed == folder.exists()
    run(wanted, folder, **({"resume": folder} if resumed else {}))
    return outcome(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_run_without_room_for_a_file_says_so_and_goes_on_with_some(place, whole, tmp_path, no_room_for, name):
    wanted = config(place, "solved", "bag", epochs=1)
    no_room_for(name)
    said = refused_run(wanted, tmp_path / "run", tmp_path / "run" / name)
    assert re.search(r": [\d,]+ bytes needed, [\d,]+ free; make room", said)
    no_room_for("nothing")
    assert go_on(wanted, tmp_path / "run", said) == whole("solved", "bag")


@pytest.mark.parametrize(("size", "what"), [(0, ""), (4000, "adapter"), (8000, "model")])
def test_a_run_that_the_system_cuts_short_leaves_nothing_half_and_goes_on(place, whole, tmp_path, size, what):
    wanted = config(place, "lora", "table", epochs=1)
    with largest_file(size):
        said = refused_run(wanted, tmp_path / "run", tmp_path / "run" / what)
    assert "no file may grow so large (ulimit -f)" in said
    assert not (tmp_path / "run" / what).exists()
    assert go_on(wanted, tmp_path / "run", said) == whole("lora", "table")


def test_texts_that_find_no_room_while_a_run_reads_them_are_named_with_their_place(place, whole, tmp_path):
    wanted, folder = config(place, "solved", "bag", epochs=1), tmp_path / "run"
    with largest_file(100), pytest.raises(DiskError, match=r"^no room for the texts of the data in .*TMPDIR") as told:
        run(wanted, folder)
    assert told.value.path == Path(tempfile.gettempdir())
    assert not folder.exists()
    assert go_on(wanted, folder, str(told.value)) == whole("solved", "bag")


def test_a_comparison_without_room_for_its_table_goes_on_with_the_runs_that_it_has(place, tmp_path, no_room_for):
    files = [tmp_path / f"{name}.yaml" for name in ("one", "two")]
    for seed, file in enumerate(files):
        file.write_text(yaml.safe_dump(config(place, "solved", "bag", seed=seed)))
    folder = tmp_path / "both"
    way = rf"[\d,]+ bytes needed, [\d,]+ free; make room; go on with the same command and --resume {folder}$"
    no_room_for("predictions.jsonl")
    with pytest.raises(DiskError, match=rf"^one: no room for {folder}/one/predictions.jsonl: {way}"):
        nlp_transfer.compare(files, output=folder, progress=False)
    no_room_for("comparison.json")
    with pytest.raises(DiskError, match=rf"^no room for {folder}/comparison.json: {way}"):
        nlp_transfer.compare(files, resume=folder, progress=False)
    no_room_for("nothing")
    assert len(nlp_transfer.compare(files, resume=folder, progress=False).rows) == 2


# Other verbs


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_predictions_without_room_name_the_output_and_leave_nothing(command, runs, here):
    run = runs["sentiment"]
    (here / "texts.txt").write_text("a good film\n" * 300)
    with largest_file(4000):
        code, out, err = command("predict", run, "texts.txt", "--output", "answers.jsonl")
    assert (code, out) == (5, "")
    assert err.startswith("error: no room for answers.jsonl: ")
    assert err.endswith("; make room, or choose another file with --output\n")
    assert names_in(here) == ["texts.txt"]


@pytest.mark.parametrize("verb", [["schema"], ["--help"]])
def test_standard_output_without_room_is_one_line_and_exit_code_5(tmp_path, verb):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = process(verb, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5
    assert re.fullmatch(r"error: no room for standard output: more needed than there is; make room\n", done.stderr)


def test_an_exit_code_is_kept_where_the_message_finds_no_room():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        assert process(["check", "nowhere.yaml"], stdout=subprocess.PIPE, stderr=full).returncode == 2


def process(arguments, **streams):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tasks")])
    return subprocess.run(
        [sys.executable, "-m", "nlp_transfer", *arguments],
        env={**os.environ, "PYTHONPATH": path}, text=True, check=False, **streams,
    )  # fmt: skip


@pytest.mark.parametrize(("size", "name"), [(100, "config.json"), (12_000, "static.py")])
def test_a_tree_to_publish_without_room_names_the_file_to_be_and_leaves_nothing(command, runs, here, size, name):
    asked = ["publish", runs["sentiment"], "someone/reviews", "--dry-run", "--license", "mit"]
    with largest_file(size):
        code, out, err = command(*asked, "--output", here / "tree")
    assert (code, out) == (5, "")
    assert err.startswith(f"error: no room for {here / 'tree' / name}: ")
    assert names_in(here) == []


def test_a_picture_without_room_costs_a_warning_that_says_so(command, runs, here, caplog):
    asked = ["publish", runs["sentiment"], "someone/reviews", "--dry-run", "--license", "mit"]
    with largest_file(20_000):
        assert command(*asked, "--output", here / "tree")[0] == 0
    assert f"no room for {here / 'tree' / 'plot.png'}: no file may grow so large" in caplog.text
    assert "plot.png" not in names_in(here / "tree")


@pytest.mark.parametrize(
    ("size", "what", "way"),
    [
        (1000, "the words of corpus.txt in {tmp}", "set TMPDIR to a folder on a larger disk"),
        (10_000, "out", "name another folder"),
    ],
)
def test_vectors_to_train_without_room_name_where_it_lacks(here, size, what, way):
    (here / "corpus.txt").write_text("\n".join(texts(60)[0]))
    with largest_file(size), pytest.raises(DiskError) as told:
        train_vectors("corpus.txt", "out", dim=300, min_count=1, epochs=1)
    assert str(told.value).startswith(f"no room for {what.format(tmp=tempfile.gettempdir())}: ")
    assert str(told.value).endswith(f"; make room, or {way}")
    assert names_in(here) == ["corpus.txt"]


def test_vectors_to_import_without_room_name_the_folder_to_be_not_the_file_that_is_read(here):
    save_vectors("v.txt", dim=64)
    with (
        largest_file(2000),
        pytest.raises(DiskError, match=r"^no room for out: .*, or name another folder$"),
    ):
        import_vectors("v.txt", "out")
    assert names_in(here) == ["v.txt"]
    with largest_file(2000), pytest.raises(DiskError, match=r"^no room for a copy of v.txt in .*, or set TMPDIR to a "):
        open_vectors("v.txt")
    with pytest.raises(SourceError, match=r"^v.txt: truncated or damaged gzip"), gzip_cut(here / "v.txt"):
        import_vectors("v.txt", "out")


@contextlib.contextmanager
def gzip_cut(path):
    path.write_bytes(gzip.compress(path.read_bytes())[:-200])
    yield


def test_features_without_room_cost_a_warning_that_says_what_to_do(tmp_path, caplog):
    rows = [np.zeros((40, 64), dtype=np.float32)]
    with largest_file(4000):
        assert Store(tmp_path / "cache").fill([{"input_ids": [1]}], lambda _: rows)[0] is rows[0]
    assert re.fullmatch(
        rf"features are not kept: no room for {tmp_path}/cache: .*10,240 bytes needed.*; make room, or set "
        "NLP_TRANSFER_CACHE to a folder on a larger disk",
        caplog.messages[0],
    )
    assert names_in(tmp_path / "cache") == []


# What the system and libraries say


def with_cause(cause):
    error = RuntimeError("An error occurred while generating the dataset")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (Exception("No space left on device (os error 28)"), True),  # of tokenizers
        (Exception("Input/output error (os error 5)"), False),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), True),  # Arrow
        (OSError("262144 requested and 65536 written"), True),  # NumPy
        (with_cause(OSError(errno.ENOSPC, "No space left on device")), True),
        (ValueError("28"), False),
    ],
    ids=repr,
)
def test_a_full_disk_is_known_however_it_is_said(tmp_path, error, full):
    assert is_full(error) == full
    with pytest.raises(DiskError if full else type(error)) as told, guard_writing(tmp_path / "x", 7, full=True):
        raise error
    if full:
        assert (told.value.path, told.value.needed) == (tmp_path / "x", 7)
        assert told.value.free > 0


@pytest.mark.parametrize("error", [OSError(errno.EROFS, "Read-only file system"), Exception("Read-only (os error 30)")])
def test_what_the_system_refuses_otherwise_is_named_too(tmp_path, error):
    with pytest.raises(DiskError, match=rf"^{tmp_path}/x cannot be written: Read-only"), guard_writing(tmp_path / "x"):
        raise error


def test_what_is_wrong_otherwise_stays_what_it_is(tmp_path):
    for error in (ValueError("no number"), BrokenPipeError(errno.EPIPE, "Broken pipe"), TransferError("[Errno 28]")):
        with pytest.raises(type(error)) as told, guard_writing(tmp_path / "x"):
            raise error
        assert told.value is error


def test_a_disk_that_takes_no_file_more_has_no_room(tmp_path, monkeypatch):
    look = os.statvfs(tmp_path)
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_bavail=9, f_frsize=9, f_files=5, f_favail=0))
    assert look.f_bavail
    assert make_full_error(OSError(errno.ENOSPC, ""), tmp_path, 7).free == 0
