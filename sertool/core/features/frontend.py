"""The interface of a frontend, the code that turns recordings into frames.

:class:`~sertool.core.recipe.schema.Frontend` is a recipe's section, the settings; a :class:`FrameMaker` computes frames
by them. Nothing outside this room knows how wide a frame is, how long it lasts or what silence looks like: it asks. A
new frontend, such as a pretrained encoder, is a file in this folder and a line in :data:`MAKERS`. This module imports
no torch, and neither does opening a frontend: only :meth:`FrameMaker.frames` does.

Text is words with a vocabulary (:mod:`~sertool.core.corpora.vocabulary`), or the frames that a :class:`TextFrameMaker`
computes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, did_you_mean
from sertool.core.features.audio import Segment, read_recording
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.features.log_mel import LogMel
from sertool.core.features.opensmile import OpenSmileFrames
from sertool.core.features.sound_fingerprint import Codes, fingerprint
from sertool.core.recipe.frontends import AudioSection, OpenSmile, SpeechEncoder, TextEncoder

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class FrameMaker(Protocol):
    """A frontend. It must be picklable, since it is sent to processes and cluster nodes.

    Attributes:
        name: kind of frontend, its key in :data:`MAKERS`.
        note: settings as plain data: the keys of the recipe's section, for an encoder with ``name``; hashed in cache
            keys, and :func:`open_frontend` opens it. Two frontends are the same where their notes are equal.
        silence: largest absolute value in frames without sound; above 0, since zeros are padding. 0 where frames do
            not tell silence.
        bounds: smallest and largest value a frame can have; infinite if unlimited.
    """

    name: str
    note: Mapping[str, Any]
    silence: float
    bounds: tuple[float, float]

    # Properties, because an encoder looks for its model only when it is asked for one of them.
    @property
    def version(self) -> int | str:
        """Number that is raised when the code changes, or hash of weights; part of cache keys."""

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz that waveforms must have."""

    @property
    def width(self) -> int:
        """D, the number of values in a frame."""

    @property
    def seconds_per_frame(self) -> float:
        """Time from one frame to the next; infinite where a recording is one frame."""

    def frames(self, waveforms: "Sequence[Tensor]") -> "list[Tensor]":
        """Compute (T, D) float32 frames on the CPU for each waveform (samples,) of at least one sample."""

    def described(self) -> Mapping[str, Any]:
        """Return the note with the facts of an encoder's model, for a corpus; opening it needs no model.

        The facts are ``weights`` (a hash; openSMILE's version), ``width``, ``sample_rate``, ``seconds_per_frame``,
        ``licence``.
        """

    def warnings(self) -> list[str]:
        """Report settings that work but are hardly meant, one sentence each."""


class Encoder(Protocol):
    """A pretrained encoder of recordings or texts, besides its frames.

    Attributes:
        device: where it computes, such as ``cpu`` or ``cuda``; its caller sets it.
    """

    device: str


@runtime_checkable
class TextFrameMaker(Protocol):
    """A text encoder. It must be picklable.

    Attributes:
        note: settings as plain data: the keys of the recipe's section and ``name``.
    """

    note: Mapping[str, Any]

    @property
    def version(self) -> int | str:
        """Hash of the weights; part of cache keys."""

    @property
    def width(self) -> int:
        """D, the number of values in a frame."""

    def frames(self, texts: Sequence[str]) -> "list[Tensor]":
        """Compute (T, D) float32 frames on the CPU for each text; an empty text has none, T = 0."""

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the share of its tokens that the tokenizer does not know; 0 for an empty text."""

    def described(self) -> Mapping[str, Any]:
        """Return the note with the facts of the model: ``weights``, ``width``, ``licence``."""


MAKERS: dict[str, Callable[[Mapping[str, Any]], FrameMaker]] = {
    "log-mel": LogMel.from_note,
    "encoder": SpeechFrames.from_note,
    "opensmile": OpenSmileFrames.from_note,
}
SILENT = 2 / (1 << 15)  # largest sample of a recording without sound: two steps of 16 bits
UNNAMED = "log-mel"  # for settings without a name; recipes and corpora have always held those of log-mel so
ENCODER, TEXT_ENCODER = "encoder", "text-encoder"  # names of the encoders of recordings and of texts


def note_of(settings: AudioSection | TextEncoder | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the note of the frontend that a recipe's section asks for; a note is returned as it is."""
    if isinstance(settings, SpeechEncoder):
        return {"name": ENCODER, **settings.model_dump()}
    if isinstance(settings, TextEncoder):
        return {"name": TEXT_ENCODER, **settings.model_dump()}
    if isinstance(settings, OpenSmile):
        return {"name": "opensmile", **settings.model_dump()}
    return settings if isinstance(settings, Mapping) else settings.model_dump()


def open_frontend(settings: AudioSection | Mapping[str, Any]) -> FrameMaker:
    """Open the frontend that a recipe's section or a corpus's note asks for; an encoder's model is not loaded yet.

    Raises:
        DataError: a note names no frontend of this version, or holds settings that it does not have.
    """
    note = note_of(settings)
    name = str(note.get("name", UNNAMED))
    if name not in MAKERS:
        raise DataError(f"unknown frontend {name!r}{did_you_mean(name, list(MAKERS))}")
    try:
        return MAKERS[name](note)
    except ValueError as error:  # pydantic's errors are ValueErrors
        raise DataError(f"frontend {name}: {error}") from error


def open_text_frontend(settings: TextEncoder | Mapping[str, Any]) -> TextFrameMaker:
    """Open the text encoder that a recipe's section or a corpus's note asks for; its model is not loaded yet.

    Raises:
        DataError: a note holds settings that a text encoder does not have.
    """
    from sertool.core.features.encoders.text import TextFrames

    note = note_of(settings)
    try:
        return TextFrames.from_note(note)
    except ValueError as error:
        raise DataError(f"frontend {note.get('name', TEXT_ENCODER)}: {error}") from error


def on_device(maker: FrameMaker | TextFrameMaker, device: str) -> None:
    """Let an encoder compute on a device such as ``cuda``; other frontends know the CPU alone."""
    if maker.note.get("name") in (ENCODER, TEXT_ENCODER):
        cast("Encoder", maker).device = device


def is_on_cuda(maker: FrameMaker | TextFrameMaker) -> bool:
    """Check for an encoder that computes on a CUDA device, in bf16."""
    return str(getattr(maker, "device", "cpu")).startswith("cuda")


@dataclass(frozen=True)
class Extract:
    """The frames of one recording.

    Attributes:
        frames: (T, D) float32; of an encoder float16.
        seconds: length before anything was trimmed.
        remark: fault of the file, as :class:`~sertool.core.features.audio.Recording` has it; empty if there is none.
        silent: the recording holds no sound, where its frames do not show it.
        codes: fingerprint of its sound; None where it was not computed.
    """

    frames: NDArray[np.floating]
    seconds: float
    remark: str = ""
    silent: bool = False
    codes: Codes | None = None


def extract_frames(segment: Segment, maker: FrameMaker) -> Extract:
    """Read a recording, or a segment of it, and compute its frames.

    Raises:
        DataError: the recording cannot be used; the message names it.
    """
    recording = read_recording(segment, maker.sample_rate)
    frames = maker.frames([recording.samples])[0].numpy()
    silent = not maker.silence and is_quiet(recording.samples)
    codes = fingerprint(recording.samples, maker.sample_rate)
    return Extract(frames, len(recording.samples) / maker.sample_rate, recording.remark, silent, codes)


def is_quiet(samples: "Tensor") -> bool:
    """Check whether a recording (samples,) holds no sound, for frontends whose frames do not show it."""
    return bool(samples.abs().max() <= SILENT)


def is_silent(frames: NDArray[np.floating], maker: FrameMaker) -> bool:
    """Check whether frames (T, D), T at least 1, hold no sound at all."""
    return bool(max(-frames.min(), frames.max()) <= maker.silence)
