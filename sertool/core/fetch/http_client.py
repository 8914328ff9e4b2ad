"""Asking a server for a file: timeouts, redirects, and every failure as one of two kinds."""

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

import requests
import urllib3

from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.http_replies import shown
from sertool.version import __version__

CHUNK = 512 << 10
MAX_REDIRECTS = 20
PAGE = 64 << 10  # bytes of an HTML page that are looked through for its title
PAGE_MEANS = "the link is probably expired, over its quota or asks for a login"


@dataclass(frozen=True)
class Policy:
    """How patient a download is; all waits in seconds.

    Args:
        tries: in a row without one new byte, per address; also how often it starts again from the first byte.
        first_wait: before the second try; doubles, with jitter, up to ``longest_wait``.
        longest_wait: see ``first_wait``.
        longest_retry_after: a server that asks for more is told to the user instead of waited for.
        connect_timeout: until a connection stands.
        stall_timeout: without one byte on a connection that stands.
        lock_wait: for another process that fetches the same file.
    """

    tries: int = 8
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0
    connect_timeout: float = 10.0
    stall_timeout: float = 30.0
    lock_wait: float = 5.0


class RefusedError(Exception):
    """This address does not give the file; another one may. ``page``: it gives an HTML page instead."""

    def __init__(self, reason: str, *, page: bool = False) -> None:
        super().__init__(reason)
        self.page = page


class LostError(Exception):
    """A try failed, the next one may not. ``wait``: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Client:
    """A session with timeouts, redirects and errors the way downloads need them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.session = requests.Session()
        # Compressed on the way would mean other bytes and other ranges than those of the file.
        self.session.headers.update({"User-Agent": f"sertool/{__version__}", "Accept-Encoding": "identity"})

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        """The answer at the end of the redirects, its body unread.

        Raises:
            LostError: no answer.
            RefusedError: no try will bring one.
        """
        # By hand, because requests reads a redirect's body to its end, however long it is.
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(url, headers)
            target = self.session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urljoin(url, target)
            if not replies.is_http(url):
                raise RefusedError(f"it redirects to {shown(url)}, which is no http address")
        raise RefusedError(f"it redirects in a circle ({MAX_REDIRECTS} times, the last to {shown(url)})")

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        timeout = (self.policy.connect_timeout, self.policy.stall_timeout)
        try:
            return self.session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
        except requests.exceptions.SSLError as error:
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
        """What has come of the body, at most CHUNK bytes; empty at its end.

        Raises:
            LostError: the connection was lost, or nothing came for too long.
        """
        try:
            # Raw: unlike `iter_content` it neither waits for a whole chunk nor copies it.
            chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
        except (urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise LostError(f"no data for {self.policy.stall_timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if isinstance((error.args or (None,))[-1], urllib3.exceptions.IncompleteRead):
                return b""  # closed in good order, too early; the caller counts
            raise LostError("the connection was lost") from error
        return chunk

    def read_start(self, response: requests.Response, wanted: int) -> bytes:
        """At least the first ``wanted`` bytes, if there are that many."""
        start = self.read(response)
        while len(start) < wanted and (more := self.read(response)):
            start += more
        return start

    def page_reason(self, response: requests.Response, start: bytes) -> str:
        """What an HTML page in place of a file means, with its title if it has one."""
        # Where the rest does not come, the title may be in what has.
        with suppress(LostError):
            while len(start) < PAGE and (more := self.read(response)):
                start += more
        title = replies.page_title(start[:PAGE])
        named = f' ("{title}")' if title else ""
        return f"an HTML page came in place of the file{named}: {PAGE_MEANS}"


def _connection_reason(error: BaseException) -> str:
    """In words of ours: those of requests quote the address with its query."""
    seen: BaseException | None = error
    while seen is not None:
        if "NameResolutionError" in repr(seen) or "gaierror" in repr(seen):
            return "its name is not found (is there a network?)"
        if isinstance(seen, OSError) and isinstance(seen.strerror, str):
            return f"no connection ({seen.strerror})"
        seen = seen.__cause__ or seen.__context__
    return "the connection was closed before an answer"
