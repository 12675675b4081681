"""Debian's chromium, driven by playwright, with ears for what a page should not do."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
SCHEMES = {"light": ("light", 1200), "dark": ("dark", 1200), "phone": ("light", 390)}  # and the width


@pytest.fixture(scope="session")
def chromium():
    """The browser; the sandbox is left out, for root cannot have it, and shared memory, which a container may lack."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium; `make test-browser` installs it")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open an address as `light`, `dark` or on a `phone`; fail at the end if it complained or asked for anything."""
    opened, heard = [], []

    def open_one(address, look="light"):
        scheme, width = SCHEMES[look]
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("request", lambda request: heard.append(f"request: {request.url}") if is_foreign(request) else None)
        page.goto(address)
        opened.append(context)
        return page

    def is_foreign(request):
        return not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))

    yield open_one
    for context in opened:
        context.close()
    assert heard == []


@pytest.fixture
def look_at(tmp_path):
    """Take a picture of the top of a page, into the folder that SCREENSHOTS names, if it does."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def take(page, name):
        width = page.viewport_size["width"]
        path = folder / f"{name}.png"
        page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": 3000})
        return path

    return take
