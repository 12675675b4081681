"""Write a page as one file of HTML: no network, no cookies, every text of users escaped.

Jinja2 escapes what it fills in; `finalize` also shows control characters, such as those that reverse the direction of
writing, as what they are. The page forbids itself by its Content-Security-Policy to load anything, and to run any
script but its own.
"""

import base64
import contextlib
import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer import __version__
from nlp_transfer.evaluation.html_report.parts import Page
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import escape_terminal

if TYPE_CHECKING:
    from jinja2 import Template

log = logging.getLogger(__name__)
HOME = Path(__file__).parent
LARGEST = 1_900_000  # bytes of a page
MOST = 200  # rows of test in it, or fewer if their texts are long


def write_report(path: Path, make: Callable[[int], Page]) -> bool:
    """Write a page; if that fails, only warn, because it shows nothing that is not in other files.

    Args:
        path: the file.
        make: makes the page with so many rows of test; called again with fewer if it is too large.

    Returns:
        Whether it was written.
    """
    try:
        write_whole(path, render_page(make)[1])
    except Exception as error:  # noqa: BLE001 - a damaged file, a task of others, a full disk: no page is worth a run
        said = " ".join(str(error).split())
        log.warning("%s could not be written: %s: %s", path, type(error).__name__, said)
        with contextlib.suppress(OSError):  # what stands there may be a folder, or the disk gone
            path.unlink()
        return False
    return True


def render_page(make: Callable[[int], Page]) -> tuple[Page, str]:
    """Render a page with as many rows of test as have room; return both."""
    most = MOST
    while True:
        page = make(most)
        text = _open_template().render(page=page)
        if len(text.encode("utf-8", "replace")) <= LARGEST or not most:
            return page, text
        most //= 2


@functools.cache
def _open_template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # for those who write a page

    style, script = ((HOME / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(HOME),
        autoescape=True,
        finalize=_show_control,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["kind"] = lambda part, name: type(part).__name__ == name
    environment.globals.update(style=style, script=script, digest=digest, version=__version__)
    return environment.get_template("page.html")


def _show_control(value: Any) -> Any:
    """Show control characters of a text; what is marked as safe already is no plain `str`."""
    return escape_terminal(value) if type(value) is str else value
