"""Obtain a source's archive: download it, or use the user's own file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sertool.core.errors import DataError, UsageError
from sertool.core.fetch.download import Downloaded, Link, Policy, Progress, check_link, download
from sertool.core.fetch.receipts import Receipt
from sertool.core.fetch.sources import Source, is_address
from sertool.core.files.artifacts import sha256 as sha256_of


def obtain(
    source: Source,
    folder: Path,
    downloads: Path,
    origin: str | None,
    sha256: str | None,
    progress: Callable[[Progress], None],
    policy: Policy,
) -> Downloaded:
    """Get an archive under the manifest's name for it; a user's own file is used where it lies.

    Args:
        source: entry of the manifest.
        folder: folder that may hold the archive already.
        downloads: folder for downloads.
        origin: an address or a file, or a folder or an address ending in a slash that holds the archive under the
            manifest's name; None: the manifest's addresses.
        sha256: checksum that the archive must have, if one is known.
        progress: called with the progress of the download.
        policy: timeouts, waits and number of tries.

    Raises:
        UsageError: the origin is wrong.
        DataError: no address gives the archive, or it has another checksum.
    """
    if origin is not None and not is_address(origin):
        return _local(_own_file(origin, source), sha256)
    # An archive that the user put there by hand, or that --keep-archive left, saves the download.
    if (folder / source.archive).is_file():
        progress(Progress(0, None, f"{folder / source.archive} is there and is used"))
        return _local(folder / source.archive, sha256)
    urls = source.urls if origin is None else [_with_name(origin, source)]
    downloaded = download(
        urls, downloads / source.archive, size=source.size, sha256=sha256, progress=progress, policy=policy
    )
    # A file that an interrupted command had already downloaded comes without an address.
    return replace(downloaded, url=downloaded.url or urls[0])


def links(sources: Mapping[str, Source], origin: str | None, policy: Policy) -> Iterator[tuple[str, Link]]:
    """Check for every address of some sources whether it still gives an archive; nothing is downloaded.

    Raises:
        UsageError: the origin is not an address.
    """
    if origin is not None and not is_address(origin):
        raise UsageError(f"--check-links checks addresses; --from {origin} is not one")
    for name, source in sources.items():
        for url in source.urls if origin is None else [_with_name(origin, source)]:
            yield name, check_link(url, policy)


def _with_name(address: str, source: Source) -> str:
    return address + source.archive if address.endswith("/") else address


def _own_file(origin: str, source: Source) -> Path:
    if "://" in origin:
        raise UsageError(f"--from {origin}: expected a file, a folder, or an address with http or https")
    path = Path(origin) / source.archive if Path(origin).is_dir() else Path(origin)
    if not path.is_file():
        raise UsageError(f"--from {origin}: there is no file {path}")
    return path


def _local(path: Path, sha256: str | None) -> Downloaded:
    found = sha256_of(path)
    if sha256 is not None and found != sha256:
        raise DataError(
            f"{path}: its SHA-256 is {found}, expected {sha256}",
            hint="it is damaged or another file; --sha256 says which one is meant",
        )
    return Downloaded(path, path.stat().st_size, found, str(path))


def changed_since(receipt: Receipt | None, sha256: str | None, error: DataError) -> DataError:
    """Add to the error of a wrong checksum that the expected one came from the first fetch, if it did."""
    if receipt is None or sha256 != receipt.sha256 or receipt.sha256 not in str(error):
        return error
    return DataError(
        f"{error}; that was the checksum of the first fetch, on {receipt.fetched:.10}",
        hint="if another file is meant from now on, give its checksum with --sha256",
    )
