"""Readers under attack: good files with odd edits, and bytes of no form; only a `TransferError` may come out.

python tests/fuzz.py --seconds 300
"""

import argparse
import gzip
import io
import json
import logging
import os
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "acceptance")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np  # noqa: E402 - the paths and the switch above come first
from faults import parquet, po, tmx  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nlp_transfer.config.load import load_config, render  # noqa: E402
from nlp_transfer.data.examples import read_part  # noqa: E402
from nlp_transfer.data.locations import open_place  # noqa: E402
from nlp_transfer.data.splits import load_splits, read_rows, stream_texts  # noqa: E402
from nlp_transfer.errors import TransferError  # noqa: E402
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors  # noqa: E402

PEAK = 64 << 20  # bytes that Python may take for any of these small files
ADDRESSES = 2 << 30  # bytes of addresses beyond those at the start: what no allocation may pass
TRACED = 10  # one case in so many has its memory traced, which is slow; the bound on addresses holds for all
CASES = 200  # of a target before it is the next one's turn
WORDS = ["the", "film", "café", "new york", "."]
PAIRS = [("Open <b>", "Ouvrir"), ("Save", "Enregistrer"), ("café", "thé"), ("a, b", 'c "d"'), ("NA", "null")]
PAIR, REVIEW = {"source": "text", "target": "text"}, {"text": "text", "label": "label"}


def vectors_text() -> bytes:
    return "".join(f"{word} 0.5 -1.25 3\n" for word in WORDS).encode()


def word2vec() -> bytes:
    return b"5 3\n" + b"".join(word.encode() + b" " + struct.pack("<3f", 1, 2, 3) for word in WORDS)


def fasttext() -> bytes:
    words = b"".join(word.encode() + b"\0" + struct.pack("<qb", 7, 0) for word in WORDS)
    head = (
        struct.pack("<i", 793712314)
        + struct.pack("<i", 12)
        + struct.pack("<12id", 3, 5, 5, 5, 5, 1, 1, 1, 4, 2, 3, 1, 1e-4)
    )
    rows = np.arange(27, dtype="<f4").tobytes()
    return head + struct.pack("<3iqq", 5, 5, 0, 35, -1) + words + struct.pack("<?qq", False, 9, 3) + rows


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(15, dtype="<f4").reshape(5, 3))
    return buffer.getvalue()


def mo() -> bytes:
    texts = [text.encode() for pair in PAIRS for text in pair]
    ids, strings, start = b"", b"", 28 + 16 * len(PAIRS)
    for index, text in enumerate(texts):
        entry = struct.pack("<2I", len(text), start + sum(len(one) + 1 for one in texts[:index]))
        ids, strings = (ids + entry, strings) if index % 2 == 0 else (ids, strings + entry)
    tables = struct.pack("<7I", 0x950412DE, 0, len(PAIRS), 28, 28 + 8 * len(PAIRS), 0, 0)
    return tables + ids + strings + b"".join(text + b"\0" for text in texts)


def csv(mark: str) -> bytes:
    rows = [("source", "target"), *PAIRS]
    return "".join(
        mark.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) + "\r\n" for row in rows
    ).encode()


def objects() -> list[dict[str, object]]:
    return [{"source": one, "target": other, "text": [one, other], "label": 1} for one, other in PAIRS]


TABLE = json.dumps({
    "format": "nlp-transfer vectors", "version": 1, "source": "v.txt", "count": 5, "dim": 3, "subwords": None,
    "counts": {"duplicates": 1}, "sha256": {},
}).encode()  # fmt: skip
YAML = b"""# a run
task: {name: sentiment, max_length: 32}
source:
  kind: vectors
  name: "v.txt"
strategy: {kind: lora, rank: 4, targets: [query, value]}
data:
  train: {text: a.txt, label: b.txt}
  columns: {text: review}
training: {epochs: 3, learning_rate: 3e-4, seeds: [0, 1], precision: auto}
output: |
  runs/x
"""


def read_vectors(path: Path) -> None:
    table = open_vectors(path)
    assert table.vectors.shape == (len(table.words), table.dim)
    assert np.isfinite(table.vectors).all()


def read_npy(path: Path) -> None:
    path.with_suffix(".txt").write_text("\n".join(WORDS))
    read_vectors(path)


def read_import(path: Path) -> None:
    """The file is one of the three of an imported folder."""
    folder = path.parent / "table"
    if not folder.exists():
        (path.parent / "good.txt").write_bytes(vectors_text())
        import_vectors(path.parent / "good.txt", folder)
    good = (folder / path.name).read_bytes()
    try:
        shutil.copy(path, folder / path.name)
        open_vectors(folder).find(["film"])
    finally:
        (folder / path.name).write_bytes(good)


def read_pairs(path: Path) -> None:
    languages = {".tmx": ("en", "fr"), ".po": ("msgid", "msgstr"), ".mo": ("msgid", "msgstr")}
    source, target = languages.get(path.suffix, ("source", "target"))
    part = read_part(open_place(str(path), "test"), {"source": source, "target": target}, PAIR, "drop")
    assert all(text.strip() for column in part.examples.map_table().columns for text in column.to_pylist())


def read_all(path: Path) -> None:
    """As pairs, as labelled texts, and as lists of texts to predict."""
    for read in (
        lambda: read_pairs(path),
        lambda: read_part(open_place(str(path), "test"), {"text": "source", "label": "label"}, REVIEW, "drop"),
        lambda: list(stream_texts(str(path), "text", lists=True)),
    ):
        try:
            read()
        except TransferError as error:
            said(error)


def read_parallel(path: Path) -> None:
    path.with_name("a.fr").write_text("un\ndeux\n")
    read_rows({"source": str(path), "target": str(path.with_name("a.fr"))}, {}, PAIR)


def read_keyed(path: Path) -> None:
    """Beside itself each key has a counterpart."""
    list(stream_texts(str(path), "text"))
    read_rows({"source": str(path), "target": str(path)}, {}, PAIR)


def read_config(path: Path) -> None:
    config = load_config(path)
    again = path.with_name("again.yaml")
    again.write_text(render(config), encoding="utf-8")
    assert load_config(again) == config


def read_override(path: Path) -> None:
    """Whatever stands on a command line: text without a NUL."""
    override = path.read_bytes().decode(errors="surrogateescape").replace("\0", "")
    load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}, [override])


def read_place(path: Path) -> None:
    """Any name for the data."""
    name = path.read_bytes().decode(errors="surrogateescape")
    config = load_config({"task": {"name": "sentiment"}, "data": {"train": name}})
    load_splits(config.data, REVIEW)


def said(error: TransferError) -> None:
    """What a terminal can show; one line, but for a list of problems."""
    message = str(error)
    assert message.strip()
    assert message.encode("utf-8", "surrogateescape")


def arrow(**columns: list[str]) -> bytes:
    import pyarrow as pa

    buffer, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_file(buffer, table.schema) as file:
        file.write_table(table)
    return buffer.getvalue()


XLIFF = b"""<xliff version="1.2"><file source-language="en" target-language="fr"><body>
<trans-unit id="1"><source>Open <g id="1">it</g></source><target state="translated">Ouvrir</target></trans-unit>
<group restype="x-gettext-plurals"><trans-unit id="2"><source>%d file</source><target>%d fichier</target></trans-unit>
</group></body></file></xliff>"""
QT = b"""<!DOCTYPE TS>\n<TS language="fr"><context>
<message numerus="yes"><source>%n</source><translation><numerusform>un %n</numerusform></translation></message>
<message><source>Open</source><translation>Ouvrir</translation></message></context></TS>"""
ANDROID = b"""<resources>\n<string name="a">Open\\'s "  it" \\u00e9</string>
<plurals name="n"><item quantity="one">%d</item></plurals></resources>"""


@dataclass(frozen=True)
class Target:
    """A reader: the name of its file, a good content, and what reads it."""

    file: str
    good: bytes
    read: Callable[[Path], None]


TARGETS = {
    "glove text": Target("v.txt", vectors_text(), read_vectors),
    "word2vec text": Target("v.txt", b"5 3\n" + vectors_text(), read_vectors),
    "fastText text": Target("v.vec", b"5 3\n" + vectors_text().replace(b"\n", b" \n"), read_vectors),
    "word2vec binary": Target("v.bin", word2vec(), read_vectors),
    "fastText binary": Target("v.bin", fasttext(), read_vectors),
    "packed vectors": Target("v.txt.gz", gzip.compress(vectors_text(), mtime=0), read_vectors),
    "npy": Target("v.npy", npy(), read_npy),
    "npy words": Target("words.txt", "\n".join(WORDS).encode(), read_import),
    "table.json": Target("table.json", TABLE, read_import),
    "csv": Target("a.csv", csv(","), read_all),
    "tsv": Target("a.tsv", csv("\t"), read_all),
    "json lines": Target("a.jsonl", "".join(json.dumps(row) + "\n" for row in objects()).encode(), read_all),
    "json list": Target("a.json", json.dumps(objects(), indent=1).encode(), read_all),
    "parquet": Target("a.parquet", parquet(source=["a", "b"], target=["c", "d"]), read_pairs),
    "packed csv": Target("a.csv.gz", gzip.compress(csv(","), mtime=0), read_all),
    "tmx": Target("a.tmx", tmx(("Open &lt;b&gt;", "Ouvrir"), ("Save", "thé")), read_pairs),
    "po": Target("a.po", po(*(pair for pair in PAIRS if '"' not in pair[1])), read_pairs),
    "mo": Target("a.mo", mo(), read_pairs),
    "arrow": Target("a.arrow", arrow(source=["a", "b"], target=["c", "d"]), read_pairs),
    "xliff": Target("a.xlf", XLIFF, read_pairs),
    "qt": Target("a.ts", QT, read_pairs),
    "android": Target("a.xml", ANDROID, read_keyed),
    "arb": Target("a.arb", b'{"@@locale": "en",\n"a": "Open", "b": "{n, plural, one{x} other{{n} y}}"}', read_keyed),
    "properties": Target("a.properties", b"# c\na=Open\nb : Clo\\\n  se\nc caf\\u00e9\n", read_keyed),
    "trees": Target("a.txt", b"(3 (2 It) (4 (2 really) (4 shines)))\n(0 (1 Dull) (2 .))\n", read_all),
    "story": Target("a.story", b"A man came.\n\n@highlight\n\nman comes\n", read_all),
    "cp1252 csv": Target("a.csv", csv(",") + "café,x\n".encode("cp1252"), read_all),
    "parallel": Target("a.en", b"one\ntwo\n", read_parallel),
    "yaml": Target("a.yaml", YAML, read_config),
    "override": Target("a.txt", b"training.learning_rate=3e-4", read_override),
    "place": Target("a.txt", b"folder/some.csv", read_place),
}
ODD = [  # separated by spaces; what holds spaces stands below
    *rb"\ \ud800 \u0000 ' '' \" \"\" [ ] { } {} [] null true -1 0 1e999 nan -inf 999999999999 1_0 0x1f 1:30 ~".split(),
    *b"&a *a <<: !!python/name:os !!bool !!int !!float !!timestamp !!binary !!set !!omap !!pairs !!null !x ? |".split(),
    *b"> - --- ... % &lt; &x; <tu> </tu> <seg> </seg> <tuv> <!-- --> <![CDATA[ ]]> <?xml #~ #,fuzzy".split(),
    *b"msgid msgstr msgctxt msgid_plural msgstr[0] 99999999999999999999 2001-12-14 2001-99-99 -0.0 .5 1e39".split(),
    *map(bytes.fromhex, "00,ff,e9,0d,0a,0d0a,09,0b,1c,c285,e280a8,efbbbf,fffe,eda080,c0af,f09f".split(",")),  # noqa: SIM905
    *map(bytes.fromhex, "800495,504b0304,1f8b08,ffffff7f,ffffffffffffffff,0000000000000000".split(",")),  # noqa: SIM905
    b" ", b"  ", b": ", b'"label": 5', b'"source": {"source": 1}', b"task: {name: os.path}", b"seeds: []",
]  # fmt: skip


# Made once: to make and check a strategy for each edit takes longer than to read what is edited.
WHOLE = 1 << 30  # bytes, more than any content has
ROUGH = st.integers(0, 9).map(lambda number: number == 0)
NOTHING_BUT_ODD = st.lists(st.sampled_from(ODD) | st.binary(max_size=9), max_size=12).map(b"".join)
EDITS = st.lists(
    st.tuples(
        st.integers(0, WHOLE),  # where it starts, counted round and round
        st.sampled_from([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 4, 8, 40, WHOLE]),  # bytes that go
        st.sampled_from(ODD) | st.binary(max_size=4) | st.none(),  # what comes; None: what stands there
        st.sampled_from([1, 1, 1, 2, 50]),  # times
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def edited(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file with a few places replaced, repeated or cut off; now and then nothing but odd bytes."""
    content = draw(NOTHING_BUT_ODD) if draw(ROUGH) else good
    for place, length, odd, times in draw(EDITS):
        start = place % (len(content) + 1)
        fresh = content[start : start + 9] if odd is None else odd
        content = content[:start] + fresh * times + content[start + length :]
    return content


def attack(target: Target, folder: Path, content: bytes) -> bool:
    """Let a reader read; returns whether it took the content. Anything but a `TransferError` goes through."""
    path = folder / target.file
    path.write_bytes(content)
    try:
        target.read(path)
    except TransferError as error:
        said(error)
        return False
    return True


class Campaign:
    """Attacks on every target by turns, and what came of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tried, self.read, self.broken = Counter[str](), Counter[str](), dict[str, str]()
        self.highest = 0

    def turn(self, name: str, target: Target) -> None:
        """Try many contents; keep the smallest that gives a traceback."""

        @settings(
            max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink], print_blob=False,
        )  # fmt: skip
        @given(content=edited(target.good))
        def one(content: bytes) -> None:
            self.tried[name] += 1
            if self.tried[name] % TRACED:
                self.read[name] += attack(target, self.folder, content)
                return
            tracemalloc.start()
            self.read[name] += attack(target, self.folder, content)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.highest = max(self.highest, peak)
            assert peak < PEAK, f"{peak:,} bytes for a file of {len(content):,}"

        try:
            one()
        except Exception:  # noqa: BLE001 - what is looked for
            self.broken[name] = traceback.format_exc(limit=-5)

    def report(self) -> str:
        """A line a target, the tracebacks, and the sum."""
        lines = [
            f"{name:<16} {self.tried[name]:>8,} cases, {self.read[name]:>8,} of them read, "
            + ("TRACEBACK" if name in self.broken else "no traceback")
            for name in TARGETS
        ]
        lines += [f"\n{name}:\n{text}" for name, text in self.broken.items()]
        total = f"{self.tried.total():,} cases, {len(self.broken)} tracebacks"
        return "\n".join([*lines, f"{total}, at most {self.highest / 1e6:.1f} MB for a case"])


def campaign(seconds: float) -> int:
    """Attack until the time is over, within bounded memory; returns how many targets gave a traceback."""
    import datasets

    datasets.disable_progress_bars()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        for target in TARGETS.values():  # once in peace: what is imported on first use is no case's memory
            attack(target, Path(place), target.good)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, used + ADDRESSES))
        found = Campaign(Path(place))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, target in TARGETS.items():
                if name not in found.broken and time.monotonic() < end:
                    found.turn(name, target)
    print(found.report())  # noqa: T201 - a command
    return len(found.broken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    sys.exit(min(1, campaign(parser.parse_args().seconds)))
