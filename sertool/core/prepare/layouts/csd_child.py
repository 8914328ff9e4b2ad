"""The child process that reads an HDF5 file with h5py, within limits of memory and time.

It writes a line of JSON for each video to its standard output: name, intervals and values. If the file is refused, the
last line holds the error instead. Nothing in the file is followed that points elsewhere.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEMORY = 1 << 30  # bytes beyond those of the modules; the largest file of words has 38 MB
ANSWER = 1 << 29  # bytes of the answer
PROCESSOR_SECONDS = 280
LARGEST = 1 << 26  # bytes of a dataset, and of a piece of one that is unpacked at a time
MOST_VIDEOS = 100_000
_FOREIGN = "expected the words or labels that the SDK hands out"


class _RefusedFile(Exception):  # noqa: N818 (not an error of the program: the file is not one that is read)
    """The file is no computational sequence that is read; the message says why."""


def answer(path: str) -> None:
    """Write all that a computational sequence holds to standard output, or the reason why it is refused."""
    import h5py

    with os.fdopen(1, "w", encoding="utf-8") as out:
        _set_limits()
        error = hint = ""
        try:
            with h5py.File(path, "r") as file:
                for line in _lines(file):
                    out.write(json.dumps(line) + "\n")
        except _RefusedFile as refused:
            error, hint = str(refused), _FOREIGN
        except MemoryError:
            error = f"needs more than {MEMORY >> 20:,} MiB of memory"
        except Exception as caught:  # h5py raises nearly any error on a damaged file
            short = "truncated file" in str(caught)
            error = "ends too early" if short else f"not readable as HDF5 ({type(caught).__name__}: {caught!s:.120})"
        if error:
            out.write(json.dumps({"error": error, "hint": hint}) + "\n")


def _set_limits() -> None:
    """Limit memory, processor time and the size of the answer, on systems that have such limits."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_CPU: PROCESSOR_SECONDS, resource.RLIMIT_FSIZE: ANSWER, resource.RLIMIT_CORE: 0}
    with suppress(OSError):  # there is no /proc
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + MEMORY
    for limit, value in limits.items():
        with suppress(OSError, ValueError):  # there is a lower one
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def _lines(file: Any) -> Iterator[dict[str, Any]]:
    names = list(file)
    if len(names) != 1:
        raise _RefusedFile(f"no computational sequence: {len(names)} entries at its top, expected 1")
    data = _group(_group(file, names[0]), "data")
    if len(data) > MOST_VIDEOS:
        raise _RefusedFile(f"holds {len(data):,} videos")
    for video in data:
        if _shown(video) != video:
            raise _RefusedFile(f"the name of a video is {_shown(video)}")
        entry = _group(data, video)
        intervals, _ = _values(entry, "intervals", video)
        values, kind = _values(entry, "features", video)
        if intervals.shape != (len(values), 2) or intervals.dtype.kind not in "fiu" or not values.shape[1]:
            raise _RefusedFile(f"intervals and features of {_shown(video)} do not belong together")
        plain = [_text(value) for value in values[:, 0]] if kind == "texts" else values.tolist()
        yield {"video": video, "kind": kind, "intervals": intervals.tolist(), "values": plain}


def _member(group: Any, name: str) -> Any:
    """Return what a group holds under a name, unless it is a link to another place."""
    import h5py

    links, key = group.id.links, name.encode(errors="surrogateescape")  # h5py's own `in` would follow the link
    if not links.exists(key):
        raise _RefusedFile(f"no computational sequence: it lacks {_shown(name)!r}")
    if links.get_info(key).type != h5py.h5l.TYPE_HARD:
        raise _RefusedFile(f"{_shown(name)} is a link to another place, which is not followed")
    return group[name]


def _group(group: Any, name: str) -> Any:
    import h5py

    found = _member(group, name)
    if not isinstance(found, h5py.Group):
        raise _RefusedFile(f"no computational sequence: {_shown(name)} is no group")
    return found


def _values(entry: Any, name: str, video: str) -> tuple[NDArray[Any], str]:
    """Read a dataset (N, D) of numbers or texts, and say which."""
    import h5py

    dataset = _member(entry, name)
    where = f"{name} of {_shown(video)}"
    if not isinstance(dataset, h5py.Dataset):
        raise _RefusedFile(f"{where} is no array")
    if dataset.external or dataset.is_virtual:
        raise _RefusedFile(f"{where} lies in another file, which is not opened")
    is_text = dataset.dtype.kind == "S" or h5py.check_string_dtype(dataset.dtype) is not None
    if not is_text and dataset.dtype.kind not in "fiu":
        kind = "references" if h5py.check_ref_dtype(dataset.dtype) else str(dataset.dtype)
        raise _RefusedFile(f"{where} holds {kind:.60}, expected numbers or texts")
    if dataset.ndim != 2:
        raise _RefusedFile(f"{where} has {dataset.ndim} dimensions, expected 2")
    piece = int(np.prod(dataset.chunks or (0,), dtype=object)) * dataset.dtype.itemsize
    if max(dataset.size * dataset.dtype.itemsize, piece) > LARGEST:
        raise _RefusedFile(f"{where} is larger than any transcript or list of labels ({dataset.shape} values)")
    values: NDArray[Any] = dataset[()]
    return values, "texts" if is_text else "numbers"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) < 60 else ascii(name[:60])
