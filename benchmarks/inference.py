"""Time predictions: one recording in a warm process, a hundred at once, and the whole command.

``python -m benchmarks.inference`` trains the demo's five members for one epoch (their sizes count here, not their
score) and predicts packaged recordings with their words. The times include reading, frames and the model.
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import sertool
from sertool.core.bench.device import describe_machine
from sertool.core.files import artifacts

CLIPS = Path(sertool.__file__).parent / "core" / "corpora" / "demo" / "clips"
MANY = 100
TARGETS = {"one_s": 0.05}
RESULT = Path(__file__).parent / "results" / "predicting.json"


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of every round, after one that warms up."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        _sertool("train", "--recipe", "demo", "--set", "training.max_epochs=1", "--output", name)
        with (CLIPS / "clips.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        paths = [CLIPS / rows[number % len(rows)]["audio"] for number in range(MANY)]
        texts = [rows[number % len(rows)]["text"] for number in range(MANY)]
        model = sertool.load(output / "demo", device="cpu")
        one = [lambda i=i: model.predict(paths[i], texts[i]) for i in range(len(rows))]
        return {
            "targets": TARGETS,
            "members": len(model.members),
            "one_s": [seconds for predict in one for seconds in _times(predict, rounds)],
            "hundred_s": _times(lambda: model.predict(paths, texts), rounds),
            "command_s": _times(lambda: _predict(name, paths[:1]), rounds),
            "command_hundred_s": _times(lambda: _predict(name, paths), rounds),
        }


def _predict(output: str, paths: list[Path]) -> None:
    _sertool("predict", "--name", "demo", "--output", output, "--device", "cpu", *map(str, paths))


def _sertool(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "sertool", *arguments], check=True, capture_output=True)


def _times(work: Callable[[], Any], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        times.append(round(time.perf_counter() - begun, 5))
    return times[1:]


def main() -> None:
    """Measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="that count, default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULT, help="default benchmarks/results/predicting.json")
    options = parser.parse_args()
    result = {"machine": describe_machine(torch.device("cpu")), **measure(options.rounds)}
    for what, key in (
        (f"one recording, warm (target {1000 * TARGETS['one_s']:.0f} ms)", "one_s"),
        (f"{MANY} recordings, warm", "hundred_s"),
        ("sertool predict, one recording", "command_s"),
        (f"sertool predict, {MANY} recordings", "command_hundred_s"),
    ):
        times = sorted(1000 * seconds for seconds in result[key])
        print(f"{what}: {statistics.median(times):.0f} ms ({times[0]:.0f} to {times[-1]:.0f})")
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
