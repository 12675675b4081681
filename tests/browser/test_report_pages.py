"""The pages of a run, a comparison and a learning curve, in a real browser."""

import json
from itertools import pairwise

import pytest
from hostile import configure

import nlp_transfer
from nlp_transfer.system.layout import REPORT

pytestmark = pytest.mark.browser
KINDS = ("run", "comparison", "curve")
MEASURE = """(svg) => {
    const box = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
    const sizes = texts.map((text) => parseFloat(getComputedStyle(text).fontSize));
    const cut = texts.filter((text) => {
        const one = text.getBoundingClientRect();
        return one.left < box.left - 1 || one.right > box.right + 1;
    });
    return [Math.min(...sizes) * box.width / svg.viewBox.baseVal.width, cut.map((text) => text.textContent)];
}"""  # the smallest letters of a picture in pixels, and the words that are cut


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Kind of page -> its address."""
    place = tmp_path_factory.mktemp("pages")
    configs = {"solved": configure(place), "steps": configure(place, solver="gradient")}
    for name, config in configs.items():
        (place / f"{name}.yaml").write_text(json.dumps(config))
    files = [place / f"{name}.yaml" for name in configs]
    comparison = nlp_transfer.compare(files, output=place / "comparison", progress=False).folder
    curve = nlp_transfer.curve(files[:1], sizes=[16, 32], seeds=1, output=place / "curve", progress=False).folder
    folders = {"run": comparison / "steps", "comparison": comparison, "curve": curve}
    return {kind: (folder / REPORT).as_uri() for kind, folder in folders.items()}


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_its_window_and_asks_for_nothing(kind, look, addresses, open_page, look_at):
    page = open_page(addresses[kind], look)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    paper, ink = page.evaluate(
        "['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
    )
    assert (sum(paper) < sum(ink)) == (look == "dark")
    assert look_at(page, f"{kind}-{look}").stat().st_size > 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_no_table_and_no_picture_scrolls_at_the_width_of_a_phone(kind, addresses, open_page):
    page = open_page(addresses[kind], "phone")
    parts = "[...document.querySelectorAll('.wide')]"
    assert (
        page.evaluate(f"{parts}.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.ariaLabel)") == []
    )


@pytest.mark.parametrize("look", ["light", "phone"])
@pytest.mark.parametrize("kind", ["run", "curve"])
def test_one_drawing_of_a_picture_is_shown_with_letters_that_can_be_read(kind, look, addresses, open_page):
    page = open_page(addresses[kind], look)
    for picture in page.locator("[role=img]").all():
        shown = [one for one in picture.locator("svg").all() if one.is_visible()]
        assert len(shown) == 1
        size, cut = shown[0].evaluate(MEASURE)
        assert size >= 11
        assert cut == []


@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_rows_are_found_by_words_and_by_marks(kind, addresses, open_page):
    page = open_page(addresses[kind])
    lists = page.locator("section.items")
    assert lists.count() == 1  # the model is too weak to doubt labels
    for one in lists.all():
        rows, said = one.locator("li.item"), one.locator("output")
        count = rows.count()
        assert said.text_content() == f"{count} of {count} rows shown"

        title = rows.last.locator("h4").text_content()
        one.get_by_label("Search").fill(title.upper())
        assert one.locator("li.item:visible h4").all_text_contents().count(title) == 1
        one.get_by_label("Search").fill("no such words")
        assert one.locator("li.item:visible").count() == 0
        assert said.text_content() == f"0 of {count} rows shown"
        one.get_by_label("Search").fill("")

        for mark in one.get_by_label("Show").locator("option").all() if one.get_by_label("Show").count() else ():
            value = mark.get_attribute("value")
            one.get_by_label("Show").select_option(value)
            fits = [row for row in rows.all() if not value or value in json.loads(row.get_attribute("data-marks"))]
            assert one.locator("li.item:visible").count() == len(fits)


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_leads_somewhere(kind, addresses, open_page):
    page = open_page(addresses[kind])
    links = page.locator("a[href^='#']")
    for link in links.all():
        link.focus()
        page.keyboard.press("Enter")
        target = link.get_attribute("href")
        assert page.url.endswith(target)
        assert page.locator(target).count() == 1
    for link in page.locator("a:not([href^='#'])").all():
        elsewhere = open_page(link.evaluate("(link) => link.href"))
        assert elsewhere.locator("h2").first.text_content() == "Verdict"


def test_what_is_folded_opens_by_the_keyboard(addresses, open_page):
    page = open_page(addresses["run"])
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert "kind: vectors" in page.locator("details pre").inner_text()


@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_reaches_the_verdict_first_and_then_all_that_scrolls(kind, addresses, open_page):
    page = open_page(addresses[kind], "phone")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    unreached = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((one) => one.tabIndex < 0 && one.scrollWidth > one.clientWidth"
        " && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX)).length"
    )
    assert unreached == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_screen_reader_is_told_what_everything_is(kind, addresses, open_page):
    page = open_page(addresses[kind])
    named = "(one) => one.ariaLabel || one.ariaLabelledByElements || one.caption?.textContent || one.labels?.length"
    for role in ("table", "img", "region", "navigation", "searchbox", "combobox"):
        for one in page.get_by_role(role).all():
            assert one.evaluate(named), role
    levels = [int(level[1]) for level in page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(h => h.tagName)")]
    assert levels[0] == 1
    assert all(after <= before + 1 or after == 4 for before, after in pairwise(levels))


def test_a_page_prints_without_its_controls(addresses, open_page):
    page = open_page(addresses["run"])
    page.emulate_media(media="print")
    assert not page.get_by_label("Search").first.is_visible()
    assert page.locator("nav").is_hidden()
    assert page.pdf().startswith(b"%PDF")


def test_no_text_of_the_data_becomes_a_part_of_a_page(addresses, open_page):
    page = open_page(addresses["run"])
    assert page.locator("b, i").count() == 0
    assert page.locator("script").count() == 1
    assert "<b>good</b>" in page.locator("main").inner_text()
