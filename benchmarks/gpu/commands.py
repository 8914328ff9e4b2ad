"""Part 8: ``sertool train``, ``ensemble`` and ``predict`` as a user runs them, on the device and on the CPU."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import FailedError, Settings, missing, serve
from sertool.core.files import artifacts

NAME = "card"
MEMBERS, EPOCHS, TINY_EPOCHS = 3, 5, 1
LARGEST = 1e-3  # difference of a logit or a probability in fp32
TEXTS = 20
AUDIO = ("soundfile", "soxr")


def work(settings: Settings) -> None:
    """Train on the packaged demo corpus, then evaluate and predict on the device and on the CPU."""
    found: dict[str, Any] = {"wall_s": {}, "largest_difference": {}, "left_out": {}}
    with tempfile.TemporaryDirectory() as name:
        commands = _Commands(Path(name), found["wall_s"])
        epochs = TINY_EPOCHS if settings.tiny else EPOCHS
        commands.run(
            "train", settings.device, "--recipe", "demo", "--members", MEMBERS, "--set", f"training.max_epochs={epochs}"
        )
        settings.write(found)
        logits = [commands.logits(device) for device in (settings.device, "cpu")]
        found["largest_difference"]["ensemble, logits"] = _apart(*logits)
        settings.write(found)
        tables = {"predict texts": _texts(Path(name) / "texts.csv", audio=False)}
        if lacking := missing(*AUDIO):
            found["left_out"]["predict recordings"] = f"no {' and no '.join(lacking)}"
        else:
            tables["predict recordings"] = _texts(Path(name) / "recordings.csv", audio=True)
        for title, table in tables.items():
            probabilities = [commands.probabilities(title, table, device) for device in (settings.device, "cpu")]
            found["largest_difference"][f"{title}, probabilities"] = _apart(*probabilities)
            settings.write(found)
    far = {title: apart for title, apart in found["largest_difference"].items() if not apart <= LARGEST}
    if far:
        raise FailedError(f"{settings.device} and CPU differ by more than {LARGEST:g}: {far}")


class _Commands:
    """Commands in a folder of trained models, with the wall time of each."""

    def __init__(self, folder: Path, wall: dict[str, float]) -> None:
        self.folder, self.wall = folder, wall

    def run(self, command: str, device: str, *arguments: object, title: str = "") -> None:
        """Run a command as a process of its own.

        Raises:
            FailedError: its exit code is not 0.
        """
        places = ["--name", NAME, "--output", str(self.folder), "--device", device]
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "sertool", command, *map(str, arguments), *places],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TERM": "dumb"},
        )
        key = f"{title or command}, {device}"
        # On a CPU that is compared with itself, the second of both would replace the first.
        self.wall[key if key not in self.wall else f"{key} again"] = round(time.perf_counter() - begun, 2)
        print(done.stdout, flush=True)
        if done.returncode:
            raise FailedError(f"sertool {command} --device {device}: exit code {done.returncode}")

    def logits(self, device: str) -> Any:
        """Evaluate the test split; return the stored logits (E, N, C)."""
        self.run("ensemble", device)
        stored = self.folder / NAME / "predictions" / "test.safetensors"
        return artifacts.read_arrays(stored)[0]["logits"]

    def probabilities(self, title: str, table: Path, device: str) -> Any:
        """Predict the rows of a table; return the probabilities (N, C)."""
        import numpy as np

        file = self.folder / "predicted.json"
        self.run("predict", device, "--table", table, "--json", file, title=title)
        rows = artifacts.read_json(file)["predictions"]
        return np.array([list(row["probabilities"].values()) for row in rows])


def _texts(table: Path, *, audio: bool) -> Path:
    """Write a table of the packaged recordings with their words, or of the words alone."""
    import sertool

    clips = Path(sertool.__file__).parent / "core" / "corpora" / "demo" / "clips"
    with (clips / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:TEXTS]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audio", "text"] if audio else ["text"])
        writer.writerows([str(clips / row["audio"]), row["text"]] if audio else [row["text"]] for row in rows)
    return table


def _apart(ours: Any, theirs: Any) -> float:
    """Return the largest absolute difference; NaN if a value is NaN."""
    return float(abs(ours - theirs).max())


if __name__ == "__main__":
    serve(work)
