"""Read tensors from files of ``torch.save``, in both of its formats, by the restricted unpickler alone.

Both formats hold one pickle whose tensors name their storages by persistent ids. The numbers follow the pickle in
the older format (torch 1.2, a stream) and are records of their own in the newer one (a zip without compression).
torch's own loaders are not used, because they trust a file's statement of where its numbers lie.
"""

import io
import math
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sertool.core.errors import DataError
from sertool.core.files.archives import Limits, blocks, kind_of, open_zip
from sertool.core.files.artifacts import read_error
from sertool.core.files.pickles import NUMPY_AND_PLAIN, finished, mapped, pickle_error
from sertool.core.files.regular import open_regular
from sertool.core.files.unpickler import (
    Allowed,
    ExactStream,
    Refused,
    RestrictedUnpickler,
    StandIn,
    hashable,
    shown,
)

_MAGIC, _PROTOCOL = (
    0x1950A86A20F9469CFC6C,
    1001,
)  # MAGIC_NUMBER and PROTOCOL_VERSION of torch/serialization.py
_MEMORY = 256 << 20  # bytes for the objects of one checkpoint; real ones have some thousand objects, a few MiB
_SMALL = 1 << 20  # bytes for the objects of each small pickle around it
_TENSOR = 600  # bytes of a tensor beside its numbers
_PIECE = 1 << 20  # bytes copied at a time
_RECORDS = Limits(members=100_000)  # a record per storage; real checkpoints have some hundred
_RECORD = re.compile(
    r"([^/]+)/(data\.pkl|version|byteorder|data/\d+|\.data/serialization_id|\.format_version|\.storage_alignment)"
)
# Modules inside the reference's arguments; only their state is kept.
_LOSSES = ("CrossEntropyLoss", "BCEWithLogitsLoss")
_MOST_DIMENSIONS = 16


def read_torch_file(path: Path) -> Any:
    """Read a checkpoint of either format.

    Returns:
        The saved object, of tensors on the CPU, plain data, and :class:`StandIn` objects.

    Raises:
        DataError: the file is missing, damaged, or names what is not allowed.
    """
    if kind_of(path) == "zip":
        return _read_zip(path)
    try:
        return _read_stream(path)
    except OSError as error:
        raise read_error(path, error) from error


def _read_zip(path: Path) -> Any:
    with open_zip(path, _RECORDS) as packed:
        records = _records(path, packed)
        if "byteorder" in records and packed.read(records["byteorder"]) != b"little":
            raise DataError(f"{path}: written on a big-endian machine, which is not supported")
        stream = io.BytesIO(b"".join(blocks(packed, records["data.pkl"])))
        content, storages = _read_object(path, stream, path.stat().st_size)
        data = {name[5:]: record for name, record in records.items() if name.startswith("data/")}
        if set(data) != set(storages):
            raise DataError(f"{path}: its records do not fit its tensors")
        for key, storage in storages.items():
            if data[key].file_size != storage.nbytes:
                raise DataError(f"{path}: the storage {key} has another size than its tensors")
            _fill(storage, blocks(packed, data[key]))
        return content


def _records(path: Path, packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return a zip's records by name, without the folder that holds them all."""
    records: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for record in packed.infolist():
        found = _RECORD.fullmatch(record.orig_filename)
        name = found[2] if found else ""
        if not found or name in records:
            raise DataError(
                f"{path}: holds {shown(record.orig_filename)}{' twice' if found else ''}, "
                "expected the records of a checkpoint that torch wrote"
            )
        # torch never compresses, so a record cannot be larger than its place in the file.
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            raise DataError(f"{path}: its record {name} is compressed, which torch does not do")
        folders.add(found[1])
        records[name] = record
    if "data.pkl" not in records or len(folders) != 1:
        raise DataError(f"{path}: a zip, but not a checkpoint that torch wrote")
    return records


def _read_stream(path: Path) -> Any:
    """Read the older format: five pickles (magic number, version, system, object, storage keys), then the data."""
    with open_regular(path) as file, mapped(file, path) as stream:
        magic, version, system = (_read_plain(path, stream) for _ in range(3))
        if magic != _MAGIC or version != _PROTOCOL or not isinstance(system, dict):
            raise DataError(f"{path}: not a checkpoint that torch wrote")
        if system.get("little_endian") is not True:
            raise DataError(f"{path}: written on a big-endian machine, which is not supported")
        content, storages = _read_object(path, stream, path.stat().st_size)
        keys = _read_plain(path, stream)
        texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not texts or sorted(keys) != sorted(storages):
            raise DataError(f"{path}: its list of storages does not fit its tensors")
        exact = ExactStream(stream)
        try:
            for key in keys:
                if int.from_bytes(exact.read(8), "little") != storages[key].numel():
                    raise DataError(f"{path}: the storage {shown(key)} has another size than its tensors")
                _fill(storages[key], _pieces(exact, storages[key].nbytes))
        except EOFError as error:
            raise pickle_error(path, error) from error
        return content


def _read_plain(path: Path, stream: Any) -> Any:
    """Read one of the small pickles around the object."""
    try:
        return RestrictedUnpickler(stream, {}, memory=_SMALL).load()
    except Exception as error:
        raise pickle_error(path, error) from error


def _read_object(path: Path, stream: Any, size: int) -> tuple[Any, dict[str, torch.Tensor]]:
    """Read the object, and return it with the storages of its tensors, which are zeros until they are filled."""
    try:
        reader = _TorchUnpickler(stream, size)
        return finished(reader.load(), (torch.Tensor,)), reader.storages
    except Exception as error:
        raise pickle_error(path, error) from error


def _pieces(stream: ExactStream, size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(size, _PIECE))
        size -= len(piece)
        yield piece


def _fill(storage: torch.Tensor, pieces: Iterable[bytes]) -> None:
    """Copy a storage's bytes into the memory that its tensors are views of."""
    memory, start = storage.numpy().view(np.uint8), 0
    for piece in pieces:
        memory[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
        start += len(piece)


class _TorchUnpickler(RestrictedUnpickler):
    """Reader of a checkpoint's object.

    Args:
        stream: binary stream at the object's pickle.
        size: bytes of the file, which all storages together cannot exceed.
    """

    def __init__(self, stream: Any, size: int) -> None:
        super().__init__(stream, _NAMES, memory=_MEMORY + 2 * size)
        self.storages: dict[str, torch.Tensor] = {}
        self._unclaimed = size

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage of an id, zeros until its bytes are read; or the class of a module."""
        # The older format saves a module's class with its source text, which is ignored.
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module" and isinstance(pid[1], Allowed):
            return pid[1]
        # ("storage", type, key, device, size); the older format adds a view's place in its storage.
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise Refused("an unknown persistent id")
        kind, key, _, count = pid[1:5]
        dtype = _DTYPES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Allowed) else None
        plain = isinstance(key, str) and isinstance(count, int) and pid[5:] in ((), (None,))
        if dtype is None or not plain:
            raise Refused("an unusual storage")
        if key not in self.storages:
            size = count * dtype.itemsize
            if not 0 <= size <= self._unclaimed:
                raise EOFError  # more numbers than the file has bytes left: it is truncated
            self._unclaimed -= size
            self.storages[key] = torch.zeros(count, dtype=dtype)
            self.spend(_TENSOR)
        if self.storages[key].numel() != count or self.storages[key].dtype != dtype:
            raise Refused("one storage as two kinds")
        return self.storages[key]


class _Inert(StandIn):
    """Stand-in for ``argparse.Namespace`` and the loss modules."""


class _Table(dict[Any, Any], StandIn):
    """Stand-in for ``collections.OrderedDict``; its attributes (torch's ``_metadata``) are dropped."""

    def __init__(self, items: Any = ()) -> None:
        StandIn.__init__(self)
        if not isinstance(items, list | tuple):
            raise Refused(f"a table from {type(items).__name__}")
        for item in items:
            if not isinstance(item, list | tuple) or len(item) != 2:
                raise Refused("a table of something else than pairs")
            self[hashable(item[:1])[0]] = item[1]

    def set_state(self, state: Any) -> None:
        """Drop the state, of which nothing is needed."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> torch.Tensor:
    """Make a view of a storage; it must lie inside the storage and must not repeat its elements."""
    if not isinstance(storage, torch.Tensor) or not (isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise Refused("a tensor of an unusual kind")
    numbers = (offset, *shape, *strides)
    if (
        len(shape) != len(strides)
        or len(shape) > _MOST_DIMENSIONS
        or not all(isinstance(item, int) and 0 <= item < 2**40 for item in numbers)
    ):
        raise Refused("a tensor of an unusual shape")
    # Position of the last element: a view that reaches beyond its storage is refused here, not left to torch.
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if count > storage.numel() or (count and last >= storage.numel()):
        raise Refused("a tensor that reaches beyond its storage")
    return storage.as_strided(shape, strides, offset) if count else storage.new_zeros(shape)


def _parameter(data: Any, *_: Any) -> torch.Tensor:
    if not isinstance(data, torch.Tensor):
        raise Refused("a parameter that is not a tensor")
    return data


def _no_call(*_: Any) -> Any:
    raise Refused("a call of a storage's type")


_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NAMES: Mapping[str, Callable[..., Any]] = {
    **NUMPY_AND_PLAIN,
    "collections.OrderedDict": _Table,
    "argparse.Namespace": _Inert,
    **{f"torch.nn.modules.loss.{name}": _Inert for name in _LOSSES},
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"{module}.{name}": _no_call for module in ("torch", "torch.cuda") for name in _DTYPES},
}
