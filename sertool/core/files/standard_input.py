"""Standard input in place of a file: its name is ``-``, as that of standard output."""

import sys
from pathlib import Path

STDIN = Path("-")


def read_standard_input() -> bytes:
    """Read all that comes from standard input; nothing where it was closed before the command began."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read()
