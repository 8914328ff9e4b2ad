"""Twenty thousand damaged and generated files, read under guard in a separate process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZING = Path(__file__).parent
FILES = 21_000
KINDS = {"pickle", "checkpoint", "zip", "tar.gz", "safetensors", "npy", "json", "jsonl", "generated"}


@pytest.mark.slow
def test_every_file_ends_in_data_or_in_one_message(tmp_path):
    """Readers return data or one message; nothing is run, imported or written, and memory stays small (guarded.py)."""
    command = [sys.executable, str(FUZZING / "mutate.py"), str(FILES), "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    print(result)
    assert result["files"] >= 20_000
    assert set(result["counts"]) == {f"{kind} {what}" for kind in KINDS for what in ("read", "refused")}
    assert result["grown"] < 300_000  # kilobytes
    assert {path.name for path in tmp_path.iterdir()} <= {".hypothesis"}
