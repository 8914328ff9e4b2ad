"""Fixtures of several test files."""

import os
import signal
from pathlib import Path

import pytest

# As the command line sets it, before torch is imported: with two test processes on two cores, OpenMP's busy waiting
# makes small models many times slower.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

# A shell lets what it starts in the background ignore Ctrl-C, and all processes of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real corpora (``emodb/``, ...): SERTOOL_TEST_DATA, or shared/data beside the checkout."""
    checkout = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("SERTOOL_TEST_DATA", checkout.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: SERTOOL_TEST_DATA names the one that holds the real corpora")
    return folder
