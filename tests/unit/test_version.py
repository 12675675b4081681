"""The version is the package's own: a tree that is on the path, and not installed, has one too (`test_start`)."""

import importlib.metadata
import json

import pytest
from tiny import save_csv, save_vectors

import nlp_transfer
from nlp_transfer.runs import doctor as diagnosing

OWN = "nlp-transfer"


@pytest.fixture
def not_installed(monkeypatch):
    """Packages are found as before, but for ours."""
    found = importlib.metadata.Distribution.from_name

    def look(name):
        if name.replace("_", "-") == OWN:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", look)


@pytest.mark.usefixtures("not_installed")
def test_a_run_of_a_tree_that_is_not_installed_records_its_version(tmp_path):
    config = {
        "task": {"name": "sentiment", "max_length": 16},
        "source": {"kind": "vectors", "name": str(save_vectors(tmp_path / "vectors.txt"))},
        "strategy": {"kind": "frozen"},
        "data": {"train": str(save_csv(tmp_path / "data.csv"))},
    }
    folder = nlp_transfer.run(config, output=tmp_path / "run", progress=False).folder
    recorded = json.loads((folder / "environment.json").read_text())["packages"]
    assert recorded[OWN] == nlp_transfer.__version__
    assert recorded["torch"] == importlib.metadata.version("torch")
    assert f"nlp-transfer {nlp_transfer.__version__}, torch" in (folder / "README.md").read_text()


@pytest.mark.usefixtures("not_installed")
def test_a_package_that_is_too_old_is_found_without_ours_being_installed(monkeypatch):
    installed = diagnosing._read_version
    monkeypatch.setattr(diagnosing, "_read_version", lambda name: {"peft": "0.1"}.get(name) or installed(name))
    (problem,) = nlp_transfer.doctor().problems
    assert problem.startswith("peft 0.1, but nlp-transfer needs peft>=")
