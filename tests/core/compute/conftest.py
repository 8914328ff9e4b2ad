"""Fixtures of these tests."""

import pytest
from builders import tiny_recipe, write_tiny

from sertool.core.runs import train as runs


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a tiny corpus and a recipe for it."""
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "data")
    (tmp_path / "tiny.yaml").write_text(runs.resolved(tiny_recipe()))
    return tmp_path
