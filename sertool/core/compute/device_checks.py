"""Comparisons of code with its definition on a device, run in a child process, and a cache of their results.

Code that nobody tried on a device may crash its process or never end there. So a child process does the comparisons
and reports each one when it begins and when it ends, and this process only reads the reports: a comparison that does
not end is ended with its process, and a new child does those that are left. This module knows nothing about the code.
"""

import argparse
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any

from sertool.core.compute.child_environment import child_environment
from sertool.core.errors import SertoolError
from sertool.core.files.artifacts import read_json_object, write_json
from sertool.core.files.user_cache import user_cache
from sertool.core.formatting import printable

FORMAT = "sertool-device-checks-1"
LIMIT = 60.0  # seconds for one comparison, which compiles its code first
TOTAL = 180.0  # seconds for all comparisons
LONGEST = 120  # characters of an error's text
SIDE_BY_SIDE = 2  # children at a time: compiling takes most of the time, and a third would take more of a card's memory
POLLED = 0.2  # seconds between two looks at a child that reports nothing


@dataclass(frozen=True)
class Verdict:
    """Result of one comparison.

    Attributes:
        fault: what is wrong with the code on this device, for example ``differs by 0.3``; empty where it is equal.
        seconds: duration of the comparison.
    """

    fault: str
    seconds: float

    @property
    def equal(self) -> bool:
        """True if the code gives what its definition gives."""
        return not self.fault


@dataclass(frozen=True)
class Report:
    """Results of all comparisons by name; ``problem`` says why some are missing, which is no fault of the code."""

    verdicts: dict[str, Verdict]
    problem: str | None = None


def compare(module: str, device: str, names: Sequence[str], *, limit: float = LIMIT, total: float = TOTAL) -> Report:
    """Run comparisons in child processes.

    Args:
        module: run as ``python -m``; it calls :func:`serve`.
        device: device of torch, such as ``cuda:0``.
        names: comparisons that the module knows.
        limit: seconds that one of them may take.
        total: seconds that all of them may take; those that are left then count as faulty.
    """
    time_left = _Deadline(time.monotonic() + total)
    parts = [part for first in range(SIDE_BY_SIDE) if (part := names[first::SIDE_BY_SIDE])]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            reports = list(pool.map(lambda part: _compare_in_turn(module, device, part, limit, time_left), parts))
        except BaseException:  # Ctrl-C: the pool waits for its threads, which see within a moment that time is up
            time_left.end = 0.0
            raise
    verdicts = {name: verdict for report in reports for name, verdict in report.verdicts.items()}
    problem = next((report.problem for report in reports if report.problem is not None), None)
    return Report({name: verdicts[name] for name in names if name in verdicts}, problem)


@dataclass
class _Deadline:
    """Time at which every comparison must have ended."""

    end: float


def _compare_in_turn(module: str, device: str, names: Sequence[str], limit: float, time_left: _Deadline) -> Report:
    """Run comparisons one after the other, those behind a faulty one in a new child."""
    verdicts: dict[str, Verdict] = {}
    while left := [name for name in names if name not in verdicts]:
        if time.monotonic() >= time_left.end:
            return Report(verdicts | dict.fromkeys(left, Verdict("not compared, the others took too long", 0.0)))
        try:
            found = _Child(module, device, left).follow(limit, time_left)
        except OSError as error:
            return Report(verdicts, f"the comparison cannot start: {error}")
        verdicts |= found.verdicts
        if found.problem is not None:
            return Report(verdicts, found.problem)
    return Report(verdicts)


class _Child:
    """A process that does comparisons, in a session of its own, so that it can be ended with all that it started."""

    def __init__(self, module: str, device: str, names: Sequence[str]) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in follow
        # A pipe of its own: compilers and libraries may write to the standard output.
        self.reports, into = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, "--device", device, "--report", str(into), *names],
                stdin=subprocess.DEVNULL,
                stdout=self.errors,
                stderr=self.errors,
                env=child_environment(os.environ),
                pass_fds=(into,),
                start_new_session=True,
            )
        except OSError:
            os.close(self.reports)
            raise
        finally:
            os.close(into)

    def follow(self, limit: float, time_left: _Deadline) -> Report:
        """Read the reports until the process ends, or is ended because it takes too long."""
        verdicts: dict[str, Verdict] = {}
        problem, self.since = None, time.monotonic()
        self.running: str | None = None
        try:
            for message in self._messages(lambda: self._deadline(limit, time_left)):
                if "begin" in message:
                    self.running, self.since = message["begin"], time.monotonic()
                elif "end" in message:
                    verdicts[message["end"]] = Verdict(message["fault"], message["seconds"])
                    self.running = None
                else:
                    problem, self.running = message["problem"], None
            ending = self._ending()
        except TimeoutError:
            ending = f"took more than {time.monotonic() - self.since:.0f} s"
        finally:
            self._end()
        if self.running is not None:
            verdicts[self.running] = Verdict(ending, time.monotonic() - self.since)
        elif not verdicts and problem is None:
            problem = f"the comparison cannot start: {self._last_line() or ending}"
        self.errors.close()
        return Report(verdicts, problem)

    def _deadline(self, limit: float, time_left: _Deadline) -> float:
        # Starting up is no comparison: a slow disk may take a minute to read torch.
        return time_left.end if self.running is None else min(self.since + limit, time_left.end)

    def _messages(self, deadline: Callable[[], float]) -> Iterator[dict[str, Any]]:
        """Yield the process's reports until it ends; raise TimeoutError at the deadline."""
        pending = b""
        while (left := deadline() - time.monotonic()) > 0:
            if select.select([self.reports], [], [], min(left, POLLED))[0]:
                read = os.read(self.reports, 65536)
                if not read:
                    return
                *lines, pending = (pending + read).split(b"\n")
                yield from map(json.loads, lines)
            elif self.process.poll() is not None:  # whatever it started may still hold the pipe
                return
        raise TimeoutError

    def _ending(self) -> str:
        try:
            code = self.process.wait(POLLED)
        except subprocess.TimeoutExpired:  # it closed its pipe and goes on
            return "ended its reports"
        return f"ended its process ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def _end(self) -> None:
        os.close(self.reports)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # one that waits for its driver cannot be ended
            self.process.wait(5)

    def _last_line(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return _shortened(next((line for line in reversed(lines) if line.strip()), ""))


def serve(check: Callable[[str, str], str]) -> None:
    """Do the comparisons that the command line names, in the child process.

    Args:
        check: called with a name and a device; returns what is wrong, or an empty text.
    """
    from sertool.core.compute.shortage import ran_out_of_memory

    parser = argparse.ArgumentParser(description="Compare code with its definition; JSON lines say what was found.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--report", type=int, default=1, metavar="FD", help="file descriptor (default: 1, the output)")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args()
    # The system ends this process then, also where it hangs and its parent was killed.
    signal.alarm(round(TOTAL) + 30)
    for name in given.names:
        _tell(given.report, begin=name)
        begun = time.monotonic()
        works = True
        try:
            fault = check(name, given.device)
        except Exception as error:
            if ran_out_of_memory(error):
                _tell(given.report, problem="no memory is left on the device")
                return
            text = next((line for line in reversed(str(error).split("\n")) if line.strip()), "")
            fault = _shortened(f"raised {type(error).__name__}: {text}")
            works = _works(given.device)
        _tell(given.report, end=name, fault=fault, seconds=round(time.monotonic() - begun, 2))
        if not works:  # an illegal access spoils the process, so a new one does the rest
            return


def _tell(report: int, **message: str | float) -> None:
    os.write(report, json.dumps(message).encode() + b"\n")


def _works(device: str) -> bool:
    import torch

    try:
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def _shortened(text: str) -> str:
    text = printable(text.strip())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def source_hash(package: str) -> str:
    """Return the SHA-256 of a package's Python files."""
    digest = hashlib.sha256()
    for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def cache_file(kind: str, key: Mapping[str, str]) -> Path | None:
    """Return the file of the user's cache that holds, or is to hold, the results for a key; None without a home."""
    folder = user_cache()
    if folder is None:
        return None
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / f"{kind}-{digest[:16]}.json"


def stored(kind: str, key: Mapping[str, str], names: Sequence[str]) -> dict[str, Verdict] | None:
    """Read the results of all these comparisons from the cache; None where they are missing, damaged or of another key.

    Args:
        kind: first part of the file's name.
        key: everything on which the results depend: card, driver, versions, code.
        names: comparisons that must be there.
    """
    path = cache_file(kind, key)
    if path is None:
        return None
    try:
        content = read_json_object(path, FORMAT, "cache of comparisons")
        if content["key"] != dict(key):
            return None
        found = {name: Verdict(**content["verdicts"][name]) for name in names}
    except (SertoolError, KeyError, TypeError):
        return None
    typed = all(isinstance(v.fault, str) and isinstance(v.seconds, float | int) for v in found.values())
    return found if typed else None


def store(kind: str, key: Mapping[str, str], verdicts: Mapping[str, Verdict]) -> str | None:
    """Write results to the cache; return a sentence for the user where that is impossible, which is no error."""
    path = cache_file(kind, key)
    if path is None:
        return "the results of the comparison cannot be stored: this user has no home folder"
    content = {name: asdict(verdict) for name, verdict in verdicts.items()}
    try:
        write_json(path, {"format": FORMAT, "key": dict(key), "verdicts": content})
    except SertoolError as error:
        return f"the results of the comparison cannot be stored: {error}"
    return None
