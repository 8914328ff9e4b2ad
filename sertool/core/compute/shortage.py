"""Lack of memory, without torch: recognise it in an error, and compare an estimate with the machine's memory."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sertool.core.errors import UsageError
from sertool.core.formatting import readable_size

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
# In the errors of torch's CPU allocator, of CUDA and Triton, of cuBLAS and cuDNN, which allocate on their own, and of
# sizes that torch cannot even multiply.
_WORDS = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory: you tried to allocate"
    r"|_ALLOC(ATION)?_FAILED|bad_alloc|bad allocation|(storage size|numel).*overflow",
    re.IGNORECASE,
)
# In numpy's errors of sizes that no memory has; numpy raises them as ValueError.
_NUMPY_WORDS = re.compile(r"^(array is too big|Maximum allowed (dimension|size) exceeded)")
_ASKED = re.compile(r"(?:tried|unable) to allocate ([\d.]+) (bytes|[KMGTPE]iB)", re.IGNORECASE)
_UNITS = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50, "eib": 2**60}


def ran_out_of_memory(error: BaseException) -> bool:
    """Check whether an error says that memory ran out, or follows from one that does.

    A recording of a CUDA graph that ends in such an error reports a broken recording instead.
    """
    return any(
        isinstance(each, MemoryError)
        or type(each).__name__ == "OutOfMemoryError"  # torch's
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or (isinstance(each, ValueError) and _NUMPY_WORDS.match(str(each)) is not None)
        or (isinstance(each, RuntimeError) and _WORDS.search(str(each)) is not None)
        for each in _chain(error)
    )


def asked_bytes(error: BaseException) -> int:
    """Return the bytes of the allocation that failed; 0 if unknown."""
    found = next(filter(None, (_ASKED.search(str(each)) for each in _chain(error))), None)
    return int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it follows from."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def machine_memory() -> int | None:
    """Return the bytes that this process may use: of the machine, its container and its own limit; None if unknown."""
    bounds = []
    with suppress(AttributeError, ValueError, OSError):
        bounds.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # ValueError: "max", there is no limit
        bounds.append(int(CONTAINER_LIMIT.read_text()))
    with suppress(ImportError):  # Windows has none
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        bounds += [limit] if limit != resource.RLIM_INFINITY else []
    return min(bounds, default=None)


def check_memory(what: str, needed: int, hint: str, memory: int | None = None) -> None:
    """Refuse work that cannot fit, before anything is built for it.

    Args:
        what: subject of the message, such as ``training one member``.
        needed: bytes, an estimate from below.
        hint: settings that would need less.
        memory: bytes of a card. Default: the memory of this machine.

    Raises:
        UsageError: the memory is smaller.
    """
    there = memory or machine_memory()
    if there is not None and needed > there:
        place = "the card" if memory else "this machine"
        raise UsageError(
            f"{what} needs about {readable_size(needed)} of memory, {place} has {readable_size(there)}", hint=hint
        )
