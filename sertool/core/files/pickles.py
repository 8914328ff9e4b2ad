"""Read numpy arrays and plain data from a pickle without running anything in it.

A pickle is a program for a small stack machine that may name any importable object and call it. Here a name is
only looked up in a table of this module's own functions, which build plain data; any other name is refused. So
neither ``os.system`` nor the ``__setstate__`` of a foreign class is ever reached.

Accepted are dicts, lists, tuples, sets, texts, bytes, numbers, booleans, None, and numpy arrays and scalars, as
numpy 1 and 2 write them under pickle protocols 0 to 5, in Python 2 (whose texts are read as Latin-1) and 3.
"""

import math
import mmap
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.files.artifacts import reading
from sertool.core.files.regular import open_regular
from sertool.core.files.signatures import STARTS, refuse_foreign
from sertool.core.files.unpickler import Allowed, NameRefused, Refused, RestrictedUnpickler, StandIn, hashable

MAX_DEPTH = 50  # nesting of data; published files nest 3 deep, and Python's stack ends near 1,000
# Bytes for the objects of one file: 1.5 GiB. The largest published file has 310,000 words: 0.1 GiB, and 0.9 GiB if
# every word were a numpy scalar under protocol 2, each with its own dtype.
MEMORY = 3 << 29
_LARGE = 1 << 20  # bytes of a part that may stay in the file
_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[US]\d{1,9}|O[48]?)")


class _DType(StandIn):
    """Unfinished numpy dtype: ``numpy.dtype('f4', False, True)``, then a state with the byte order."""

    def __init__(self, text: Any = None, *_: Any) -> None:
        super().__init__()
        self.text = text.decode("latin1") if isinstance(text, bytes) else text
        if not isinstance(self.text, str) or not _DTYPE.fullmatch(self.text):
            raise Refused(f"numpy.dtype({_brief(text)}), not an array of numbers, texts or plain objects")

    def real(self) -> np.dtype[Any]:
        """Return the dtype, or refuse a text or state that numpy does not write for plain arrays."""
        # The state is (version, order, subarray, names, fields, size, alignment, flags).
        kind, order, size = self.text.lstrip("<>=|"), "<", -1
        if self.state is not None:
            if (
                not isinstance(self.state, tuple)
                or len(self.state) < 6
                or any(part is not None for part in self.state[2:5])
            ):
                raise Refused("a numpy dtype with fields or a subarray")
            order, size = self.state[1], self.state[5]
            order = order.decode("latin1") if isinstance(order, bytes) else order
        elif self.text[0] in "<>":
            order = self.text[0]
        if order not in ("<", ">", "=", "|") or not isinstance(size, int):
            raise Refused("a numpy dtype with an unusual state")
        if kind[0] in "US" and size > 0:
            kind = f"{kind[0]}{size // (4 if kind[0] == 'U' else 1)}"
        return np.dtype(object) if kind[0] == "O" else np.dtype(f"{order}{kind}")


class _Array(StandIn):
    """Unfinished numpy array: ``_reconstruct(ndarray, (0,), b'b')``, then a state with the data."""

    def set_state(self, state: Any) -> None:
        """Build the array after checking that its data fill its shape."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("a numpy array with an unusual state")
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, _DType):
            raise Refused("a numpy array without a dtype")
        self.state = _array(data, dtype.real(), shape, "F" if fortran else "C")


def _array(data: Any, dtype: np.dtype[Any], shape: Any, order: Literal["C", "F"]) -> NDArray[Any]:
    """Make an array over ``data``, read-only if that is bytes; :func:`finished` replaces unfinished objects in it."""
    if (
        not isinstance(shape, tuple)
        or not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape)
        or len(shape) > 32  # the most dimensions of numpy 1
    ):
        raise Refused("a numpy array of an unusual shape")
    if dtype.kind == "O":
        if not isinstance(data, list) or len(data) != math.prod(shape):
            raise Refused("a numpy array whose objects do not fill its shape")
        flat = np.empty(len(data), object)
        for index, item in enumerate(data):
            flat[index] = item
        return flat.reshape(shape, order=order)
    content = data.encode("latin1") if isinstance(data, str) else data
    count = math.prod(shape)
    if not isinstance(content, bytes | bytearray | memoryview) or len(content) != count * dtype.itemsize:
        raise Refused("a numpy array whose data do not fill its shape")
    if not content:
        # Texts of length 0 would fill any shape without data, and numpy then allocates texts of length 1.
        if count:
            raise Refused("a numpy array of items without size")
        return np.zeros(shape, dtype)
    if dtype.kind == "U":
        _check_texts(content, dtype)
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _check_texts(content: bytes | bytearray | memoryview, dtype: np.dtype[Any]) -> None:
    """Refuse numbers that are not characters: numpy accepts any, and Python later fails on the text."""
    codes = np.frombuffer(content, np.dtype("u4").newbyteorder(dtype.byteorder))
    if codes.max() > sys.maxunicode or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise Refused("a numpy array of texts with invalid characters")


def _new_array(cls: Any, *_: Any) -> _Array:
    if not isinstance(cls, Allowed) or cls.name != "numpy.ndarray":
        raise Refused("a numpy array of a foreign class")
    return _Array()


def _scalar(dtype: Any, data: Any = None) -> Any:
    if not isinstance(dtype, _DType) or dtype.real().kind == "O":
        raise Refused("a numpy scalar of a foreign type")
    return _array(data, dtype.real(), (1,), "C")[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> NDArray[Any]:
    if not isinstance(dtype, _DType) or dtype.real().kind == "O" or order not in ("C", "F"):
        raise Refused("a numpy array of an unusual kind")
    return _array(data, dtype.real(), shape, order)


def _encode(text: Any, encoding: Any = None) -> bytes:
    """Stand in for ``_codecs.encode``, which protocols 0 to 2 use for bytes; other encodings are foreign codecs."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"_codecs.encode with encoding {_brief(encoding)}")
    return text.encode("latin1")


def _brief(value: Any) -> str:
    """Describe a value in a message; only a text is shown, because lists that share parts can print endlessly."""
    return f"{value[:40]!r}" if isinstance(value, str | bytes) else f"of type {type(value).__name__}"


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        raise Refused("bytes with arguments")
    return b""


def _set(items: Any = ()) -> set[Any]:
    return set(hashable(items))


def _table() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {
        "numpy.dtype": _DType,
        "numpy.ndarray": _Array,
        "_codecs.encode": _encode,
    }
    for module in ("numpy.core", "numpy._core"):
        table[f"{module}.multiarray._reconstruct"] = _new_array
        table[f"{module}.multiarray.scalar"] = _scalar
        table[f"{module}.numeric._frombuffer"] = _from_buffer
    for module in ("__builtin__", "builtins"):
        table |= {f"{module}.bytes": _bytes, f"{module}.set": _set, f"{module}.frozenset": _set}
    return table


NUMPY_AND_PLAIN: Mapping[str, Callable[..., Any]] = _table()


# Types that hold no unfinished parts.
_LEAVES = (str, bytes, bytearray, int, float, bool, type(None), np.generic)


def finished(value: Any, leaves: tuple[type, ...] = ()) -> Any:
    """Replace unfinished arrays by the finished ones, throughout a value.

    Args:
        value: the result of :class:`RestrictedUnpickler`.
        leaves: further types that a larger table builds, beside the plain ones and :class:`StandIn`.

    Raises:
        Refused: a part is of another type, or the value is nested more than ``MAX_DEPTH`` deep.
    """
    # Shared parts are finished once: a few kilobytes of references can stand for an exponentially large structure.
    return _finish(value, (*_LEAVES, *leaves), {}, 0)


def _finish(value: Any, leaves: tuple[type, ...], done: dict[int, tuple[Any, Any]], depth: int) -> Any:
    if isinstance(value, leaves):
        return value
    if id(value) in done:
        return done[id(value)][1]
    if depth > MAX_DEPTH:
        raise Refused(f"data nested more than {MAX_DEPTH} deep")
    if isinstance(value, _Array):
        result = value.state
        if not isinstance(result, np.ndarray):
            raise Refused("a numpy array without data")
        done[id(value)] = (value, result)
        if result.dtype.kind == "O":
            _finish(result, leaves, done, depth)
        return result
    done[id(value)] = (value, value)  # holds the value, so that its id is not given to another object
    if isinstance(value, dict):
        for key in value:
            value[key] = _finish(value[key], leaves, done, depth + 1)
    elif isinstance(value, list):
        value[:] = [_finish(item, leaves, done, depth + 1) for item in value]
    elif isinstance(value, tuple):
        done[id(value)] = (value, tuple(_finish(item, leaves, done, depth + 1) for item in value))
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            for index, item in enumerate(value.flat):
                value.flat[index] = _finish(item, leaves, done, depth + 1)
    elif isinstance(value, StandIn) and not isinstance(value, _DType):
        value.state = _finish(value.state, leaves, done, depth + 1)
    elif isinstance(value, Allowed):
        raise NameRefused(value.name)
    elif not isinstance(value, set | frozenset):
        raise Refused(f"a bare {type(value).__name__.strip('_').lower()}")
    return done[id(value)][1]


class _InPlace:
    """Stream of a mapped file whose large parts are not copied."""

    def __init__(self, stream: mmap.mmap) -> None:
        self._stream, self._view = stream, memoryview(stream)
        self.readline = stream.readline

    def read(self, size: int) -> bytes | memoryview:
        """Read ``size`` bytes; many of them stay in the file until they are used."""
        if size < _LARGE:
            return self._stream.read(size)
        start = self._stream.tell()
        self._stream.seek(min(start + size, len(self._view)))
        return self._view[start : start + size]


def load_pickle(path: Path, *, in_place: bool = False) -> Any:
    """Read a file that holds one pickle of plain data and numpy arrays (which come read-only).

    Args:
        path: the file.
        in_place: leave large arrays in the file until they are used, so that those not used cost no memory; the file
            must not be changed meanwhile.

    Raises:
        DataError: the file is missing, empty, truncated or not a pickle, or names anything beyond plain data.
    """
    with reading(path, lambda error: pickle_error(path, error)), open_regular(path) as file:
        stream = mapped(file, path)
        with nullcontext() if in_place else stream:
            memory = MEMORY + 2 * len(stream)  # numbers may come as text and be turned into bytes
            source = _InPlace(stream) if in_place else stream
            return finished(RestrictedUnpickler(source, NUMPY_AND_PLAIN, memory=memory).load())


def load_array(path: Path) -> NDArray[Any]:
    """Read a ``.npy`` file of numbers or texts; the array is read-only and stays in the file until it is used.

    Raises:
        DataError: the file is missing, truncated or not such an array.
    """
    with reading(path, lambda error: DataError(f"{path}: not a readable array ({error!s:.120})")):
        with open_regular(path) as file:
            start = file.read(STARTS)
            if not start.startswith(b"\x93NUMPY"):  # np.load would try anything else as a zip or a pickle
                refuse_foreign(path, start, "a .npy file")
                raise DataError(f"{path}: not a readable array (it is not a .npy file)")
        # Mapped, because a header may claim any size; a mapping cannot be larger than the file.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "biufUS" or not array.dtype.itemsize:
        raise DataError(f"{path}: an array of {array.dtype!s:.60}, expected numbers or texts")
    return np.asarray(array)


def mapped(file: IO[bytes], path: Path) -> mmap.mmap:
    """Map a file as a stream: a read allocates no more than the file holds, whatever length a pickle claims.

    Raises:
        DataError: the file is empty, or begins as no pickle does and a file of another kind does.
    """
    if not file.seek(0, 2):
        raise DataError(f"{path}: is empty, expected a pickle")
    stream = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    refuse_foreign(path, stream[:STARTS], "a pickle")
    return stream


def pickle_error(path: Path, error: Exception) -> DataError:
    """Make the message for a pickle that was refused or cannot be read."""
    if isinstance(error, Refused):
        verb = "names" if isinstance(error, NameRefused) else "holds"
        return DataError(
            f"{path}: {verb} {error}, which is not allowed in a data file; nothing of it was run",
            hint="if you trust the file, save it again with plain data and numpy arrays only",
        )
    if isinstance(error, EOFError) or "exhausted" in str(error):
        return DataError(f"{path}: ends too early, it is truncated or not a pickle")
    return DataError(f"{path}: not a readable pickle ({type(error).__name__}: {error!s:.120})")
