"""MMSA's files of MOSI and MOSEI: clips with a table of labels, or pickles that hold frames.

The table is ``label.csv`` with the columns ``video_id``, ``clip_id``, ``text``, ``label`` and ``mode``, the split; the
clips are ``Raw/video_id/clip_id.mp4``, or converted, as github.com/thuiar/MMSA-FET reads them. They are read before a
pickle, whose frames are not those of the paper.

The form of a pickle is that of the README and the data loader of github.com/thuiar/MMSA: a dict of ``train``, ``valid``
and ``test``, each with ``raw_text``, ``audio`` (N, T, D), ``id`` (``video$_$clip``) and ``regression_labels``. In an
unaligned file ``audio_lengths`` says how many frames are not padding; in an aligned one there is a frame for each token
of ``text_bert`` (N, 3, T), whose second row marks them. Infinite values count as 0, as MMSA's loader has it.

An utterance is called ``video_clip``, like the clip's own file. The clip's number is not the place among the labels of
the SDK, by which its sequences call an utterance ``video[0]``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.files.pickles import load_pickle
from sertool.core.formatting import first_few
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.layouts.corpus_layout import Found
from sertool.core.prepare.layouts.files import is_video, read_csv, with_recording
from sertool.core.prepare.rows import Row

LABELS = "label.csv"
PICKLES = ("aligned_50.pkl", "unaligned_50.pkl")  # the one to take first: recipes read 50 or 60 frames
NAMES = (LABELS, *PICKLES)
_PROCESSED = "Processed"
_BETWEEN = "$_$"
_OUT_OF_RANGE = "scores that are none from -3 to 3"
_SPLITS = ("train", "valid", "test")
_PARTS = ("raw_text", "audio", "id", "regression_labels")


def is_there(folder: Path, title: str) -> bool:
    """Check for MMSA's files in a folder that bears the name of a corpus, or in its folder ``Processed``."""
    whole = folder.resolve()
    own = (whole.parent if whole.name == _PROCESSED else whole).name.upper()
    bears_it = re.search(rf"(?<![A-Z]){title}(?![A-Z])", own)
    return bool(bears_it) and any((folder / place / name).is_file() for place in ("", _PROCESSED) for name in NAMES)


def rows(
    paths: Sequence[Path], files: Sequence[Path], videos: Mapping[str, str], title: str, found: Found
) -> Iterator[Row]:
    """Yield the utterances of the table with their clips, or those of a pickle with their audio frames.

    Args:
        paths: the table and the pickles that are there; one is read.
        files: all files of the folder.
        videos: videos of the corpus.
        title: name of the corpus.
        found: receives what is wrong.

    Raises:
        DataError: the file is no table, or no pickle of plain data and arrays in MMSA's form, or of another corpus.
    """
    clips = {
        (path.parent.name, path.stem): path
        for path in sorted(files, key=is_video, reverse=True)
        if is_audio_name(path.name)
    }
    tables = [path for path in paths if path.name == LABELS]
    if tables and (clips or len(tables) == len(paths)):
        path, read = tables[0], list(_of_table(tables[0], clips, found))
    else:
        path = min(set(paths) - set(tables), key=lambda path: (PICKLES.index(path.name), path))
        read = _of_pickle(path, found)
    if read and not any(row.groups["video"] in videos for row in read):
        raise DataError(f"{path}: no video of {title}'s official splits; is it of another corpus?")
    if others := first_few(other.name for other in paths if other != path):
        found.notes.append(f"{path.name} is read; for {others}, give a folder without {path.name}")
    yield from read


def _of_table(table: Path, clips: Mapping[tuple[str, str], Path], found: Found) -> Iterator[Row]:
    """Yield the utterances of the table; without any clip, the corpus is one of texts."""
    for number, cells in read_csv(table, ("video_id", "clip_id", "text", "label", "mode")):
        video, clip, split = cells["video_id"], cells["clip_id"], cells["mode"].lower()
        sentiment = _score(cells["label"])
        if split not in _SPLITS:
            found.wrong("modes that are none of train, valid and test", f"{table.name} row {number}: {cells['mode']!r}")
        elif sentiment is None:
            found.lacks(_OUT_OF_RANGE, f"{video}_{clip}", split)
        else:
            row = Row(None, f"{video}_{clip}", split, cells["text"], {"sentiment": sentiment}, {"video": video}, None)
            segment = Segment(clips[video, clip]) if (video, clip) in clips else None
            yield from with_recording(row, segment, found) if clips else (row,)


def _score(value: Any) -> float | None:
    """Return a score of -3 to 3; None for anything else."""
    try:
        score = float(value)
    except (TypeError, ValueError):
        return None
    return round(score, 6) if -3 <= score <= 3 else None


def _of_pickle(path: Path, found: Found) -> list[Row]:
    """Return the utterances of a pickle."""
    content = load_pickle(path, in_place=True)
    if not isinstance(content, dict) or not any(split in content for split in _SPLITS):
        holds = first_few(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{path}: not one of MMSA's pickles, expected {', '.join(_SPLITS)}; it holds {holds}")
    read = [row for split in _SPLITS for row in _of_split(path, split, content.get(split, {}), found)]
    widths = sorted({row.frames.shape[1] for row in read if row.frames is not None})
    if len(widths) > 1:
        raise DataError(f"{path}: frames of {first_few(map(str, widths))} values, expected one number in all splits")
    return read


def _of_split(path: Path, split: str, parts: Any, found: Found) -> Iterator[Row]:
    """Yield the utterances of a split."""
    lacking = [name for name in _PARTS if not isinstance(parts, dict) or name not in parts]
    if lacking:
        found.lacks_part(f"the split {split} lacks parts", ", ".join(lacking))
        return
    texts, audio, ids, scores = (parts[name] for name in _PARTS)
    if not _holds_numbers(audio) or not all(audio.shape[1:]):
        raise DataError(f"{path}: audio of {split} is no array of shape (N, T, D)")
    lengths = _lengths(parts, audio)
    columns = {"ids": ids, "texts": texts, "scores": scores, "lengths": lengths}
    if wrong := [name for name, column in columns.items() if _count(column) != len(audio)]:
        raise DataError(f"{path}: {split} has {len(audio)} arrays of audio, and not as many {first_few(wrong)}")
    for name, text, frames, length, score in zip(ids, texts, audio, lengths, scores, strict=True):
        video, between, clip = str(name).partition(_BETWEEN)
        sentiment = _score(score)
        if not between:
            found.lacks("ids that are not video$_$clip", str(name), split)
        elif sentiment is None:
            found.lacks(_OUT_OF_RANGE, f"{video}_{clip}", split)
        else:
            own, groups = _finite(frames[:length]), {"video": video}
            yield Row(None, f"{video}_{clip}", split, str(text), {"sentiment": sentiment}, groups, None, frames=own)


def _holds_numbers(array: Any) -> bool:
    """Check for an array of three dimensions that holds numbers."""
    return isinstance(array, np.ndarray) and array.ndim == 3 and array.dtype.kind in "fiub"


def _count(column: Any) -> int:
    """Return the number of entries of a list; -1 for what is none."""
    if isinstance(column, np.ndarray):
        return column.shape[0] if column.ndim else -1
    return len(column) if isinstance(column, list | tuple) else -1


def _lengths(parts: Mapping[str, Any], audio: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of frames of each utterance that are not padding, at least 1; none if they are no numbers."""
    tokens: Any = parts.get("text_bert")
    given: Any = [audio.shape[1]] * len(audio)
    if "audio_lengths" in parts:
        given = parts["audio_lengths"]
    elif _holds_numbers(tokens) and tokens.shape[1] == 3:
        given = tokens[:, 1, :].sum(axis=1)
    try:
        lengths = np.nan_to_num(np.asarray(given, np.float64)).ravel()
    except (TypeError, ValueError):
        return np.zeros(0, np.int64)
    return np.clip(lengths, 1, audio.shape[1]).astype(np.int64)


def _finite(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Return frames as float32 with 0 in the place of infinite values, without a copy where there are none."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        single = frames.astype(np.float32, copy=False)
    finite = np.isfinite(single)
    return single if finite.all() else np.where(finite, single, np.float32(0))
