"""Where the windows of a long recording lie."""

import math

from sertool.core.errors import UsageError

SHORTEST = 0.1  # seconds of a window and of a hop; the frames that models see lie further apart


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


def check_window(window: float | None, hop: float | None) -> None:
    """Refuse lengths that no recording can be divided by.

    Args:
        window: seconds; None leaves recordings whole.
        hop: seconds; None is the window.

    Raises:
        UsageError: with what was expected.
    """
    if window is None:
        if hop is not None:
            raise UsageError("--hop: only with --window", hint="--window 4 --hop 2")
        return
    for name, value in (("--window", window), ("--hop", hop)):
        if value is not None and not SHORTEST <= value < math.inf:
            raise UsageError(f"{name} {value:g}: expected seconds, at least {SHORTEST:g}")
    if hop is not None and hop > window:
        raise UsageError(
            f"--hop {hop:g}: longer than --window {window:g}, so that some seconds would be in no window"
        )
