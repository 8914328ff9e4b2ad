"""Download one address into a part file: try, wait, resume or restart, until the file is complete or refused."""

import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NoReturn

import requests

from sertool.core.errors import SertoolError
from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.http_client import Client, LostError, RefusedError
from sertool.core.fetch.part_file import Known, PartFile, address_id
from sertool.core.formatting import readable_size

# Request timeout, too many requests, and the server's own faults that pass; 501 and 505 do not pass (RFC 9110, 15).
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
REPORT_EVERY = 0.1  # seconds between two reports of progress


@dataclass(frozen=True)
class Progress:
    """Progress of a download.

    Args:
        done: bytes on the disk.
        total: bytes of the complete file, None if the server does not report it.
        note: event to show: the connection was lost, the server asks to wait, ...
    """

    done: int
    total: int | None
    note: str = ""


class Transfer:
    """Download of one address into ``part``; :meth:`run` returns when the file is complete."""

    def __init__(
        self,
        client: Client,
        url: str,
        part: PartFile,
        *,
        size: int | None,
        checked: bool,
        report: Callable[[Progress], None],
    ) -> None:
        self.client, self.url, self.part, self.size = client, url, part, size
        self.checked = checked  # a checksum is known, so a wrong combination of parts would be noticed
        self.report = report
        self.address = address_id(url)
        self.restarts = 0
        self.reported_at = 0.0

    def run(self) -> None:
        """Download the whole file.

        Raises:
            RefusedError: this address does not give the file.
            SertoolError: the file cannot be written.
        """
        policy, failures = self.client.policy, 0
        while not self._complete():
            before, restarts = self.part.length, self.restarts
            try:
                if self._try():
                    break
                continue
            except LostError as error:
                lost = error
            # After a restart any byte is progress; otherwise only bytes beyond those of the try before.
            progress = self.part.length > (before if restarts == self.restarts else 0)
            failures = 1 if progress else failures + 1
            if failures >= policy.tries or self.restarts > policy.tries:
                in_vain = failures >= policy.tries
                times = f"{failures} times in a row" if in_vain else f"started {self.restarts} times"
                raise RefusedError(f"{lost} ({times}, {readable_size(self.part.length)} downloaded)")
            self._wait(lost, failures)
        self._report()

    def _complete(self) -> bool:
        known = self.part.known
        complete = known is not None and known.total is not None and self.part.length == known.total
        return complete and self._continuable()

    def _continuable(self) -> bool:
        """Check whether the bytes so far may be the beginning of this address's file."""
        known = self.part.known
        if known is None or (None not in (self.size, known.total) and self.size != known.total):
            return False
        return self.checked or (known.address == self.address and known.validator is not None)

    def _wait(self, lost: LostError, failures: int) -> None:
        policy = self.client.policy
        # Exponential backoff with jitter, so that clients that failed together do not return together.
        seconds = min(policy.longest_wait, policy.first_wait * 2 ** (failures - 1)) * random.uniform(0.5, 1)
        note = f"{lost}, trying again in {seconds:.0f} s"
        if lost.wait is not None and lost.wait > seconds:
            if lost.wait > policy.longest_retry_after:
                raise RefusedError(f"{lost}: it asks to wait {lost.wait:.0f} s")
            seconds = lost.wait
            note = f"the server asks to wait {seconds:.0f} s"
        self._report(note)
        time.sleep(seconds)

    def _report(self, note: str = "") -> None:
        total = self.part.known.total if self.part.known else None
        self.reported_at = time.monotonic()
        self.report(Progress(self.part.length, self.size if total is None else total, note))

    def _try(self) -> bool:
        """Send one request and append its answer; return True if the file is complete."""
        known = self.part.known
        offset = self.part.length if self._continuable() else 0
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if known and known.validator and known.address == self.address:
                headers["If-Range"] = known.validator
        with self.client.get(self.url, headers) as response:
            start = self._begin(response, offset)
            return start is not None and self._copy(response, start)

    def _begin(self, response: requests.Response, offset: int) -> bytes | None:
        """Prepare the part file for the answer's body; return the bytes already read, None if no body follows."""
        headers = response.headers
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            self._learn_length(replies.unsatisfied_total(headers.get("Content-Range")))
            return None
        complete = response.status_code == HTTPStatus.OK
        if not complete and not (offset and _is_part(response)):
            self._refuse_status(response)
        # Checked before anything is cut off: a hotel's login page must not cost the bytes so far.
        start = self.client.read_start(response, replies.PEEK) if complete else b""
        if replies.is_page(headers.get("Content-Type"), start):
            raise RefusedError(self.client.page_reason(response, start), page=True)
        total = replies.content_length(headers) if complete else self._check_range(headers, offset)
        if total is None and self.size is None and not self.checked and not replies.is_chunked(headers):
            raise RefusedError(
                "the server does not report the file's length, so an incomplete download could not be detected"
            )
        self._check_size(total)
        keep = 0 if complete else offset
        self._check_space(total, keep)
        if keep < self.part.length:
            self.restarts += 1
        known, tag = self.part.known, replies.validator(headers)
        if tag is None and keep and known and known.address == self.address:
            tag = known.validator  # some servers do not repeat it with a range
        self.part.begin(Known(self.address, tag, total), keep)
        if keep:
            self._report(f"resumed at {readable_size(keep)}")
        return start

    def _check_range(self, headers: Mapping[str, str], offset: int) -> int | None:
        """Return the total length that a 206 reports; restart if its range is not the requested one."""
        known = self.part.known
        found = replies.content_range(headers.get("Content-Range"))
        length = replies.content_length(headers)
        if found is None or found[0] != offset or length not in (None, found[1] - offset + 1):
            self._restart("the server sent another range than the requested one")
        total = found[2]
        if known is not None:
            tag = replies.validator(headers)
            other = known.address == self.address and known.validator and tag and tag != known.validator
            if other or (known.total is not None and total is not None and total != known.total):
                self._restart("the file on the server has changed")
            total = known.total if total is None else total
        return total

    def _learn_length(self, total: int | None) -> None:
        """Handle a 416: the server says that nothing follows the bytes so far."""
        known = self.part.known
        assert known is not None
        if total != self.part.length:
            self._restart("the file on the server has changed")
        self._check_size(total)
        if known.total is not None and not self.checked:
            self._restart(f"the server reported {known.total:,} bytes, but ends at {total:,}")
        self.part.begin(Known(self.address, known.validator, total), self.part.length)

    def _restart(self, reason: str) -> NoReturn:
        self.restarts += 1
        self.part.clear()
        raise LostError(reason)

    def _refuse_status(self, response: requests.Response) -> NoReturn:
        status = response.status_code
        reason = replies.status_reason(status)
        if status in TRY_AGAIN:
            raise LostError(reason, replies.retry_after(response.headers.get("Retry-After"), datetime.now(UTC)))
        raise RefusedError(reason)

    def _check_size(self, total: int | None) -> None:
        if total is not None and self.size not in (None, total):
            raise RefusedError(f"the file there has {total:,} bytes, expected {self.size:,}")

    def _check_space(self, total: int | None, keep: int) -> None:
        needed = (total or self.size or 0) - keep
        free = shutil.disk_usage(self.part.target.parent).free
        # The blocks of bytes that a restart cuts off become free.
        if needed > free + self.part.length - keep:
            raise SertoolError(
                f"{self.part.target}: {readable_size(needed)} are needed, {readable_size(free)} are free on this disk",
                hint="free some space, or choose a folder on another disk",
            )

    def _copy(self, response: requests.Response, chunk: bytes) -> bool:
        """Append the answer's body, which begins with ``chunk``; return True if this completes the file."""
        part = self.part
        assert part.known is not None
        expected = self.size if part.known.total is None else part.known.total
        chunk = chunk or self.client.read(response)
        while chunk:
            if expected is not None and part.length + len(chunk) > expected:
                raise RefusedError(f"the server sends more than {expected:,} bytes")
            part.append(chunk)
            if time.monotonic() - self.reported_at > REPORT_EVERY:
                self._report()
            chunk = self.client.read(response)
        # A server may send less than the requested range; the next request asks for the rest.
        piece = replies.content_range(response.headers.get("Content-Range")) if _is_part(response) else None
        end = piece[1] + 1 if piece else expected
        if end is not None and part.length < end:
            raise LostError(f"the server stopped after {part.length:,} of {expected or end:,} bytes")
        complete = (expected is None and piece is None) or part.length == expected
        if complete and part.known.total is None:
            part.begin(replace(part.known, total=part.length), part.length)
        return complete


def _is_part(response: requests.Response) -> bool:
    return response.status_code == HTTPStatus.PARTIAL_CONTENT
