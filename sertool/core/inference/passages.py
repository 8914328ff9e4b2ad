"""Clips become passages, the inputs of a model: frames and words of a whole recording or of its windows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.corpora.splitting import check_installed
from sertool.core.corpora.words import split_words
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import SHORTEST, Recording, read_recording
from sertool.core.features.frontend import FrameMaker, is_silent, open_frontend
from sertool.core.formatting import printable
from sertool.core.inference.clips import Clip, RefusedClip, check_refused, check_window
from sertool.core.recipe.schema import Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Passage:
    """An input of a model: a recording, a segment or a window of one, or a text.

    Attributes:
        name: name of its clip.
        text: text as the user gave it.
        words: cleaned words of the text.
        frames: (T, D) float32, cut to the model's longest input; empty without audio.
        start, end: seconds into the file, of a segment or a window; None for a whole recording.
        cut: ``text`` and ``audio``, if they are longer than the model's longest input.
        silent: the recording contains no sound.
        remark: fault of the file that did not keep it from being read, such as a wrong length in its header.
        clip: position of its clip among all clips.
    """

    name: str
    text: str
    words: tuple[str, ...]
    frames: Float32[np.ndarray, "T D"]
    start: float | None = None
    end: float | None = None
    cut: tuple[str, ...] = ()
    silent: bool = False
    remark: str = ""
    clip: int = 0


@dataclass(frozen=True)
class Listener:
    """Makes passages of clips, as a model's recipe says.

    Attributes:
        recipe: recipe of the model.
        window: length in seconds of the windows that recordings are divided into; None leaves them whole.
        hop: seconds from one window to the next. Default: the window.
        word_splitting: the way in which the texts of its training were split into words.
    """

    recipe: Recipe
    window: float | None = None
    hop: float | None = None
    word_splitting: str | None = None

    def __post_init__(self) -> None:
        check_window(self.window, self.hop)
        if self.window is not None and not self.uses("audio"):
            raise UsageError("--window: this model uses text alone, which cannot be divided")

    @cached_property
    def frontend(self) -> FrameMaker:
        """The frontend that makes the model's frames."""
        return open_frontend(self.recipe.frontend)

    def uses(self, modality: str) -> bool:
        """Check whether the model uses ``text`` or ``audio``."""
        return modality in self.recipe.dataset.modalities

    @property
    def seen(self) -> float:
        """Seconds of a recording, after the silence at its beginning, that the model sees."""
        return self.recipe.dataset.max_audio_length * self.frontend.seconds_per_frame

    def listen(self, clip: Clip, waveform: Float32[Tensor, "samples"] | None = None) -> list[Passage]:
        """Make the passages of a clip: one, or one per window.

        Args:
            clip: recording, text or both.
            waveform: (samples,) at the frontend's sampling rate, used instead of the clip's recording.

        Raises:
            DataError: the clip cannot be read, or lacks the one modality that the model uses.
            UsageError: a package that splits its text into words is not installed.
        """
        if self.window is not None and clip.text:
            raise DataError(f"{clip.name}: --window cannot divide its text: leave the text out")
        segment = clip.segment
        has_audio = segment is not None or waveform is not None
        if not clip.text.isascii():
            check_installed(self.word_splitting)
        words = split_words(clip.text, self.word_splitting)
        if not self.uses("text") and not has_audio:
            raise DataError(f"{clip.name}: has no audio, and this model uses audio alone")
        if not self.uses("audio") and not clip.text:
            raise DataError(f"{clip.name}: has no text, and this model uses text alone")
        if self.uses("audio") and has_audio:
            rate = self.frontend.sample_rate
            if waveform is None:
                assert segment is not None
                recording = read_recording(segment, rate)
            else:
                recording = Recording(waveform)
            pieces = list(self._pieces(clip, recording.samples))
            frames = self.frontend.frames([samples for samples, _, _ in pieces])
            return [
                replace(self._passage(clip, words, own.numpy(), start, end), remark=recording.remark)
                for own, (_, start, end) in zip(frames, pieces, strict=True)
            ]
        if not words:
            raise DataError(f"{clip.name}: its text contains no words")
        none = np.zeros((0, self.frontend.width), np.float32)
        return [Passage(clip.name, clip.text, words, none, cut=self._cut(words, none))]

    def _pieces(self, clip: Clip, waveform: Tensor) -> Iterator[tuple[Tensor, float | None, float | None]]:
        """Yield samples, start and end of the whole recording or of each window."""
        if self.window is None:
            yield waveform, clip.start, clip.end
            return
        rate = self.frontend.sample_rate
        size, hop = round(self.window * rate), round((self.hop or self.window) * rate)
        begin = clip.start or 0.0
        for first, last in windows(len(waveform), size, hop, least=round(SHORTEST * rate)):
            yield waveform[first:last], begin + first / rate, begin + last / rate

    def _passage(
        self,
        clip: Clip,
        words: tuple[str, ...],
        frames: NDArray[np.float32],
        start: float | None,
        end: float | None,
    ) -> Passage:
        return Passage(
            name=clip.name,
            text=clip.text,
            words=words,
            # A copy, so that the rest leaves memory.
            frames=frames[: self.recipe.dataset.max_audio_length].copy(),
            start=start,
            end=end,
            cut=self._cut(words, frames),
            silent=is_silent(frames, self.frontend),
        )

    def _cut(self, words: tuple[str, ...], frames: NDArray[np.float32]) -> tuple[str, ...]:
        dataset = self.recipe.dataset
        longer = {
            "text": self.uses("text") and len(words) > dataset.max_text_length,
            "audio": len(frames) > dataset.max_audio_length,
        }
        return tuple(modality for modality, is_longer in longer.items() if is_longer)

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
        for place, clip in enumerate(clips):
            made = self.attempt(clip, place)
            if isinstance(made, RefusedClip):
                bad.append(made)
            else:
                passages += made
            if progress is not None:
                progress(place + 1, len(clips))
        check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(passages))
        return passages, bad

    def attempt(self, clip: Clip, place: int, folder: Path | None = None) -> list[Passage] | RefusedClip:
        """Make the passages of a clip, or say why there are none.

        Args:
            clip: recording, text or both.
            place: position of the clip among all clips.
            folder: folder that the clip's relative path starts from. Default: that of this process.
        """
        there = clip
        if folder is not None and clip.audio is not None:
            there = replace(clip, audio=folder / clip.audio)
        try:
            return [replace(passage, clip=place) for passage in self.listen(there)]
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
