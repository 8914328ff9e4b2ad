"""Names of the files that hold time lines: one file for one recording, a folder with a file for each of several."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath


def files_below(recordings: Sequence[Path], suffix: str) -> list[str]:
    """Return the path of each recording's file below a folder.

    The sub-folders are those of the recordings, and the names theirs with another ending. Where two would be one, as of
    ``a.wav`` and ``a.mp3``, the old ending stays before the new one.

    Args:
        recordings: the recordings.
        suffix: ending of the files, such as ``.srt``.

    >>> files_below([Path("calls/x/a.wav"), Path("calls/a.wav"), Path("calls/a.mp3")], ".srt")
    ['x/a.srt', 'a.wav.srt', 'a.mp3.srt']
    """
    # Without .., which would lead out of the folder.
    places = [PurePath(os.path.abspath(path)) for path in recordings]  # noqa: PTH100 (Path.absolute keeps ..)
    common = os.path.commonpath([place.parent for place in places]) if len({p.drive for p in places}) == 1 else None
    below = [place.relative_to(common) if common is not None else PurePath(place.name) for place in places]
    counts = Counter(str(one.with_suffix("")).casefold() for one in below)
    named = [one if counts[str(one.with_suffix("")).casefold()] > 1 else one.with_suffix("") for one in below]
    found, taken = [], set[str]()
    for one in named:
        name, number = f"{one.as_posix()}{suffix}", 2
        while name.casefold() in taken:  # the same recording twice
            name, number = f"{one.as_posix()}-{number}{suffix}", number + 1
        taken.add(name.casefold())
        found.append(name)
    return found
