"""Any content of a file gives rows or a `TransferError`; `make fuzz` tries the same at length."""

import pytest
from fuzz import TARGETS, attack, edited
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp_transfer.config.load import load_config, render
from nlp_transfer.data.formats.cells import is_blank
from nlp_transfer.data.splits import read_rows
from nlp_transfer.errors import ConfigError

NAMES = pytest.mark.parametrize("name", TARGETS)
ONE_FOLDER = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), min_size=1, max_size=12)
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # the same set by its codec takes seconds to find


@NAMES
def test_the_good_content_of_every_target_is_read(tmp_path, name):
    assert attack(TARGETS[name], tmp_path, TARGETS[name].good) == (name != "place")


@NAMES
@settings(max_examples=40, **ONE_FOLDER)
@given(data=st.data())
def test_an_edited_file_is_read_or_refused(tmp_path, name, data):
    attack(TARGETS[name], tmp_path, data.draw(edited(TARGETS[name].good)))


@settings(max_examples=60, **ONE_FOLDER)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_parallel_lines_come_back_as_they_were_written(tmp_path, pairs):
    files = {}
    for side, name in enumerate(("source", "target")):
        (tmp_path / name).write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8", newline="")
        files[name] = str(tmp_path / name)
    kept = [pair for pair in pairs if not any(map(is_blank, pair))]
    if kept:
        rows = read_rows(files, {}, {"source": "text", "target": "text"})
        assert list(zip(rows["source"][:], rows["target"][:], strict=True)) == [
            tuple(text.removeprefix("\ufeff") if row == 0 else text for text in pair) for row, pair in enumerate(kept)
        ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SHORT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
    max_leaves=8,
)
SECTIONS = st.sampled_from(["task", "source", "strategy", "data", "training", "output", "odd"])
KEYS = st.sampled_from(["name", "kind", "train", "columns", "epochs", "seeds", "learning_rate", "rank", "odd"])


@settings(max_examples=200)
@given(values=st.dictionaries(SECTIONS, st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=6))
def test_any_mapping_is_a_configuration_that_can_be_written_back_or_a_config_error(values):
    good = {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    try:
        config = load_config({**good, **values})
    except ConfigError:
        return
    assert load_config(config.model_dump(mode="json")) == config
    assert render(config)
