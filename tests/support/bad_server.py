"""Local HTTP server that misbehaves as a test demands, and logs every request and the bytes sent."""

import hashlib
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Act:
    """Fault of one answer; the default is a correct answer."""

    status: int | None = None  # instead of the file
    location: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    page: bytes | None = None  # instead of the file, with status 200
    content_type: str = "application/zip"
    hang_up: bool = False  # no answer at all
    cut: int | None = None  # bytes of the body after which the connection ends
    reset: bool = False  # it ends with a reset instead of a proper close
    stall: bool = False  # it stays open instead, but sends nothing
    ignore_range: bool = False
    shift: int = 0  # a range that starts elsewhere than asked for, and says so
    total: int | None = None  # the total that a 206 states
    length: int | None = None  # the Content-Length of a 200
    at_most: int | None = None  # most bytes of a range per answer, which is allowed
    chunked: bool = False
    no_length: bool = False  # the end of the connection is the end of the file
    untagged: bool = False  # no ETag or date for If-Range
    new_content: bytes | None = None  # the file is replaced before the answer


@dataclass
class Request:
    """Entry of the server's log; ``start``: position of the body in the file, ``sent``: bytes sent."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    encoding: str | None
    status: int = 0
    start: int = 0
    sent: int = 0
    done: threading.Event = field(default_factory=threading.Event)


class BadServer(ThreadingHTTPServer):
    """Server of ``content`` at every path; ``script`` holds one act per request, ``always`` is for later requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.validators = "etag"  # etag, date, weak, weak and date, none
        self.script: list[Act] = []
        self.always = Act()
        self.routes: dict[str, Act] = {}
        self.log: list[Request] = []
        self.pace: tuple[int, float] | None = None  # bytes, and seconds of pause after them
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def url(self, path: str = "/file.zip") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    @property
    def ranges(self) -> list[str | None]:
        return [request.range for request in self.log]

    def take(self, path: str) -> Act:
        with self._lock:
            if path in self.routes:
                return self.routes[path]
            return self.script.pop(0) if self.script else self.always

    def tags(self) -> dict[str, str]:
        tag = f'"{hashlib.md5(self.content).hexdigest()[:8]}"'
        day = 1 + hashlib.md5(self.content).digest()[0] % 28
        date = f"{day:02} Jan 2020 00:00:00 GMT"
        date = {"Last-Modified": f"Wed, {date}"}
        return {
            "etag": {"ETag": tag},
            "date": date,
            "weak": {"ETag": f"W/{tag}"},
            "weak and date": {"ETag": f"W/{tag}", **date},
            "none": {},
        }[self.validators]

    def handle_error(self, request, client_address):
        pass  # a client that was killed or closed the connection


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BadServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = [self.headers.get(name) for name in ("Range", "If-Range", "Accept-Encoding")]
        entry = Request(self.command, self.path, *asked)
        server.log.append(entry)
        act = server.take(self.path)
        try:
            self.answer(act, entry)
        except OSError:
            self.close_connection = True
        finally:
            entry.done.set()

    def answer(self, act: Act, entry: Request):
        server = self.server
        if act.new_content is not None:
            server.content = act.new_content
        if act.hang_up:
            self.end(act)
            return
        content = server.content if act.page is None else act.page
        tags = {} if act.page is not None or act.untagged else server.tags()
        headers = {"Content-Type": act.content_type, **tags}
        status, body = self.pick(act, entry, content, headers)
        if act.location is not None:
            headers["Location"] = act.location
        entry.status = status
        self.send_response(status)
        for name, value in {**headers, **dict(act.headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.send(act, entry, body)

    def pick(self, act: Act, entry: Request, content: bytes, headers: dict[str, str]):
        """Choose status and body, and add their headers."""
        # A range can only be unsatisfiable if one was requested.
        if act.location is not None or (act.status is not None and (act.status != 416 or entry.range)):
            body = b"no"
            headers["Content-Length"] = str(len(body))
            return act.status or 302, body
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", entry.range or "")
        tags = self.server.tags().values()
        fresh = entry.if_range is None or entry.if_range in [tag for tag in tags if not tag.startswith("W/")]
        if asked and fresh and act.page is None and not act.ignore_range:
            return self.pick_range(act, entry, content, headers, asked)
        if act.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif act.no_length:
            headers["Connection"] = "close"
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(content) if act.length is None else act.length)
        # A server that states too small a length sends no more than that.
        return 200, content if act.length is None else content[: act.length]

    def pick_range(self, act: Act, entry: Request, content: bytes, headers: dict[str, str], asked):
        total = len(content) if act.total is None else act.total
        if int(asked[1]) >= len(content):
            headers.update({"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            return 416, b""
        start = min(max(0, int(asked[1]) + act.shift), len(content) - 1)
        end = min(len(content), int(asked[2] or len(content)) + 1, start + (act.at_most or len(content)))
        entry.start = start
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{total}"
        headers.update({"Transfer-Encoding": "chunked"} if act.chunked else {"Content-Length": str(end - start)})
        return 206, content[start:end]

    def send(self, act: Act, entry: Request, body: bytes):
        if self.command == "HEAD":
            return
        cut = act.cut is not None and act.cut < len(body)
        announced = act.length is not None and act.length > len(body)
        left = body[: act.cut] if cut else body
        chunked = act.chunked and entry.status in (200, 206)
        size, pause = self.server.pace or (1 << 16, 0)
        for place in range(0, len(left), size):
            piece = left[place : place + size]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            entry.sent += len(piece)
            if pause:
                time.sleep(pause)
        if cut or announced:
            if act.stall:
                self.server.stopping.wait(30)
            self.end(act)
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def end(self, act: Act):
        self.close_connection = True
        if act.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            if not act.reset:
                self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    do_HEAD = do_GET


@contextmanager
def serving(content: bytes):
    """Run a server during the block."""
    server = BadServer(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
