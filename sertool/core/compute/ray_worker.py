"""What runs on a node of a Ray cluster: one process that does jobs, an event at a time, as the driver asks for them."""

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
    """What a job brought."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """A job ended with an error that is its user's."""

    error: SertoolError


def versions() -> dict[str, str]:
    """Of what must be the same everywhere for a job to give the same bytes, and to be understood at all."""
    return {"sertool": __version__, "torch": torch.__version__.partition("+")[0]}


def pack_tensors() -> None:
    """Let Ray carry tensors as arrays, which it neither copies nor ties to a device; what arrives is on the CPU."""
    from ray.util import register_serializer

    register_serializer(Tensor, serializer=_to_array, deserializer=_to_tensor)


def _to_array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _to_tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))  # what Ray hands out is read-only


class RayWorker:
    """The actor. Each method answers with what the driver needs to know."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        pack_tensors()

    def hello(self) -> dict[str, str]:
        """Versions, and the address of the node."""
        from ray.util import get_node_ip_address

        return {**versions(), "node": get_node_ip_address()}

    def open(self, work: Work) -> None:
        """Make ready for jobs."""
        self.do = work.open()

    def begin(self, description: Any) -> Event | Refused | None:
        """Begin a job; its first event, or None at its end."""
        self.events: Iterator[Any] = self.do(description)
        return self.go_on()

    def go_on(self) -> Event | Refused | None:
        """The job's next event."""
        try:
            return Event(next(self.events))
        except StopIteration:
            return None
        except SertoolError as error:
            return Refused(error)
