"""Restricted unpickler: Python's own stack machine, with every step that could run code replaced."""

import pickle
import pickletools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

_KEYS = (str, bytes, int, float, type(None))
_LONGEST_NUMBER = 2048  # bits; Python refuses to print more than 4,300 digits, and data have 64


class Refused(Exception):  # noqa: N818  (not an error of the program: the pickle asked for too much)
    """The pickle asks for something that is not allowed, which the message names."""


class NameRefused(Refused):
    """The pickle names something that is not in the table of names; the message is that name."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Entry of the table of names, which stands for a name while a pickle is read; only the reader makes one."""

    name: str
    build: Callable[..., Any]


class StandIn:
    """Inert object in place of one of a foreign class; its state is kept and never interpreted."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def set_state(self, state: Any) -> None:
        """Keep the state that the pickle gives the object."""
        self.state = state


def hashable(items: Any) -> list[Any]:
    """Check that dict keys or set members are plain: hashing deeply nested tuples would overflow the C stack."""
    if not isinstance(items, list | tuple):
        raise Refused(f"keys from {type(items).__name__}")
    for item in items:
        if not isinstance(item, _KEYS):
            raise Refused(f"a key of type {type(item).__name__}")
    return list(items)


def shown(text: str) -> str:
    """Return a text from outside in a form fit for a message: short, and without control characters."""
    return text if text.isprintable() and len(text) < 120 else f"{text[:120]!r}"


class ExactStream:
    """Stream that ends with EOFError where the base class would accept half a line or half a number."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int) -> Any:
        """Read exactly ``size`` bytes."""
        content: bytes | memoryview = self._stream.read(size)
        if len(content) < size:
            raise EOFError
        return content

    def readline(self) -> bytes:
        """Read a line with its end."""
        line: bytes = self._stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line


# Derived from the pure-Python reader, because every step that calls or changes something is replaced below, and because
# a few bytes (LONG_BINPUT with a large index) make the C reader's memo grow to gigabytes.
class RestrictedUnpickler(pickle._Unpickler):
    """Reader of one pickle.

    Args:
        stream: binary stream at the start of the pickle; it is left just behind it.
        allowed: the table of names: for each, the function that builds its stand-in.
        memory: bytes that the objects may take beyond the file's own bytes. A step of one byte can make an object
            of two hundred, and one of five bytes a copy of a text of megabytes.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    # Set by the base class when it starts to read.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], Any]  # bytes, or a view of a mapped file's
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: Any, allowed: Mapping[str, Callable[..., Any]], *, memory: int) -> None:
        super().__init__(ExactStream(stream), encoding="latin1")
        self.allowed = allowed
        self._memory = self._left = memory

    def spend(self, size: int) -> None:
        """Subtract bytes from the memory left for objects, and refuse the pickle when none is left."""
        self._left -= size
        if self._left < 0:
            raise Refused(f"more objects than fit into {self._memory >> 20:,} MiB")

    def find_class(self, module: str, name: str) -> Any:
        """Return the table's entry for a name; nothing is imported."""
        full = f"{module}.{name}"
        if full not in self.allowed:
            raise NameRefused(shown(full))
        return Allowed(full, self.allowed[full])

    def persistent_load(self, pid: Any) -> Any:
        """Refuse persistent ids; a format that has them overrides this."""
        raise Refused("a persistent id")

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Allowed) or not isinstance(arguments, tuple):
            raise Refused(f"a call of {type(function).__name__}")
        made = function.build(*arguments)
        self.spend(sys.getsizeof(made))
        return made

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

    def _object(self) -> None:  # the class lies on the stack, below its arguments
        cls, *arguments = self.pop_mark()
        self.append(self._call(cls, tuple(arguments)))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, StandIn):
            raise Refused(f"a state set on {getattr(target, 'name', type(target).__name__)}")
        target.set_state(state)
        self.spend(getattr(target.state, "nbytes", 0))

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
        self.stack[-1].update(zip(hashable(items[::2]), items[1::2], strict=True))

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append(dict(zip(hashable(items[::2]), items[1::2], strict=True)))

    def _add_items(self) -> None:
        items = self.pop_mark()
        if not isinstance(self.stack[-1], set):
            raise Refused(f"items added to {type(self.stack[-1]).__name__}")
        self.stack[-1].update(hashable(items))

    def _frozen_set(self) -> None:
        items = self.pop_mark()
        self.append(frozenset(hashable(items)))

    def _byte_array(self) -> None:
        content = self.read(int.from_bytes(self.read(8), "little"))
        self.append(content if isinstance(content, memoryview) else bytearray(content))

    def _check_number(self) -> None:
        # A longer one would fail later, where it is printed.
        if abs(self.stack[-1]).bit_length() > _LONGEST_NUMBER:
            raise Refused(f"a number of more than {_LONGEST_NUMBER:,} bits")

    def _check_text(self) -> None:
        # Python reads a lone half of a surrogate pair, but cannot encode it when a file is written.
        if not self.stack[-1].isascii():
            self.stack[-1].encode()


# Groups of pickle's opcodes, by the names in pickletools.
_Step = Callable[[RestrictedUnpickler], None]
_CALLS = ("REDUCE", "NEWOBJ", "INST", "OBJ")
_NUMBERS = ("INT", "BININT", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_UNBOUNDED = ("INT", "LONG", "LONG4")
_UNICODE = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_TEXTS = (*_UNICODE, "STRING", "BINSTRING", "SHORT_BINSTRING")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_CONTAINERS = ("EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_REPLACED: dict[str, _Step] = {
    "REDUCE": RestrictedUnpickler._reduce,
    "NEWOBJ": RestrictedUnpickler._reduce,
    "NEWOBJ_EX": RestrictedUnpickler._new_object_with_names,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), RestrictedUnpickler._extension),
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
_CHECKS: dict[str, _Step] = {
    **dict.fromkeys(_UNBOUNDED, RestrictedUnpickler._check_number),
    **dict.fromkeys(_UNICODE, RestrictedUnpickler._check_text),
}
# Bytes of memory that a step may cost on a 64-bit machine, measured, with what `finished` keeps about an object; any
# other step costs 16: a place on the stack and one in the container that the object goes to.
_COSTS = {
    **dict.fromkeys(_CALLS, 100),
    **dict.fromkeys(("BUILD", *_CONTAINERS), 200),
    **dict.fromkeys(("EMPTY_SET", "FROZENSET"), 400),
    **dict.fromkeys(_MEMO, 100),
    **dict.fromkeys((*_TEXTS, *_BYTES), 90),
    **dict.fromkeys(_NUMBERS, 64),
    "MARK": 90,
}


def _priced(step: _Step, cost: int, check: _Step | None) -> _Step:
    def priced(reader: RestrictedUnpickler) -> None:
        reader.spend(cost)
        step(reader)
        if check:
            check(reader)

    return priced


# Every opcode is wrapped, also those that a later Python may add: none can run without its price.
for _op in pickletools.opcodes:
    _code = ord(_op.code)
    _step = _REPLACED.get(_op.name, RestrictedUnpickler.dispatch[_code])
    RestrictedUnpickler.dispatch[_code] = _priced(_step, _COSTS.get(_op.name, 16), _CHECKS.get(_op.name))
