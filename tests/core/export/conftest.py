"""Fixtures of these tests."""

import pytest
from export_runs import train_tiny


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with a corpus of 80 mel bands below data and three members below ckpt/tiny."""
    folder = tmp_path_factory.mktemp("shop")
    train_tiny(folder, audio_width=80)
    return folder
