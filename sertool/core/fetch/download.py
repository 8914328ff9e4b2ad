"""Download a file over a bad network: it arrives complete and checked, or there is one message.

Addresses are tried in turn. The bytes go to a part file beside the target (see ``part_file``), from which the next
command resumes, also after a kill or a reboot. Only a file of the right length and checksum gets the target's name.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.http_client import Client, LostError, Policy, RefusedError
from sertool.core.fetch.http_replies import is_http, shown
from sertool.core.fetch.part_file import PartFile, address_id
from sertool.core.fetch.transfer import Progress, Transfer
from sertool.core.files import artifacts
from sertool.core.formatting import readable_size

__all__ = ["Downloaded", "Link", "Policy", "Progress", "check_link", "download"]

PATIENT = Policy()


@dataclass(frozen=True)
class Downloaded:
    """Complete file: ``size`` in bytes; ``url`` is empty if the file existed already."""

    path: Path
    size: int
    sha256: str
    url: str


@dataclass(frozen=True)
class Link:
    """Result of checking an address, judged by the first bytes that it sends.

    Args:
        url: the address.
        works: True if a download would get a file.
        size: length of the file in bytes, if the server reports it.
        resumable: True if an interrupted download could resume.
        detail: status, size and type, or the reason why it does not work.
    """

    url: str
    works: bool
    size: int | None
    resumable: bool
    detail: str


class NoAddressError(DataError):
    """No address of a file gives it."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    policy: Policy = PATIENT,
) -> Downloaded:
    """Download a file from the first of its addresses that works, resuming what an earlier run left.

    Args:
        urls: http and https addresses of the same file, the best first.
        target: path of the file. A file that exists is checked and returned without using the network.
        size: expected length in bytes, if known.
        sha256: expected checksum in hexadecimal, if known.
        progress: called at most ten times a second, and at every event (a retry, the next address, ...).
        policy: timeouts, waits and number of tries.

    Raises:
        UsageError: an address is not http or https, or ``sha256`` is not a checksum.
        NoAddressError: no address gives the right file; each is named with its reason.
        DataError: another file has its name.
        SertoolError: the disk is full, or another process downloads the same file.
    """
    for url in urls:
        if not is_http(url):
            raise UsageError(f"{shown(url)}: not an http or https address", hint="pass a file with --from FILE")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"{sha256}: not a SHA-256 checksum, which has 64 hexadecimal digits")
    wanted = _Wanted(target, size, sha256.lower() if sha256 else None, progress or (lambda _: None))
    if found := wanted.already_there():
        return found
    with _alone(wanted, policy):
        # Another process may have finished it while this one waited for the lock.
        return wanted.already_there() or _from_any(urls, wanted, policy)


@dataclass(frozen=True)
class _Wanted:
    target: Path
    size: int | None
    sha256: str | None
    report: Callable[[Progress], None]

    def note(self, text: str, done: int = 0) -> None:
        self.report(Progress(done, self.size, text))

    def already_there(self) -> Downloaded | None:
        path = self.target
        if path.is_dir():
            raise DataError(f"{path}: is a folder, expected a file")
        if not path.exists():
            return None
        hint = "delete it or move it away, then run the same command again"
        length = path.stat().st_size
        if self.size not in (None, length):
            raise DataError(f"{path}: exists with {length:,} bytes, expected {self.size:,}", hint=hint)
        digest = artifacts.sha256(path)
        if self.sha256 not in (None, digest):
            raise DataError(f"{path}: exists with checksum {digest}, expected {self.sha256}", hint=hint)
        return Downloaded(path, length, digest, "")


@contextmanager
def _alone(wanted: _Wanted, policy: Policy) -> Iterator[None]:
    """Lock the target against other processes; the system frees the lock of a process that dies."""
    target = wanted.target
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)  # at once, so that the note below is only shown if there is a wait
        except Timeout:
            wanted.note("another process is fetching it, waiting")
            lock.acquire(timeout=policy.lock_wait)
    except Timeout as error:
        raise SertoolError(
            f"{target}: is being fetched by another process",
            hint="wait for it, then run the same command again",
        ) from error
    except OSError as error:
        raise artifacts.write_error(target, error) from error
    try:
        yield
    finally:
        lock.release()


def _from_any(urls: Sequence[str], wanted: _Wanted, policy: Policy) -> Downloaded:
    reasons: list[tuple[str, RefusedError]] = []
    with closing(Client(policy)) as client, closing(PartFile(wanted.target)) as part:
        # The part file's own address comes first, since only that one can surely resume it.
        begun = part.known.address if part.known else None
        for url in sorted(urls, key=lambda url: address_id(url) != begun):
            if reasons:
                wanted.note(f"next address: {shown(url)}", part.length)
            try:
                digest = _from_one(client, url, part, wanted)
            except RefusedError as reason:
                reasons.append((url, reason))
                continue
            size = part.length
            part.publish()
            return Downloaded(wanted.target, size, digest, url)
    listed = "".join(f"\n  {shown(url)}: {reason}" for url, reason in reasons)
    check = "--check-links shows which addresses work; " if any(reason.page for _, reason in reasons) else ""
    raise NoAddressError(
        f"{wanted.target}: could not be downloaded{listed}",
        hint=f"{check}download it in a browser, or from another address, and pass it with --from FILE",
    )


def _from_one(client: Client, url: str, part: PartFile, wanted: _Wanted) -> str:
    """Download everything into the part file; return its checksum, which is the expected one if there is one."""
    # Twice, because a part from an earlier run or another address may be of another version of the file.
    for last in (False, True):
        checked = wanted.sha256 is not None
        Transfer(client, url, part, size=wanted.size, checked=checked, report=wanted.report).run()
        digest = part.finish()
        if wanted.sha256 in (None, digest):
            return digest
        part.clear()
        if not last:
            wanted.note("the checksum is wrong, fetching it once more")
    raise RefusedError(
        f"its checksum is {digest}, expected {wanted.sha256}: the file there is a different one, or damaged"
    )


def check_link(url: str, policy: Policy = PATIENT) -> Link:
    """Check an address by asking for its first bytes, with a single try.

    A HEAD request is not enough: many file servers refuse it, and it does not reveal an HTML page instead of a file.
    """
    if not is_http(url):
        return Link(url, False, None, False, "not an http or https address")
    try:
        wanted = {"Range": f"bytes=0-{replies.PEEK - 1}"}
        with closing(Client(policy)) as client, client.get(url, wanted) as response:
            headers, status = response.headers, response.status_code
            if status not in (200, 206):
                return Link(url, False, None, False, replies.status_reason(status))
            start = client.read_start(response, replies.PEEK)
            kind = headers.get("Content-Type")
            if replies.is_page(kind, start):
                return Link(url, False, None, False, client.page_reason(response, start))
    except (LostError, RefusedError) as error:
        return Link(url, False, None, False, str(error))
    part = replies.content_range(headers.get("Content-Range")) if status == 206 else None
    size = part[2] if part else replies.content_length(headers)
    parts = [str(status), readable_size(size) if size is not None else "length unknown"]
    parts += [replies.clean(kind, 60)] if kind else []
    return Link(url, True, size, part is not None and replies.validator(headers) is not None, ", ".join(parts))
