"""Verify that the files of a corpus are those that its ``corpus.json`` was written with."""

import hashlib
import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sertool.core.corpora.corpus_content import Header
from sertool.core.corpora.reading_errors import Report
from sertool.core.errors import DataError
from sertool.core.files.regular import open_regular
from sertool.core.formatting import names_of

_HINT = (
    "it is damaged or of another corpus: make the corpus again; "
    'after a change on purpose, delete the key "sha256" from corpus.json'
)


@contextmanager
def verifying(folder: Path, header: Header, report: Report) -> Iterator[None]:
    """Hash the corpus's files while the block reads them, and report each that is another; after the block's own.

    An older corpus without hashes passes.

    Raises:
        DataError: raised by ``report``.
    """
    if header.sha256 is None:
        yield
        return
    stated = header.sha256
    if stated.keys() != header.files:
        names = names_of(sorted(stated.keys() ^ header.files))
        report(DataError(f"{folder / 'corpus.json'}: sha256 does not fit the corpus's files ({names})", hint=_HINT))
    # In a thread: it takes the time of a second core, while this one parses the utterances.
    pool = ThreadPoolExecutor(1)
    try:
        found = {name: pool.submit(_hash, folder / name) for name in sorted(stated)}
        yield
        for name, digest in found.items():
            if digest.result() not in (None, stated[name]):
                message = f"{folder / name}: not the file that corpus.json was written with (its SHA-256 is another)"
                report(DataError(message, hint=_HINT))
    finally:
        pool.shutdown(cancel_futures=True)


def _hash(path: Path) -> str | None:
    """Return a file's SHA-256; None if it cannot be read, which its reader reports."""
    try:
        with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            # In one call, because a thread that hashes block by block waits for Python's lock after each.
            return hashlib.sha256(content).hexdigest()
    except (DataError, OSError, ValueError):  # a ValueError: it is empty
        return None
