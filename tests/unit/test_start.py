"""What a command needs is loaded, and what others would load beside it is not; the package need not be installed."""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import tiny

import nlp_transfer
from nlp_transfer.data.rows import StoredColumn, TaskRows
from nlp_transfer.system.hiding import hide_packages

UNUSED = ["datasets", "evaluate", "gensim", "matplotlib", "pandas", "peft", "PIL", "sacrebleu", "scipy", "sklearn"]


CODE = f"""
import sys
sys.path += ["tree", "site"]
from nlp_transfer.__main__ import main

def call(*arguments):
    sys.argv = ["nlp-transfer", *arguments]
    try:
        main()
    except SystemExit as leaving:
        return leaving.code or 0
    return 0

code = call("predict", sys.argv[1], "texts.jsonl", "--output", "said.jsonl")
print(code, *[name for name in {UNUSED} if name in sys.modules])
print("diagnosis:", file=sys.stderr, flush=True)
sys.exit(call("doctor"))
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A folder, and what a fresh process did there that answered and made a diagnosis, ours on its path alone."""
    folder = tmp_path_factory.mktemp("started")
    for package in (tiny.ROOT / "nlp_transfer", tiny.ROOT / "tasks" / "nlp_transfer_tasks"):
        shutil.copytree(package, folder / "tree" / package.name)  # with what is compiled
    (folder / "site").mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "nlp_transfer" not in path.name:
            (folder / "site" / path.name).symlink_to(path)
    (folder / "texts.jsonl").write_text('{"text": "a good film"}\n')
    run = tiny.ROOT / "tests" / "older_runs" / "finished"
    return folder, subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE, run], capture_output=True, text=True, cwd=folder, check=False
    )


def test_answers_of_a_run_load_no_package_that_they_do_not_need(started):
    folder, done = started
    assert done.stdout.splitlines()[0] == "0", done.stderr[-3000:]
    assert '"label"' in (folder / "said.jsonl").read_text()


def test_a_tree_that_is_not_installed_is_diagnosed_like_one_that_is(started):
    _, done = started
    assert (done.returncode, done.stderr.partition("diagnosis:\n")[2]) == (0, "")
    assert f"nlp-transfer {nlp_transfer.__version__}, torch 2." in done.stdout
    assert done.stdout.endswith("no known problem\n")


def test_a_hidden_package_looks_as_if_it_were_not_installed(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with hide_packages("beside", "json"):
        assert importlib.util.find_spec("beside") is None
        with pytest.raises(ImportError):
            import beside
        import json  # is loaded already
    import beside

    assert (beside, json) == (sys.modules.pop("beside"), sys.modules["json"])


def test_rows_of_a_split_and_rows_to_answer_are_read_alike():
    import pyarrow as pa

    held = {"text": ["a", "b", "c"], "label": [2, 0, 1]}
    stored = {name: StoredColumn(pa.chunked_array([cells[:2], cells[2:]])) for name, cells in held.items()}
    for rows in (TaskRows(held), TaskRows(stored), TaskRows(held).select((0, 1, 2))):
        assert (len(rows), rows.column_names, rows.to_dict()) == (3, ["text", "label"], held)
        assert (rows["text"][:], rows["text"][::2], rows["text"][-1]) == (held["text"], ["a", "c"], "c")
        assert (list(rows["label"]), [*rows][2]) == ([2, 0, 1], {"text": "c", "label": 1})
        assert rows.select([2, 0]).to_dict() == {"text": ["c", "a"], "label": [1, 2]}
        assert len(rows.select(())) == 0
        assert repr(rows) == "TaskRows(text, label: 3 rows)"
        for unknown in ("words", 0):
            with pytest.raises(KeyError, match=f"no column {unknown!r}; there are text, label; `select` reads rows"):
                rows[unknown]


def test_rows_are_selected_from_more_texts_than_arrow_puts_together():
    import pyarrow as pa

    part = pa.array(["a", "x" * (1 << 26)])
    rows = TaskRows({"text": StoredColumn(pa.chunked_array([part] * 33))})  # 2 GiB and more, all in the same place
    assert rows.select([0, 64]).to_dict() == {"text": ["a", "a"]}
    assert len(rows.select(())) == 0
