"""Content hashes of utterances, which tell a later training whether its test set was trained on before.

An utterance is recognised by its audio frames, whatever its id, corpus or transcript; one without sound by its text
frames, or else by its id and words. Frames are rounded to float16 first, since corpora may store them so. The same
recording from another frontend is not recognised.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.splits import Fold

# 48 bits: among MOSEI's 21,000 utterances two different ones collide with a probability of one in a million
# (21,000 squared, over 2, over 2 to the 48).
HASH_BYTES = 6


def content_hashes(corpus: Corpus) -> list[bytes]:
    """Hash the content of each utterance."""
    sounds = _frame_hashes(corpus.audio)
    texts = _frame_hashes(corpus.text_frames) if corpus.text_frames is not None else [b""] * len(sounds)
    hashes = []
    for utterance, sound, text in zip(corpus.utterances, sounds, texts, strict=True):
        # An id as it was before its corpus was joined with others.
        own = utterance.id if utterance.corpus is None else utterance.id.removeprefix(f"{utterance.corpus}/")
        named = json.dumps([own, utterance.words]).encode()
        hashes.append((sound or text or hashlib.blake2b(named, digest_size=HASH_BYTES).digest())[:HASH_BYTES])
    return hashes


def _frame_hashes(frames: Frames) -> Sequence[bytes]:
    """Hash each utterance's frames, rounded to float16; an utterance of zeros alone gets an empty hash."""
    with np.errstate(over="ignore"):  # values beyond float16 become infinite in every corpus alike
        rounded = frames.flat.astype(np.float16)
    filled = np.concatenate([[0], np.cumsum(rounded.view(np.uint16).any(axis=1))])[frames.offsets]
    return hash_each(Frames(rounded, frames.offsets), np.diff(filled) > 0)


def seen_by_fold(corpus: Corpus, folds: Sequence[Fold]) -> list[str]:
    """Pack, for each fold, the hashes of the utterances that its members were trained or selected on."""
    hashes = content_hashes(corpus)
    return [pack(hashes[row] for name in ("train", "valid") for row in fold.sets[name]) for fold in folds]


def overlaps(corpus: Corpus, folds: Sequence[Fold], seen: frozenset[bytes]) -> dict[str, tuple[int, int]]:
    """Count for test and valid, over all folds, the utterances that are among the seen ones, and all of them."""
    hashes = content_hashes(corpus)
    sets = {name: {row for fold in folds for row in fold.sets.get(name, ())} for name in ("test", "valid")}
    return {name: (sum(hashes[row] in seen for row in rows), len(rows)) for name, rows in sets.items()}


def pack(hashes: Iterable[bytes]) -> str:
    """Encode hashes as a text for a JSON file: sorted, each once, in eight letters (base64 of six bytes)."""
    return base64.b64encode(b"".join(sorted(set(hashes)))).decode()


def unpack(text: str) -> frozenset[bytes]:
    """Decode the hashes of a text that :func:`pack` made.

    Raises:
        ValueError, TypeError: ``text`` has another form.
    """
    joined = base64.b64decode(text, validate=True)
    if len(joined) % HASH_BYTES:
        raise ValueError(f"{len(joined)} bytes of hashes of {HASH_BYTES}")
    return frozenset(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def hash_each(frames: Frames, wanted: NDArray[np.bool_]) -> tuple[bytes, ...]:
    """Hash each utterance's frames; the hash is empty if there are none, or if it is not wanted."""
    flat = np.ascontiguousarray(frames.flat)
    return tuple(
        hashlib.blake2b(flat[start:end].data, digest_size=16).digest() if hashed and start < end else b""
        for start, end, hashed in zip(frames.offsets[:-1], frames.offsets[1:], wanted, strict=True)
    )
