"""One process at a time: a lock on a file, which the system releases when its process ends, even by kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sertool.core.errors import SertoolError
from sertool.core.files.artifacts import write_error

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def locked(path: Path, busy: SertoolError) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be and deleted at the end.

    Args:
        path: the file; its folder is made if need be, and deleted at the end if nothing else was put into it.
        busy: error to raise if another process holds the lock.

    Raises:
        SertoolError: ``busy``, or the file cannot be made or locked.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        handle = _acquire(path)
    except BlockingIOError as error:
        raise busy from error
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield
    finally:
        # Deleted while it is locked: a process that has opened the same file then sees that it is gone.
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                path.unlink()
        os.close(handle)
        with suppress(OSError):  # one that holds anything stays, and those around it
            for folder in missing:
                folder.rmdir()


def _acquire(path: Path) -> int:
    """Return the descriptor of the locked file."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, _FLAGS, 0o666)
        except FileNotFoundError:
            continue  # the process that held it has deleted the folder in the meantime
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass  # the process that held it has deleted it in the meantime: a new file is locked
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
