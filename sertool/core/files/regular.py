"""One gate to files from outside: only a regular file is opened; a FIFO, device or socket is refused at once.

Opening a FIFO waits for a writer, a device may never end, and a file below /proc or /sys states no size and may wait
as well. Whatever opens a file by its name, such as safetensors or soundfile, is given names that passed this gate.
"""

import errno
import io
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from sertool.core.errors import DataError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO (a pipe with a name)"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_KERNEL = {"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore"}
_MOUNTS = Path("/proc/self/mountinfo")
# A file that is no regular one after all is opened without waiting, and a terminal does not take this process over.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file, or a link to one, to read its bytes.

    Raises:
        DataError: the path is a folder, FIFO, device, socket, or a file of the kernel; the message says which.
        OSError: there is no such file, or it may not be read.
    """
    return io.BufferedReader(open_unbuffered(path))


def open_unbuffered(path: Path) -> io.FileIO:
    """Open a regular file without a buffer, for a library that reads from its descriptor.

    Raises:
        DataError, OSError: as :func:`open_regular`.
    """
    check_regular(path)  # first, because merely opening some devices does something
    handle = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(handle))  # again, because the file may have been replaced since
        return io.FileIO(handle)
    except BaseException:
        os.close(handle)
        raise


def open_regular_text(path: Path, *, errors: str = "strict", newline: str | None = None) -> io.TextIOWrapper:
    """Open a regular file to read it as UTF-8; ``errors`` and ``newline`` are those of :func:`open`.

    Raises:
        DataError, OSError: as :func:`open_regular`.
    """
    return io.TextIOWrapper(open_regular(path), encoding="utf-8", errors=errors, newline=newline)


def read_regular(path: Path) -> bytes:
    """Read all bytes of a regular file.

    Raises:
        DataError, OSError: as :func:`open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def check_regular(path: Path) -> os.stat_result:
    """Check that a path names a regular file, before a library opens it by its name.

    Returns:
        The file's status, with its size.

    Raises:
        DataError, OSError: as :func:`open_regular`.
    """
    try:
        status = path.stat()
    except ValueError as error:  # a zero byte or half a character is in no file's name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    _check(path, status)
    return status


def _check(path: Path, status: os.stat_result) -> None:
    kind = next((name for test, name in _KINDS if test(status.st_mode)), "")
    if not kind and status.st_dev in _kernel_devices():
        kind = "a file of the system's kernel"
    if kind:
        raise DataError(f"{path}: is {kind}, expected a file")


@cache
def _kernel_devices() -> frozenset[int]:
    """Return the device numbers of /proc, /sys and the like, which this process can see; none beside Linux."""
    found = set()
    with suppress(OSError, ValueError):
        for line in _MOUNTS.read_text(errors="replace").splitlines():
            mount, _, source = line.partition(" - ")
            if source.split(" ")[0] in _KERNEL:
                major, minor = mount.split(" ")[2].split(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
