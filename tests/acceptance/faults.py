"""One shape for every hostile input: files, a command line, an exit code and the words of its one line."""

import gzip
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import yaml
from tiny import LABELS, save_checkpoint, save_csv, save_vectors, texts

import nlp_transfer

SMALL = {"decoder": {"layers": 1, "width": 64, "vocabulary": 300}, "max_length": 32, "max_target_length": 16}
TASKS = {
    "sentiment": {"name": "sentiment", "max_length": 32},
    "translation": {"name": "translation", **SMALL},
    "extractive": {"name": "summarization", "max_length": 64, "scorer": {"width": 16}},
    "abstractive": {"name": "summarization", "style": "abstractive", **SMALL},
}
CONFIG, DATA, SOURCE, RUNTIME = 2, 3, 4, 5  # exit codes


@dataclass(frozen=True)
class Case:
    """A row of a table.

    Attributes:
        files: name -> content; the first is `data.train`, or what the table says.
        words: that the one line must hold; the first opens it.
        keys: KEY=VALUE, besides.
        code: the exit code.
    """

    files: dict[str, bytes]
    words: tuple[str, ...]
    keys: tuple[str, ...] = ()
    code: int = DATA


def case(name, content, *words, keys=(), code=DATA, **more):
    """A case of one file; `more` are others by name, dots written as two underscores."""
    files = {name: content, **{other.replace("__", "."): text for other, text in more.items()}}
    return Case(files, words, tuple(keys), code)


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_configs(folder):
    """A configuration of each task on tiny vectors, and a tiny checkpoint; returns the folder."""
    vectors = save_vectors(folder / "vectors.txt")
    save_checkpoint(folder / "bert")
    for name, task in TASKS.items():
        values = {
            "task": task,
            "source": {"kind": "vectors", "name": vectors},
            "strategy": {"kind": "frozen", "cache": "memory"},
            "data": {"train": "unset.csv"},
            "training": {"epochs": 1, "batch_size": 8, "precision": "fp32"},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return folder


def snapshot(folder):
    """What is in a folder, to see that nothing is lost, changed or written."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(command, folder, arguments, code, *words, **settings):
    """Call a command line; assert exit code and one printable line with the words, and that no file has changed."""
    before = snapshot(folder)
    found, out, err = command(*arguments, **settings)
    assert (found, out) == (code, ""), err
    *said, last = err.splitlines()
    assert last.startswith("error: "), err
    assert not [line for line in said if line.startswith("error: ") or "Traceback" in line], err
    message = last.removeprefix("error: ")
    assert message.startswith(words[0]), message
    assert all(word in message for word in words), message
    assert len(message) < 700, message
    assert snapshot(folder) == before
    return message


def gz(content):
    return gzip.compress(content)


def parquet(**columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def tmx(*units):
    """A TMX file of (English, French) units, the header on line 1 and a unit a line."""
    lines = [
        f'<tu><tuv xml:lang="en"><seg>{one}</seg></tuv><tuv xml:lang="fr"><seg>{other}</seg></tuv></tu>'
        for one, other in units
    ]
    return "\n".join(['<tmx version="1.4"><header/><body>', *lines, "</body></tmx>"]).encode()


def po(*entries):
    """A gettext file; the entries start on lines 1, 4, 7 and so on."""
    return "\n".join(f'msgid "{one}"\nmsgstr "{other}"\n' for one, other in entries).encode()


class Runs(dict):
    """Finished runs by the name of the task, each trained when it is first asked for."""

    def __init__(self, configs):
        super().__init__()
        self.configs = configs

    def __missing__(self, task):
        output = self.configs / f"run-{task}"
        config = self.configs / f"{task}.yaml"
        nlp_transfer.run(config, [f"data.train={save_data(self.configs)[task]}"], output=output, progress=False)
        self[task] = output
        return output


def save_data(folder, count=40):
    """Good rows for every task; task -> file."""
    found, labels = texts(count)
    lines = [
        {
            "text": f"{text}. The film is it.",
            "label": LABELS[label],
            "summary": text,
            "source": text,
            "target": text[::-1],
        }
        for text, label in zip(found, labels, strict=True)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {**dict.fromkeys(TASKS, str(folder / "pairs.jsonl")), "sentiment": save_csv(folder / "reviews.csv", count)}
