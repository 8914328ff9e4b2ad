"""A bundle's run.py in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

BLOCKER = """
import sys
BLOCKED = ("torch", "sertool", "onnx", "scipy", "soxr", "sklearn", "librosa", "transformers", "huggingface_hub")
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Blocker())
import json, runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(bundle: Path, *arguments: str) -> subprocess.CompletedProcess:
    """run.py in a process that can import neither torch nor this package."""
    return subprocess.run(
        [sys.executable, "-I", "-c", BLOCKER, str(bundle / "run.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=bundle.parent,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
    )


def load_script(bundle: Path) -> dict:
    """The functions of a bundle's run.py."""
    space: dict = {"__name__": "script", "__file__": str(bundle / "run.py")}
    exec(compile((bundle / "run.py").read_text(), "run.py", "exec"), space)
    return space
