"""Clips become passages, the inputs of a model: frames and words of a whole recording or of its windows."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from sertool.core.corpora.splitting import check_installed
from sertool.core.corpora.words import split_words
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import SHORTEST, Recording, read_recording
from sertool.core.formatting import printable
from sertool.core.inference.clips import Clip, RefusedClip, check_refused, check_window
from sertool.core.inference.frontends import SECONDS, Frontends, Heard, Read
from sertool.core.recipe.schema import Recipe

Progress = Callable[[int, int], None]

TOGETHER = 64  # clips that an encoder is given at a time


def _no_frames() -> Float32[np.ndarray, "0 0"]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Passage:
    """An input of a model: a recording, a segment or a window of one, or a text.

    Attributes:
        name: name of its clip.
        text: text as the user gave it.
        words: cleaned words of the text; none for a model that reads by an encoder of texts.
        frames: (T, D) float32, cut to the model's longest input; empty without audio.
        text_frames: (L, D) float32 of an encoder of texts, likewise; empty for a model of words.
        unknown: share of the text's tokens that the encoder does not know.
        start, end: seconds into the file, of a segment or a window; None for a whole recording.
        cut: ``text`` and ``audio``, if they are longer than the model's longest input.
        silent: the recording contains no sound.
        remark: fault of the file that did not keep it from being read, such as a wrong length in its header.
        speaker: name of the speaker, if known.
        clip: position of its clip among all clips.
        dialogue, order: dialogue that its clip is part of, and its place there, see
            :class:`~sertool.core.inference.clips.Clip`.
    """

    name: str
    text: str
    words: tuple[str, ...]
    frames: Float32[np.ndarray, "T D"] = field(default_factory=_no_frames)
    text_frames: Float32[np.ndarray, "L W"] = field(default_factory=_no_frames)
    unknown: float = 0.0
    start: float | None = None
    end: float | None = None
    cut: tuple[str, ...] = ()
    silent: bool = False
    remark: str = ""
    speaker: str | None = None
    clip: int = 0
    dialogue: str | None = None
    order: int | None = None

    @property
    def has_text(self) -> bool:
        """Check for words, or frames of a text."""
        return bool(self.words) or len(self.text_frames) > 0


@dataclass(frozen=True)
class _Piece:
    """Samples of a whole recording or of a window, with its start and end in seconds into the file."""

    samples: Float32[Tensor, "samples"]
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Opened:
    """A clip that was read, before its frames are made.

    Attributes:
        clip: the clip.
        place: its position among all clips.
        words: cleaned words of its text; none for a model that reads by an encoder of texts.
        pieces: its recording or the windows of it; none without audio.
        remark: fault of the file that did not keep it from being read.
    """

    clip: Clip
    place: int
    words: tuple[str, ...]
    pieces: tuple[_Piece, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Listener:
    """Makes passages of clips, as a model's recipe says.

    Attributes:
        frontends: make the frames of recordings and texts; they hold the recipe of the model.
        window: length in seconds of the windows that recordings are divided into; None leaves them whole.
        hop: seconds from one window to the next. Default: the window.
        word_splitting: the way in which the texts of its training were split into words.
    """

    frontends: Frontends
    window: float | None = None
    hop: float | None = None
    word_splitting: str | None = None

    def __post_init__(self) -> None:
        check_window(self.window, self.hop)
        if self.window is not None and not self.uses("audio"):
            raise UsageError("--window: this model uses text alone, which cannot be divided")

    @property
    def recipe(self) -> Recipe:
        """Recipe of the model."""
        return self.frontends.recipe

    def uses(self, modality: str) -> bool:
        """Check whether the model uses ``text`` or ``audio``."""
        return modality in self.recipe.dataset.modalities

    @property
    def seen(self) -> float:
        """Seconds of a recording, after the silence at its beginning, that the model sees."""
        return self.recipe.dataset.max_audio_length * self.frontends.audio.seconds_per_frame

    def listen(self, clip: Clip, waveform: Float32[Tensor, "samples"] | None = None) -> list[Passage]:
        """Make the passages of a clip: one, or one per window.

        Args:
            clip: recording, text or both.
            waveform: (samples,) at the frontend's sampling rate, used instead of the clip's recording.

        Raises:
            DataError: the clip cannot be read, or lacks the one modality that the model uses.
            UsageError: a package that splits its text into words is not installed.
        """
        return self._passages([self.open(clip, waveform=waveform)])[0]

    def open(self, clip: Clip, place: int = 0, waveform: Float32[Tensor, "samples"] | None = None) -> Opened:
        """Read the recording and the words of a clip; ``place`` is its position among all clips.

        The other arguments and the errors are those of :meth:`listen`.
        """
        if self.window is not None and clip.text:
            raise DataError(f"{clip.name}: --window cannot divide its text: leave the text out")
        has_audio = clip.segment is not None or waveform is not None
        words = self._words(clip.text)
        if not self.uses("text") and not has_audio:
            raise DataError(f"{clip.name}: has no audio, and this model uses audio alone")
        if not self.uses("audio") and not clip.text:
            raise DataError(f"{clip.name}: has no text, and this model uses text alone")
        if not (self.uses("audio") and has_audio):
            if not words and not (self.frontends.encodes_text and clip.text.strip()):
                raise DataError(f"{clip.name}: its text contains no words")
            return Opened(clip, place, words)
        if waveform is None:
            assert clip.segment is not None
            recording = read_recording(clip.segment, self.frontends.audio.sample_rate)
        else:
            recording = Recording(waveform)
        return Opened(clip, place, words, tuple(self._pieces(clip, recording.samples)), recording.remark)

    def _words(self, text: str) -> tuple[str, ...]:
        if self.frontends.encodes_text:
            return ()
        if not text.isascii():
            check_installed(self.word_splitting)
        return split_words(text, self.word_splitting)

    def _pieces(self, clip: Clip, waveform: Tensor) -> Iterator[_Piece]:
        """Yield the whole recording or each window of it."""
        if self.window is None:
            yield _Piece(waveform, clip.start, clip.end)
            return
        rate = self.frontends.audio.sample_rate
        size, hop = round(self.window * rate), round((self.hop or self.window) * rate)
        begin = clip.start or 0.0
        for first, last in windows(len(waveform), size, hop, least=round(SHORTEST * rate)):
            yield _Piece(waveform[first:last], begin + first / rate, begin + last / rate)

    def _passages(self, opened: Sequence[Opened]) -> list[list[Passage]]:
        """Make the passages of clips; their frames are made together."""
        heard = iter(self.frontends.hear([piece.samples for one in opened for piece in one.pieces]))
        texts = [one.clip.text for one in opened]
        read = self.frontends.read(texts) if self.frontends.encodes_text else [None] * len(texts)
        return [
            [self._passage(one, text, next(heard), piece) for piece in one.pieces] or [self._passage(one, text)]
            for one, text in zip(opened, read, strict=True)
        ]

    def _passage(
        self, opened: Opened, read: Read | None, heard: Heard | None = None, piece: _Piece | None = None
    ) -> Passage:
        is_long = len(opened.words) > self.recipe.dataset.max_text_length if read is None else read.cut
        cut = {"text": self.uses("text") and is_long, "audio": heard is not None and heard.cut}
        return Passage(
            name=opened.clip.name,
            text=opened.clip.text,
            words=opened.words,
            frames=_no_frames() if heard is None else heard.frames,
            text_frames=_no_frames() if read is None else read.frames,
            unknown=0.0 if read is None else read.unknown,
            start=None if piece is None else piece.start,
            end=None if piece is None else piece.end,
            cut=tuple(modality for modality, is_cut in cut.items() if is_cut),
            silent=heard is not None and heard.silent,
            remark=opened.remark,
            speaker=opened.clip.speaker,
            clip=opened.place,
            dialogue=opened.clip.dialogue if self.window is None else None,  # windows are no turns
            order=opened.clip.order,
        )

    def listen_all(
        self,
        clips: Sequence[Clip],
        refused: Sequence[RefusedClip] = (),
        *,
        skip_bad: bool = False,
        progress: Progress | None = None,
    ) -> tuple[list[Passage], list[RefusedClip]]:
        """Make the passages of all clips; returns them and the inputs that cannot be used.

        Args:
            clips: clips, in the order of the result.
            refused: inputs that were refused before.
            skip_bad: leave out clips that cannot be used, as long as any is left.
            progress: called with the number of clips done and of all clips.

        Raises:
            DataError: clips cannot be used, and ``skip_bad`` is False; the message lists all of them.
        """
        passages: list[Passage] = []
        bad = list(refused)
        for done, made in enumerate(self.attempt(clips), start=1):
            if isinstance(made, RefusedClip):
                bad.append(made)
            else:
                passages += made
            if progress is not None:
                progress(done, len(clips))
        check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(passages))
        return passages, bad

    def attempt(
        self, clips: Sequence[Clip], first: int = 0, folder: Path | None = None
    ) -> Iterator[list[Passage] | RefusedClip]:
        """Yield for each clip its passages, or the reason why there are none.

        Args:
            clips: clips, in the order of the result.
            first: position of the first of them among all clips.
            folder: folder that the clips' relative paths start from. Default: that of this process.
        """
        return self.gathered(self._attempt(clip, place, folder) for place, clip in enumerate(clips, start=first))

    def gathered(self, opened: Iterable[Opened | RefusedClip]) -> Iterator[list[Passage] | RefusedClip]:
        """Yield the passages of each clip in order; an encoder makes the frames of several at a time."""
        together = TOGETHER if self.frontends.encodes_audio or self.frontends.encodes_text else 1
        waiting: list[Opened | RefusedClip] = []
        for one in opened:
            waiting.append(one)
            if len(waiting) == together or self._seconds(waiting) > SECONDS:
                yield from self._together(waiting)
                waiting = []
        yield from self._together(waiting)

    def _seconds(self, waiting: Sequence[Opened | RefusedClip]) -> float:
        pieces = [piece for one in waiting if isinstance(one, Opened) for piece in one.pieces]
        return sum(len(piece.samples) for piece in pieces) / self.frontends.audio.sample_rate if pieces else 0.0

    def _together(self, waiting: Sequence[Opened | RefusedClip]) -> Iterator[list[Passage] | RefusedClip]:
        made = iter(self._passages([one for one in waiting if isinstance(one, Opened)]))
        return (next(made) if isinstance(one, Opened) else one for one in waiting)

    def _attempt(self, clip: Clip, place: int, folder: Path | None) -> Opened | RefusedClip:
        there = clip
        if folder is not None and clip.audio is not None:
            there = replace(clip, audio=folder / clip.audio)
        try:
            return self.open(there, place)
        except DataError as error:
            # The message names the path that the user gave, not the worker's.
            reason = str(error).replace(str(there.audio), str(clip.audio))
            where = f"row {clip.row}: " if clip.row is not None else ""
            return RefusedClip(clip.name, where + printable(reason), error.hint)


def windows(length: int, size: int, hop: int, least: int = 1) -> list[tuple[int, int]]:
    """List the windows of a recording as (first sample, sample after the last).

    Windows begin at 0, hop, 2 * hop, ... until one reaches the end; the last one may be shorter.

    Args:
        length: samples of the recording, at least 1.
        size: samples of a window.
        hop: samples from the beginning of one window to the next, at most ``size``.
        least: samples; a shorter last window is dropped, unless it is the only one.
    """
    behind_first = max(0, math.ceil((length - size) / hop))
    spans = [(place * hop, min(place * hop + size, length)) for place in range(behind_first + 1)]
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < least:
        spans.pop()
    return spans
