"""From a table of recordings to a corpus: read, extract frames, clean words, and report what failed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.acoustics import FEATURE_FLOOR, log_mels, mel_filters, read_audio
from sertool.core.corpora.corpus import SPLITS, Corpus, Frames, LeftOut, Utterance, is_corpus
from sertool.core.corpora.records import enumerate_few
from sertool.core.corpora.table import Row, Table
from sertool.core.errors import DataError, UsageError
from sertool.core.recipe import Frontend
from sertool.core.text import clean_words

SHOWN = 20  # utterances named in a warning; the corpus lists them all
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Preparation:
    """A corpus made from a table.

    Attributes:
        corpus: with the utterances that could not be used in ``left_out``.
        warnings: what looks odd, the table's own warnings first.
        silent: ids of utterances whose recording holds no sound; they are in the corpus.
    """

    corpus: Corpus
    warnings: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class Extract:
    """What one recording gives: ``frames`` (T, mel_bands) float32 and its length before trimming."""

    frames: NDArray[np.float32]
    seconds: float


def check_target(folder: Path, *, force: bool) -> None:
    """Refuse to write a corpus over another one, or in the place of a file.

    Raises:
        UsageError: with what to do instead.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file, expected the name of a new folder")
    if is_corpus(folder) and not force:
        raise UsageError(f"{folder}: already holds a corpus", hint="--force to replace it")


def prepare(table: Table, frontend: Frontend, name: str, progress: Progress | None = None) -> Preparation:
    """Decode the recordings of a table and make a corpus of them.

    Args:
        table: read by :func:`~sertool.core.corpora.table.read_table`.
        frontend: how recordings become frames; stored with the corpus.
        name: of the corpus.
        progress: called with the number of recordings done and of all.

    Raises:
        DataError: no recording at all could be used.
    """
    extracts: list[Extract | LeftOut] = []
    with _one_thread():
        for extract in map(partial(_extract, frontend=frontend), table.rows):
            extracts.append(extract)
            if progress is not None:
                progress(len(extracts), len(table.rows))
    kept = [
        (row, extract)
        for row, extract in zip(table.rows, extracts, strict=True)
        if isinstance(extract, Extract)
    ]
    left_out = tuple(extract for extract in extracts if isinstance(extract, LeftOut))
    if not kept:
        reason = left_out[0].reason
        raise DataError(
            f"{table.path}: none of the {len(left_out)} recordings can be used; the first: {reason}"
        )
    utterances = tuple(_utterance(row, extract) for row, extract in kept)
    corpus = Corpus(
        name=name,
        utterances=utterances,
        audio=Frames.join([extract.frames for _, extract in kept], frontend.mel_bands),
        classes=_classes(utterances),
        left_out=left_out,
        frontend=frontend.model_dump(),
        source=table.path.name,
    )
    silent = tuple(row.id for row, extract in kept if extract.frames.max() <= FEATURE_FLOOR)
    return Preparation(corpus, (*table.warnings, *_warnings(table, corpus, silent, frontend)), silent)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a recording is too short to divide.

    On a machine that others use too, threads that wait for each other made this thirty times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _extract(row: Row, frontend: Frontend) -> Extract | LeftOut:
    """The frames of one row; depends on nothing else, so that rows can be worked on side by side."""
    try:
        waveform = read_audio(row.audio, frontend.sample_rate, row.start, row.end)
    except DataError as error:
        return LeftOut(row.id, row.split, str(error))
    return Extract(log_mels(waveform, frontend).numpy(), len(waveform) / frontend.sample_rate)


def _utterance(row: Row, extract: Extract) -> Utterance:
    return Utterance(
        id=row.id,
        split=row.split,
        text=row.text,
        words=clean_words(row.text),
        labels=row.labels,
        seconds=round(extract.seconds, 3),
        **row.groups,
    )


def _classes(utterances: tuple[Utterance, ...]) -> dict[str, tuple[str, ...]]:
    tasks = sorted({task for utterance in utterances for task in utterance.labels})
    return {
        task: tuple(sorted({utterance.labels[task] for utterance in utterances if task in utterance.labels}))
        for task in tasks
    }


def _warnings(table: Table, corpus: Corpus, silent: tuple[str, ...], frontend: Frontend) -> list[str]:
    warnings = []
    if corpus.left_out:
        lines = [f"{item.id} ({item.split}): {item.reason}" for item in corpus.left_out]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        count = f"left out {len(lines)} of {len(table.rows)} utterances"
        warnings.append("\n  ".join([count, *lines[:SHOWN], *more]))
    for split in SPLITS:
        if split not in corpus.counts() and any(row.split == split for row in table.rows):
            warnings.append(f"no utterance of {split} could be used")
    if silent:
        what = (
            "1 recording holds no sound and is"
            if len(silent) == 1
            else f"{len(silent)} recordings hold no sound and are"
        )
        warnings.append(f"{what} kept: {enumerate_few(silent)}")
    filters = mel_filters(frontend.sample_rate, frontend.fft_size, frontend.mel_bands)
    if empty := int((filters.amax(dim=1) == 0).sum()):
        warnings.append(
            f"{empty} of {frontend.mel_bands} mel bands are always empty: "
            "set fewer frontend.mel_bands or a larger frontend.fft_size"
        )
    return warnings


def summary(preparation: Preparation) -> dict[str, Any]:
    """The counts of a preparation as plain data, for tables and JSON."""
    corpus = preparation.corpus
    tasks = {}
    for task, classes in corpus.classes.items():
        counts = Counter((u.split, u.labels[task]) for u in corpus.utterances if task in u.labels)
        splits = {split: {name: counts[split, name] for name in classes} for split in corpus.counts()}
        tasks[task] = {"classes": list(classes), "splits": splits}
    return {
        "utterances": len(corpus.utterances),
        "splits": corpus.counts(),
        "tasks": tasks,
        "frames": len(corpus.audio.flat),
        "seconds": round(sum(u.seconds or 0.0 for u in corpus.utterances), 3),
        "speakers": len({u.speaker for u in corpus.utterances if u.speaker}),
        "frontend": dict(corpus.frontend or {}),
        "silent": list(preparation.silent),
        "left_out": [asdict(item) for item in corpus.left_out],
        "warnings": list(preparation.warnings),
    }
