"""Entry point of ``python -m sertool`` and of the ``sertool`` command."""

import os
import signal
import sys
from types import FrameType, TracebackType

# OpenMP reads this when torch loads it. By default, its threads wait for each other in a busy loop; on a machine that
# has other work to do, that is ten times slower than one thread alone. A little looping is kept: without any, short
# operations wait for the system to wake a thread.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

INTERRUPTED = 130  # exit code: 128 + SIGINT, as shells expect


def main() -> None:
    """Run the command line."""
    # While modules are imported, nothing has to be cleaned up. An exception in the middle of an import could be
    # swallowed, or turned into another one, by the module that is imported.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _end)
    sys.excepthook = _show_safely
    from sertool.cli import app
    from sertool.commands._streams import open_missing_streams

    open_missing_streams()
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app()


def _end(number: int, frame: FrameType | None) -> None:
    """End the process at Ctrl-C."""
    try:
        os.write(2, b"Interrupted\n")
    finally:
        os._exit(INTERRUPTED)


def _show_safely(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show a traceback, of which the message may hold text from outside, without control signs."""
    from traceback import format_exception

    from sertool.core.formatting import escaped

    if sys.stderr is not None:
        sys.stderr.write(escaped("".join(format_exception(kind, error, trace))))


if __name__ == "__main__":
    main()
