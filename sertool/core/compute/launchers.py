"""The launcher that the command line names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sertool.core.compute.jobs import Launcher
from sertool.core.compute.local import LocalLauncher
from sertool.core.compute.ray_cluster import ray_launcher
from sertool.core.errors import UsageError


@contextmanager
def open_launcher(
    name: Literal["local", "ray"], address: str | None = None, gpus_each: float = 1.0
) -> Iterator[Launcher]:
    """Open a launcher for the length of the block.

    Args:
        name: kind of launcher.
        address: address of a Ray cluster; None starts one on this machine.
        gpus_each: GPUs for each Ray worker.

    Raises:
        UsageError: an address is given without Ray, or Ray is not installed.
        SertoolError: the cluster cannot be joined.
    """
    if name == "ray":
        with ray_launcher(address, gpus_each) as launcher:
            yield launcher
    elif address is not None:
        raise UsageError(f"--address {address}: only with --launcher ray")
    else:
        yield LocalLauncher()
