"""An hour of speech cut at pauses and predicted: speed, memory, the page, and the same files after `kill -9`.

``python -m benchmarks.recordings`` joins the packaged synthetic sentences, with pauses between them, to a recording of
an hour, trains the demo's recipe on audio alone, and runs ``sertool predict --segment`` on one core.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from sertool.core.bench.device import describe_machine
from sertool.core.files import artifacts
from tests.support.spoken import CLIPS, RATE, joined

RESULT = Path(__file__).parent / "results" / "recordings.json"
OUTPUTS = ("csv", "jsonl", "srt", "html")
PAUSE = 0.6  # seconds between sentences
SEED = 1


def join(path: Path, seconds: float) -> float:
    """Write a recording (FLAC, 16 kHz, two channels of which one speaks at a time); return its length."""
    draw, sentences, written = random.Random(SEED), range(len(list(CLIPS.glob("*.flac")))), 0
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        while written < seconds * RATE:
            samples, _ = joined((draw.choice(sentences), draw.choice(sentences)), PAUSE)
            stereo = np.zeros((len(samples), 2), np.float32)
            stereo[:, draw.randrange(2)] = samples
            file.write(stereo)
            written += len(samples)
    return written / RATE


def start(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Start the prediction on one core; its files begin with a name."""
    outputs = [part for kind in OUTPUTS for part in (f"--{kind}", f"{name}.{kind}")]
    command = [sys.executable, "-m", "sertool", "predict", "--name", "demo", "call.flac", "--segment", *outputs]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        ["taskset", "-c", "0", *command], cwd=folder, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def measured(folder: Path, name: str) -> tuple[float, float, int]:
    """Run the prediction; return its wall seconds, its CPU seconds, and its peak memory in bytes."""
    begun = time.monotonic()
    process = start(folder, name)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the prediction failed")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def killed(folder: Path, name: str) -> int:
    """Kill the prediction after every part that it has done, and start it again; return how often it was killed."""
    journal, times, seen = folder / f"{name}.csv.progress", 0, 1
    while True:
        process = start(folder, name)
        while process.poll() is None:
            lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
            if lines > seen:
                process.kill()
                times, seen = times + 1, lines
            time.sleep(0.05)
        if process.returncode == 0:
            return times


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Make the recording and the model, and predict it."""
    length = join(folder / "call.flac", seconds)
    # Two epochs: the model's answers do not matter here.
    changes = ("dataset.modalities=[audio]", "training.max_epochs=2")
    options = [part for change in changes for part in ("--set", change)]
    train = [sys.executable, "-m", "sertool", "train", "--recipe", "demo", *options, "--device", "cpu"]
    subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    wall, cpu, memory = measured(folder, "whole")
    times = killed(folder, "part")
    whole, part = ({kind: (folder / f"{name}.{kind}").read_bytes() for kind in OUTPUTS} for name in ("whole", "part"))
    return {
        "seconds": round(length, 1),
        "segments": whole["jsonl"].count(b"\n"),
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "times_real_time": round(length / cpu, 1),
        "peak_mb": round(memory / 1e6),
        "page_mb": round(len(whole["html"]) / 1e6, 2),
        "killed": times,
        "same_bytes": whole == part,
    }


def main() -> None:
    """Measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recordings", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--json", type=Path, default=RESULT, help="default benchmarks/results/recordings.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = {"machine": describe_machine(torch.device("cpu")), **measure(Path(folder), given.seconds)}
    print(result)
    artifacts.write_json(given.json, result)


if __name__ == "__main__":
    main()
