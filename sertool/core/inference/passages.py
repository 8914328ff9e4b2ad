"""From clips to what a model is given: frames and words, whole recordings or windows of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.corpora.vocabulary import clean_words
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import LONGEST, SHORTEST, read_audio
from sertool.core.features.log_mel import FEATURE_FLOOR, log_mels_batch
from sertool.core.formatting import printable
from sertool.core.inference.clips import Clip, RefusedClip, check_window, refusal
from sertool.core.recipe.schema import Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Passage:
    """What is judged at once: a recording, a segment or a window of one, or a text.

    Attributes:
        name: of the clip it comes from.
        text: as it was given.
        words: of it, cleaned.
        frames: (T, mel_bands) float32 log-mels, at most as many as the model sees; empty where it hears
            nothing.
        start, end: seconds into the file, of a segment or a window; None for a whole recording.
        cut: ``text`` and ``audio``, where there is more of it than the model sees.
        silent: the recording holds no sound.
        clip: place of the clip among those that were asked for.
    """

    name: str
    text: str
    words: tuple[str, ...]
    frames: NDArray[np.float32]
    start: float | None = None
    end: float | None = None
    cut: tuple[str, ...] = ()
    silent: bool = False
    clip: int = 0


@dataclass(frozen=True)
class Listener:
    """How a model's recipe makes passages of clips.

    Attributes:
        recipe: of the model.
        window: seconds that recordings are divided into; None leaves them whole.
        hop: seconds from one window to the next; None is the window.
    """

    recipe: Recipe
    window: float | None = None
    hop: float | None = None

    def __post_init__(self) -> None:
        check_window(self.window, self.hop)
        if self.window is not None and not self.uses("audio"):
            raise UsageError("--window: this model uses text alone, which cannot be divided")

    def uses(self, modality: str) -> bool:
        """Whether the model looks at ``text`` or ``audio``."""
        return modality in self.recipe.dataset.modalities

    @property
    def seen(self) -> float:
        """Seconds of a recording, behind the silence at its beginning, that the model sees."""
        frontend = self.recipe.frontend
        step = frontend.hop_length * frontend.frame_step / frontend.sample_rate
        return self.recipe.dataset.max_audio_length * step

    def listen(self, clip: Clip, waveform: Tensor | None = None) -> list[Passage]:
        """The passages of a clip: one, or one a window.

        Args:
            clip: what is asked for.
            waveform: (samples,) at the frontend's sampling rate, in the place of the clip's recording.

        Raises:
            DataError: it cannot be read, or lacks the one modality that the model looks at.
        """
        if self.window is not None and clip.text:
            raise DataError(f"{clip.name}: --window cannot divide its text: leave the text out")
        segment = clip.segment
        has_audio = segment is not None or waveform is not None
        words = clean_words(clip.text)
        if not self.uses("text") and not has_audio:
            raise DataError(f"{clip.name}: has no audio, and this model uses audio alone")
        if not self.uses("audio") and not clip.text:
            raise DataError(f"{clip.name}: has no text, and this model uses text alone")
        if self.uses("audio") and has_audio:
            rate = self.recipe.frontend.sample_rate
            if waveform is None:
                assert segment is not None
                waveform = read_audio(segment, rate)
            pieces = list(self._pieces(clip, waveform))
            frames = log_mels_batch([samples for samples, _, _ in pieces], self.recipe.frontend)
            return [
                self._passage(clip, words, own.numpy(), start, end)
                for own, (_, start, end) in zip(frames, pieces, strict=True)
            ]
        if not words:
            raise DataError(f"{clip.name}: its text contains no words")
        none = np.zeros((0, self.recipe.frontend.mel_bands), np.float32)
        return [Passage(clip.name, clip.text, words, none, cut=self._cut(words, none))]

    def _pieces(self, clip: Clip, waveform: Tensor) -> Iterator[tuple[Tensor, float | None, float | None]]:
        """Samples, beginning and end of the whole or of each window."""
        if self.window is None:
            yield waveform, clip.start, clip.end
            return
        rate = self.recipe.frontend.sample_rate
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
            frames=frames[: self.recipe.dataset.max_audio_length].copy(),  # the rest may be long, and goes
            start=start,
            end=end,
            cut=self._cut(words, frames),
            silent=bool(frames.max() <= FEATURE_FLOOR),
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
        """The passages of all clips, and all that cannot be used.

        Args:
            clips: in the order of the result.
            refused: what was no clip to begin with.
            skip_bad: go on as long as anything can be used.
            progress: called with the number of clips done and of all.

        Raises:
            DataError: something cannot be used, and is not to be skipped; all of it is told at once.
        """
        passages: list[Passage] = []
        bad = list(refused)
        for place, clip in enumerate(clips):
            heard = self.attempt(clip, place)
            if isinstance(heard, RefusedClip):
                bad.append(heard)
            else:
                passages += heard
            if progress is not None:
                progress(place + 1, len(clips))
        check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(passages))
        return passages, bad

    def attempt(self, clip: Clip, place: int, folder: Path | None = None) -> list[Passage] | RefusedClip:
        """The passages of a clip, or why there are none.

        Args:
            clip: what is asked for.
            place: of it among all clips.
            folder: where its path starts, if that is not this process's own.
        """
        there = clip
        if folder is not None and clip.audio is not None:
            there = replace(clip, audio=folder / clip.audio)
        try:
            return [replace(passage, clip=place) for passage in self.listen(there)]
        except DataError as error:
            reason = str(error).replace(str(there.audio), str(clip.audio))
            where = f"row {clip.row}: " if clip.row is not None else ""
            return RefusedClip(clip.name, where + printable(reason), error.hint)


def check_refused(refused: Sequence[RefusedClip], clips: int, *, skip_bad: bool, usable: bool) -> None:
    """Go on only if nothing was refused, or it is to be skipped and something is left.

    Raises:
        DataError: all that was refused, at once.
    """
    if refused and not (skip_bad and usable):
        raise refusal(refused, clips, skipped=skip_bad)


def windows(length: int, size: int, hop: int, least: int = 1) -> list[tuple[int, int]]:
    """First sample, and the one after the last, of each window.

    Windows begin at 0, hop, 2 * hop, ... until one reaches the end; that last one may be shorter.

    Args:
        length: of the recording, in samples, at least 1.
        size: of a window, in samples.
        hop: from one window's beginning to the next one's, in samples, at most ``size``.
        least: samples; a rest that is shorter is left, unless it is all there is.
    """
    behind_first = max(0, math.ceil((length - size) / hop))
    spans = [(place * hop, min(place * hop + size, length)) for place in range(behind_first + 1)]
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < least:
        spans.pop()
    return spans


def resample(samples: NDArray[np.generic], rate: int, sample_rate: int) -> Tensor:
    """A waveform in memory as :func:`~sertool.core.features.audio.read_audio` gives it from a file.

    Args:
        samples: (samples,) or (samples, channels), floats with a full scale of 1 or integers of 16 or 32 bits.
        rate: Hz.
        sample_rate: Hz of the result.

    Returns:
        (samples,) float32, the mean of the channels.

    Raises:
        DataError: it is of another shape or kind, not finite, too short or too long.
    """
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi" or rate <= 0:
        raise DataError(
            f"audio: an array of shape {samples.shape} and kind {samples.dtype} at {rate} Hz, "
            "expected (samples,) or (samples, channels) of floats or integers"
        )
    scale = 1.0 if samples.dtype.kind == "f" else float(2 ** (8 * samples.dtype.itemsize - 1))
    mono = (samples.astype(np.float32) / np.float32(scale)).reshape(len(samples), -1).mean(1)
    if not SHORTEST * rate <= len(mono) <= LONGEST * rate:
        raise DataError(
            f"audio: lasts {len(mono) / rate:g} s, expected {SHORTEST:g} s to {LONGEST / 3600:g} hours"
        )
    if not np.isfinite(mono).all():
        raise DataError("audio: holds NaN or infinite samples")
    if rate != sample_rate:
        length = -(-len(mono) * sample_rate // rate)
        mono = np.append(soxr.resample(mono, rate, sample_rate, quality="HQ"), np.float32(0))[:length]
    return torch.from_numpy(np.ascontiguousarray(mono, np.float32))
