"""The child's side of a part: its arguments, its result file, and a reason where it cannot do its work."""

import argparse
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# As `sertool` itself sets it, and read by OpenMP when torch loads it: no long busy waiting.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from sertool.core.files import artifacts

if TYPE_CHECKING:
    from sertool.core.compute.device import Precision

LEFT_OUT_CODE = 77  # exit code of a part that lacks something, as test harnesses use it
LEFT_OUT = "left out: "


class LeftOutError(Exception):
    """A part cannot do its work on this machine; the text is the reason."""


class FailedError(Exception):
    """A part did its work, and the result is not as it must be; the text says what."""


@dataclass(frozen=True)
class Settings:
    """The settings of a part.

    Attributes:
        file: file for its results.
        device: device to measure.
        tiny: use tiny sizes, to try the script out.
    """

    file: Path
    device: Literal["cpu", "cuda"]
    tiny: bool

    def write(self, content: Any) -> None:
        """Write the results so far; the file is whole at any time."""
        artifacts.write_json(self.file, content)

    def precision(self) -> "Precision":
        """Choose the number format that a training on the device would take."""
        from sertool.core.compute.device import choose

        return choose(self.device, "auto")


def serve(work: Callable[[Settings], None]) -> None:
    """Run a part as the command line asks; exit with a code that the runner understands."""
    parser = argparse.ArgumentParser(description=work.__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--with-parent", action="store_true", help="end when the standard input closes")
    options = parser.parse_args()
    if options.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(Settings(options.file, options.device, options.tiny))
    except LeftOutError as reason:
        print(f"{LEFT_OUT}{reason}", flush=True)
        sys.exit(LEFT_OUT_CODE)
    except FailedError as reason:
        print(reason, flush=True)
        sys.exit(1)


def _end_with_parent() -> None:
    """Kill the own processes when the input closes: the parent holds its other end and has died."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def missing(*modules: str) -> list[str]:
    """Return those of the modules that are not installed."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def need(*modules: str) -> None:
    """Leave the part out unless all modules are installed.

    Raises:
        LeftOutError: some are missing.
    """
    if lacking := missing(*modules):
        raise LeftOutError(f"no {' and no '.join(lacking)}")
