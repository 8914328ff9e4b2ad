"""A download that is killed (SIGKILL) at any moment resumes from the last written byte."""

import hashlib
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_server import BadServer, serving

from sertool.core.fetch.http_client import CHUNK
from sertool.core.fetch.part_file import PartFile

CONTENT = b"PK\x03\x04" + random.Random(1).randbytes(12_000_000)
# What the server has handed to the system and the client has not written yet: the buffers of both sockets, of which
# Linux makes twice the size asked for, and one chunk.
BUFFER = 64 << 10
IN_FLIGHT = 4 * BUFFER + CHUNK
CHILD = f"""
import socket, sys
from pathlib import Path
from urllib3.connection import HTTPConnection
HTTPConnection.default_socket_options += [(socket.SOL_SOCKET, socket.SO_RCVBUF, {BUFFER})]
from sertool.core.fetch.download import download
print(download([sys.argv[1]], Path(sys.argv[2])).sha256)
"""


@pytest.fixture
def server():
    with serving(CONTENT) as one:
        # Taken over by the connections; small, so that few bytes are on the way at any moment.
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        yield one


def start(server: BadServer, target: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, server.url(), str(target)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"NO_PROXY": "127.0.0.1"})


def kill(server: BadServer, target: Path, sent: int) -> int:
    """Start it, kill it when the server has sent so many bytes; how many bytes are then in the part file."""
    before = len(server.log)
    child = start(server, target)
    while len(server.log) == before or server.log[-1].sent < sent:
        assert child.poll() is None
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert server.log[-1].done.wait(10)
    part = PartFile(target)
    length = part.length
    part.close()
    return length


@pytest.mark.parametrize(("kills", "seed"), [(4, 1), pytest.param(30, 2, marks=pytest.mark.slow)], ids=["4", "30"])
def test_killed_at_random_moments_it_ends_with_the_right_file(server, tmp_path, kills, seed):
    """A resumed download asks for exactly the missing bytes, so no written byte is sent again.

    The bytes sent are at most the file, and for each kill those that were on their way.
    """
    target, moments = tmp_path / "file.zip", random.Random(seed)
    server.pace = (16_000, 0.004)  # at most 4 MB/s: 3 s for the whole file
    lengths = [0]
    for _ in range(kills):
        lengths.append(kill(server, target, moments.randrange(400_000)))
        assert not target.exists()
    assert lengths == sorted(lengths)
    assert lengths[-1] < len(CONTENT)

    server.pace = None
    child = start(server, target)
    out, _ = child.communicate(timeout=30)
    assert out.strip() == hashlib.sha256(CONTENT).hexdigest()
    assert target.read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == [".file.zip.lock", "file.zip"]

    assert server.ranges == [f"bytes={length}-" if length else None for length in lengths]
    assert any(lengths), "every kill came before the first byte was written"
    for request, kept in zip(server.log, lengths[1:], strict=False):
        assert kept <= request.start + request.sent <= kept + IN_FLIGHT
    assert sum(request.sent for request in server.log) <= len(CONTENT) + kills * IN_FLIGHT


def test_killed_again_and_again_between_the_last_byte_and_the_name(server, tmp_path):
    """Kills while the end is flushed, checked and renamed; nothing is asked for twice."""
    target = tmp_path / "file.zip"
    server.content = CONTENT[:1_000_000]
    moments = random.Random(3)
    for _ in range(6):
        child = start(server, target)
        while not target.exists() and not (server.log and server.log[-1].done.is_set()):
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        child.kill()
        child.communicate()
    child = start(server, target)
    out, _ = child.communicate(timeout=30)
    assert out.strip() == hashlib.sha256(server.content).hexdigest()
    assert target.read_bytes() == server.content
    assert sum(request.sent for request in server.log) <= len(server.content) + 6 * IN_FLIGHT
