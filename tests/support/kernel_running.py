"""For tests of Triton kernels: scripts of kernel_scripts in a process of their own, where Triton is installed."""

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
    """The JSON that Python prints with these arguments, run in the project's folder."""
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
    """What a script prints while Triton interprets kernels; it decides when it is imported whether it does."""
    return printed(TESTS / "core/models/kernels/scripts" / script, TRITON_INTERPRET="1")
