"""Fixtures of these tests."""

import pytest
from bench_workloads import SMALL

from sertool.core.bench import device
from sertool.core.bench import plain_side as plain
from sertool.core.bench.random_corpus import random_corpus


@pytest.fixture
def small(monkeypatch):
    """Random corpora of a few utterances."""

    def few(recipe):
        wanted = {"train", recipe.splits.valid, recipe.splits.test} & set(SMALL) | set(recipe.expected)
        return random_corpus(recipe, 0, {split: SMALL[split] for split in SMALL if split in wanted})

    monkeypatch.setattr("sertool.core.bench.workload.random_corpus", few)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """The eight processes of the plain side's loader take seconds to start, and so do large products."""
    assert plain.WORKERS == 8
    monkeypatch.setattr(plain, "WORKERS", 1)
    monkeypatch.setitem(device.MATRIX_SIZE, "cpu", 256)
    monkeypatch.setitem(device.COPIED_BYTES, "cpu", 2**20)
