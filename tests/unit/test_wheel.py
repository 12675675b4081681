"""What users install: two packages, and nothing that belongs to the workshop."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nlp_transfer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CONFIGS = [path for path in (ROOT / "configs").glob("*/*.yaml") if path.parent.name != "accelerate"]
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
def source(tmp_path_factory):
    """A copy of the tree: setuptools leaves its traces where it works."""
    place = tmp_path_factory.mktemp("source")
    for name in INGREDIENTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    return place


def build(kind, tree, place):
    """Build a tree as the programs that install packages ask setuptools for it; returns the file."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(place)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    assert "absent from the `packages` configuration" not in done.stdout + done.stderr
    return place / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """What `pip install` installs, built from what the index would be given (the sdist)."""
    place = tmp_path_factory.mktemp("wheel")
    sdist = build("sdist", source, place)
    shutil.unpack_archive(sdist, place, filter="data")
    return build("wheel", place / sdist.name.removesuffix(".tar.gz"), place)


@pytest.fixture(scope="module")
def editable(source, tmp_path_factory):
    """What `pip install -e` installs."""
    return build("editable", source, tmp_path_factory.mktemp("editable"))


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
    assert modules == {name for name in names_in(wheel) if name.endswith(".py")}


def test_wheel_holds_every_configuration_of_a_run_what_a_report_looks_like_and_nothing_else(wheel):
    files = {f"nlp_transfer_tasks/configs/{path.relative_to(ROOT / 'configs')}" for path in CONFIGS}
    files |= {f"nlp_transfer/evaluation/html_report/page.{ending}" for ending in ("css", "html", "js")}
    assert files == {name for name in names_in(wheel) if not name.endswith((".py", "py.typed", "requirements.txt"))}


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_what_is_installed_knows_the_shipped_configurations_by_name(kind, request, tmp_path):
    with zipfile.ZipFile(request.getfixturevalue(kind)) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        f"import json, site, sys; site.addsitedir('site'); sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "from nlp_transfer.config.shipped import list_configs, find_config\n"
        "print(json.dumps([[one.name for one in list_configs()], str(find_config('sentiment/minilm_frozen'))]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    names, path = json.loads(done.stdout)
    assert names == sorted(f"{path.parent.name}/{path.stem}" for path in CONFIGS)
    assert Path(path).read_text() == (ROOT / "configs" / "sentiment" / "minilm_frozen.yaml").read_text()


def test_wheel_names_its_version_its_needs_its_licence_and_its_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.split("/", 1)[1]: archive.read(name).decode() for name in archive.namelist() if "dist-info" in name
        }
    assert f"\nVersion: {nlp_transfer.__version__}\n" in texts["METADATA"]
    needed = (ROOT / "nlp_transfer" / "requirements.txt").read_text().splitlines()
    said = [Requirement(line) for line in re.findall("(?m)^Requires-Dist: (.*)$", texts["METADATA"])]
    assert [one for one in said if not one.marker] == [Requirement(line) for line in needed]
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Apache License" in texts["licenses/LICENSE"]
    assert "nlp-transfer = nlp_transfer.__main__:main" in texts["entry_points.txt"]


def test_installed_wheel_answers_outside_the_source_tree(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import nlp_transfer.cli.process as cli; print(cli.__file__); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "schema"], capture_output=True, text=True, cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    first, *schema = done.stdout.splitlines()
    assert first.startswith(str(tmp_path))
    assert any("SentimentOptions" in line for line in schema)
