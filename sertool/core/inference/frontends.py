"""Frames of recordings and texts that are predicted, made as those of the model's training corpus were."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encode import encoded_texts, stored
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.features.encoders.text import TextFrames
from sertool.core.features.frontend import (
    FrameMaker,
    TextFrameMaker,
    is_quiet,
    is_silent,
    open_frontend,
    open_text_frontend,
)
from sertool.core.recipe.frontends import SpeechEncoder, TextEncoder
from sertool.core.recipe.schema import Recipe

SECONDS = 600.0  # of sound that an encoder is given at a time, which bounds the memory


@dataclass(frozen=True)
class Heard:
    """The frames (T, D) of a recording, cut to the model's longest input.

    Attributes:
        frames: float32.
        cut: the recording has more frames.
        silent: the recording contains no sound.
    """

    frames: NDArray[np.float32]
    cut: bool
    silent: bool


@dataclass(frozen=True)
class Read:
    """The frames (L, D) of a text, cut to the model's longest input.

    Attributes:
        frames: float32; empty for an empty text.
        cut: the text has more frames.
        unknown: share of its tokens that the encoder's tokenizer does not know.
    """

    frames: NDArray[np.float32]
    cut: bool
    unknown: float


@dataclass(frozen=True)
class Frontends:
    """The frontend of a model's recordings, and the encoder of its texts where it has one.

    Attributes:
        recipe: recipe of the model.
        audio_note, text_note: notes of the encoders, with the facts of their models, as the run keeps them. Default:
            the recipe's settings.
        device: where encoders compute, as ``cpu`` or ``cuda``.
    """

    recipe: Recipe
    audio_note: Mapping[str, Any] | None = None
    text_note: Mapping[str, Any] | None = None
    device: str = "cpu"

    @property
    def encodes_audio(self) -> bool:
        """Check whether an encoder makes the audio frames, if the model hears at all."""
        return "audio" in self.recipe.dataset.modalities and isinstance(self.recipe.frontend, SpeechEncoder)

    @property
    def encodes_text(self) -> bool:
        """Check whether an encoder makes frames of texts, if the model reads at all."""
        return "text" in self.recipe.dataset.modalities and isinstance(self.recipe.text_frontend, TextEncoder)

    @cached_property
    def audio(self) -> FrameMaker:
        """The frontend that makes the model's audio frames."""
        maker = open_frontend(self.audio_note or self.recipe.frontend)
        if isinstance(maker, SpeechFrames):
            maker.device = self.device
        return maker

    @cached_property
    def text(self) -> TextFrameMaker:
        """The encoder that makes the model's text frames, for a model that has one."""
        settings = self.recipe.text_frontend
        assert isinstance(settings, TextEncoder)
        maker = open_text_frontend(self.text_note or settings)
        if isinstance(maker, TextFrames):
            maker.device = self.device
        return maker

    def threads(self, cores: int) -> int:
        """Return the threads that make frames fastest: an encoder shares its products among all cores."""
        # One recording's log-mels are too short to share.
        return cores if self.encodes_audio or self.encodes_text else 1

    def hear(self, waveforms: Sequence[Tensor]) -> list[Heard]:
        """Make the frames of each waveform (samples,), several at a time; raise DataError if a value is not finite."""
        most, heard = self.recipe.dataset.max_audio_length, []
        for batch in self._batches(waveforms):
            for samples, made in zip(batch, self._frames(batch, most + 1), strict=True):
                frames = made.numpy()
                silent = is_silent(frames, self.audio) if self.audio.silence else is_quiet(samples)
                heard.append(Heard(self._kept(frames[:most], self.encodes_audio), len(frames) > most, silent))
        return heard

    def _frames(self, waveforms: Sequence[Tensor], most: int) -> list[Tensor]:
        """Make frames, by an encoder the first ``most`` of each waveform alone: an hour would take minutes."""
        maker = self.audio
        return maker.frames(waveforms, most) if isinstance(maker, SpeechFrames) else maker.frames(waveforms)

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Make the frames of each text, for a model that has an encoder of texts."""
        most = self.recipe.dataset.max_text_length
        frames, unknown = encoded_texts(texts, self.text), self.text.unknown(texts)
        return [
            Read(self._kept(made[:most], is_encoded=True), len(made) > most, share)
            for made, share in zip(frames, unknown, strict=True)
        ]

    def _kept(self, frames: NDArray[Any], is_encoded: bool) -> NDArray[np.float32]:
        """Copy frames, so that the rest leaves memory; those of an encoder are rounded as in a corpus."""
        if not is_encoded:
            return frames.copy()
        if not np.isfinite(frames).all():
            raise DataError("the encoder gives NaN or infinite values; its weights are damaged")
        return stored(frames).astype(np.float32)

    def _batches(self, waveforms: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Divide waveforms into batches of limited length, in order."""
        batch: list[Tensor] = []
        for waveform in waveforms:
            if batch and sum(map(len, batch)) + len(waveform) > SECONDS * self.audio.sample_rate:
                yield batch
                batch = []
            batch.append(waveform)
        if batch:
            yield batch
