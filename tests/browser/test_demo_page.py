"""The page that `demo` serves, in a real browser."""

import pytest
from hostile import LABELS, configure

import nlp_transfer
from nlp_transfer.errors import ConfigError

pytestmark = pytest.mark.browser
NAMES = ("solved", "steps")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on rows with markup in texts and labels."""
    place = tmp_path_factory.mktemp("shown")
    configs = {"solved": configure(place), "steps": configure(place, solver="gradient")}
    return [nlp_transfer.run(configs[name], output=place / name, progress=False).folder for name in NAMES]


@pytest.fixture(scope="module")
def served(runs):
    pytest.importorskip("gradio")
    found = nlp_transfer.demo(runs)
    yield found
    found.close()


def answer(page, text):
    """Let both runs answer a text; returns what they said."""
    page.get_by_label("text", exact=True).fill(text)
    page.get_by_role("button", name="Answer").click()
    return [wait_for(page, name) for name in NAMES]


def wait_for(page, name, *, empty=False):
    """Wait until the box of a run has an answer, or none; returns it."""
    page.wait_for_function(
        "([name, empty]) => [...document.querySelectorAll('label')].some((one) => one.innerText.trim() === name"
        " && (one.querySelector('textarea, input').value === '') === empty)",
        arg=[name, empty],
    )
    return page.get_by_label(name, exact=True).input_value()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_both_runs_answer_a_text_with_probabilities_side_by_side(look, served, open_page, look_at):
    page = open_page(served.address, look)
    assert set(answer(page, "a lovely film")) <= set(LABELS)
    assert page.locator("b, i").count() == 0  # markup in texts and labels is shown, and not obeyed
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tables = "[...document.querySelectorAll('table')].map((one) => one.getBoundingClientRect())"
    assert page.evaluate(f"{tables}.filter((one) => one.right > window.innerWidth).length") == 0
    assert look_at(page, f"demo-{look}").stat().st_size > 10_000


def test_enter_answers(served, open_page):
    page = open_page(served.address)
    page.get_by_label("text", exact=True).fill("a lovely film")
    page.keyboard.press("Enter")
    assert {wait_for(page, name) for name in NAMES} <= set(LABELS)


def test_a_row_of_its_test_that_is_clicked_is_answered(served, open_page):
    page = open_page(served.address)
    page.locator("table tbody tr").first.click()
    page.wait_for_function("() => document.querySelector('textarea').value.length > 0")
    assert {wait_for(page, name) for name in NAMES} <= set(LABELS)


def test_no_answer_stands_below_a_text_that_it_is_not_of(served, open_page):
    page = open_page(served.address)
    answer(page, "a lovely film")
    page.get_by_label("text", exact=True).fill("another film")
    assert [wait_for(page, name, empty=True) for name in NAMES] == ["", ""]


def test_an_empty_text_is_not_answered(served, open_page):
    page = open_page(served.address)
    answer(page, "a lovely film")
    page.get_by_label("text", exact=True).fill(" ")
    page.get_by_role("button", name="Answer").click()
    assert [wait_for(page, name, empty=True) for name in NAMES] == ["", ""]


def test_a_port_that_is_in_use_is_told_in_one_line(served, runs):
    port = int(served.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"port: {port} is in use on this machine; name another"):
        nlp_transfer.demo(runs[:1], port=port)
