"""openSMILE's functionals as a frontend: an utterance is one frame of 88 (eGeMAPS) or 6,373 (ComParE 2016) values.

The values are those of the package ``opensmile`` (extra ``opensmile``), which is imported where frames are computed:
doctor and reports ask for facts alone, and those that a corpus keeps need no package.

Sources: F. Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective
Computing", IEEE Transactions on Affective Computing 7 (2), 2016; B. Schuller et al., "The INTERSPEECH 2016
Computational Paralinguistics Challenge", Interspeech 2016.
"""

import importlib.metadata
import importlib.util
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders.speech import SpeechFacts
from sertool.core.recipe.frontends import OpenSmile

if TYPE_CHECKING:
    from torch import Tensor

LICENCE = "audEERING Research License Agreement (non-commercial)"
_WIDTHS = {"eGeMAPSv02": 88, "ComParE_2016": 6373}
_RATE = 16_000  # Hz; openSMILE takes any, but its values depend on it, and those of 16 kHz are published
_LEAST = 960  # samples; openSMILE's longest window is 60 ms, and it gives no values for less
_FULL_SCALE = 32_767 / 32_768  # largest sample that openSMILE's 16 bits hold: it would turn 1 into -1
_VERSION = 1  # raise it when recordings give other frames with the same openSMILE


class OpenSmileFrames:
    """The frontend of openSMILE; see :class:`~sertool.core.features.frontend.FrameMaker` for its attributes."""

    name = "opensmile"
    silence = 0.0  # openSMILE gives values for silence, too: they do not tell it
    bounds = (-math.inf, math.inf)
    sample_rate = _RATE
    seconds_per_frame = math.inf

    def __init__(self, settings: OpenSmile, facts: SpeechFacts | None = None) -> None:
        self.settings = settings
        self.note: Mapping[str, Any] = {"name": self.name, **settings.model_dump()}
        self.width = _WIDTHS[settings.opensmile]
        self.known = facts

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "OpenSmileFrames":
        """Open the frontend of a recipe or a corpus; raise ValueError where the settings or facts are none of it."""
        facts = {key: note[key] for key in SpeechFacts.model_fields if key in note}
        settings = {key: value for key, value in note.items() if key != "name" and key not in facts}
        known = SpeechFacts.model_validate(facts) if facts else None
        return cls(OpenSmile.model_validate(settings), known)

    @cached_property
    def facts(self) -> SpeechFacts:
        """Facts of the frames; their ``weights`` are the version of openSMILE.

        Raises:
            UsageError: openSMILE is not installed, and the note did not hold them.
        """
        return self.known or SpeechFacts(
            weights=_installed(self.settings),
            width=self.width,
            sample_rate=_RATE,
            seconds_per_frame=None,
            licence=LICENCE,
        )

    @property
    def version(self) -> int | str:
        """Versions of this module and of openSMILE."""
        return f"{_VERSION}, {self.facts.weights}"

    def described(self) -> Mapping[str, Any]:
        """Return the note with version and licence."""
        return {**self.note, **self.facts.model_dump()}

    def warnings(self) -> list[str]:
        """Name the licence, since it also binds models that are trained on the frames."""
        return [f"openSMILE's licence also binds the features and models that are made with it: {LICENCE}"]

    def check(self) -> None:
        """Refuse to make frames by another openSMILE than that of the facts.

        Raises:
            UsageError: it is not installed.
            DataError: it has another version.
        """
        version = _installed(self.settings)
        if version != self.facts.weights:
            raise DataError(
                f"{self.settings.title}: the frames here were made with {self.facts.weights}, and {version} is "
                "installed",
                hint=f"pip install {self.facts.weights.replace(' ', '==')}; or prepare and train anew",
            )

    def frames(self, waveforms: "Sequence[Tensor]") -> "list[Tensor]":
        """Compute the functionals (1, width) of each waveform (samples,) at 16 kHz.

        A waveform of less than 60 ms, the longest window, is filled up with silence. Samples beyond full scale are
        clipped. Values that openSMILE cannot compute become 0, so that all are finite.

        Raises:
            UsageError: openSMILE is not installed.
            DataError: it has another version than the one of the facts.
        """
        import torch

        return [torch.from_numpy(self._functionals(waveform.numpy())) for waveform in waveforms]

    def _functionals(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        filled = np.pad(samples, (0, max(0, _LEAST - len(samples)))).clip(-1, _FULL_SCALE)
        found: NDArray[np.float32] = self._smile.process_signal(filled, _RATE).to_numpy(np.float32)
        return np.where(np.isfinite(found), found, np.float32(0))

    @cached_property
    def _smile(self) -> Any:
        """The extractor of the package."""
        self.check()
        import opensmile

        return opensmile.Smile(
            feature_set=opensmile.FeatureSet[self.settings.opensmile],
            feature_level=opensmile.FeatureLevel.Functionals,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the extractor, which holds handles of a library."""
        return {key: value for key, value in self.__dict__.items() if key != "_smile"}


def _installed(settings: OpenSmile) -> str:
    """Return name and version of the package, as ``opensmile 2.6.0``.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("opensmile") is None:
        raise UsageError(
            f"{settings.title}: needs the package opensmile, whose licence is non-commercial",
            hint="pip install 'sertool[opensmile]'",
        )
    return f"opensmile {importlib.metadata.version('opensmile')}"
