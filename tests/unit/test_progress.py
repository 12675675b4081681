"""How far a command is, said where somebody looks and no more than was measured."""

import logging
import sys
from types import SimpleNamespace

import pytest

from nlp_transfer.system import progress
from nlp_transfer.system.progress import Series, format_duration, make_bar


def notebook(monkeypatch):
    """Be the kernel of a notebook, as far as anybody can tell."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def advance(**settings):
    with make_bar(2, "full 1/3", "batch", **settings) as shown:
        shown.update(2)


def test_a_bar_is_not_written_into_a_file(capsys):
    advance(shown=True)
    assert capsys.readouterr().err == ""


def test_a_bar_shows_in_a_notebook_whose_streams_are_no_terminal(capsys, monkeypatch):
    notebook(monkeypatch)
    advance(shown=True)
    assert "full 1/3: 100%" in capsys.readouterr().err


def test_a_bar_that_was_not_asked_for_shows_nowhere(capsys, monkeypatch):
    notebook(monkeypatch)
    advance(shown=False)
    assert capsys.readouterr().err == ""


def test_ipython_on_a_terminal_is_no_notebook(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(config={})))
    advance(shown=True)
    assert capsys.readouterr().err == ""


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def test_a_series_says_which_run_of_how_many_and_what_those_before_took(caplog, clock):
    caplog.set_level(logging.INFO)
    series = Series(4, progress=False)
    for name, seconds in (("a", 20.0), ("b", 95.0), ("c", 1.0)):
        with series.run(name):
            clock.seconds += seconds
    series.skip(1)
    assert caplog.messages == [
        "run a (1 of 4)",
        "run b (2 of 4); about 1 min 0 s to go if the rest is like those before",
        "run c (3 of 4); about 40 s to 3 min 10 s to go if the rest is like those before",
    ]


def test_a_series_with_a_plan_expects_of_a_run_what_the_last_of_its_kind_took(caplog, clock):
    caplog.set_level(logging.INFO)
    series = Series(5, progress=False, plan=[("slow", 10), ("quick", 10), ("slow", 40), ("quick", 40), ("new", 40)])
    for name, seconds in (("a", 20.0), ("b", 1.0), ("c", 30.0)):
        with series.run(name):
            clock.seconds += seconds
    with series.run("d"):
        pass
    assert caplog.messages[2:] == [
        "run c (3 of 5); about 22 s to 1 min 44 s to go if the rest is like those before",
        "run d (4 of 5); about 2 s to 34 s to go if the rest is like those before",
    ]


def test_runs_that_were_finished_before_are_counted_and_not_measured(caplog):
    caplog.set_level(logging.INFO)
    series = Series(3, progress=False)
    series.skip(2)
    with series.run("last"):
        pass
    assert caplog.messages == ["run last (3 of 3)"]


def test_a_run_alone_needs_no_counting(caplog):
    caplog.set_level(logging.INFO)
    with Series(1, progress=False).run("alone"):
        pass
    assert caplog.messages == []


def test_what_is_true_of_several_runs_is_logged_once(caplog):
    series = Series(2, progress=False)
    for text in ("leak: 3 rows", "leak: 3 rows", "another"):
        series.log_once(logging.WARNING, text)
    assert caplog.messages == ["leak: 3 rows", "another"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (7300, "2 h 1 min")]
)
def test_a_duration_is_said_in_its_two_largest_units(seconds, said):
    assert format_duration(seconds) == said
