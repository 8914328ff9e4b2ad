"""Round steps of scales and of parts of a range."""

import math


def nice_step(least: float) -> float:
    """Return the smallest step that is 1, 2 or 5 times a power of ten and not below ``least``.

    >>> nice_step(0.4), nice_step(0.6)
    (0.5, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
