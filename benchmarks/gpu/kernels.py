"""Part 2: each kernel compared with its plain definition on this card, by ``sertool doctor --device``."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import FailedError, LeftOutError, Settings, serve
from sertool.core.files import artifacts

COMMAND = ("doctor", "--device")
LINES = 60  # of its output that are kept


def work(settings: Settings) -> None:
    """Run the command and keep its exit code, its JSON and its output."""
    if settings.device == "cpu":
        raise LeftOutError("there is no CUDA device")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "device.json"
        done = subprocess.run(
            [sys.executable, "-m", "sertool", *COMMAND, "--json", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(done.stdout, flush=True)
        report: Any = artifacts.read_json(file) if file.is_file() else {}
    lines = done.stdout.rstrip().splitlines()[-LINES:]
    settings.write({"exit_code": done.returncode, "cards": report.get("cards", []), "output": lines})
    if done.returncode:
        raise FailedError(f"sertool {' '.join(COMMAND)}: exit code {done.returncode}")


if __name__ == "__main__":
    serve(work)
