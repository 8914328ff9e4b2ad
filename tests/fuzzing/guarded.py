"""Run the readers of foreign files under guard: each must end in data or one message, and nothing may run."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sertool.core.errors import DataError
from sertool.core.files.archives import unpack, unpacked_size
from sertool.core.files.artifacts import read_arrays, read_json, read_json_lines
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.files.reference_checkpoints import read_reference_checkpoint

NAME = "best50.0_1.pkl"  # a checkpoint's name states its accuracy and seed
_FORBIDDEN = (
    "os.",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "exec",
    "compile",
    "import",
    "pickle.find_class",
    "marshal.",
    "code.__new__",
    "builtins.input",
    "urllib.",
    "webbrowser.",
    "pty.",
    "signal.",
    "sys.set",
)
_ALLOWED = ("os.listdir", "os.scandir")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _unpacked(path: Path, target: Path) -> None:
    target.mkdir()
    unpacked_size(path)
    unpack(path, target)


READERS: dict[str, Callable[[Path, Path], Any]] = {
    "pickle": lambda path, _: load_pickle(path),
    "npy": lambda path, _: load_array(path).sum,
    "safetensors": lambda path, _: read_arrays(path),
    "zip": _unpacked,
    "tar.gz": _unpacked,
    "checkpoint": lambda path, _: read_reference_checkpoint(path),
    "json": lambda path, _: read_json(path),
    "jsonl": lambda path, _: read_json_lines(path),
}


class Broken(AssertionError):
    """A reader did something forbidden."""


class Guard:
    """Reader of files in a scratch folder, watched by an audit hook, which Python cannot remove again."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # spares the disk tens of thousands of files
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.path, self.target = self.folder / NAME, self.folder / "target"
        self.armed = False
        self.warm = False  # set once all late imports have happened
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            path, _, flags = arguments
            bad = bool(flags & _WRITES) and not str(path).startswith(str(self.target))
        elif event == "os.mkdir":
            bad = not str(arguments[0]).startswith(str(self.target))
        elif event == "compile":  # numpy parses a header with ast.parse, which raises this event
            bad = arguments[1] != "<unknown>"
        else:
            bad = event.startswith(_FORBIDDEN) and event not in _ALLOWED
        if bad:
            self.seen.append(f"{event} {arguments!r:.200}")
            raise Broken(self.seen[-1])

    def read(self, kind: str, content: bytes) -> str | None:
        """Read a file with the given content.

        Returns:
            The message, without the file's name, or None where it could be read.

        Raises:
            Broken: something else came out, or something was run.
        """
        self.path.write_bytes(content)
        self.armed = self.warm
        try:
            READERS[kind](self.path, self.target)
            message = None
        except DataError as error:
            message = self._checked(error)
        finally:
            self.armed = False
            if self.target.exists():
                shutil.rmtree(self.target)
        left = [path.name for path in self.folder.iterdir()]
        if self.seen or left != [NAME]:
            raise Broken(f"{self.seen} {left}")
        return message

    def _checked(self, error: BaseException) -> str:
        message, cause = str(error), error.__cause__
        if not message.startswith((f"{self.path}: ", f"{self.target}/")):
            raise Broken(f"a message without the file's name: {message}")
        if len(message) > 800 or not message.isprintable():
            raise Broken(f"a message for no terminal: {message!r:.900}")
        while cause is not None:
            if isinstance(cause, MemoryError) or "allocate memory" in str(cause):
                raise Broken(f"it took all memory: {message}")
            cause = cause.__cause__
        return message.removeprefix(f"{self.path}: ")

    def close(self) -> None:
        """Remove the scratch folder."""
        self.armed = False
        shutil.rmtree(self.folder)
