"""Run parts one after the other, each in a child process with a time limit; its results survive whatever comes later.

A part is a module with a function that :func:`~benchmarks.gpu.child.serve` runs. After each part, and before the next
one starts, ``run.json`` and the summary are written again. So a run that is killed leaves both as they were then.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import LEFT_OUT, LEFT_OUT_CODE
from sertool.core.files import artifacts

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RUN = "run.json"
RUNNING, DONE, WITHOUT, FAILED, CUT_OFF = "running", "done", "left out", "failed", "cut off"
LEAST = 5.0  # seconds; a part cannot do anything in less
PATIENCE = 10.0  # seconds for a killed child to end
KEPT_LOG = 1_000_000  # bytes at the end of each log
SHOWN_LINES = 12  # of the log of a part that failed


@dataclass(frozen=True)
class Part:
    """A part of the run.

    Attributes:
        name: name of the part and, after its number, of its files.
        module: module that is run in a child process.
        limit: seconds after which the child and all its processes are killed.
        arguments: arguments of the module beside the common ones.
    """

    name: str
    module: str
    limit: float
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The end of a part.

    Attributes:
        name: name of the part.
        file: name of the file with its results.
        state: running, done, left out, failed or cut off.
        seconds: time it took.
        limit: seconds it was allowed.
        note: reason, where it is not done; the last lines of its log, where it failed.
    """

    name: str
    file: str
    state: str
    seconds: float
    limit: float
    note: str = ""


class Run:
    """A run of parts into a folder.

    Args:
        folder: folder for all results.
        facts: options and versions to store with the outcomes.
        total: seconds for all parts together.
        changed: called whenever the outcomes have changed and been stored.
        only: names of the parts to run; results of others in the folder are kept. Default: all.
    """

    def __init__(
        self,
        folder: Path,
        facts: dict[str, Any],
        total: float,
        changed: Callable[[Outcome], None] = lambda outcome: None,
        only: Sequence[str] = (),
    ) -> None:
        self.folder, self.facts, self.total, self.changed, self.only = folder, facts, total, changed, only
        self.outcomes: dict[str, Outcome] = {}
        self.begun = time.monotonic()

    def parts(self, parts: Sequence[Part], options: Sequence[str]) -> bool:
        """Run the parts in order; ``options`` go to each of them. Return whether none of them failed.

        Raises:
            KeyboardInterrupt: the user stopped the run; the running part has been killed and recorded.
        """
        numbered = {part.name: f"{number}-{part.name}.json" for number, part in enumerate(parts, start=1)}
        chosen = [part for part in parts if not self.only or part.name in self.only]
        if self.only:
            kept = read_outcomes(self.folder)
            self.outcomes = {outcome.name: outcome for outcome in kept if outcome.name in numbered}
        for part in chosen:  # results of an earlier run must not be taken for those of this one
            (self.folder / numbered[part.name]).unlink(missing_ok=True)
            self.outcomes.pop(part.name, None)
        for part in chosen:
            self._part(part, self.folder / numbered[part.name], options)
        return not any(self.outcomes[part.name].state in (FAILED, CUT_OFF) for part in chosen)

    def _part(self, part: Part, file: Path, options: Sequence[str]) -> None:
        limit = min(part.limit, self.total - (time.monotonic() - self.begun))
        if limit < LEAST:
            note = f"no time was left: all parts together may take {self.total:.0f} s"
            self._record(Outcome(part.name, file.name, CUT_OFF, 0.0, 0.0, note))
            return
        self._record(Outcome(part.name, file.name, RUNNING, 0.0, round(limit, 1)))
        begun = time.monotonic()
        log = self.folder / "logs" / f"{file.stem}.log"
        command = [sys.executable, "-m", part.module, *part.arguments, *options, "--file", str(file.resolve())]
        state, note = CUT_OFF, "interrupted"
        try:
            state, note = _child(command, log, limit)
        finally:  # also on Ctrl-C
            self._record(Outcome(part.name, file.name, state, round(time.monotonic() - begun, 1), limit, note))

    def _record(self, outcome: Outcome) -> None:
        self.outcomes[outcome.name] = outcome
        # In the order of the files' numbers, wherever `only` has inserted one.
        ordered = sorted(self.outcomes.values(), key=lambda one: int(one.file.partition("-")[0]))
        seconds = round(time.monotonic() - self.begun, 1)
        content = {**self.facts, "seconds": seconds, "parts": [asdict(one) for one in ordered]}
        artifacts.write_json(self.folder / RUN, content)
        self.changed(outcome)


def read_outcomes(folder: Path) -> list[Outcome]:
    """Read the outcomes of the last run into a folder; none if there was none."""
    file = folder / RUN
    return [Outcome(**row) for row in artifacts.read_json(file)["parts"]] if file.is_file() else []


def _child(command: Sequence[str], log: Path, limit: float) -> tuple[str, str]:
    """Run a command with its output in a log; return its state and a note."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # A session of its own, so that it is killed with all that it started. Its input is a pipe that nobody writes
        # to: it closes when this process dies, even by SIGKILL, and then the child ends itself.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=CHECKOUT, start_new_session=True
        )
        try:
            code: int | None = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill(child)
    _shorten(log)
    if code is None:
        return CUT_OFF, f"killed after its limit of {limit:.0f} s"
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    if code == 0:
        return DONE, ""
    if code == LEFT_OUT_CODE:
        return WITHOUT, lines[-1].removeprefix(LEFT_OUT)
    how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
    return FAILED, "\n".join([how, *lines[-SHOWN_LINES:]])


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of a child and the processes it started, also those with a session of their own."""
    family = _descendants(child.pid) if child.poll() is None else []
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(child.pid, signal.SIGKILL)
    for process in family:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # a process that waits for its driver cannot be ended
        child.wait(PATIENCE)
    if child.stdin is not None:
        child.stdin.close()


def _descendants(process: int) -> list[int]:
    """List the processes below one; only Linux tells."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended in the meantime
            # Behind the command's name, which may hold anything: state, parent.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    found = [process]
    for known in found:  # grows on the way
        found += [own for own, parent in parents.items() if parent == known]
    return found[1:]


def _shorten(log: Path) -> None:
    """Keep the end of a log."""
    if log.stat().st_size > KEPT_LOG:
        with log.open("rb") as file:
            file.seek(-KEPT_LOG, os.SEEK_END)
            end = file.read()
        log.write_bytes(end)
