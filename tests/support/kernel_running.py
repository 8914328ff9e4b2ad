"""Run the scripts that test Triton kernels, each in a process of its own, where Triton is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, TESTS

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed; `make test-kernels` does it"
)


def printed(*arguments: str | Path, **environment: str) -> Any:
    """Run Python with these arguments in the project's folder and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def interpret(script: str) -> Any:
    """Return the output of a script whose kernels Triton interprets; Triton reads the variable when it is imported."""
    return printed(TESTS / "core/models/kernels/scripts" / script, TRITON_INTERPRET="1")
