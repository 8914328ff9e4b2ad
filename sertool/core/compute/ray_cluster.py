"""Join a Ray cluster, or start one on this machine; each way in which that can fail gives one message."""

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
# The first bytes of an HTTP/2 client (RFC 9113, 3.4) with empty settings; any such server, and Ray's gRPC is one,
# answers with its own settings.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS = 4
PASSED_ON = ("GOMP_SPINCOUNT",)  # variables that the workers inherit


@contextmanager
def ray_launcher(address: str | None, gpus_each: float) -> Iterator[RayLauncher]:
    """Join the cluster at an address, or start one on this machine that ends with the block.

    Args:
        address: ``auto`` for the cluster of this machine, ``IP:PORT`` or ``ray://IP:PORT``; None starts one.
        gpus_each: GPUs for each worker, at most 1.

    Raises:
        UsageError: Ray is not installed.
        SertoolError: there is no cluster, or it runs another Python or Ray.
    """
    if find_spec("ray") is None:
        raise UsageError("--launcher ray needs the package ray", hint="pip install 'sertool[cluster]'")
    if address is not None:
        check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
    import ray

    _join(address)
    try:
        # Ray reports a dead node on stdout, where results go; it has no public switch for that.
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
            hint="install the same Python and Ray on every machine"
            if mismatch
            else "if the cluster asks for a token, put RAY_AUTH_MODE=token before the command",
        ) from error


def check_address(address: str) -> None:
    """Refuse an address where no cluster answers; Ray itself would try for minutes and then end the process.

    Raises:
        UsageError: the address has another form.
        SertoolError: nothing answers there, or something that is no cluster.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
        if address == "auto":
            return  # Ray looks for a running cluster, and says at once if there is none
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    malformed = UsageError(f"--address {address}: expected auto, IP:PORT or ray://IP:PORT")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise malformed
    hint = "without --address sertool starts a cluster on this machine; `ray status` shows whether one runs"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT) as connection:
            # A server that expects TLS would not answer the plain greeting.
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(GREETING)
            answer = b""
            with suppress(OSError):
                while len(answer) < len(GREETING[-9:]) and (more := connection.recv(9)):
                    answer += more
    except UnicodeError as error:  # signs that no name of a machine has
        raise malformed from error
    except OSError as error:
        raise SertoolError(
            f"--address {address}: nothing answers there ({error.strerror or error})", hint=hint
        ) from error
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise SertoolError(f"--address {address}: the server there is no Ray cluster", hint=hint)
