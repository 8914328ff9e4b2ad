"""Files that a user wants written: where they go is decided here, before any work is done.

A result never replaces what it was made from, nor another result. A path that leads to a device, a pipe, a socket or an
open descriptor is written through, and a symbolic link is followed. Files of sertool's own folders are written by
:mod:`.artifacts`, which replaces a link instead: such a folder may come from elsewhere and point anywhere.
"""

import os
import socket
import stat
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sertool.core.errors import UsageError
from sertool.core.files.artifacts import write_bytes, writing
from sertool.core.formatting import escaped, printable

STDOUT = Path("-")
REPORTS = (".html", ".md", ".csv")  # files that no run, corpus or folder of recordings has
_LINKS = 40  # links that are followed one after the other, as Linux does


def check_outputs(outputs: Mapping[str, Path]) -> None:
    """Refuse outputs that would replace each other, or that cannot be written.

    Args:
        outputs: path of each option, files and folders; nothing of them is created.

    Raises:
        UsageError: two outputs are in one place, or a path cannot be written.
    """
    places: dict[Hashable, str] = {}
    for option, path in outputs.items():
        _check_writable(option, path)
        if _is_null(path):
            continue  # it keeps nothing, so that nothing is replaced
        first = places.setdefault(_place(path), option)
        if first != option:
            raise UsageError(
                f"{option} {path}: is the same place as {first} {outputs[first]}; one would replace the other",
                hint="give each output a name of its own",
            )
    for option, path in outputs.items():
        for other, folder in outputs.items():
            if option != other and not is_stdout(path) and _inside(path, folder):
                raise UsageError(
                    f"{option} {path}: lies in {other} {folder}, into which this command writes other results",
                    hint="name a place outside it",
                )


def check_name(option: str, path: Path) -> None:
    """Refuse a folder whose name other commands could not write into their files, or show.

    Raises:
        UsageError: a name is not UTF-8, or holds control or direction signs.
    """
    name = str(path)
    if escaped(name) != name or "\n" in name:
        raise UsageError(f"{option} {printable(name)}: expected text in UTF-8 without control and direction signs")


def check_inputs(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """Refuse an output that would replace an input.

    Args:
        outputs: path of each option, files and folders.
        inputs: files, and folders of which the command reads files; those that do not exist are passed over.

    Raises:
        UsageError: an output is one of the files (under any name), or would replace a file of one of the folders.
    """
    kept = {option: path for option, path in outputs.items() if not is_stdout(path) and not _is_null(path)}
    places = {_place(path): option for option, path in kept.items()}
    for source in inputs if kept else ():
        try:
            found = source.stat()
        except (OSError, ValueError):
            continue
        option = places.get((found.st_dev, found.st_ino))
        if option is not None:
            raise UsageError(
                f"{option} {kept[option]}: this command reads it as {source}, and would replace it",
                hint="give the output another name",
            )
        for option, path in kept.items():
            if stat.S_ISDIR(found.st_mode) and _inside(path, source) and _may_be_read(path):
                raise UsageError(
                    f"{option} {path}: would replace a file of {source}, which this command reads",
                    hint="name a new file, or a place outside it",
                )


def write_output(path: Path, content: bytes) -> None:
    """Write a result to where the path leads; a regular file appears whole or not at all.

    Raises:
        SertoolError: it cannot be written.
    """
    with writing(path):
        number = _descriptor(path)
        if number is not None:
            with os.fdopen(os.dup(number), "wb") as file:
                file.write(content)
            return
        mode = _mode(path)
        if stat.S_ISSOCK(mode):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(content)
        elif mode and not stat.S_ISREG(mode):
            # Opened as it is: if it has gone in the meantime, no file takes its place.
            with open(path, "wb", opener=lambda name, flags: os.open(name, os.O_WRONLY)) as file:
                file.write(content)
        else:
            write_bytes(Path(os.path.realpath(path)), content)


def open_output(path: Path) -> BinaryIO:
    """Open a result that grows while a command runs; a regular file is emptied first.

    Raises:
        SertoolError: it cannot be opened.
    """
    with writing(path):
        number = _descriptor(path)
        if number is not None:
            return os.fdopen(os.dup(number), "wb")
        if stat.S_ISREG(_mode(path)) or not _mode(path):
            path = Path(os.path.realpath(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")
        return open(path, "wb", opener=lambda name, flags: os.open(name, os.O_WRONLY))


def is_stdout(path: Path) -> bool:
    """Check whether a path stands for standard output: ``-``, /dev/stdout, or the file it was redirected to."""
    if path == STDOUT or _descriptor(path) == 1:
        return True
    with suppress(OSError, ValueError):
        return os.path.samestat(path.stat(), os.fstat(1)) and not _is_null(path)
    return False


def _is_null(path: Path) -> bool:
    with suppress(OSError, ValueError):
        own = path.stat()
        return stat.S_ISCHR(own.st_mode) and own.st_rdev == Path(os.devnull).stat().st_rdev
    return False


def _mode(path: Path) -> int:
    """Return the type of what a path leads to; 0 if there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _place(path: Path) -> Hashable:
    """Return what two paths to the same place have in common."""
    if is_stdout(path):
        return STDOUT
    real = os.path.realpath(
        path
    )  # where it will be written, though a folder on the way, as in gone/../file, is missing
    for there in (path, Path(real)):
        with suppress(OSError, ValueError):
            found = there.stat()
            return found.st_dev, found.st_ino
    return real


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _may_be_read(path: Path) -> bool:
    """Check for a file that exists and may belong to a run, a corpus or a folder of recordings; a report does not."""
    return os.path.lexists(path) and path.suffix.lower() not in REPORTS


def _descriptor(path: Path) -> int | None:
    """Return the number of the open file of this process that a path such as /dev/stdout leads to."""
    own = {f"/proc/{os.getpid()}/fd", "/dev/fd"}
    for _ in range(_LINKS):
        folder, name = os.path.realpath(path.parent), path.name
        if folder in own and name.isdecimal():
            return int(name)
        if not os.path.islink(path):  # noqa: PTH114 (Path.is_symlink raises for a name too long)
            return None
        path = Path(folder, path.readlink())
    return None


def _check_writable(option: str, path: Path) -> None:
    """Refuse a path that cannot be written, so that no work is lost."""
    if is_stdout(path) or _descriptor(path) is not None:
        return
    try:
        mode = _mode(path)
    except (OSError, ValueError) as error:  # a loop of links, a name too long
        raise UsageError(f"{option} {path}: cannot be written ({getattr(error, 'strerror', error)})") from error
    if mode and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        if not os.access(path, os.W_OK):
            raise UsageError(f"{option} {path}: cannot be written (Permission denied)")
        return
    there = next(folder for folder in Path(os.path.realpath(path)).parents if folder.exists())
    if not there.is_dir():
        raise UsageError(f"{option} {path}: cannot be written ({there} is not a folder)")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path}: cannot be written (no permission to write into {there})")
