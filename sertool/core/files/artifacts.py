"""Files that appear whole or not at all, and the errors that reading and writing them can meet.

Every file sertool writes goes through :func:`atomic_write`: a temporary file beside the target, flushed to the
disk, then renamed over it. A reader never sees half a file, and a killed command leaves the old one in place.
"""

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from sertool.core.errors import DataError, SertoolError

_LARGEST_HEADER = 16 << 20  # bytes; the library would read, and copy several times, up to 100 MB
METADATA = "sertool"  # the one entry of a safetensors file's own metadata, as JSON


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on a clean exit it is flushed and takes the name ``path``.

    Raises:
        SertoolError: the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise write_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; the result gets the permissions any other new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_error(path: Path, error: OSError) -> SertoolError:
    """The message for a write that failed: a full disk says so, anything else by the system's own words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SertoolError(
            f"{path}: no space left on the disk; nothing was half-written",
            hint="free some space and run the same command again",
        )
    return SertoolError(f"{path}: cannot be written ({error.strerror or error})")


def read_error(path: Path, error: OSError) -> DataError:
    """The message for a read that failed."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    return DataError(f"{path}: cannot be read ({error.strerror or error})")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` atomically as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` atomically as indented JSON; NaN is refused (no JSON reader agrees on it)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_text(path: Path) -> str:
    """Read a UTF-8 text file.

    Raises:
        DataError: the file is missing, unreadable, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise read_error(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.40}")
    return number


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _parse_json(text: str) -> Any:
    """JSON as the standard has it: no NaN, no number beyond a float, and no half of a surrogate pair as a text.

    Raises:
        ValueError: it is not.
        RecursionError: it is nested too deeply.
    """
    content = _JSON.decode(text)
    if "\\u" in text:  # only an escape can hold what UTF-8 cannot
        json.dumps(content, ensure_ascii=False).encode()
    return content


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is missing or not JSON.
    """
    try:
        return _parse_json(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error!s:.120})") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON Lines file of objects.

    Raises:
        DataError: the file is missing, or a line is not a JSON object (its number is told).
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _parse_json(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not valid JSON ({error!s:.120})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is {type(row).__name__}, expected an object")
        rows.append(row)
    return rows


def write_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays atomically as one safetensors file: same content, same bytes."""
    contiguous = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    # One entry only: safetensors writes several in an order that differs from one time to the next.
    packed = {METADATA: json.dumps(dict(sorted(metadata.items())))} if metadata else None
    write_bytes(path, save(contiguous, metadata=packed))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a safetensors file: its arrays and the metadata that :func:`write_arrays` gave it.

    Raises:
        DataError: the file is missing, truncated or not safetensors, or its metadata are not ours.
    """
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > _LARGEST_HEADER:
            raise DataError(f"{path}: its header has {header:,} bytes, at most {_LARGEST_HEADER:,} are read")
        with safe_open(path, framework="numpy") as file:
            metadata = _parse_json((file.metadata() or {}).get(METADATA, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise read_error(path, error) from error
    except DataError:
        raise
    except Exception as error:
        # A kind of number that numpy does not have is an AttributeError, metadata nested too deeply a RecursionError.
        raise DataError(f"{path}: not a readable safetensors file ({error!s:.120})") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DataError(f"{path}: its metadata are no table of texts")
    for name, array in arrays.items():
        # Where the package ml_dtypes was imported, numpy has bfloat16 and the like after all, as opaque bytes.
        if array.dtype.kind not in "biufc":
            raise DataError(f"{path}: not a readable safetensors file ({name} holds {array.dtype})")
    return arrays, metadata


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
