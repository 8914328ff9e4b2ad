"""The worker process on a node of a Ray cluster: it does jobs one event at a time, as the driver asks for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.compute.jobs import Work
from sertool.core.errors import SertoolError
from sertool.version import __version__


@dataclass(frozen=True)
class Event:
    """An event of a job, on its way to the driver."""

    value: Any


@dataclass(frozen=True)
class RefusedJob:
    """The end of a job with an error that its user can correct."""

    error: SertoolError


def versions() -> dict[str, str]:
    """Return the versions that must be equal on all nodes, so that jobs can be unpickled and give the same bytes."""
    return {"sertool": __version__, "torch": torch.__version__.partition("+")[0]}


def pack_tensors() -> None:
    """Let Ray carry tensors as arrays, which it neither copies nor ties to a device; they arrive on the CPU."""
    from ray.util import register_serializer

    register_serializer(Tensor, serializer=_to_array, deserializer=_to_tensor)


def _to_array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _to_tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy, because arrays from Ray are read-only


class RayWorker:
    """The Ray actor; the driver calls its methods one after the other."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        pack_tensors()

    def hello(self) -> dict[str, str]:
        """Return the versions and the address of the node."""
        from ray.util import get_node_ip_address

        return {**versions(), "node": get_node_ip_address()}

    def open(self, work: Work) -> None:
        """Get ready for jobs."""
        self.do = work.open()

    def begin(self, description: Any) -> Event | RefusedJob | None:
        """Start a job and return its first event; None if it has ended."""
        self.events: Iterator[Any] = self.do(description)
        return self.go_on()

    def go_on(self) -> Event | RefusedJob | None:
        """Return the job's next event; None if it has ended."""
        try:
            return Event(next(self.events))
        except StopIteration:
            return None
        except SertoolError as error:
            return RefusedJob(error)
