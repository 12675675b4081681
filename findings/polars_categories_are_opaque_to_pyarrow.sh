#!/usr/bin/env bash
# polars 2.1.0 with pyarrow 26.0.1: a Categorical column crosses to Arrow, and there can neither be decoded, compared
# nor written to Parquet.
#
# polars hands its categories over as a dictionary of string views. pyarrow opens it and lists its values, but has no
# `take` for string views, on which decoding a dictionary, casting it and writing it to Parquet all rest. The same words
# as a plain String column, or as pyarrow's own dictionary of strings, go through. Values that were listed and built
# anew (`to_pylist`) are the way out.
#
# Seen:
#   dictionary_decode: ArrowNotImplementedError Function 'array_take' has no kernel matching input types (string_view, uint32)
#   cast to string, compare with a word, write Parquet: ArrowNotImplementedError
#   to_pylist: ['warm', 'cold', 'warm'];  a column of pyarrow's own: Parquet written
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1

cat > "$folder/categories.py" <<'PYTHON'
import io

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WORDS = ["warm", "cold", "warm"]


def answer(work):
    """The name of the error that some work ends in; empty if it ends in none."""
    try:
        work()
    except pa.ArrowException as error:
        print(type(error).__name__, str(error)[:110])
        return type(error).__name__
    return ""


def works(column):
    """What is done with a column every day."""
    table = pa.table({"word": column})
    return {
        "decode": lambda: column.chunk(0).dictionary_decode(),
        "cast": lambda: column.cast(pa.string()),
        "compare": lambda: pc.equal(column, "warm"),
        "parquet": lambda: pq.write_table(table, io.BytesIO()),
    }


foreign = pa.table(pl.DataFrame({"word": pl.Series(WORDS, dtype=pl.Categorical)})).column("word")
own = pa.chunked_array([pa.array(WORDS).dictionary_encode()])
print(f"polars {pl.__version__}, pyarrow {pa.__version__}: {foreign.type}")
assert (pl.__version__, pa.__version__) == ("2.1.0", "26.0.1"), "another version"
assert foreign.to_pylist() == own.to_pylist() == WORDS
assert {name: answer(work) for name, work in works(foreign).items()} == dict.fromkeys(
    works(foreign), "ArrowNotImplementedError"
), "some of it works by now"
assert not any(answer(work) for work in works(own).values())
PYTHON
"$folder/venv/bin/python" "$folder/categories.py"
