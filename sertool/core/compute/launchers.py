"""The launcher that the command line names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sertool.core.compute.cards import find_cards
from sertool.core.compute.jobs import Launcher
from sertool.core.compute.local import LocalLauncher
from sertool.core.compute.processes import ProcessLauncher, select_cards
from sertool.core.compute.ray_cluster import ray_launcher
from sertool.core.errors import UsageError


@contextmanager
def open_launcher(
    name: Literal["local", "ray"], address: str | None = None, gpus_each: float = 1.0, devices: str | None = None
) -> Iterator[Launcher]:
    """Open a launcher for the length of the block.

    Args:
        name: kind of launcher.
        address: address of a Ray cluster; None starts one on this machine.
        gpus_each: GPUs for each Ray worker.
        devices: numbers of the CUDA devices of this machine to use, such as ``0,1``, or ``all``. Default: the first.

    Raises:
        UsageError: an address is given without Ray, devices are given with Ray or do not exist, or Ray is not
            installed.
        SertoolError: the cluster cannot be joined.
    """
    if name == "ray" and devices is not None:
        raise UsageError(
            f"--devices {devices}: only with --launcher local", hint="a Ray worker takes one card, or --gpus-each of it"
        )
    if name == "ray":
        with ray_launcher(address, gpus_each) as launcher:
            yield launcher
    elif address is not None:
        raise UsageError(f"--address {address}: only with --launcher ray")
    elif devices is not None:
        yield ProcessLauncher(select_cards(devices, find_cards()))
    else:
        yield LocalLauncher()
