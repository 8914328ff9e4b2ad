"""Read and write text, JSON and arrays; a written file appears as a whole or not at all.

Every file sertool writes goes through :func:`atomic_write`: a temporary file beside the target, flushed to the
disk, then renamed over it. A reader never sees half a file, and a killed command leaves the old one in place.
"""

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from sertool.core.errors import DataError, SertoolError
from sertool.core.files.regular import open_regular
from sertool.core.files.signatures import refuse_foreign_file
from sertool.core.formatting import readable_size

_LARGEST_HEADER = 16 << 20  # bytes; safetensors itself would read, and copy several times, up to 100 MB
_ARRAYS = "a safetensors file"
METADATA = "sertool"  # the one entry of a safetensors file's own metadata, as JSON


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit the file is flushed and renamed to ``path``.

    Raises:
        SertoolError: the disk is full or the folder cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, because only a rename within one file system is atomic.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            # Flushed before the rename: after a power cut the name must not stand for an empty file.
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            # mkstemp makes files private; the result gets the permissions of any other new file.
            umask = os.umask(0)  # there is no call that only reads it
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_error(path: Path, error: OSError) -> SertoolError:
    """Make the message for a failed write: a full disk is named, other causes in the system's own words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SertoolError(
            f"{path}: no space left on the disk; nothing was half-written",
            hint="free some space and run the same command again",
        )
    return SertoolError(f"{path}: cannot be written ({error.strerror or error})")


def read_error(path: Path, error: OSError) -> DataError:
    """Make the message for a failed read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    return DataError(f"{path}: cannot be read ({error.strerror or error})")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into the message for a failed write."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def reading(path: Path, explain: Callable[[Exception], DataError]) -> Iterator[None]:
    """Turn every error of the block into one message.

    Args:
        path: the file that is read.
        explain: makes the message for anything but an OSError or a message that is made already.
    """
    try:
        yield
    except OSError as error:
        raise read_error(path, error) from error
    except SertoolError:
        raise
    except Exception as error:
        raise explain(error) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` atomically as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` atomically as indented JSON; NaN is refused, because it is not part of JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_bytes(path: Path, largest: int | None = None) -> bytes:
    """Read a file, where ``largest`` is given of at most so many bytes.

    Raises:
        DataError: the file is missing, unreadable, no regular file, or larger.
    """
    try:
        with open_regular(path) as file:
            # Asked for before: reading up to a number of bytes would allocate all of them.
            if largest is not None and os.fstat(file.fileno()).st_size > largest:
                raise DataError(f"{path}: larger than {readable_size(largest)}, which is the most that is read")
            return file.read()
    except OSError as error:
        raise read_error(path, error) from error


def read_text(path: Path, largest: int | None = None) -> str:
    """Read a UTF-8 text file, where ``largest`` is given of at most so many bytes.

    Raises:
        DataError: the file is missing, unreadable, larger, or not UTF-8.
    """
    try:
        return read_bytes(path, largest).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _finite(text: str) -> float:
    """Parse a number; Python would read ``NaN``, ``Infinity`` and 1e999, which no other JSON reader agrees on."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.40}")
    return number


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _parse_json(text: str) -> Any:
    """Parse standard JSON: no NaN, no number beyond a float, no lone half of a surrogate pair in a text.

    Raises:
        ValueError: the text is not standard JSON.
        RecursionError: the text is nested too deeply.
    """
    content = _JSON.decode(text)
    if "\\u" in text:  # only an escape can hold a character that UTF-8 cannot
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


def read_json_object(path: Path, file_format: str, kind: str) -> dict[str, Any]:
    """Read a JSON object that names its own format.

    Args:
        path: the file.
        file_format: expected value of the key ``format``.
        kind: name of such a file's content, for the message.

    Raises:
        DataError: the file is missing, not JSON, or of another format.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise DataError(f"{path}: not a {kind} of format {file_format}")
    return content


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON Lines file of objects.

    Raises:
        DataError: the file is missing, or a line is not a JSON object (the message gives its number).
    """
    rows = []
    # splitlines() would also split at U+2028, which JSON allows inside a text.
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


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays atomically as one safetensors file; the same content gives the same bytes."""
    contiguous = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    # A single entry: safetensors writes several in an order that changes between runs.
    packed = {METADATA: json.dumps(dict(sorted(metadata.items())))} if metadata else None
    write_bytes(path, save(contiguous, metadata=packed))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a safetensors file.

    Returns:
        Its arrays by name, and the metadata that :func:`write_arrays` was given.

    Raises:
        DataError: the file is missing, truncated or not safetensors, or its metadata was written otherwise.
    """

    def explain(error: Exception) -> DataError:
        refuse_foreign_file(path, _ARRAYS)
        return DataError(f"{path}: not a readable safetensors file ({error!s:.120})")

    # Any exception may come: AttributeError for a number type that numpy lacks, RecursionError for nested metadata.
    with reading(path, explain):
        with open_regular(path) as file:
            header = int.from_bytes(file.read(8), "little")
        if header > _LARGEST_HEADER:
            refuse_foreign_file(path, _ARRAYS)
            raise DataError(f"{path}: its header has {header:,} bytes, at most {_LARGEST_HEADER:,} are read")
        with safe_open(path, framework="numpy") as file:
            metadata = _parse_json((file.metadata() or {}).get(METADATA, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DataError(f"{path}: its metadata is not a table of texts")
    for name, array in arrays.items():
        # Once the package ml_dtypes is imported, numpy does know bfloat16 and the like, as opaque bytes.
        if array.dtype.kind not in "biufc":
            raise DataError(f"{path}: not a readable safetensors file ({name} holds {array.dtype})")
    return arrays, metadata


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content.

    Raises:
        DataError: the file is missing or unreadable.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise read_error(path, error) from error
