"""Recordings for the tables of these tests."""

import numpy as np
import pytest
import soundfile
from recorded_tables import RATE


@pytest.fixture
def folder(tmp_path):
    """Three recordings of half a second and room for a table beside them."""
    random = np.random.default_rng(3)
    for name in "abc":
        (tmp_path / "wav").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "wav" / f"{name}.wav", random.normal(0, 0.1, RATE // 2), RATE)
    return tmp_path
