"""Part 3: the tests that need a CUDA device, ``pytest -m gpu``; each outcome is written as soon as it is known."""

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.child import FailedError, Settings, missing, need, serve

if TYPE_CHECKING:
    import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WORKERS = 8
LAST_LINES, WIDEST = 15, 200  # of the text of a failure
SLOWEST = 5
ABSENT = re.compile(r"ModuleNotFoundError: (?:No module named|import of) '?(\w+)")
OWN = ("sertool", "benchmarks", "tests")  # a module of these that is missing is a mistake


class Recorder:
    """A plugin of pytest that writes every outcome down."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self.settings, self.begun = settings, time.monotonic()
        self.seconds: dict[str, float] = {}
        self.found: dict[str, Any] = {
            "workers": workers,
            "finished": False,
            "passed": 0,
            "skipped": 0,
            "failed": [],
            "left_out": [],
        }

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        """Count a passed test once, and a failed or skipped one in whichever phase it ended."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.found["failed"].append({"test": report.nodeid, "last_lines": _end(report.longreprtext)})
        elif report.skipped:
            self.found["skipped"] += 1
        elif report.when == "call":
            self.found["passed"] += 1
        self.write()

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        """Tell files that need a package which is not installed from those that are broken."""
        if report.failed:
            lines = _end(report.longreprtext)
            absent = ABSENT.search("\n".join(lines))
            key = "left_out" if absent is not None and absent[1] not in OWN else "failed"
            if not any(row["test"] == report.nodeid for row in self.found[key]):  # each worker collects
                self.found[key].append({"test": report.nodeid, "last_lines": lines})
            self.write()

    def write(self) -> None:
        """Write what is known."""
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:SLOWEST]
        self.found["slowest"] = {name: round(seconds, 1) for name, seconds in slowest}
        self.found["seconds"] = round(time.monotonic() - self.begun, 1)
        self.settings.write(self.found)


def work(settings: Settings) -> None:
    """Run the tests of the files that hold such tests, eight at a time where pytest-xdist is there."""
    need("pytest", "hypothesis")
    import pytest

    os.chdir(CHECKOUT)
    workers = 1 if settings.tiny or missing("xdist") else WORKERS
    recorder = Recorder(settings, workers)
    beside = [] if workers == 1 else ["-n", str(workers)]
    # Without continuing, a file whose packages are missing would stop the others.
    options = ["-m", "gpu", "--tb=short", "--continue-on-collection-errors", *beside]
    # pytest-benchmark, where it is installed, warns of pytest-xdist, and a warning is an error here.
    options += ["-p", "no:cacheprovider", "-p", "no:benchmark"]
    code = pytest.main([*options, *files_with_gpu_tests()], plugins=[recorder])
    recorder.found["finished"] = True
    recorder.write()
    if failed := recorder.found["failed"]:
        raise FailedError("\n".join(["failed:", *(row["test"] for row in failed)]))
    # Collection errors of files that were left out count as a failure for pytest.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise FailedError(f"pytest ended with exit code {code}")


def files_with_gpu_tests() -> list[str]:
    """Return the test files with the marker; collecting all others takes long and needs more packages."""
    files = sorted((CHECKOUT / "tests").rglob("test_*.py"))
    return [str(file) for file in files if "mark.gpu" in file.read_text(encoding="utf-8")]


def _end(text: str) -> list[str]:
    return [line[:WIDEST] for line in text.rstrip().splitlines()[-LAST_LINES:]]


if __name__ == "__main__":
    serve(work)
