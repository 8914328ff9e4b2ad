"""The folder that ``prepare`` writes to: locked, resumed after a kill, replaced only by force and only as a whole.

A file ``.prepare/command.json`` names the command that is at work. If the command is killed after its corpus is
complete, but before its result is told, the same command may finish; any other is refused.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus_files import already_there, is_corpus
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.files.locks import locked

CACHE = ".prepare"  # folder inside the corpus's folder, until the corpus is complete
NEW = "new"  # folder inside the cache for the files of the new corpus, until all are written
_COMMAND = "command.json"


@dataclass(frozen=True)
class Command:
    """A call of ``prepare``.

    Attributes:
        settings: all that decides about the corpus and its folder, such as the table's path and the seed.
        force: replace a corpus that is there.
    """

    settings: tuple[Any, ...]
    force: bool

    @property
    def name(self) -> dict[str, str]:
        """Return the content of the file that names the command."""
        return {"sha256": hashlib.sha256(ascii((self.settings, self.force)).encode()).hexdigest()}


def check_target(folder: Path, command: Command) -> None:
    """Refuse a folder that is a file, or that holds a corpus which this command may not replace.

    Raises:
        UsageError: the folder is a file or holds a corpus already.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file, expected the name of a new folder")
    if (folder / CACHE).is_symlink():  # files are deleted in it
        raise UsageError(f"{folder / CACHE}: is a link, expected a folder of sertool's own", hint="delete the link")
    if is_corpus(folder) and not command.force and not _may_finish(folder / CACHE, command):
        raise already_there(folder)


def _may_finish(cache: Path, command: Command) -> bool:
    """Tell if this command, killed earlier, may have made the corpus; what it makes now is compared with it."""
    try:
        return bool(artifacts.read_json(cache / _COMMAND) == command.name)
    except DataError:  # there is none: it was killed while it cleaned up
        return cache.is_dir()


@contextmanager
def target(folder: Path, command: Command) -> Iterator[Path]:
    """Hold the folder of a new corpus against other processes, and yield the folder for unfinished work in it.

    The latter is deleted once the block has ended well; after an error it stays, for the same command to resume.

    Raises:
        UsageError: the folder is a file or holds a corpus already.
        SertoolError: another process is preparing there, or the folder cannot be written.
    """
    cache = folder / CACHE
    busy = SertoolError(
        f"{folder}: another process is preparing a corpus there", hint="wait for it, or choose another --out"
    )
    with locked(folder / ".lock", busy):
        check_target(folder, command)  # again, because another process may have finished since
        artifacts.write_json(cache / _COMMAND, command.name)
        try:
            yield cache
        except BaseException:
            with suppress(OSError):  # not empty: there is work to resume
                _forget(cache)
            raise
        shutil.rmtree(cache, ignore_errors=True)


def _forget(cache: Path) -> None:
    """Remove the folder for unfinished work if it holds no more than the name of the command."""
    if [path.name for path in cache.iterdir()] == [_COMMAND]:
        shutil.rmtree(cache)
