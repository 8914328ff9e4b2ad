"""The child process of a :class:`~sertool.core.compute.processes.ProcessLauncher`.

Parent and child are connected by a socket. The parent sends a request, a job's description or the wish for the next
event, and the child sends one answer to each.
"""

import io
import mmap
import os
import pickle
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from torch import Tensor

from sertool.core.compute.jobs import Work
from sertool.core.compute.worker import Event, RefusedJob, Worker, to_array, to_tensor


@dataclass(frozen=True)
class Begin:
    """A request to start a job; a request of None asks for the next event of the job."""

    description: Any


@dataclass(frozen=True)
class Broken:
    """The end of a job with an unexpected error; its traceback is in its notes."""

    error: Exception


Answer = Event | RefusedJob | Broken | None


class _Pickler(pickle.Pickler):
    """A pickler that carries tensors as arrays, so that a process never opens another one's device."""

    def reducer_override(self, value: Any) -> Any:
        return (to_tensor, (to_array(value),)) if type(value) is Tensor else NotImplemented


def pack(value: Any) -> bytes:
    """Pickle a message; tensors arrive on the CPU."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def serve(handle: int, content: int, threads: int) -> None:
    """Answer requests until the parent ends this process, or ends itself.

    Args:
        handle: descriptor of the socket.
        content: descriptor of a file with the pickled :class:`~sertool.core.compute.jobs.Work`; it is complete before
            the first request comes.
        threads: threads of an operation.
    """
    # Ctrl-C on a terminal reaches this process, too. The parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Connection[Any, Any] = Connection(handle)
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(parent, requests), daemon=True).start()
    worker = Worker(threads)
    while True:
        parent.send_bytes(pack(_answer(worker, pickle.loads(requests.get()), content)))


def _receive(parent: "Connection[Any, Any]", requests: "SimpleQueue[bytes]") -> None:
    """Receive requests in a thread of its own, which notices the parent's end also in the middle of a job."""
    try:
        while True:
            requests.put(parent.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)  # however the parent ended, nobody waits for the rest of the job


def _answer(worker: Worker, request: Begin | None, content: int) -> Answer:
    try:
        if request is None:
            return worker.go_on()
        if not hasattr(worker, "do"):
            worker.open(_read(content))
        return worker.begin(request.description)
    except Exception as error:
        return Broken(_portable(error))


def _read(content: int) -> Work:
    with mmap.mmap(content, 0, access=mmap.ACCESS_READ) as view:
        work: Work = pickle.loads(view)
    return work


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled and shows where it was raised."""
    text = "".join(traceback.format_exception(error))
    try:
        copy: Exception = pickle.loads(pack(error))
    except Exception:
        copy = RuntimeError(str(error))
    copy.add_note(f"raised in a worker process:\n{text}")
    return copy


def unpack(message: bytes) -> Any:
    """Read what :func:`pack` made, from a process of one's own."""
    return pickle.loads(message)
