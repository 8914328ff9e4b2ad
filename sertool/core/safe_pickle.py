"""A pickle reader that builds data and runs nothing.

A pickle is a program for a small stack machine that may name any importable object and call it. Here a
name is only ever looked up in a table: what stands there is one of this module's own functions, which
builds plain data; every other name ends the reading. So neither ``os.system`` nor a ``__setstate__`` of a
foreign class is ever touched.

Read are dicts, lists, tuples, sets, texts, bytes, numbers, booleans, None, and numpy arrays and scalars, as
numpy 1 and 2 write them under pickle protocols 0 to 5, in Python 2 (whose texts are taken as Latin-1) and 3.
"""

import math
import mmap
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sertool.core.artifacts import read_error
from sertool.core.errors import DataError

MAX_DEPTH = 50
_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[US]\d{1,9}|O[48]?)")
_KEYS = (str, bytes, int, float, type(None))


class Refused(Exception):  # noqa: N818  (it is no error of the program: the pickle asked for too much)
    """The pickle asks for something outside the table; the message says for what."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """An entry of the table: what stands for a name while a pickle is read; only the reader builds it."""

    name: str
    build: Callable[..., Any]


class StandIn:
    """An inert object in place of one of a foreign class; its state is kept and never interpreted."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def set_state(self, state: Any) -> None:
        """Keep what the pickle gives as the object's state."""
        self.state = state


class _DType(StandIn):
    """A numpy dtype in the making: ``numpy.dtype('f4', False, True)``, then a state with the byte order."""

    def __init__(self, text: Any = None, *_: Any) -> None:
        super().__init__()
        self.text = text.decode("latin1") if isinstance(text, bytes) else text
        if not isinstance(self.text, str) or not _DTYPE.fullmatch(self.text):
            raise Refused(f"numpy.dtype({text!r:.60}), not an array of numbers, texts or plain objects")

    def real(self) -> np.dtype[Any]:
        """The dtype, from a text and a state that hold nothing unusual."""
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
    """A numpy array in the making: ``_reconstruct(ndarray, (0,), b'b')``, then its state, with the data."""

    def set_state(self, state: Any) -> None:
        """Check that the data fill the shape."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("a numpy array with an unusual state")
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, _DType):
            raise Refused("a numpy array without a dtype")
        self.state = _array(data, dtype.real(), shape, "F" if fortran else "C")


def _array(data: Any, dtype: np.dtype[Any], shape: Any, order: Literal["C", "F"]) -> NDArray[Any]:
    """An array over ``data``, read-only where that is bytes; objects are put right by :func:`_finished`."""
    if (
        not isinstance(shape, tuple)
        or not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape)
        or len(shape) > 32
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
    if not isinstance(content, bytes | bytearray) or len(content) != math.prod(shape) * dtype.itemsize:
        raise Refused("a numpy array whose data do not fill its shape")
    if not content:
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape, order=order)


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
    """``_codecs.encode``, which protocols 0 to 2 use for bytes; another encoding would be a foreign codec."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"_codecs.encode with encoding {encoding!r:.40}")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        raise Refused("bytes with arguments")
    return b""


def _hashable(items: Any) -> list[Any]:
    """Dict keys and set members must be plain: hashing deeply nested tuples would overflow the stack."""
    for item in items:
        if not isinstance(item, _KEYS):
            raise Refused(f"a key of type {type(item).__name__}")
    return list(items)


def _set(items: Any = ()) -> set[Any]:
    return set(_hashable(items))


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


# The pure-Python reader, because every step that calls or changes something is replaced below, and because
# a few bytes can blow up the C one's memo to gigabytes.
class RestrictedUnpickler(pickle._Unpickler):
    """Reads one pickle from a stream.

    Args:
        stream: binary, positioned at the pickle; left just behind it.
        allowed: the table of names: what builds the stand-in for each.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    # Set by the base class when it starts to read.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: Any, allowed: Mapping[str, Callable[..., Any]] = NUMPY_AND_PLAIN) -> None:
        super().__init__(stream, encoding="latin1")
        self.allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """The table's entry for a name; nothing is imported."""
        full = f"{module}.{name}"
        if full not in self.allowed:
            raise Refused(full)
        return Allowed(full, self.allowed[full])

    def persistent_load(self, pid: Any) -> Any:
        """Refused here; a format that has persistent ids says what they mean."""
        raise Refused("a persistent id")

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Allowed) or not isinstance(arguments, tuple):
            raise Refused(f"a call of {type(function).__name__}")
        return function.build(*arguments)

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def _new_object_with_names(self) -> None:
        raise Refused("an object made with keyword arguments")

    def _extension(self) -> None:
        raise Refused("a registered extension")

    def _instance(self) -> None:
        module, name = (self.readline()[:-1].decode("ascii") for _ in range(2))
        arguments = tuple(self.pop_mark())
        self.append(self._call(self.find_class(module, name), arguments))

    def _object(self) -> None:
        cls, *arguments = self.pop_mark()
        self.append(self._call(cls, tuple(arguments)))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, StandIn):
            raise Refused(f"a state set on {getattr(target, 'name', type(target).__name__)}")
        target.set_state(state)

    def _append(self) -> None:
        self._extend_list([self.stack.pop()])

    def _appends(self) -> None:
        self._extend_list(self.pop_mark())

    def _extend_list(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refused(f"items appended to {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _set_items(self) -> None:
        self._update(self.pop_mark())

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise Refused(f"items set on {type(self.stack[-1]).__name__}")
        self.stack[-1].update(zip(_hashable(items[::2]), items[1::2], strict=True))

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append(dict(zip(_hashable(items[::2]), items[1::2], strict=True)))

    def _add_items(self) -> None:
        items = self.pop_mark()
        if not isinstance(self.stack[-1], set):
            raise Refused(f"items added to {type(self.stack[-1]).__name__}")
        self.stack[-1].update(_hashable(items))

    def _frozen_set(self) -> None:
        items = self.pop_mark()
        self.append(frozenset(_hashable(items)))

    def _byte_array(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))


_CODES = {op.name: op.code for op in pickletools.opcodes}
_STEPS = {
    "REDUCE": RestrictedUnpickler._reduce,
    "NEWOBJ": RestrictedUnpickler._reduce,
    "NEWOBJ_EX": RestrictedUnpickler._new_object_with_names,
    "EXT1": RestrictedUnpickler._extension,
    "EXT2": RestrictedUnpickler._extension,
    "EXT4": RestrictedUnpickler._extension,
    "INST": RestrictedUnpickler._instance,
    "OBJ": RestrictedUnpickler._object,
    "BUILD": RestrictedUnpickler._build,
    "APPEND": RestrictedUnpickler._append,
    "APPENDS": RestrictedUnpickler._appends,
    "SETITEM": RestrictedUnpickler._set_item,
    "SETITEMS": RestrictedUnpickler._set_items,
    "DICT": RestrictedUnpickler._dict,
    "ADDITEMS": RestrictedUnpickler._add_items,
    "FROZENSET": RestrictedUnpickler._frozen_set,
    "BYTEARRAY8": RestrictedUnpickler._byte_array,
}
RestrictedUnpickler.dispatch.update({ord(_CODES[name]): step for name, step in _STEPS.items()})

_LEAVES = (str, bytes, bytearray, int, float, bool, type(None), np.generic)


def finished(value: Any, leaves: tuple[type, ...] = ()) -> Any:
    """Put the finished arrays in place of those in the making, throughout a value.

    Args:
        value: what :class:`RestrictedUnpickler` gave.
        leaves: types a larger table builds, beyond the plain ones and :class:`StandIn`.

    Raises:
        Refused: something in it is of no such type, or it is nested more than ``MAX_DEPTH`` deep.
    """
    # Shared parts are finished once: a few kilobytes of references could stand for a structure without end.
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
    done[id(value)] = (value, value)
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
    elif not isinstance(value, set | frozenset):
        raise Refused(
            value.name if isinstance(value, Allowed) else f"a bare {type(value).__name__.strip('_').lower()}"
        )
    return done[id(value)][1]


def load_pickle(path: Path) -> Any:
    """Read a file that holds one pickle of plain data and numpy arrays (which come read-only).

    Raises:
        DataError: the file is missing, empty, truncated or no pickle, or names anything beyond plain data.
    """
    try:
        with path.open("rb") as file, mapped(file, path) as stream:
            return finished(RestrictedUnpickler(stream).load())
    except OSError as error:
        raise read_error(path, error) from error
    except DataError:
        raise
    except Exception as error:
        raise pickle_error(path, error) from error


def mapped(file: IO[bytes], path: Path) -> mmap.mmap:
    """A file's bytes as a stream that never reads more than is there, whatever length a pickle claims.

    Raises:
        DataError: the file is empty.
    """
    if not file.seek(0, 2):
        raise DataError(f"{path}: is empty, expected a pickle")
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def pickle_error(path: Path, error: Exception) -> DataError:
    """The message for a pickle that was refused or cannot be read."""
    if isinstance(error, Refused):
        return DataError(
            f"{path}: names {error}, which is not allowed in a data file; nothing of it was run",
            hint="if you trust the file, save it again with plain data and numpy arrays only",
        )
    if isinstance(error, EOFError):
        return DataError(f"{path}: ends too early, it is truncated or not a pickle")
    return DataError(f"{path}: not a readable pickle ({type(error).__name__}: {error!s:.120})")
