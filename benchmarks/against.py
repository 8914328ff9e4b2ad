"""Compare training steps with those of another commit, in one run: ``python -m benchmarks.against COMMIT``.

The commit is unpacked into a temporary folder. Each side trains in its own process, on the same recipe, members and
utterances, and the two take turns, so that whatever else the machine does meets both. Compare CPU time where the
machine is busy, and the rates where it is not.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sertool.core.bench.device import describe_machine
from sertool.core.bench.turns import Spread
from sertool.core.files import artifacts

ROOT = Path(__file__).resolve().parent.parent
SIDE = Path(__file__).with_name("_side.py")


class AgainstError(Exception):
    """A side cannot be measured; the message says why."""


@dataclass
class Side:
    """A commit's process, ready to train in turns of ``steps`` steps."""

    name: str
    process: subprocess.Popen[str]
    steps: int = 0

    def answer(self) -> dict[str, Any]:
        """Return the next line that the process writes.

        Raises:
            AgainstError: the process ended, or its code cannot do the task.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            raise AgainstError(f"{self.name}: the process ended, exit code {self.process.wait()}") from None
        if "error" in said:
            raise AgainstError(f"{self.name}: this commit cannot train the task, {said['error']}")
        return said

    def turn(self) -> dict[str, float]:
        """Train one turn; return utterances over all members, seconds of wall time and of CPU time."""
        assert self.process.stdin is not None
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        return self.answer()


@contextmanager
def unpacked(commit: str) -> Iterator[Path]:
    """Unpack a commit into a temporary folder.

    Raises:
        AgainstError: git does not know the commit.
    """
    done = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise AgainstError(f"{commit}: git knows no such commit here ({done.stderr.decode().strip()})")
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(name, filter="data")
        yield Path(name).resolve()


@contextmanager
def opened(name: str, folder: Path, task: dict[str, Any]) -> Iterator[Side]:
    """Start a side's process in a folder with its code, and end it."""
    with subprocess.Popen(
        [sys.executable, str(SIDE), json.dumps(task)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Side(name, process)
        finally:
            process.kill()


def compare(commit: str, other: str | None, task: dict[str, Any], turns: int) -> dict[str, Any]:
    """Let two commits take turns; ``other`` None is the working tree.

    Returns:
        For both sides utterances a second and CPU milliseconds a step, and their ratios turn by turn: above 1 where
        ``other`` is faster.
    """
    with ExitStack() as stack:
        folders = (
            stack.enter_context(unpacked(commit)),
            ROOT if other is None else stack.enter_context(unpacked(other)),
        )
        names = commit, other or "working tree"
        sides = [stack.enter_context(opened(*pair, task)) for pair in zip(names, folders, strict=True)]
        for side in sides:
            side.steps = side.answer()["steps"]
        rows = [[side.turn() for side in sides] for _ in range(turns)]
    result: dict[str, Any] = {"task": task, "turns": turns}
    for place, side in enumerate(sides):
        own = [row[place] for row in rows]
        result[side.name] = {
            "utterances_s": Spread.of([turn["utterances"] / turn["wall"] for turn in own]).to_json(),
            "cpu_ms_a_step": Spread.of([1e3 * turn["cpu"] / side.steps for turn in own]).to_json(),
        }
    for name in ("wall", "cpu"):
        result[f"{name}_ratio"] = Spread.of([before[name] / after[name] for before, after in rows]).to_json()
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument("--other", help="commit of the other side; default: the working tree")
    parser.add_argument("--recipe", default="demo", help="default %(default)s")
    parser.add_argument("--members", type=int, default=5, help="default %(default)s")
    parser.add_argument("--hidden-size", type=int, help="D, and half the feed-forward size; default: the recipe's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of the recipe")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="default %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of torch, default %(default)s")
    parser.add_argument("--steps", type=int, default=12, help="of a turn, default %(default)s")
    parser.add_argument("--turns", type=int, default=9, help="of each side, default %(default)s")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    settings = list(options.set)
    if options.hidden_size:
        settings += [f"model.hidden_size={options.hidden_size}", f"model.ffn_size={2 * options.hidden_size}"]
    task = {name: getattr(options, name) for name in ("recipe", "members", "precision", "threads", "steps")}
    try:
        result = compare(options.commit, options.other, {**task, "settings": settings}, options.turns)
    except AgainstError as error:
        parser.exit(1, f"{error}\n")
    result["machine"] = describe_machine(torch.device("cpu"))
    for name, own in result.items():
        if isinstance(own, dict) and "cpu_ms_a_step" in own:
            print(f"{name}: {_said(own['cpu_ms_a_step'])} ms of CPU a step, {_said(own['utterances_s'])} utterances/s")
    print(f"times as fast: {_said(result['cpu_ratio'])} by CPU time, {_said(result['wall_ratio'])} by the clock")
    if options.json:
        artifacts.write_json(options.json, result)


def _said(spread: dict[str, float]) -> str:
    return f"{spread['median']:.4g} ({spread['min']:.4g} to {spread['max']:.4g})"


if __name__ == "__main__":
    main()
