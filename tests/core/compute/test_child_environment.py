"""The environment of a child process: its modules and its card."""

import os
import sys
from pathlib import Path

import pytest

from sertool.core.compute.child_environment import child_environment, visible_card


@pytest.mark.parametrize(
    ("visible", "card", "bound"),
    [
        (None, 0, "0"),
        (None, 3, "3"),
        ("2,3", 0, "2"),
        ("2,3", 1, "3"),
        ("3, 1 ,0", 1, "1"),
        ("GPU-8932f937-d72c,GPU-1f", 1, "GPU-1f"),
        ("MIG-GPU-8932f937/1/0", 0, "MIG-GPU-8932f937/1/0"),
    ],
)
def test_the_card_of_a_child(visible, card, bound):
    assert visible_card(visible, card) == bound
    given = {"HOME": "/h"} if visible is None else {"HOME": "/h", "CUDA_VISIBLE_DEVICES": visible}
    found = child_environment(given, card)
    assert found == {"HOME": "/h", "PYTHONPATH": found["PYTHONPATH"], "CUDA_VISIBLE_DEVICES": bound}
    assert child_environment(given).get("CUDA_VISIBLE_DEVICES") == visible


def test_a_child_finds_the_modules_of_its_parent(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/one", "", "/two"])
    assert child_environment({"PYTHONPATH": "/other"})["PYTHONPATH"] == os.pathsep.join(
        ["/one", str(Path.cwd()), "/two"]
    )
