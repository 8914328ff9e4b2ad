"""Files for the tests to download, and a download from a server that misbehaves."""

import hashlib
import random
from pathlib import Path

import pytest
from bad_server import BadServer
from other_processes import QUICK

from sertool.core.errors import SertoolError
from sertool.core.fetch.download import Downloaded, download

CONTENT = b"PK\x03\x04" + random.Random(1).randbytes(300_000)
OTHER = b"PK\x03\x04" + random.Random(2).randbytes(250_000)
SAME_LENGTH = OTHER + random.Random(3).randbytes(50_000)
BY_HAND = "download it in a browser, or from another address, and pass it with --from FILE"
PAGE = b"<!DOCTYPE html>\n<html><head><title>\n Too many \x1b[31mrequests &amp; such </title></head>no</html>"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(server: BadServer, target: Path, **options) -> Downloaded:
    return download([server.url()], target, **{"policy": QUICK, **options})


def refused(server: BadServer, target: Path, **options) -> tuple[str, str | None]:
    """Return the one message, without the server's port, and its hint; no file has the target's name."""
    with pytest.raises(SertoolError) as caught:
        fetch(server, target, **options)
    assert not target.exists()
    text = str(caught.value).replace(str(target), "TARGET").replace(server.url(""), "http://host")
    return text, caught.value.hint


def leftovers(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


PAGE_TEXT = (
    'an HTML page came instead of the file ("Too many [31mrequests & such"): '
    "the link has probably expired, is over its quota or asks for a login"
)
