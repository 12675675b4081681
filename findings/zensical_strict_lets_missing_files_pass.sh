#!/usr/bin/env bash
# zensical 0.0.73: `build --strict` finds no issue in what MkDocs 1.6.1, whose configuration it reads, ends with.
#
# A menu entry whose page is not there (the page is left out of the site), a picture that is not there, and a docstring
# that describes an argument which the function does not have (mkdocstrings 1.0.8 warns of it under MkDocs) pass. A link
# to a missing page or heading is found by both.
#
# Seen: zensical says "No issues found" three times and ends with 0; `mkdocs build --strict` ends with 1 each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  zensical==0.0.73 mkdocs==1.6.1 mkdocstrings==1.0.8 mkdocstrings-python==2.0.11 griffelib==2.4.1

cat > "$folder/strict.py" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

place = Path(sys.argv[1])
programs = {name: Path(sys.executable).with_name(name) for name in ("zensical", "mkdocs")}
CONFIG = "site_name: x\nplugins: [{mkdocstrings: {handlers: {python: {paths: [.]}}}}]\n"
(place / "shop.py").write_text('"""Sell."""\n\ndef sell(price):\n    """Sell it.\n\n    Args:\n        tax: none.\n    """\n')
CASES = {
    "fine": (CONFIG, "# a\n\ntext\n"),
    "menu": (CONFIG + "nav: [index.md, gone.md]\n", "# a\n\ntext\n"),
    "picture": (CONFIG, "# a\n\n![x](gone.png)\n"),
    "docstring": (CONFIG, "# a\n\n::: shop.sell\n"),
    "link": (CONFIG, "# a\n\n[x](gone.md)\n"),
}
(place / "docs").mkdir()
for name, (config, page) in CASES.items():
    (place / "mkdocs.yml").write_text(config)
    (place / "docs" / "index.md").write_text(page)
    ended = {}
    for program, path in programs.items():
        done = subprocess.run([path, "build", "--strict", "--clean"], cwd=place, capture_output=True, text=True)
        ended[program] = done.returncode
    print(f"{name}: {ended}")
    wanted = {"zensical": int(name == "link"), "mkdocs": int(name != "fine")}
    assert ended == wanted, f"{name}: this has changed"
PYTHON
"$folder/venv/bin/python" "$folder/strict.py" "$folder"
