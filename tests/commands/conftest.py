"""Fixtures of the tests of commands."""

import pytest
from builders import copy_case


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def case(here):
    """A copy of a case; its data are in data/IEMOCAP."""
    copy_case("iemocap-mat", here)
    return here
