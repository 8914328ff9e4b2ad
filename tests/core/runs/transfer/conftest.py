"""An earlier run, and another corpus to start from it on."""

import shutil

import pytest
from builders import tiny_recipe, write_tiny
from transfers import complete, other_corpus

from sertool.core.files import artifacts


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Train four members on the tiny corpus as ``ckpt/first``, and write another corpus beside it."""
    root = tmp_path_factory.mktemp("earlier")
    complete(root / "ckpt/first", tiny_recipe(), data=write_tiny(root / "data"), seeds=(1, 2, 3, 4))
    write_tiny(root / "other", other_corpus())
    path = root / "ckpt/first/run-3/run.json"  # so that the best is not the first by name
    artifacts.write_json(path, {**artifacts.read_json(path), "score": 0.99})
    return root


@pytest.fixture
def here(earlier, tmp_path):
    """Copy the earlier run; ``data`` is now the other corpus."""
    shutil.copytree(earlier / "ckpt", tmp_path / "ckpt")
    shutil.copytree(earlier / "other", tmp_path / "data")
    shutil.copytree(earlier / "data", tmp_path / "first-data")
    return tmp_path
