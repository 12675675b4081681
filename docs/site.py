"""Build the documentation's site in build/site/html: `make site`. A warning, such as a link to nowhere, is an error.

The pages are those of docs/ and the few that stand elsewhere (ELSEWHERE), with links as the site needs them, and
api.md, which lists the public names by the room they live in; zensical and mkdocstrings render their docstrings.
"""

import logging
import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import nlp_transfer

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "site"
ELSEWHERE = {"README.md": "index.md", "tasks/README.md": "tasks.md", "CONTRIBUTING.md": "contributing.md"}
ELSEWHERE["CHANGELOG.md"] = "changelog.md"
ROOMS = {
    "runs": "Verbs and their results",
    "config": "Configurations",
    "data": "Data and texts",
    "sources": "Sources",
    "task": "Tasks",
    "models": "Models, for authors of tasks",
    "evaluation": "Scores and simple methods, for authors of tasks",
    "errors": "Errors",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def collect_pages() -> dict[Path, str]:
    """List the pages: the file's path -> its name in the site."""
    pages = {path.resolve(): path.name for path in (ROOT / "docs").glob("*.md")}
    return pages | {(ROOT / place).resolve(): name for place, name in ELSEWHERE.items()}


def move_links(text: str, page: Path, pages: dict[Path, str]) -> str:
    """Point a page's links at the site's pages and pictures; of a link to other files only the words stay."""

    def move(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        place, _, anchor = target.partition("#")
        if "://" in target or not place:
            return found[0]
        path = (page.parent / place).resolve()
        if not path.exists():
            raise SystemExit(f"{page.relative_to(ROOT)}: the link to {target} leads nowhere")
        name = pages.get(path) or (path.name if path.parent == ROOT / "docs" else None)
        return f"{mark}[{words}]({name}{'#' * bool(anchor)}{anchor})" if name else words

    return LINK.sub(move, text)


def write_api() -> str:
    """Write the page of the public names, in the rooms' order."""
    places = sorted((nlp_transfer._HOME[name], name) for name in nlp_transfer.__all__)
    rooms = {room: list(group) for room, group in groupby(places, key=lambda place: place[0].partition(".")[0])}
    if missing := rooms.keys() - ROOMS.keys():
        raise SystemExit(f"docs/site.py: no heading in ROOMS for {', '.join(sorted(missing))}")
    parts = ["# Python\n\nAll of it is imported from `nlp_transfer`.\n"]
    for room, heading in ROOMS.items():
        parts += [f"## {heading}\n", *(describe(module, name) for module, name in rooms[room])]
    return "\n".join(parts)


def describe(module: str, name: str) -> str:
    """Write where a name's docstring is rendered, under the name by which it is imported."""
    return f"::: nlp_transfer.{module}.{name}\n    options:\n      heading: nlp_transfer.{name}\n"


def refuse_missing_pages(staged: Path) -> None:
    """Refuse a menu with pages that are not there, which zensical leaves out of the site without a word."""
    listed = re.findall(r'"([\w.]+\.md)"', (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))
    if missing := [name for name in listed if not (staged / name).exists()]:
        raise SystemExit(f"docs/zensical.toml: no such page: {', '.join(missing)}")


def refuse_wrong_docstrings() -> None:
    """Refuse docstrings that describe what is not there, such as an argument that is gone; zensical does not."""
    import griffe  # only here: mkdocstrings brings it

    faults: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: faults.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("griffe").addHandler(handler)

    waiting = [griffe.load("nlp_transfer", search_paths=[str(ROOT)])]
    while waiting:
        one = waiting.pop()
        if one.docstring:
            griffe.parse_google(one.docstring)
        waiting += [member for member in one.members.values() if not member.is_alias]
    if faults:
        raise SystemExit("\n".join(faults))


def main() -> int:
    """Copy the pages, then build."""
    shutil.rmtree(BUILD, ignore_errors=True)
    staged = BUILD / "docs"
    staged.mkdir(parents=True)
    pages = collect_pages()
    for path, name in pages.items():
        (staged / name).write_text(move_links(path.read_text(encoding="utf-8"), path, pages), encoding="utf-8")
    for asset in (ROOT / "docs").iterdir():
        if asset.suffix in {".png", ".json", ".txt"}:
            shutil.copy(asset, staged)
    (staged / "api.md").write_text(write_api(), encoding="utf-8")
    refuse_missing_pages(staged)
    refuse_wrong_docstrings()
    shutil.copy(ROOT / "docs" / "zensical.toml", BUILD)
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=BUILD, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
