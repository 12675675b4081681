"""What users install: two packages, and nothing that belongs to the workshop."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
INGREDIENTS = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "nlp_transfer",
    "tasks",
    "tests",
    "benchmarks",
    "configs",
    "docs",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: setuptools leaves its traces where it works."""
    place = tmp_path_factory.mktemp("wheel")
    for name in INGREDIENTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (place / "source").mkdir(exist_ok=True)
            shutil.copy(source, place / "source" / name)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place / "dist", place / "source"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    (built,) = (place / "dist").glob("*.whl")
    return built


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if ".dist-info/" not in name]


def test_wheel_installs_two_names_and_no_more(wheel):
    assert {name.split("/")[0] for name in names_in(wheel)} == {"nlp_transfer", "nlp_transfer_tasks"}


def test_wheel_holds_every_module(wheel):
    modules = {
        str(path.relative_to(base))
        for base in (ROOT, ROOT / "tasks")
        for package in base.glob("nlp_transfer*/")
        for path in package.rglob("*.py")
    }
    assert modules == set(names_in(wheel))


def test_wheel_names_its_licence_and_its_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.split("/", 1)[1]: archive.read(name).decode() for name in archive.namelist() if "dist-info" in name
        }
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Apache License" in texts["licenses/LICENSE"]
    assert "nlp-transfer = nlp_transfer.__main__:main" in texts["entry_points.txt"]


def test_installed_wheel_answers_outside_the_source_tree(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import nlp_transfer.cli as cli; print(cli.__file__); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "schema"], capture_output=True, text=True, cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    first, *schema = done.stdout.splitlines()
    assert first.startswith(str(tmp_path))
    assert any("SentimentOptions" in line for line in schema)
