"""Fingerprints of a corpus's recordings: ``sounds.safetensors``, which ``prepare`` writes beside its other files.

The doctor finds copies of recordings by it, also where they have another codec, level or length. Its arrays::

    codes    (sum of lengths,) uint32, see :mod:`~sertool.core.features.sound_fingerprint`
    offsets  (N + 1,) int64; recording i owns codes[offsets[i]:offsets[i + 1]]
    keys     (N,) uint64, a hash of the utterance's split, id and length

``corpus.json`` does not vouch for the file, so a corpus can do without. It holds a hash of its own, and its keys tie it
to the utterances: those of a corpus that was replaced, or cut down, get no codes of others.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.reading_errors import Report, refuse, reporting
from sertool.core.errors import DataError
from sertool.core.features.sound_fingerprint import NO_CODES, VERSION, Codes
from sertool.core.files import artifacts

SOUNDS = "sounds.safetensors"
FORMAT = "sertool-sounds/1"
_ARRAYS = {"codes": np.uint32, "offsets": np.int64, "keys": np.uint64}
_HINT = "delete it; `sertool prepare` makes it again with the corpus"


@dataclass(frozen=True)
class Sounds:
    """Fingerprints of recordings, concatenated.

    Attributes:
        codes: (sum of lengths,) uint32.
        offsets: (N + 1,) int64; recording i owns ``codes[offsets[i]:offsets[i + 1]]``.
    """

    codes: Codes
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, each: Sequence[Codes]) -> "Sounds":
        """Concatenate the codes of recordings."""
        offsets = np.zeros(len(each) + 1, np.int64)
        np.cumsum([len(codes) for codes in each], out=offsets[1:])
        return cls(np.concatenate(each) if each else NO_CODES, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Codes:
        return self.codes[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: Sequence[int]) -> "Sounds":
        """Select the codes of some recordings, in that order."""
        return Sounds.join([self[row] for row in rows])


def write_sounds(folder: Path, utterances: Sequence[Utterance], each: Sequence[Codes | None]) -> None:
    """Write the fingerprints of a corpus, or remove those of an earlier one where there are none.

    Args:
        folder: folder of its ``corpus.json``.
        utterances: its utterances.
        each: codes of each; None where there are none.

    Raises:
        SertoolError: the file cannot be written.
    """
    path = folder / SOUNDS
    known = [(utterance, codes) for utterance, codes in zip(utterances, each, strict=True) if codes is not None]
    if not known:
        with artifacts.writing(path):
            path.unlink(missing_ok=True)
        return
    sounds = Sounds.join([codes for _, codes in known])
    arrays: dict[str, NDArray[Any]] = {
        "codes": sounds.codes,
        "offsets": sounds.offsets,
        "keys": _keys([one for one, _ in known]),
    }
    artifacts.write_arrays(path, arrays, {"format": FORMAT, "version": str(VERSION), "sha256": _hash(arrays)})


def read_sounds(folder: Path, utterances: Sequence[Utterance], report: Report = refuse) -> Sounds | None:
    """Read the fingerprints of a corpus.

    Args:
        folder: folder of its ``corpus.json``.
        utterances: its utterances, or some of them.
        report: called with the error of a damaged file; by default it raises.

    Returns:
        The codes of each utterance, empty where the file has none of it; None without any, as in a corpus of an earlier
        version or without recordings, and where another version computed them.

    Raises:
        DataError: raised by ``report``.
    """
    path = folder / SOUNDS
    if not path.exists():
        return None
    with reporting(report):
        return _read(path, utterances)
    return None


def _read(path: Path, utterances: Sequence[Utterance]) -> Sounds | None:
    arrays, facts = artifacts.read_arrays(path)
    if facts.get("format") != FORMAT:
        raise DataError(f"{path}: format {facts.get('format')!r:.60}, expected {FORMAT!r}", hint=_HINT)
    shapes = {name: (array.dtype, array.ndim) for name, array in arrays.items()}
    if shapes != {name: (np.dtype(kind), 1) for name, kind in _ARRAYS.items()}:
        raise DataError(f"{path}: other arrays than codes, offsets and keys", hint=_HINT)
    offsets, keys = arrays["offsets"], arrays["keys"]
    rising = np.array([0, *np.diff(offsets).clip(min=0).cumsum()])
    if len(offsets) != len(keys) + 1 or not np.array_equal(offsets, rising) or offsets[-1] != len(arrays["codes"]):
        raise DataError(f"{path}: offsets do not divide the codes", hint=_HINT)
    if facts.get("sha256") != _hash(arrays):
        raise DataError(f"{path}: damaged (its content does not match its hash)", hint=_HINT)
    if facts.get("version") != str(VERSION):
        return None
    stored = Sounds(arrays["codes"], offsets)
    rows = {key: row for row, key in enumerate(keys.tolist())}
    places = [rows.get(key) for key in _keys(utterances).tolist()]
    if all(row is None for row in places):
        return None
    return Sounds.join([NO_CODES if row is None else stored[row] for row in places])


def _keys(utterances: Sequence[Utterance]) -> NDArray[np.uint64]:
    """Hash split, id and length of each utterance."""
    digests = (
        hashlib.blake2b(json.dumps([one.split, one.id, one.seconds]).encode(), digest_size=8).digest()
        for one in utterances
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _hash(arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(f"{name} {len(arrays[name])} ".encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
