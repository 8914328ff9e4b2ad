"""Speech encoders as a frontend: the states of a pretrained model are the audio frames.

torch and the model's library are imported where frames are computed, since doctor and reports ask for facts alone.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sertool.core.errors import DataError
from sertool.core.features.encoders import families
from sertool.core.features.encoders.pieces import Piece, batches
from sertool.core.features.encoders.source import ModelFiles, find_model
from sertool.core.recipe.frontends import SpeechEncoder
from sertool.core.recipe.sections import Section

if TYPE_CHECKING:
    from torch import Tensor

    from sertool.core.features.encoders.engine import Engine


class Facts(Section):
    """Facts of a model that a corpus keeps, so that it is read without the model.

    Attributes:
        weights: hash of the model.
        width: values of a frame.
        sample_rate: Hz.
        seconds_per_frame: time from one frame to the next; None where a recording is one frame.
        licence: as the model's card states it.
    """

    weights: str
    width: int
    sample_rate: int
    seconds_per_frame: float | None
    licence: str | None = None


class SpeechFrames:
    """The frontend of speech encoders; see :class:`~sertool.core.features.frontend.FrameMaker`.

    Attributes:
        layers: number of layers side by side in a frame.
        device: where frames are computed, ``cpu`` or ``cuda:0``; set it before the first ones.
    """

    name = "encoder"
    silence = 0.0  # no frame of an encoder is that small: it does not tell silence
    bounds = (-math.inf, math.inf)

    def __init__(self, settings: SpeechEncoder, facts: Facts | None = None) -> None:
        self.settings = settings
        self.note: Mapping[str, Any] = {"name": self.name, **settings.model_dump()}
        self.layers = len(settings.layers or [None])
        self.device = "cpu"
        self.known = facts

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "SpeechFrames":
        """Open the frontend of a recipe or a corpus; raise ValueError where the settings or facts are none of it."""
        facts = {key: note[key] for key in Facts.model_fields if key in note}
        settings = {key: value for key, value in note.items() if key != "name" and key not in facts}
        return cls(SpeechEncoder.model_validate(settings), Facts.model_validate(facts) if facts else None)

    @cached_property
    def facts(self) -> Facts:
        """Facts of the model, which is looked for where the note did not hold them."""
        if self.known is not None:
            return self.known
        files, pool = self._files, self.settings.pool
        states = families.facts_of_states(files)
        return Facts(
            weights=files.weights,
            width=self.layers * states.width * (2 if pool == "mean+std" else 1),
            sample_rate=states.sample_rate,
            seconds_per_frame=pool * states.seconds if isinstance(pool, int) else None,
            licence=files.licence,
        )

    @cached_property
    def weights(self) -> str:
        """Hash of the model."""
        return self.facts.weights

    @cached_property
    def version(self) -> int | str:
        """Hash of the model, part of cache keys."""
        return self.facts.weights

    @cached_property
    def width(self) -> int:
        """Values of a frame."""
        return self.facts.width

    @cached_property
    def sample_rate(self) -> int:
        """Hz that waveforms must have."""
        return self.facts.sample_rate

    @cached_property
    def seconds_per_frame(self) -> float:
        """Time from one frame to the next; infinite where a recording is one frame."""
        return math.inf if self.facts.seconds_per_frame is None else self.facts.seconds_per_frame

    def described(self) -> Mapping[str, Any]:
        """Return the note with the model's facts."""
        return {**self.note, **self.facts.model_dump()}

    def warnings(self) -> list[str]:
        """Report padding that the model does not have."""
        if self.settings.padding == "full" and not families.is_whisper(self._files):
            return [f"frontend.padding: full changes nothing, {self.settings.model} is no Whisper model"]
        return []

    def frames(self, waveforms: "Sequence[Tensor]") -> "list[Tensor]":
        """Compute (T, width) float32 frames for each waveform (samples,), in batches by length.

        Raises:
            DataError: the model cannot be loaded, or is not the one of the facts.
            UsageError: it does not have the layers.
        """
        from sertool.core.features.encoders.engine import BATCH_STATES
        from sertool.core.features.encoders.pooling import Pooler

        engine = self._engine
        largest = BATCH_STATES[self.device.partition(":")[0]]
        poolers = [Pooler(self.settings.pool) for _ in waveforms]
        short: list[tuple[Pooler, Piece]] = []
        for pooler, waveform in zip(poolers, waveforms, strict=True):
            pieces = engine.pieces(waveform)
            if len(pieces) == 1:
                short.append((pooler, pieces[0]))
                continue
            together = max(1, largest // pieces[0].states)
            for start in range(0, len(pieces), together):
                for states in engine.states(pieces[start : start + together]):
                    pooler.add(states)
        for batch in batches([piece.states for _, piece in short], largest, padded=engine.padded):
            for number, states in zip(batch, engine.states([short[number][1] for number in batch]), strict=True):
                short[number][0].add(states)
        return [pooler.result() for pooler in poolers]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded model and the place of its files, which another machine does not have."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_engine", "_files")}

    @cached_property
    def _files(self) -> ModelFiles:
        files = find_model(self.settings.model, self.settings.revision, "speech")
        if self.known is not None and files.weights != self.known.weights:
            raise DataError(
                f"{self.settings.model}: is not the model that is expected here: its hash is {files.weights[:12]}, "
                f"expected {self.known.weights[:12]}",
                hint="use the files that the corpus was prepared with; with others, prepare and train anew",
            )
        families.check_speech_model(files, self.settings)
        return files

    @cached_property
    def _engine(self) -> "Engine":
        return families.open_engine(self._files, self.settings, self.device)
