"""A Hugging Face hub on this machine: folders of models, served as the hub's own client asks for them."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GATED = "someone/gated"  # a model whose files need a token


@contextmanager
def serve_hub(models: dict[str, Path], requested: list[str]) -> Iterator[str]:
    """Serve folders under names such as ``someone/model``; yield the address.

    Args:
        models: folder of each model, whose branch is ``main``.
        requested: gets the path of every request.
    """

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0]).removeprefix("/api/models")
            requested.append(path)
            _, owner, model, *rest = [*path.split("/"), "", ""]
            name = f"{owner}/{model}"
            if name not in models:
                return self.refuse(401, "RepoNotFound")
            if rest[1] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            if rest[0] == "resolve":
                if name == GATED:
                    return self.refuse(403, "GatedRepo")
                return self.answer((models[name] / "/".join(rest[2:]).rstrip("/")).read_bytes())
            files = sorted(file for file in models[name].iterdir() if file.is_file())
            if rest[0] == "tree":
                listed = [{"type": "file", "path": f.name, "oid": f.name, "size": f.stat().st_size} for f in files]
                return self.answer(json.dumps(listed).encode())
            siblings = [{"rfilename": file.name} for file in files]
            return self.answer(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
