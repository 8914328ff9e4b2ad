"""Trainings that are killed, within this process or by signal, and the files they leave."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from builders import tiny_recipe, write_tiny

from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved

UNEVEN = {"max_epochs": 12, "patience": 2, "max_decays": 1}
DROPOUT = {"dropout_input": 0.2, "dropout_residual": 0.1, "dropout_output": 0.5}


class Killed(BaseException):
    """Stands for SIGKILL: no code catches it."""


def killing(monkeypatch, at):
    """Kill what follows as it writes its ``at``-th file; the list holds the number of files still to come."""
    left, replace = [at], Path.replace

    def counted(self, target):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counted)
    return left


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a run but its log, which holds the time; half-written files count, too."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("log.jsonl", ".lock")}


# The command line, taking worker processes for the shortest of trainings.
IN_PROCESSES = (
    "from sertool.core.runs import plan; plan.START_SECONDS = plan.LEAST_GAIN = 0; "
    "from sertool.__main__ import main; main()"
)


class Process:
    """``sertool train`` on a tiny corpus in a process of its own; ``processes`` adds those of its groups."""

    def __init__(self, folder: Path, *extra: str, processes: bool = False) -> None:
        self.folder, self.extra = folder, extra
        self.python = ["-c", IN_PROCESSES] if processes else ["-m", "sertool"]
        self.cores = 2 if processes else 1

    def start(self, name: str) -> subprocess.Popen:
        arguments = ["train", "--recipe", "tiny.yaml", "--name", name, "--runs", "3", *self.extra]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.cores)}
        return subprocess.Popen(
            [sys.executable, *self.python, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, name: str) -> float:
        """Run the command to its end; returns the seconds it took."""
        begun = time.monotonic()
        process = self.start(name)
        _, talk = process.communicate(timeout=300)
        assert process.returncode == 0, talk
        return time.monotonic() - begun


LONG = {**UNEVEN, "max_epochs": 60, "patience": 40, "max_decays": 9}


def kill_and_resume(tmp_path, kills, *extra, splits=None, processes=False, recipe=None, corpus=None):
    """Kill a training ``kills`` times, then let it end: every file is as it is without a kill."""
    recipe = recipe or tiny_recipe(splits=splits or {}, model=DROPOUT, training=LONG)
    artifacts.write_text(tmp_path / "tiny.yaml", resolved(recipe))
    write_tiny(tmp_path / "data", corpus)
    process = Process(tmp_path, *extra, processes=processes)
    whole = process.finish("whole")
    # A process spends most of its time importing torch, so the waits are long enough to kill some while they train.
    draw = random.Random(7)
    for _ in range(kills):
        victim = process.start("killed")
        time.sleep(draw.uniform(0.3, 1.0) * whole)
        if victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
        victim.communicate()
        assert victim.returncode in (0, -signal.SIGKILL)
    process.finish("killed")
    assert contents(tmp_path / "ckpt/killed") == contents(tmp_path / "ckpt/whole")
