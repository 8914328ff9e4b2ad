"""The part of a worker process that all launchers share: it does jobs one event at a time, as it is asked for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.compute.cards import silence_torch
from sertool.core.compute.jobs import Work
from sertool.core.errors import SertoolError


@dataclass(frozen=True)
class Event:
    """An event of a job, on its way to the process that takes it."""

    value: Any


@dataclass(frozen=True)
class RefusedJob:
    """The end of a job with an error that its user can correct."""

    error: SertoolError


def to_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as an array on the CPU, which a pickle carries without a device."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def to_tensor(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor that may be written to; arrays that came by Ray are read-only and are copied."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class Worker:
    """A worker with its threads; its methods are called one after the other."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        silence_torch()

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
