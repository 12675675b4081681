"""What a command needs is loaded, and what others would load beside it is not."""

import importlib.util
import sys

import pytest
import tiny

from nlp_transfer.data.rows import StoredColumn, TaskRows
from nlp_transfer.system.hiding import hide_packages

UNUSED = ["datasets", "evaluate", "gensim", "matplotlib", "pandas", "peft", "PIL", "sacrebleu", "scipy", "sklearn"]


def test_answers_of_a_run_load_no_package_that_they_do_not_need(tmp_path):
    folder = tiny.ROOT / "tests" / "older_runs" / "finished"
    texts, said = tmp_path / "texts.jsonl", tmp_path / "said.jsonl"
    texts.write_text('{"text": "a good film"}\n')
    code = (
        "import sys; from nlp_transfer.__main__ import main\n"
        "try: main()\n"
        f"except SystemExit as leaving: print(leaving.code, *[name for name in {UNUSED} if name in sys.modules])"
    )
    assert tiny.run_python(code, "predict", folder, texts, "--output", said) == "0\n"
    assert '"label"' in said.read_text()


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
