"""Measure how long commands take to start, and the memory of training ten members."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks._corpus import make_corpus, shorten
from sertool.core.corpora.corpus_files import write_corpus

HELP_RUNS = 9
TARGETS = {"help_s": 0.4, "first_batch_s": 5.0, "peak_gb": 6.0}
# Enough for a few steps of every member and one full batch of evaluation.
TRAIN, TEST = 96, 96


def measure(device: str) -> dict[str, Any]:
    """Measure all commands, with as many threads as torch uses here, and print each figure at once."""
    result: dict[str, Any] = {"targets": TARGETS, "help_s": help_seconds()}
    print(f"sertool --help: {_spread(result['help_s'])} s, target {TARGETS['help_s']}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(shorten(make_corpus(), train=TRAIN, test=TEST), folder / "IEMOCAP")
        for members in (10, 1):
            trained = train(folder, device, members)
            evaluate(folder, device, members)  # fills the caches of the disk and of Python
            starts = [evaluate(folder, device, members) for _ in range(3)]
            result[f"members_{members}"] = {
                "training_peak_gb": trained["peak_gb"],
                "evaluation_first_batch_s": [start["first_batch_s"] for start in starts],
                "evaluation_peak_gb": max(start["peak_gb"] for start in starts),
            }
            print(
                f"{members:>2} members: training peak {trained['peak_gb']:.2f} GB (target {TARGETS['peak_gb']}), "
                f"evaluation to the first batch {_spread([start['first_batch_s'] for start in starts])} s "
                f"(target {TARGETS['first_batch_s']})",
                flush=True,
            )
    return result


def help_seconds() -> list[float]:
    """Wall time of ``sertool --help``, after one run that warms up."""
    script = Path(sys.executable).parent / "sertool"
    times = []
    for _ in range(HELP_RUNS + 1):
        begun = time.perf_counter()
        subprocess.run([script, "--help"], check=True, capture_output=True)
        times.append(round(time.perf_counter() - begun, 3))
    return times[1:]


def train(folder: Path, device: str, members: int) -> dict[str, float]:
    """Train members of IEMOCAP's size for one short epoch, grouped as the command chooses."""
    settings = ["--set", "training.max_epochs=1", "--members", str(members), "--name", f"bench-{members}"]
    return _observed(folder, ["train", "--recipe", "iemocap", *settings, "--device", device])


def evaluate(folder: Path, device: str, members: int) -> dict[str, float]:
    """Evaluate what :func:`train` left."""
    return _observed(folder, ["ensemble", "--name", f"bench-{members}", "--device", device])


def _observed(folder: Path, arguments: list[str]) -> dict[str, float]:
    note = folder / "observed.json"
    places = ["--data", str(folder), "--output", str(folder / "ckpt")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._observed", str(time.monotonic()), note, *arguments, *places],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"sertool {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return {key: round(value, 3) for key, value in json.loads(note.read_text()).items()}


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
