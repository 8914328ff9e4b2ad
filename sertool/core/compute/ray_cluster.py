"""Joining a Ray cluster, or starting one of this machine's own; every way in which that fails is one message."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from sertool.core.compute.ray_launcher import RayLauncher
from sertool.core.compute.ray_worker import pack_tensors
from sertool.core.errors import SertoolError, UsageError

CONNECT = 5.0  # seconds for an answer from the address
CLIENT = "ray://"
# What a client of HTTP/2 says first, with an empty table of settings; any such server answers with its own settings.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS = 4
PASSED_ON = ("GOMP_SPINCOUNT",)


@contextmanager
def ray_launcher(address: str | None, gpus_each: float) -> Iterator[RayLauncher]:
    """Join the cluster at an address, or start one here that ends with the block.

    Args:
        address: ``auto`` for the one that this machine is part of, ``IP:PORT``, ``ray://IP:PORT``; None starts one.
        gpus_each: GPUs of a worker, at most 1.

    Raises:
        UsageError: Ray is not installed.
        SertoolError: there is no cluster, or it is of another Python or Ray.
    """
    if find_spec("ray") is None:
        raise UsageError("--launcher ray needs the package ray", hint="pip install 'sertool[cluster]'")
    if address is not None:
        check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
    import ray

    _join(address)
    try:
        # Ray writes to stdout, where results go, that a node has died; there is no public switch for it.
        ray._private.worker._worker_logs_enabled = False
        pack_tensors()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        yield RayLauncher(gpus_each, environment)
    finally:
        ray.shutdown()


def _join(address: str | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        quiet["include_dashboard"] = False
    try:
        ray.init(address=address or "local", **quiet)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        what = f"--address {address}" if address else "a local Ray cluster does not start"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        mismatch = "ersion mismatch" in str(error)
        reason = " ".join(lines) if mismatch else next(iter(lines), type(error).__name__)
        raise SertoolError(
            f"{what}: {reason.rstrip('.')}",
            hint="the same Python and Ray on every machine"
            if mismatch
            else "RAY_AUTH_MODE=token before the command, if the cluster asks for a token",
        ) from error


def check_address(address: str) -> None:
    """Refuse an address where no cluster answers; Ray itself would try for minutes, and end the process.

    Raises:
        SertoolError: with what was found.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
        if address == "auto":
            return  # Ray looks for a running one, and says at once if there is none
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise UsageError(f"--address {address}: expected auto, IP:PORT or ray://IP:PORT")
    hint = "sertool starts a cluster of this machine alone without --address; `ray status` tells whether one runs"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT) as connection:
            # An encrypted one would not answer.
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(GREETING)
            answer = b""
            with suppress(OSError):
                while len(answer) < len(GREETING[-9:]) and (more := connection.recv(9)):
                    answer += more
    except OSError as error:
        raise SertoolError(
            f"--address {address}: nothing answers there ({error.strerror or error})", hint=hint
        ) from error
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise SertoolError(f"--address {address}: what answers there is no Ray cluster", hint=hint)
