"""Fetch one source: download, unpack, convert, and move the folders into place.

A download lies in ``<dest>/.fetched`` until it is unpacked. Unpacking and conversion happen in
``<dest>/.<source>.unpacking``, and only finished folders leave it. The receipt records every step.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.fetch.download import Downloaded, Policy
from sertool.core.fetch.install import Installed, find_folders, install
from sertool.core.fetch.obtain import changed_since, obtain
from sertool.core.fetch.receipts import Receipt, read_receipt, receipt_path, write_receipt
from sertool.core.fetch.sources import Source
from sertool.core.files.archives import unpack, unpacked_size
from sertool.core.files.artifacts import write_error
from sertool.core.files.locks import locked

ROOM = 2.0  # times the unpacked size: the unpacked files, and their copies in sertool's own format


@dataclass(frozen=True)
class Request:
    """User's request for one source.

    Attributes:
        name: name of the source.
        source: its entry in the manifest.
        dest: folder to unpack into.
        origin: address, file or folder to take the archive from; see :func:`~sertool.core.fetch.obtain.obtain`.
        sha256: required checksum, in place of the manifest's and that of the first fetch.
        force: replace existing folders.
        keep_archive: keep a downloaded archive, in ``dest``.
    """

    name: str
    source: Source
    dest: Path
    origin: str | None = None
    sha256: str | None = None
    force: bool = False
    keep_archive: bool = False

    @property
    def receipt(self) -> Path:
        """Path of the receipt."""
        return receipt_path(self.dest, self.name)

    @property
    def download(self) -> Path:
        """Path of a downloaded archive until it is unpacked."""
        return self.receipt.parent / self.source.archive

    @property
    def staging(self) -> Path:
        """Folder for unpacking and conversion."""
        return self.dest / f".{self.name}.unpacking"


@dataclass(frozen=True)
class Step:
    """Progress of a fetch.

    Attributes:
        stage: ``download`` or ``unpack`` (counted in bytes), or a description of what is being read (in pieces).
        done: bytes or pieces of the stage that are done.
        total: bytes or pieces of the stage; None if unknown.
        note: event to show, for example that the connection was lost.
    """

    stage: str
    done: int
    total: int | None
    note: str = ""


Tell = Callable[[Step], None]


@dataclass(frozen=True)
class Fetched:
    """Result of a fetch.

    Attributes:
        new: False if everything existed already and nothing was done.
        receipt: record of the fetch.
        missing: folders that the source names but the archive did not hold.
        first: True if no checksum was known before, so that nothing vouched for the archive.
    """

    new: bool
    receipt: Receipt
    missing: tuple[str, ...]
    first: bool = False

    @property
    def problems(self) -> list[str]:
        """Reasons why some of its folders cannot be used."""
        return [folder.problem for folder in self.receipt.folders.values() if folder.problem is not None]


def state_of(name: str, source: Source, dest: Path) -> str:
    """Tell whether a source is ``there``, ``begun`` (partly there) or not fetched (``no``)."""
    receipt = read_receipt(receipt_path(dest, name))
    if receipt is not None:
        return "there" if _is_there(receipt, dest) else "begun"
    folder = receipt_path(dest, name).parent
    begun = (folder / source.archive, folder / f".{source.archive}.part")
    return "begun" if any(path.is_file() for path in begun) else "no"


def _downloads(folder: Path, source: Source) -> Iterator[Path]:
    """Yield the files of a download: the archive, its part file with its state, and its lock."""
    yield from folder.glob(source.archive)
    yield from folder.glob(f".{source.archive}.*")


def _is_there(receipt: Receipt, dest: Path) -> bool:
    return receipt.state == "done" and all((dest / folder).is_dir() for folder in receipt.folders)


def fetch(request: Request, tell: Tell, policy: Policy) -> Fetched:
    """Fetch, check, unpack and convert one source, or resume an interrupted fetch.

    Args:
        request: source, origin and destination.
        tell: called with the progress of every stage.
        policy: timeouts, waits and number of tries.

    Raises:
        UsageError: the origin is wrong, or a folder exists that sertool did not make.
        DataError: no address gives the archive, or it is damaged or not safe to unpack.
        SertoolError: there is not enough space, or another process is fetching the same source.
    """
    with _locked(request):
        before = read_receipt(request.receipt)
        if before is not None and _is_there(before, request.dest) and not request.force:
            _sweep(request)
            return Fetched(False, before, _missing(request, before))
        _check_targets(request, before)
        expected = request.sha256 or request.source.sha256 or _first_checksum(before)
        archive = _obtain(request, before, expected, tell, policy)
        receipt = _receipt(request, archive)
        # A receipt that names folders is kept until they are replaced: they still belong to the archive it describes.
        if before is None or before.state == "downloaded":
            write_receipt(request.receipt, replace(receipt, state="downloaded"))
        try:
            installed = _unpack(request, archive, tell)
            receipt = replace(receipt, folders={folder.name: folder for folder in installed})
            _place(request, receipt)
        except DataError as error:
            if expected is not None or archive.path != request.download:
                raise
            # No checksum vouches for this download, so it is deleted, or the next try would fail on it again.
            archive.path.unlink()
            raise DataError(str(error), hint="the same command fetches it again") from error
        finally:
            shutil.rmtree(request.staging, ignore_errors=True)
        _sweep(request)
        return Fetched(True, receipt, _missing(request, receipt), first=expected is None)


@contextmanager
def _locked(request: Request) -> Iterator[None]:
    if request.dest.exists() and not request.dest.is_dir():
        raise UsageError(f"--out {request.dest}: is a file, expected the name of a folder")
    busy = SertoolError(
        f"{request.name} is being fetched into {request.dest} by another process", hint="wait for it, or stop it"
    )
    try:
        with locked(request.receipt.with_suffix(".lock"), busy):
            yield
    except OSError as error:
        raise write_error(request.dest, error) from error


def _check_targets(request: Request, before: Receipt | None) -> None:
    """Refuse to replace folders that sertool did not fetch."""
    own = {} if before is None else before.folders
    for folder in request.source.unpacks_to:
        if (request.dest / folder).exists() and folder not in own and not request.force:
            raise UsageError(
                f"{request.dest / folder}: already exists, and `sertool fetch-data` did not make it",
                hint="--force to replace it, or --out for another place",
            )


def _first_checksum(before: Receipt | None) -> str | None:
    """Return the checksum of an earlier fetch, if its archive could be unpacked."""
    return before.sha256 if before is not None and before.state != "downloaded" else None


def _obtain(request: Request, before: Receipt | None, expected: str | None, tell: Tell, policy: Policy) -> Downloaded:
    source = request.source
    if request.sha256 is not None and request.sha256 != source.sha256:
        source = source.model_copy(update={"size": None})  # the user means another file than the manifest's
    try:
        return obtain(
            source,
            request.dest,
            request.download.parent,
            request.origin,
            expected,
            lambda step: tell(Step("download", step.done, step.total, step.note)),
            policy,
        )
    except DataError as error:
        raise changed_since(before, expected, error) from error


def _receipt(request: Request, archive: Downloaded) -> Receipt:
    return Receipt(
        state="placing",
        url=archive.url,
        size=archive.size,
        sha256=archive.sha256,
        licence=request.source.licence,
        terms=request.source.terms,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _missing(request: Request, receipt: Receipt) -> tuple[str, ...]:
    return tuple(name for name in request.source.unpacks_to if name not in receipt.folders)


def _unpack(request: Request, archive: Downloaded, tell: Tell) -> list[Installed]:
    """Unpack and convert into the staging folder's ``ready``."""
    content, ready = request.staging / "content", request.staging / "ready"
    shutil.rmtree(request.staging, ignore_errors=True)
    content.mkdir(parents=True)
    _check_space(request.dest, unpacked_size(archive.path))
    unpack(archive.path, content, progress=lambda done, total: tell(Step("unpack", done, total)))
    kinds = dict(request.source.unpacks_to)
    try:
        found = find_folders(content, kinds)
    except DataError as error:
        raise DataError(f"{archive.path}: {error}") from error
    return [
        install(
            path,
            ready / folder,
            request.dest / folder,
            kinds[folder],
            lambda what, done, total: tell(Step(what, done, total)),
        )
        for folder, path in found.items()
    ]


def _check_space(dest: Path, size: int | None) -> None:
    free = shutil.disk_usage(dest).free
    if size is not None and free < ROOM * size:
        raise SertoolError(
            f"{dest}: {ROOM * size / 1e9:.1f} GB are needed to unpack and convert, {free / 1e9:.1f} GB are free",
            hint="free some space, or choose another disk with --out; the download is kept",
        )


def _place(request: Request, receipt: Receipt) -> None:
    """Move the finished folders to their final names; if this is interrupted, the next command completes it."""
    if request.force:
        # Moved into the staging folder, which is deleted at the end: a rename is quick, a deletion is not.
        old = request.staging / "old"
        old.mkdir()
        for folder in receipt.folders:
            if (request.dest / folder).exists():
                (request.dest / folder).rename(old / folder)
    write_receipt(request.receipt, receipt)  # before the first rename: from now on these folders are this source's
    for folder in receipt.folders:
        # An existing one that is not to be replaced is complete, from this source, and perhaps in use.
        if not (request.dest / folder).exists():
            (request.staging / "ready" / folder).rename(request.dest / folder)
    if request.keep_archive and request.download.is_file():
        request.download.replace(request.dest / request.source.archive)
    write_receipt(request.receipt, replace(receipt, state="done"))


def _sweep(request: Request) -> None:
    """Delete the staging folder and downloads, also those left by a command that was killed before it could."""
    shutil.rmtree(request.staging, ignore_errors=True)
    for path in _downloads(request.download.parent, request.source):
        path.unlink(missing_ok=True)
