"""Keep an unfinished download beside its target, so that it survives kills, reboots and power cuts.

``.NAME.part`` holds the bytes, ``.NAME.part.json`` their state: address, validator, length, flushed bytes, boot.
Within the same boot every written byte can be trusted, since the system keeps it when a process dies. After a reboot
only the flushed bytes that the state file counts can, since a power cut may leave holes.
"""

import errno
import glob
import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts
from sertool.core.files.artifacts import write_error
from sertool.core.formatting import readable_size

FLUSH_EVERY = 32 << 20  # bytes; the most that a power cut costs, give or take one flush
_BATCH = 1 << 20  # bytes handed to the hash at a time
_LONGEST_BATCH = 64  # chunks, so that a slow server's small chunks are hashed in time too
_WAITING_BATCHES = 4  # between the network and the hash; bounds the memory
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_data_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(frozen=True)
class Known:
    """Identity of the file that the bytes belong to.

    Args:
        address: digest of the requested address; the address itself may hold a password, which is not stored.
        validator: value for ``If-Range``, if the server sent one.
        total: length of the complete file in bytes, if the server reported it.
    """

    address: str
    validator: str | None = None
    total: int | None = None


def address_id(url: str) -> str:
    """Return the digest that stands for an address in a state file."""
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()


class PartFile:
    """Part file of ``target``; only the process that holds the target's lock may open it.

    ``known`` is None and ``length`` 0 if there is nothing usable. Every method that writes raises SertoolError when
    the disk is full or refuses; the bytes written so far stay, and the next run resumes from them.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self.state = target.with_name(f".{target.name}.part.json")
        self.known: Known | None = None
        self.length = self._flushed = 0
        self._file: int | None = None
        self._hash: _Hash | None = None
        self._flusher = ThreadPoolExecutor(1)
        self._flushing: Future[None] | None = None
        self._recall()

    def _recall(self) -> None:
        """Read the state that an earlier run left; anything odd in it means a new start."""
        try:
            state = artifacts.read_json(self.state)
            size = self.path.stat().st_size
        except (DataError, OSError):
            return
        if not isinstance(state, dict):
            return
        address, validator, total, flushed = (state.get(name) for name in ("address", "validator", "total", "flushed"))
        if not isinstance(address, str) or not isinstance(validator, str | None):
            return
        if not _is_size(flushed) or not (total is None or _is_size(total)):
            return
        same_boot = boot_id() is not None and state.get("boot") == boot_id()
        self._flushed = min(size, flushed)
        self.length = size if same_boot else self._flushed
        self.known = Known(address, validator, total)

    def begin(self, known: Known, keep: int) -> None:
        """Keep the first ``keep`` bytes and append from there; they are hashed again unless their hash is at hand."""
        with self._writing():
            self._settle()
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            # Cut off before the new state is written, which would otherwise vouch for the old bytes.
            os.ftruncate(self._file, keep)
            os.lseek(self._file, keep, os.SEEK_SET)
            if self._hash is None or keep != self.length:
                self._rehash(keep)
            self.known, self.length, self._flushed = known, keep, min(keep, self._flushed)
            self._write_state()

    def append(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        assert self._file is not None
        assert self._hash is not None
        with self._writing():
            rest = memoryview(chunk)
            while rest:  # a write may take only a part
                rest = rest[os.write(self._file, rest) :]
            self._hash.update(chunk)
            self.length += len(chunk)
            # Flushed in another thread, one flush at a time: the network does not wait for the disk.
            idle = self._flushing is None or self._flushing.done()
            if idle and self.length - self._flushed >= FLUSH_EVERY:
                self._settle()
                self._flushing = self._flusher.submit(self._flush, self.length)

    def finish(self) -> str:
        """Flush all bytes to the disk, and return the hexadecimal SHA-256 of the complete file."""
        with self._writing():
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
                self._rehash(self.length)
            assert self._hash is not None
            self._settle()
            # Flushed in the other thread, while the hash works through the last chunks.
            self._flushing = self._flusher.submit(_data_sync, self._file)
            digest = self._hash.finish()
            self._hash = None
            self._settle()
            return digest

    def publish(self) -> None:
        """Rename the finished file to the target."""
        with self._writing():
            self._close_file()
            self.path.replace(self.target)
            _sync_folder(self.target.parent)
        self.clear()

    def clear(self) -> None:
        """Delete the part file and its state."""
        with suppress(SertoolError), self._writing():
            self._settle()
        self._close_file()
        self._stop_hash()
        self.known, self.length, self._flushed = None, 0, 0
        # Includes state files that a killed process did not finish writing.
        pattern = f".{glob.escape(self.state.name)}.*.part"
        for path in (self.path, self.state, *self.state.parent.glob(pattern)):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Flush the bytes, so that they count after a power cut too, and close the files."""
        with suppress(SertoolError, OSError):
            if self._file is not None:
                self._settle()
                if self.length > self._flushed:
                    self._flush(self.length)
        self._flusher.shutdown()
        self._close_file()
        self._stop_hash()

    def _rehash(self, keep: int) -> None:
        assert self._file is not None
        self._stop_hash()
        self._hash = _Hash()
        place = 0
        while place < keep:
            block = os.pread(self._file, min(1 << 18, keep - place), place)
            if not block:
                raise OSError(0, "became shorter while it was read")
            self._hash.update(block)
            place += len(block)

    def _stop_hash(self) -> None:
        if self._hash is not None:
            self._hash.finish()
            self._hash = None

    def _flush(self, length: int) -> None:
        assert self._file is not None
        _data_sync(self._file)
        self._flushed = length
        self._write_state()

    def _settle(self) -> None:
        """Wait for the flush in the other thread, and raise its error here."""
        if self._flushing is not None:
            flushing, self._flushing = self._flushing, None
            flushing.result()

    def _write_state(self) -> None:
        assert self.known is not None
        artifacts.write_json(self.state, {**asdict(self.known), "flushed": self._flushed, "boot": boot_id()})

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._write_error(error) from error
        except SertoolError as error:  # from writing the state file in the other thread
            cause = error.__cause__
            raise (self._write_error(cause) if isinstance(cause, OSError) else error) from error

    def _write_error(self, error: OSError) -> SertoolError:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return write_error(self.path, error)
        return SertoolError(
            f"{self.target}: no space left on the disk after {readable_size(self.length)}, which are kept",
            hint="free some space and run the same command again; it resumes from there",
        )


class _Hash:
    """SHA-256 in its own thread, parallel to the network: hashlib releases the interpreter while it works."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._batch: list[bytes] = []
        self._batches: queue.Queue[list[bytes]] = queue.Queue(_WAITING_BATCHES)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while batch := self._batches.get():
            for chunk in batch:
                self._digest.update(chunk)

    def update(self, chunk: bytes) -> None:
        # Batched, because each hand-over costs both threads a wait for the interpreter.
        self._batch.append(chunk)
        if sum(map(len, self._batch)) >= _BATCH or len(self._batch) >= _LONGEST_BATCH:
            self._batches.put(self._batch)
            self._batch = []

    def finish(self) -> str:
        if self._batch:
            self._batches.put(self._batch)
        self._batches.put([])  # ends the thread
        self._thread.join()
        return self._digest.hexdigest()


def boot_id() -> str | None:
    """Return an id that changes with every boot of the machine; None on systems without one (Linux has it)."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sync_folder(folder: Path) -> None:
    # A new name survives a power cut once its folder is flushed; not every file system can flush one.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
