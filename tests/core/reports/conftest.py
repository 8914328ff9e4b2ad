"""Fixtures for tests of reports and comparisons."""

import pytest
from stored_sets import make_set, write_run


@pytest.fixture
def clean(tmp_path):
    """A folder with one clean run."""
    write_run(tmp_path / "tiny", make_set("test"), make_set("valid", 200))
    return tmp_path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command; runs lie below ckpt."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
