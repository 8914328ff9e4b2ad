"""Request a file from a server: timeouts, redirects, and every failure as one of two exceptions."""

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

import requests
import urllib3

from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.http_replies import shown
from sertool.version import __version__

CHUNK = 512 << 10  # most bytes per read; bounds the memory, and what a kill can lose
MAX_REDIRECTS = 20  # as many as browsers follow (Fetch standard, HTTP-redirect fetch)
PAGE = 64 << 10  # bytes of an HTML page that are searched for its title
PAGE_MEANS = "the link has probably expired, is over its quota or asks for a login"


@dataclass(frozen=True)
class Policy:
    """Timeouts, waits and number of tries of a download; times in seconds.

    Args:
        tries: most tries in a row without a new byte, per address; also the most restarts from the first byte.
        first_wait: wait before the second try; it doubles, with jitter, up to ``longest_wait``.
        longest_wait: longest wait between two tries.
        longest_retry_after: longest wait that a server may ask for; beyond it the address is refused.
        connect_timeout: timeout for making a connection.
        stall_timeout: timeout for the next byte of an open connection.
        lock_wait: longest wait for another process that downloads the same file.
    """

    tries: int = 8
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0
    connect_timeout: float = 10.0
    stall_timeout: float = 30.0
    lock_wait: float = 5.0


class RefusedError(Exception):
    """This address does not give the file, but another one may; ``page`` is True if it sent an HTML page."""

    def __init__(self, reason: str, *, page: bool = False) -> None:
        super().__init__(reason)
        self.page = page


class LostError(Exception):
    """A try failed, but the next one may succeed; ``wait`` is the number of seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Client:
    """HTTP session with the timeouts, redirects and errors that downloads need."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.session = requests.Session()
        # Without this, a compressed transfer would have other bytes and ranges than the file.
        self.session.headers.update({"User-Agent": f"sertool/{__version__}", "Accept-Encoding": "identity"})

    def close(self) -> None:
        """Close all connections."""
        self.session.close()

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Follow redirects and return the answer, its body unread.

        Raises:
            LostError: no answer came; another try may succeed.
            RefusedError: no further try can succeed.
        """
        # Followed here, because requests would read each redirect's body to its end, however long it is.
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(url, headers)
            target = self.session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urljoin(url, target)
            if not replies.is_http(url):
                raise RefusedError(f"it redirects to {shown(url)}, which is not an http address")
        raise RefusedError(f"it redirects in a circle ({MAX_REDIRECTS} times, the last to {shown(url)})")

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        timeout = (self.policy.connect_timeout, self.policy.stall_timeout)
        try:
            return self.session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
        except requests.exceptions.SSLError as error:
            # An invalid certificate stays invalid; other TLS errors come from broken connections.
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise RefusedError("the server's certificate is not valid") from error
            raise LostError("no secure connection") from error
        except requests.ConnectTimeout as error:
            raise LostError(f"no connection within {self.policy.connect_timeout:g} s") from error
        except requests.Timeout as error:
            raise LostError(f"no answer for {self.policy.stall_timeout:g} s") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise LostError(_connection_reason(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise RefusedError(f"not an address that can be asked ({type(error).__name__})") from error

    def read(self, response: requests.Response) -> bytes:
        """Return the next bytes of the body, at most CHUNK; empty at its end.

        Raises:
            LostError: the connection was lost, or no data came for too long.
        """
        try:
            # Raw: unlike `iter_content` it neither waits for a whole chunk nor copies it.
            chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
        except (urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise LostError(f"no data for {self.policy.stall_timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if isinstance((error.args or (None,))[-1], urllib3.exceptions.IncompleteRead):
                return b""  # closed properly but too early, which the caller notices by the length
            raise LostError("the connection was lost") from error
        return chunk

    def read_start(self, response: requests.Response, wanted: int) -> bytes:
        """Read at least the first ``wanted`` bytes, or all if there are fewer."""
        start = self.read(response)
        while len(start) < wanted and (more := self.read(response)):
            start += more
        return start

    def page_reason(self, response: requests.Response, start: bytes) -> str:
        """Describe an HTML page that came instead of a file, with its title if it has one."""
        # If the rest does not come, the title may be in the bytes so far.
        with suppress(LostError):
            while len(start) < PAGE and (more := self.read(response)):
                start += more
        title = replies.page_title(start[:PAGE])
        named = f' ("{title}")' if title else ""
        return f"an HTML page came instead of the file{named}: {PAGE_MEANS}"


def _connection_reason(error: BaseException) -> str:
    """Describe a connection error in our own words; those of requests quote the address with its query."""
    seen: BaseException | None = error
    while seen is not None:
        if "NameResolutionError" in repr(seen) or "gaierror" in repr(seen):
            return "its name was not found (is there a network connection?)"
        if isinstance(seen, OSError) and isinstance(seen.strerror, str):
            return f"no connection ({seen.strerror})"
        seen = seen.__cause__ or seen.__context__
    return "the connection was closed before an answer"
