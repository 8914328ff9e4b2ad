"""A corpus in memory: utterances with words and labels, and their feature frames."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural

SPLITS = ("train", "valid", "test", "private")  # in the order of tables
GROUPS = ("speaker", "session", "dialogue", "video")
KNOWN_OF_SPEECH = (*GROUPS, "gender")  # optional texts of an utterance
SYNTHETIC = "SYNTHETIC"  # name of a file that marks a folder of generated data

Rating = str | float | tuple[str, ...]  # a class, a score, or several classes
Ratings = Mapping[str, Mapping[str, Rating]]  # by task and rater


@dataclass(frozen=True)
class Utterance:
    """Stretch of speech by a single speaker.

    Attributes:
        id: unique within its split.
        split: ``train``, ``valid``, ``test`` or ``private`` (unlabelled).
        text: the original transcript; empty if there is none.
        words: cleaned words, as the vocabulary counts them.
        labels: raw label by task name; empty for an unlabelled utterance.
        speaker, session, dialogue, video: groups that it belongs to, if known.
        seconds: length of the recording in seconds, if known.
        transcriber: speech recogniser that wrote the text; None if a person did, or if unknown.
        gender: gender of the speaker in the source's own words, if known.
        silent: True if the recording holds no sound, which frames of an encoder do not show; None where the frames
            show it.
        ratings: what each rater said, by task and rater: a class, several, or a score; None where unknown.
        fold: name of the fold that tests it, if the corpus comes with folds.
        order: number that orders the utterances of its dialogue, if known; numbers may be missing in between.
        start, end: seconds at which it begins and ends in its dialogue or in the recording that it was cut from.
        corpus: name of the corpus that it comes from, in a corpus that was joined of several; None in others. It is
            none of ``GROUPS``, since it does not keep voices apart.
    """

    id: str
    split: str
    text: str
    words: tuple[str, ...]
    labels: Mapping[str, Any] = field(default_factory=dict)
    speaker: str | None = None
    session: str | None = None
    dialogue: str | None = None
    video: str | None = None
    seconds: float | None = None
    transcriber: str | None = None
    gender: str | None = None
    silent: bool | None = None
    ratings: Ratings | None = None
    fold: str | None = None
    order: int | None = None
    start: float | None = None
    end: float | None = None
    corpus: str | None = None


@dataclass(frozen=True)
class Frames:
    """Feature frames of all utterances, concatenated.

    Attributes:
        flat: (sum of lengths, D) float16 or float32.
        offsets: (N + 1,) int64; utterance i owns ``flat[offsets[i]:offsets[i + 1]]``.
    """

    flat: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, arrays: list[NDArray[Any]], width: int) -> "Frames":
        """Concatenate arrays of shape (T_i, width)."""
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        flat = np.concatenate(arrays) if arrays else np.zeros((0, width), np.float32)
        return cls(flat, offsets)

    @property
    def width(self) -> int:
        """D, the number of values per frame, which the frontend decides."""
        return int(self.flat.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.flat[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: list[int]) -> "Frames":
        """Select the frames of some utterances, in that order."""
        return Frames.join([self[index] for index in indices], self.width)


@dataclass(frozen=True)
class LeftOut:
    """Utterance that is not in the corpus, and the reason."""

    id: str
    split: str
    reason: str


@dataclass(frozen=True)
class CachedVocabulary:
    """Vocabulary that came with a corpus: index by word (words may share one), and vectors (rows, width)."""

    index: Mapping[str, int]
    vectors: NDArray[Any]


@dataclass(frozen=True)
class Corpus:
    """Utterances with their features.

    Attributes:
        name: name shown in tables.
        utterances: all utterances, split by split in the order of the source.
        audio: frames; utterance i owns ``audio[i]``, which is empty if it has no audio.
        classes: class names by task, for tasks whose raw labels are class names.
        left_out: utterances of the source that could not be used.
        text_frames: text given as frames instead of words.
        vocabulary: vocabulary with vectors that came with the corpus; None if it is built from the training words.
        numbering: index by word over *all* training sentences of the source, as the reference numbers them,
            including those of left-out utterances; None if the training utterances' words are numbered.
        frontend: settings that made the audio frames, for an encoder with the facts of its model; None where unknown.
        text_frontend: the same for text frames that a text encoder made; None for others and for words.
        source: sentence on its origin, for tables and model cards.
        synthetic: True if a machine made the speech; stated wherever a figure is shown.
        word_splitting: the way in which texts were split into words, see :mod:`~sertool.core.corpora.words`.
        choices: the user's choices when it was prepared: pattern, map_labels, map, join, range, rescale; None without
            any.
        layout: name of the published corpus that it was prepared from, such as ``iemocap``; None for others.
        ranges: lowest and highest score by task, for scores on another scale than -3 to 3.
    """

    name: str
    utterances: tuple[Utterance, ...]
    audio: Frames
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    text_frames: Frames | None = None
    vocabulary: CachedVocabulary | None = None
    numbering: Mapping[str, int] | None = None
    frontend: Mapping[str, Any] | None = None
    text_frontend: Mapping[str, Any] | None = None
    source: str = ""
    synthetic: bool = False
    word_splitting: str | None = None
    choices: Mapping[str, Any] | None = None
    layout: str | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def texts_alone(self) -> bool:
        """True if there are utterances and none ever had audio, as in a corpus of texts."""
        return bool(self.utterances) and self.frontend is None and not len(self.audio.flat)

    @property
    def machine_text(self) -> bool:
        """True if a machine wrote any of the texts."""
        return any(utterance.transcriber for utterance in self.utterances)

    @property
    def joined(self) -> tuple[str, ...]:
        """Names of the corpora that it was joined of, in their order; empty for a corpus that was not."""
        return tuple(dict.fromkeys(one.corpus for one in self.utterances if one.corpus is not None))

    @property
    def caveats(self) -> str:
        """Suffix of the name wherever a figure is shown, such as `` (synthetic speech)``; usually empty."""
        found = caveats_of(self._judged, synthetic=self.synthetic, machine_text=self.machine_text)
        return f" ({found})" if found else ""

    @property
    def speakers_note(self) -> str:
        """Sentence on unknown speakers, which goes before every figure; empty if all are known."""
        unknown = unknown_speakers(self._judged)
        return unknown_note(unknown, len(self._judged)) if unknown else ""

    @property
    def _judged(self) -> list[Utterance]:
        """Utterances that figures may be about."""
        return [utterance for utterance in self.utterances if utterance.split != "private"]

    def counts(self) -> dict[str, int]:
        """Count the utterances by split."""
        counter = Counter(utterance.split for utterance in self.utterances)
        return {split: counter[split] for split in SPLITS if counter[split]}

    def select(self, indices: list[int]) -> "Corpus":
        """Make the corpus of some of the utterances, in that order."""
        return replace(
            self,
            utterances=tuple(self.utterances[index] for index in indices),
            audio=self.audio.take(indices),
            text_frames=self.text_frames.take(indices) if self.text_frames else None,
        )


def is_generated(folder: Path) -> bool:
    """Tell whether a folder holds data that a program generated, which every figure then says."""
    return (folder / SYNTHETIC).is_file()


def caveats_of(utterances: Sequence[object], *, synthetic: bool, machine_text: bool) -> str:
    """Return what a reader of figures on these utterances must know of the data, in a few words; usually empty.

    Args:
        utterances: objects with the attributes ``GROUPS``.
        synthetic: a machine made the speech.
        machine_text: a machine wrote some of the texts.
    """
    found = ["synthetic speech"] * synthetic + ["machine-made transcripts"] * machine_text
    if unknown := unknown_speakers(utterances):
        found.append("speakers unknown" if unknown == len(utterances) else "some speakers unknown")
    return ", ".join(found)


def unknown_speakers(utterances: Sequence[object]) -> int:
    """Count the utterances of which nothing is known that keeps voices apart: no speaker, session, dialogue or video.

    Args:
        utterances: objects with the attributes ``GROUPS``, None where unknown.
    """
    return sum(not any(getattr(utterance, group) for group in GROUPS) for utterance in utterances)


def unknown_note(unknown: int, total: int) -> str:
    """Say that the speakers of ``unknown`` of ``total`` utterances are unknown, and what this does to figures.

    >>> unknown_note(339, 339)
    'the speakers are unknown: the same voice may be in training and in test, so the figures may be too good'
    """
    whose = "the speakers" if unknown == total else f"the speakers of {plural(unknown, 'utterance')} of {total:,}"
    return f"{whose} are unknown: the same voice may be in training and in test, so the figures may be too good"
