"""Fixtures of these tests."""

import pytest
from bench_workloads import SMALL

from sertool.core.bench.random_corpus import random_corpus


@pytest.fixture
def small(monkeypatch):
    """Random corpora of a few utterances."""

    def few(recipe):
        wanted = {"train", recipe.splits.valid, recipe.splits.test} & set(SMALL) | set(recipe.expected)
        return random_corpus(recipe, 0, {split: SMALL[split] for split in SMALL if split in wanted})

    monkeypatch.setattr("sertool.core.bench.workload.random_corpus", few)
