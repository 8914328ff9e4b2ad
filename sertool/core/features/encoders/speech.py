"""Speech encoders as a frontend: the states of a pretrained model are the audio frames.

torch and the model's library are imported where frames are computed, since doctor and reports ask for facts alone.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sertool.core.features.encoders import families
from sertool.core.features.encoders.base import EncoderFrames, Facts
from sertool.core.features.encoders.pieces import Piece, batches, first_pieces
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.recipe.frontends import SpeechEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from sertool.core.features.encoders.engine import Engine


class SpeechFacts(Facts):
    """Facts of a speech encoder.

    Attributes:
        sample_rate: Hz.
        seconds_per_frame: time from one frame to the next; None where a recording is one frame.
    """

    sample_rate: int
    seconds_per_frame: float | None


class SpeechFrames(EncoderFrames[SpeechEncoder, SpeechFacts]):
    """The frontend of speech encoders; see :class:`~sertool.core.features.frontend.FrameMaker`."""

    name = "encoder"
    kind = "speech"
    section = SpeechEncoder
    section_of_facts = SpeechFacts
    silence = 0.0  # no frame of an encoder is that small: it does not tell silence
    bounds = (-math.inf, math.inf)

    def find_facts(self) -> SpeechFacts:
        """Return the facts of the model; of CTranslate2 weights, which do not state them, it is loaded."""
        files, pool = self._files, self.settings.pool
        states = families.facts_of_states(files)
        return SpeechFacts(
            weights=files.weights,
            width=self.layers * states.width * (2 if pool == "mean+std" else 1),
            sample_rate=states.sample_rate,
            seconds_per_frame=pool * states.seconds if isinstance(pool, int) else None,
            licence=files.licence,
        )

    def check(self, files: ModelFiles) -> None:
        """Refuse a model that is no speech encoder, or does not have the layers."""
        families.check_speech_model(files, self.settings)

    @cached_property
    def sample_rate(self) -> int:
        """Hz that waveforms must have."""
        return self.facts.sample_rate

    @cached_property
    def seconds_per_frame(self) -> float:
        """Time from one frame to the next; infinite where a recording is one frame."""
        return math.inf if self.facts.seconds_per_frame is None else self.facts.seconds_per_frame

    def warnings(self) -> list[str]:
        """Report padding that the model does not have."""
        if self.settings.padding == "full" and not families.is_whisper(self._files):
            return [f"frontend.padding: full changes nothing, {self.settings.model} is no Whisper model"]
        return []

    def frames(self, waveforms: "Sequence[Tensor]", most: int | None = None) -> "list[Tensor]":
        """Compute (T, width) float32 frames for each waveform (samples,), in batches by length.

        Args:
            waveforms: the waveforms.
            most: number of first frames of each that are wanted; pieces of a long recording behind them are left out.

        Raises:
            DataError: the model cannot be loaded, or is not the one of the facts.
            UsageError: it does not have the layers.
        """
        from sertool.core.features.encoders.engine import BATCH_STATES
        from sertool.core.features.encoders.pooling import Pooler

        engine, pool = self.engine, self.settings.pool
        kept = most * pool if most is not None and isinstance(pool, int) else math.inf  # states
        largest = BATCH_STATES[self.device.partition(":")[0]]
        poolers = [Pooler(pool) for _ in waveforms]
        short: list[tuple[Pooler, Piece]] = []
        for pooler, waveform in zip(poolers, waveforms, strict=True):
            pieces = list(first_pieces(engine.pieces(waveform), kept))
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
        return [pooler.result()[:most] for pooler in poolers]

    @cached_property
    def engine(self) -> "Engine":
        """The loaded model."""
        return families.open_engine(self._files, self.settings, self.device)
