"""Standard output and standard error of a command: safe for a terminal, and never the reason for a traceback.

Text from outside (labels, ids, paths, what a library warns of) could hold signs that move the cursor, rename the
window or turn the direction of writing. Every text that a command prints passes a :class:`Gate`, which spells such
signs out. Rich's own colours pass beside it: its console spells the signs out in each piece of text (see
:class:`~sertool.commands._console.SafeConsole`) and writes to the stream behind the gate.
"""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from sertool.core.formatting import escaped

STDOUT = "standard output"
SUBSTITUTE = "sertool.substitute"  # name of the error handler below
# Signs of our own tables and sentences, for an encoding that lacks them; every other sign becomes a question mark.
PLAIN = {
    "·": "-",
    "━": "=",
    "─": "-",
    "●": "o",
    "…": "...",
    "–": "-",
    "−": "-",
    "—": "-",
    "±": "+-",
    "≠": "!=",
    "→": "->",
    "’": "'",
}
# Progress bars of libraries begin with the return of the cursor, or only move it between several bars.
_BAR = re.compile(r"\r|(?:\x1b\[A)+\Z")


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error(SUBSTITUTE, _substitute)


class _Closed(io.TextIOBase):
    """Stream in place of one that was closed before the command began."""

    encoding = "utf-8"

    @property
    def buffer(self) -> Any:
        return self

    def write(self, content: str | bytes) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class Stream:
    """A text stream whose failure is a message for standard output, and no matter for standard error.

    Args:
        stream: the stream of Python; None if it was closed before the command began.
        name: name for the message; empty for a stream that may fail without a word, since it holds no result.
    """

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self._stream, self._name = stream or _Closed(), name

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            OSError: standard output is full or closed, or the reader of a pipe is gone.
        """
        with self._failing():
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts, none of which gets a line end."""
        for line in lines:
            self.write(line)

    def write_bytes(self, content: bytes) -> None:
        """Write bytes as they are, after all text before them; raises as :meth:`write`."""
        with self._failing():
            self._stream.flush()
            self._stream.buffer.write(content)
            self._stream.buffer.flush()

    def flush(self) -> None:
        """Write what is still held back; raises as :meth:`write`."""
        with self._failing():
            self._stream.flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._name or error.errno == errno.EPIPE:  # a reader that went away ends the command, quietly
                raise OSError(error.errno, error.strerror, self._name or None) from error

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # text must not go around the gate; Typer would do so for an ASCII stream
            raise AttributeError(name)
        return getattr(self._stream, name)


class Gate(Stream):
    """A text stream in which control, escape and direction signs are spelled out.

    Attributes:
        ungated: the stream behind it, for text that is safe already.
    """

    def __init__(self, stream: TextIO | None, name: str) -> None:
        super().__init__(stream, name)
        self.ungated = Stream(stream, name)

    def write(self, text: str) -> int:
        """Write a text with its control and direction signs spelled out; raises as the stream behind."""
        bar = _BAR.match(text)
        begun = bar.end() if bar else 0
        return super().write(text[:begun] + escaped(text[begun:]))


@contextmanager
def gated() -> Iterator[None]:
    """Put a gate before standard output and standard error, and leave nothing in them that could fail later."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):  # a sign that the encoding lacks is replaced
            stream.reconfigure(errors=SUBSTITUTE)
    gates: Any = Gate(before[0], STDOUT), Gate(before[1], "")
    sys.stdout, sys.stderr = gates
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            _empty(stream)


def _empty(stream: TextIO | None) -> None:
    """Flush a stream; if it cannot be written, send the rest nowhere, or Python would complain when it ends."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()


def open_missing_streams() -> None:
    """Put the null device in the place of closed standard streams.

    Else the next file that is opened, perhaps a user's, would get the number of a standard stream, and what a library
    prints would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given, and that is this one, because those below it are open.
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
