"""A corpus in memory: utterances with words and labels, and their feature frames."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test", "private")
GROUPS = ("speaker", "session", "dialogue", "video")
KNOWN_OF_SPEECH = (*GROUPS, "gender")


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech by one speaker.

    Attributes:
        id: unique within its split.
        split: ``train``, ``valid``, ``test`` or ``private`` (unlabelled).
        text: the transcript as it was given; empty where there is none.
        words: the cleaned words, as the vocabulary counts them.
        labels: raw label by task name; empty for an unlabelled utterance.
        speaker, session, dialogue, video: groups it belongs to, where known.
        seconds: length of the recording, where known.
        transcriber: the machine that wrote the text; None where a person did, or nobody knows.
        gender: of the speaker, in whatever words the source has for it, where known.
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


@dataclass(frozen=True)
class Frames:
    """Feature frames of all utterances, end to end.

    Attributes:
        flat: (sum of lengths, D) float16 or float32.
        offsets: (N + 1,) int64; utterance i owns ``flat[offsets[i]:offsets[i + 1]]``.
    """

    flat: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, arrays: list[NDArray[Any]], width: int) -> "Frames":
        """Put arrays of shape (T_i, width) end to end."""
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        flat = np.concatenate(arrays) if arrays else np.zeros((0, width), np.float32)
        return cls(flat, offsets)

    @property
    def width(self) -> int:
        """D, the number of values a frame (80 for log-mels)."""
        return int(self.flat.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.flat[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: list[int]) -> "Frames":
        """The frames of some utterances, in that order."""
        return Frames.join([self[index] for index in indices], self.width)


@dataclass(frozen=True)
class LeftOut:
    """An utterance that is not in the corpus, and why."""

    id: str
    split: str
    reason: str


@dataclass(frozen=True)
class CachedVocabulary:
    """Came with a corpus: word -> index (several words may share one), vectors (rows, width)."""

    index: Mapping[str, int]
    vectors: NDArray[Any]


@dataclass(frozen=True)
class Corpus:
    """Utterances with their features.

    Attributes:
        name: what it is called in tables.
        utterances: in the order of the source, split by split.
        audio: frames; utterance i owns ``audio[i]``, possibly empty (no audio).
        classes: class names by task, for tasks whose raw labels are class names.
        left_out: utterances of the source that could not be used.
        text_frames: text given as frames instead of words.
        vocabulary: came with the corpus, with its vectors; None where it is built from the training words.
        numbering: index by word over *all* training sentences of the source, those of left-out utterances
            included, as the reference numbers them; None where the training utterances' words are numbered.
        frontend: settings that made the audio frames; None where unknown.
        source: sentence on where it comes from, for tables and model cards.
        synthetic: the speech was made by a machine; said wherever a figure is shown.
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
    source: str = ""
    synthetic: bool = False

    @property
    def machine_text(self) -> bool:
        """Whether a machine wrote any of the texts."""
        return any(utterance.transcriber for utterance in self.utterances)

    @property
    def caveats(self) -> str:
        """What is said behind the name wherever a figure is shown: `` (synthetic speech)``; often empty."""
        found = ["synthetic speech"] * self.synthetic + ["machine-made transcripts"] * self.machine_text
        return f" ({', '.join(found)})" if found else ""

    def counts(self) -> dict[str, int]:
        """Number of utterances by split."""
        counter = Counter(utterance.split for utterance in self.utterances)
        return {split: counter[split] for split in SPLITS if counter[split]}

    def select(self, indices: list[int]) -> "Corpus":
        """The corpus of some of the utterances, in that order."""
        return replace(
            self,
            utterances=tuple(self.utterances[index] for index in indices),
            audio=self.audio.take(indices),
            text_frames=self.text_frames.take(indices) if self.text_frames else None,
        )
