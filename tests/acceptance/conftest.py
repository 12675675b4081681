"""What the tables of hostile input share: configurations on a tiny source, and an empty folder to stand in."""

import pytest
from faults import Runs, write_configs


@pytest.fixture(scope="session")
def configs(tmp_path_factory):
    """Folder with a configuration of each task, `vectors.txt` and the checkpoint `bert`."""
    return write_configs(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="session")
def runs(configs):
    """Task -> the folder of a finished run, made when first asked for."""
    return Runs(configs)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
