"""The worker process on a node of a Ray cluster."""

import torch
from torch import Tensor

from sertool.core.compute.worker import Worker, to_array, to_tensor
from sertool.version import __version__


def versions() -> dict[str, str]:
    """Return the versions that must be equal on all nodes, so that jobs can be unpickled and give the same bytes."""
    return {"sertool": __version__, "torch": torch.__version__.partition("+")[0]}


def pack_tensors() -> None:
    """Let Ray carry tensors as arrays, which it neither copies nor ties to a device; they arrive on the CPU."""
    from ray.util import register_serializer

    register_serializer(Tensor, serializer=to_array, deserializer=to_tensor)


class RayWorker(Worker):
    """The Ray actor; the driver calls its methods one after the other."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        pack_tensors()

    def hello(self) -> dict[str, str]:
        """Return the versions and the address of the node."""
        from ray.util import get_node_ip_address

        return {**versions(), "node": get_node_ip_address()}
