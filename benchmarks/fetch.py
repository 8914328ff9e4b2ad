"""Compare a download with curl's from the same server, in speed and memory.

``python -m benchmarks.fetch``. 200 MB of random bytes from a server on this machine that uses ``sendfile``; curl
and sertool take turns, after one pair that does not count. Curl's time is its own ``time_total``, sertool's is that of
``download`` in ``sertool.core.fetch`` with its checksum and its flush to the disk, neither of which curl does; times
with the start of both processes are given separately. ``cpu_ratio`` also holds on a busy machine. Memory is the peak of
a process with the command line's imports.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sertool.core.files import artifacts

SIZE = 200_000_000
PAIRS = 9
TARGETS = {"ratio": 0.8, "peak_mb": 80.0}
RESULTS = Path(__file__).parent / "results"
ADDRESS = "http://127.0.0.1:{port}/file.zip"
OURS = """
import json, sys, time
from pathlib import Path
import rich.progress
import sertool.__main__
from sertool.core.fetch.download import download
begun, cpu = time.perf_counter(), time.process_time()
got = download([sys.argv[1]], Path(sys.argv[2]), sha256=sys.argv[3], progress=lambda step: None)
seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
print(json.dumps({"seconds": seconds, "cpu_s": cpu, "peak_mb": peak / 1e6}))
"""


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path

    def do_GET(self) -> None:
        with self.file.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(self.file.stat().st_size))
            self.send_header("Content-Type", "application/zip")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.connection.sendfile(file)

    def log_message(self, *_: Any) -> None:
        """Log nothing, because a line would take time."""


def serve(file: Path) -> None:
    """Serve ``file`` until this process is ended; the port is the one line printed."""
    _Server.file = file
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def _serving(file: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.fetch", "--serve", str(file)]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield ADDRESS.format(port=server.stdout.readline().strip())
        finally:
            server.terminate()


def measure(pairs: int = PAIRS, size: int = SIZE) -> dict[str, Any]:
    """Both sides in turns; printed, and returned as plain data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "file.zip"
        file.write_bytes(os.urandom(size))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        with _serving(file) as address:
            turns = [(_curl(address, folder), _ours(address, folder, digest)) for _ in range(pairs + 1)][1:]
    result = {
        "targets": TARGETS,
        "megabytes": size / 1e6,
        "ratio": _spread([curl["seconds"] / ours["seconds"] for curl, ours in turns]),
        "cpu_ratio": _spread([curl["cpu_s"] / ours["cpu_s"] for curl, ours in turns]),
        "ratio_with_start": _spread([curl["process_s"] / ours["process_s"] for curl, ours in turns]),
        "curl_mb_per_second": _spread([size / 1e6 / curl["seconds"] for curl, _ in turns]),
        "sertool_mb_per_second": _spread([size / 1e6 / ours["seconds"] for _, ours in turns]),
        "peak_mb": _spread([ours["peak_mb"] for _, ours in turns]),
        "pairs": [[round(curl["seconds"], 3), round(ours["seconds"], 3)] for curl, ours in turns],
    }
    ratio, peak = result["ratio"], result["peak_mb"]
    print(
        f"download of {size / 1e6:.0f} MB: {result['sertool_mb_per_second']['median']:.0f} MB/s, "
        f"curl {result['curl_mb_per_second']['median']:.0f} MB/s; ratio {ratio['median']:.2f} "
        f"({ratio['min']:.2f} to {ratio['max']:.2f}), target {TARGETS['ratio']}; "
        f"of CPU time {result['cpu_ratio']['median']:.2f}, with the start of the processes "
        f"{result['ratio_with_start']['median']:.2f}; peak {peak['max']:.1f} MB, target {TARGETS['peak_mb']}",
        flush=True,
    )
    return result


def _curl(address: str, folder: Path) -> dict[str, float]:
    target = folder / "curl.zip"
    command = ["curl", "--silent", "--fail", "--noproxy", "*", "--write-out", "%{time_total}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done, seconds = _timed([*command, "--output", str(target), address])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    target.unlink()
    return {"seconds": float(done), "cpu_s": cpu, "process_s": seconds}


def _ours(address: str, folder: Path, digest: str) -> dict[str, float]:
    target = folder / "sertool.zip"
    done, seconds = _timed([sys.executable, "-c", OURS, address, str(target), digest])
    target.unlink()
    return {**json.loads(done), "process_s": seconds}


def _timed(command: list[str]) -> tuple[str, float]:
    begun = time.perf_counter()
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "NO_PROXY": "127.0.0.1"}
    )
    return done.stdout, time.perf_counter() - begun


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 3),
        "median": round(statistics.median(values), 3),
        "max": round(max(values), 3),
    }


def main() -> None:
    """Parse the command line, measure, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fetch", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="that count, default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULTS / "downloads.json", help="default %(default)s")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    import torch

    from sertool.core.bench.device import describe_machine

    machine = describe_machine(torch.device("cpu"))
    result = {"machine": machine, "downloads": measure(options.pairs)}
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
