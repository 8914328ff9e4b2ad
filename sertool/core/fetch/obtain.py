"""A source's archive on this machine: downloaded, or taken from where a user has it."""

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
    """Get an archive, under the name that the manifest gives it; a user's own file is read where it lies.

    Args:
        source: what the manifest says.
        folder: where users put archives that they have.
        downloads: where a download goes.
        origin: an address or a file to take it from, or a folder or an address ending in a slash that holds it under
            the manifest's name; None: the manifest's addresses.
        sha256: checksum that it must have, where one is known.
        progress: told how far it is.
        policy: of waiting and trying again.

    Raises:
        UsageError: the origin is wrong.
        DataError: no address gives it, or it has another checksum.
    """
    if origin is not None and not is_address(origin):
        return _local(_own_file(origin, source), sha256)
    if (folder / source.archive).is_file():
        progress(Progress(0, None, f"{folder / source.archive} is there and is used"))
        return _local(folder / source.archive, sha256)
    urls = source.urls if origin is None else [_with_name(origin, source)]
    downloaded = download(
        urls, downloads / source.archive, size=source.size, sha256=sha256, progress=progress, policy=policy
    )
    # It has no address where an earlier command that was killed had it already.
    return replace(downloaded, url=downloaded.url or urls[0])


def links(sources: Mapping[str, Source], origin: str | None, policy: Policy) -> Iterator[tuple[str, Link]]:
    """Ask every address of some sources whether it still gives an archive; nothing is downloaded.

    Raises:
        UsageError: the origin is no address.
    """
    if origin is not None and not is_address(origin):
        raise UsageError(f"--check-links asks addresses; --from {origin} is none")
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
    """The error of a wrong checksum, with where the expected one came from if that was the first fetch."""
    if receipt is None or sha256 != receipt.sha256 or receipt.sha256 not in str(error):
        return error
    return DataError(
        f"{error}; that was the checksum of the first fetch, on {receipt.fetched:.10}",
        hint="if another file is meant from now on, give its checksum with --sha256",
    )
