"""CMU-MOSI and CMU-MOSEI, from the computational sequences of the CMU-MultimodalSDK or from MMSA's files.

Names of files, the order of the labels and the official splits are those of the SDK
(github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK: ``standard_datasets``, and its README of each corpus). An utterance is
a row of the labels' sequence, and its key is that of the SDK's ``align``: ``video[0]``, ``video[1]``, ...

Recordings are those of the raw archives: of whole videos (``03bSnISJMiM.wav``), from which an utterance is cut, or of
its clip alone (``03bSnISJMiM_1.wav``). The number of a clip is no row of the labels, but stands beside its times in
``OpinionLevelSentiment.csv`` (MOSI) and in ``Transcript/Segmented/Combined`` (MOSEI).
"""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.files.regular import open_regular_text
from sertool.core.formatting import first_few, plural
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.labels import Label
from sertool.core.prepare.layouts import mmsa
from sertool.core.prepare.layouts.corpus_layout import Found
from sertool.core.prepare.layouts.csd import Track, read_csd
from sertool.core.prepare.layouts.files import files_below, is_video, with_recording
from sertool.core.prepare.rows import Row

PAUSE = "sp"  # the SDK's word for silence
_CLIP_TABLE = "OpinionLevelSentiment.csv"
_SECONDS = re.compile(r"\d+(\.\d*)?")
_NO_SPLIT = "its video is in no official split"


@dataclass(frozen=True)
class CmuCorpus:
    """Names and labels in which the two corpora differ.

    Attributes:
        title: name of the corpus, such as ``MOSI``.
        labels: file of the labels.
        emotions: the emotions behind the sentiment in a row of labels, in the file's order.
        classes: the same in the usual order.
    """

    title: str
    labels: str
    emotions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """File of the words with their times."""
        return f"CMU_{self.title}_TimestampedWords.csd"

    def is_there(self, folder: Path) -> bool:
        """Check for the labels in a folder or one below it, or for MMSA's files in one that bears the name."""
        labels = {path.name for place in ("", "*/") for path in folder.glob(f"{place}CMU_MOS*_*Labels.csd")}
        return labels == {self.labels} or (not labels and mmsa.is_there(folder, self.title))

    def rows(self, folder: Path, found: Found) -> Iterator[Row]:
        """Yield the utterances of a folder, see :class:`~sertool.core.prepare.layouts.corpus_layout.CorpusLayout`."""
        files = files_below(folder)
        named = {path.name: path for path in reversed(files)}
        others = [path for path in files if path.name in mmsa.NAMES]
        if self.labels in named:
            yield from _of_sequences(self, named, files, found)
            if others:
                found.notes.append(f"{first_few(path.name for path in others)} not read: {self.labels} is there")
        elif others:
            yield from mmsa.rows(others, files, folds(self.title), self.title, found)


@lru_cache
def folds(title: str) -> Mapping[str, str]:
    """Return the official split of each video, as the SDK's ``cmu_mosi_std_folds.py`` and its sibling list them."""
    ids = json.loads(Path(__file__).with_name("cmu_folds.json").read_text(encoding="utf-8"))[title.lower()]
    return {video: split for split, videos in ids.items() for video in videos.split()}


@dataclass(frozen=True)
class _Clip:
    """A clip of the raw archives: its number within the video, and its transcript, if known."""

    number: str
    text: str = ""


Clips = Mapping[tuple[str, float], _Clip]  # by video and start, in hundredths of a second


def _of_sequences(corpus: CmuCorpus, named: Mapping[str, Path], files: Sequence[Path], found: Found) -> Iterator[Row]:
    """Yield the utterances of the computational sequences."""
    path = named[corpus.labels]
    labels = read_csd(path)
    words = _words(named[corpus.words]) if corpus.words in named else {}
    official = folds(corpus.title)
    if not official.keys() & labels.keys():
        raise DataError(f"{path}: no video of {corpus.title}'s official splits; is it of another corpus?")
    clips = _clips(named, files, labels)
    rows = []
    for video, track in labels.items():
        if track.numbers.shape[1] not in (1, 1 + len(corpus.emotions)):
            found.wrong("videos whose labels have another form", video)
            continue
        for place, (interval, values) in enumerate(zip(track.intervals, track.numbers, strict=True)):
            id_, split = f"{video}[{place}]", official.get(video)
            given = _labels(corpus, values)
            if split is None:
                found.leave_out(id_, "private", _NO_SPLIT)
            elif given is None or not 0 <= interval[0] < interval[1] < math.inf:
                found.lacks("labels or times out of range", id_, split)
            else:
                start, end = map(float, interval)
                clip = clips.get((video, round(start, 2)))
                text = _spoken(words[video], start, end) if video in words else clip.text if clip else ""
                rows.append((Row(None, id_, split, text, given, {"video": video}, None), start, end, clip))
    yield from _with_recordings(rows, files, found)
    if missing := official.keys() - labels.keys():
        found.notes.append(f"{plural(len(missing), 'video')} of the official splits without labels")
    if not words:
        found.notes.append(f"{corpus.words} is not there" + (": the texts are those of the transcripts" * bool(clips)))


def _labels(corpus: CmuCorpus, values: NDArray[np.float64]) -> dict[str, Label] | None:
    """Return the labels of an utterance; None if one is out of range: sentiment -3 to 3, emotions 0 to 3."""
    sentiment, emotions = float(values[0]), values[1:]
    if not -3 <= sentiment <= 3 or not ((emotions >= 0) & (emotions <= 3)).all():
        return None
    labels: dict[str, Label] = {"sentiment": round(sentiment, 6)}  # the files hold thirds as 32-bit numbers
    if len(emotions):
        present = {name for name, value in zip(corpus.emotions, emotions, strict=True) if value > 0}
        labels["emotion"] = tuple(name for name in corpus.classes if name in present)
    return labels


def _words(path: Path) -> dict[str, Track]:
    """Read the words of each video."""
    words = read_csd(path)
    if any(len(track.texts) < len(track.intervals) for track in words.values()):
        raise DataError(f"{path}: holds numbers, expected words")
    return words


def _spoken(words: Track, start: float, end: float) -> str:
    """Join the words whose middle lies within the times of an utterance; neighbours may overlap by a word."""
    with np.errstate(invalid="ignore"):  # a damaged file may hold any times
        middles = words.intervals.sum(axis=1) / 2
    inside = np.flatnonzero((start <= middles) & (middles < end))
    return " ".join(words.texts[place] for place in inside if words.texts[place] not in ("", PAUSE))


def _clips(named: Mapping[str, Path], files: Sequence[Path], labels: Mapping[str, Track]) -> Clips:
    """Read the numbers of the clips, by which recordings of clips are named, and their transcripts."""
    lines: list[list[str]] = []
    if _CLIP_TABLE in named:
        with open_regular_text(named[_CLIP_TABLE], errors="replace", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 5]  # start, end, video, number, sentiment
            lines = [[video, number, start, end, ""] for start, end, video, number, _ in rows]
    for path in files:
        if path.suffix == ".txt" and path.stem in labels and path.parts[-3:-1] == ("Segmented", "Combined"):
            with open_regular_text(path, errors="replace") as file:
                lines += [parts for line in file if len(parts := line.strip().split("___", 4)) == 5]
    return {
        (video, round(float(start), 2)): _Clip(number, text.strip(" _"))
        for video, number, start, _, text in lines
        if _SECONDS.fullmatch(start)
    }


def _with_recordings(
    rows: Sequence[tuple[Row, float, float, _Clip | None]], files: Sequence[Path], found: Found
) -> Iterator[Row]:
    """Yield the rows with their recordings; where there are none at all, the corpus is one of texts."""
    recordings: dict[str, Path] = {}
    for path in sorted(files, key=is_video):
        if is_audio_name(path.name):
            recordings.setdefault(path.stem, path)
    segments: list[Segment | None] = []
    for row, start, end, clip in rows:
        video = row.groups["video"]
        whole, part = recordings.get(video), recordings.get(f"{video}_{clip.number}") if clip else None
        segments.append(Segment(whole, start, end) if whole else Segment(part) if part else None)
    has_audio = any(segments)
    if not has_audio and any(f"{row.groups['video']}_1" in recordings for row, *_ in rows):
        found.wrong(f"recordings of clips, but no {_CLIP_TABLE} or Transcript/Segmented/Combined with their times")
    for (row, *_), segment in zip(rows, segments, strict=True):
        yield from with_recording(row, segment, found) if has_audio else (row,)
