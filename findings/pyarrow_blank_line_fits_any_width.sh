#!/usr/bin/env bash
# pyarrow 26.0.1: with ignore_empty_lines=False a blank line of a CSV file is a row of empty cells, however many columns
# the table has, and the handler of invalid rows never hears of it.
#
# Its documentation says that such a line holds one empty value; a line of one value in a table of two columns is an
# error. A reader that keeps blank lines to keep its line numbers right gets rows that nobody wrote. The csv module of
# Python gives an empty list for such a line, so the two disagree about how many cells there are.
#
# Seen:
#   a,b / 1,2 / blank / 3,4  -> a: [1, None, 3], b: [2, None, 4], nothing handed to the handler
#   a,b / 1,2 / 5 / 3,4      -> handed to the handler: 1 value where 2 were expected
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1

cat > "$folder/blank.py" <<'PYTHON'
import csv
import io

import pyarrow
import pyarrow.csv


def read(text):
    """The rows of a table, and the rows that the handler was given."""
    refused = []
    options = pyarrow.csv.ParseOptions(
        ignore_empty_lines=False, invalid_row_handler=lambda row: refused.append(row.actual_columns) or "skip"
    )
    return pyarrow.csv.read_csv(io.BytesIO(text.encode()), parse_options=options).to_pylist(), refused


blank, short = "a,b\n1,2\n\n3,4\n", "a,b\n1,2\n5\n3,4\n"
print(f"pyarrow {pyarrow.__version__}: {read(blank)}, {read(short)}")
assert pyarrow.__version__ == "26.0.1", "another version"
rows, refused = read(blank)
assert rows == [{"a": 1, "b": 2}, {"a": None, "b": None}, {"a": 3, "b": 4}], "a blank line is no row of two cells now"
assert refused == [], "the handler hears of it now"
assert read(short) == ([{"a": 1, "b": 2}, {"a": 3, "b": 4}], [1])
assert list(csv.reader(io.StringIO(blank)))[2] == []
PYTHON
"$folder/venv/bin/python" "$folder/blank.py"
