"""Scales of scores: a corpus has scores from -3 to 3, as MOSI and MOSEI do, and a table may have others."""

import math
from dataclasses import dataclass

from sertool.core.errors import UsageError

_DIGITS = 9  # decimals that are kept, so that the middle of a scale is 0 and never -4e-16, which counts as negative


@dataclass(frozen=True)
class Scale:
    """A scale of scores, from ``low`` to ``high``."""

    low: float = -3.0
    high: float = 3.0

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def rescaled(self, score: float) -> float:
        """Map a score of this scale linearly to the corpus's, low to -3 and high to 3.

        >>> Scale(1, 5).rescaled(4), Scale().rescaled(0.1)
        (1.5, 0.1)
        """
        if self == STORED:
            return score
        part = (score - self.low) / (self.high - self.low)
        return round(STORED.low + part * (STORED.high - STORED.low), _DIGITS) + 0.0  # + 0.0 makes -0.0 plain


STORED = Scale()


def scale_of(text: str) -> Scale | None:
    """Return the scale that a text such as ``1:5`` names; None where it is not two numbers, the lower one first.

    >>> scale_of("-1:1"), scale_of("5:1")
    (Scale(low=-1.0, high=1.0), None)
    """
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        return None
    return Scale(low, high) if math.isfinite(high - low) and low < high else None


def parse_scale(text: str) -> Scale:
    """Parse the value of ``--rescale``, a scale such as ``1:5``.

    Raises:
        UsageError: the text is not two numbers, the lower one first.
    """
    scale = scale_of(text)
    if scale is None:
        raise UsageError(
            f"--rescale {text}: expected the lowest and the highest score of the scale", hint="--rescale 1:5"
        )
    return scale
