"""Which utterances a training has seen, by content, so that a later one can tell whether its test set was among them.

An utterance is known again by its audio frames, whatever its id, its corpus or its transcript; one without sound by
its text frames, or by its id and words. Frames are rounded to float16 first, as corpora may store them. The same
recording through another frontend is not recognised.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.splits import Fold

# 48 bits: among MOSEI's 21,000 utterances two that differ are taken for one with a chance of one in a million.
HASH_BYTES = 6


def content_hashes(corpus: Corpus) -> list[bytes]:
    """A hash of what each utterance holds."""
    every = _frame_hashes(corpus.audio)
    texts = _frame_hashes(corpus.text_frames) if corpus.text_frames is not None else [b""] * len(every)
    hashes = []
    for utterance, sound, text in zip(corpus.utterances, every, texts, strict=True):
        named = json.dumps([utterance.id, utterance.words]).encode()
        hashes.append((sound or text or hashlib.blake2b(named, digest_size=HASH_BYTES).digest())[:HASH_BYTES])
    return hashes


def _frame_hashes(frames: Frames) -> Sequence[bytes]:
    """Of each utterance's frames; empty where there is nothing but zeros."""
    with np.errstate(over="ignore"):  # beyond float16 is infinite, here and there alike
        rounded = frames.flat.astype(np.float16)
    filled = np.concatenate([[0], np.cumsum(rounded.view(np.uint16).any(axis=1))])[frames.offsets]
    return hash_each(Frames(rounded, frames.offsets), np.diff(filled) > 0)


def seen_by_fold(corpus: Corpus, folds: Sequence[Fold]) -> list[str]:
    """What the members of each fold were trained or selected on, packed."""
    hashes = content_hashes(corpus)
    return [pack(hashes[row] for name in ("train", "valid") for row in fold.sets[name]) for fold in folds]


def overlaps(corpus: Corpus, folds: Sequence[Fold], seen: frozenset[bytes]) -> dict[str, tuple[int, int]]:
    """Of test and valid, over all folds: how many utterances are among the seen ones, and how many there are."""
    hashes = content_hashes(corpus)
    sets = {name: {row for fold in folds for row in fold.sets.get(name, ())} for name in ("test", "valid")}
    return {name: (sum(hashes[row] in seen for row in rows), len(rows)) for name, rows in sets.items()}


def pack(hashes: Iterable[bytes]) -> str:
    """Hashes as a text for a JSON file: sorted, each once, eight letters each."""
    return base64.b64encode(b"".join(sorted(set(hashes)))).decode()


def unpack(text: str) -> frozenset[bytes]:
    """What :func:`pack` was given.

    Raises:
        ValueError, TypeError: it is no such text.
    """
    joined = base64.b64decode(text, validate=True)
    if len(joined) % HASH_BYTES:
        raise ValueError(f"{len(joined)} bytes of hashes of {HASH_BYTES}")
    return frozenset(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def hash_each(frames: Frames, wanted: NDArray[np.bool_]) -> tuple[bytes, ...]:
    """A hash of each utterance's frames; empty where there are none, or it is not wanted."""
    flat = np.ascontiguousarray(frames.flat)
    return tuple(
        hashlib.blake2b(flat[start:end].data, digest_size=16).digest() if hashed and start < end else b""
        for start, end, hashed in zip(frames.offsets[:-1], frames.offsets[1:], wanted, strict=True)
    )
