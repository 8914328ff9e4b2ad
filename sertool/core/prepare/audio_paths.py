"""Paths of recordings in a table: found also if they were written on another system, and otherwise explained."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote

from sertool.core.corpora.names import is_missing, normal

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".w64", ".caf"),
    *(".wave", ".bwf", ".rf64", ".snd", ".sph", ".nist", ".voc", ".ircam", ".avr", ".paf", ".svx", ".mp2", ".mpga"),
)
# The others are read by FFmpeg, with the extra media. Without it they are reported, not ignored.
AUDIO_SUFFIXES = (
    *(*SUFFIXES, ".m4a", ".m4b", ".mp4", ".m4v", ".aac", ".wma", ".wmv", ".asf", ".amr", ".awb", ".3gp", ".3gpp"),
    *(".3g2", ".webm", ".mkv", ".mka", ".avi", ".mov", ".flv", ".ogv", ".mpg", ".mpeg", ".mts", ".m2ts"),
)

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def find_audio(root: Path, given: str) -> Path | None:
    r"""Find the file that a table names; None if there is none.

    Names written on Windows (``wav\u1.wav``) or on a Mac, where ``ö`` is two characters, are understood.

    Args:
        root: folder that the path is relative to.
        given: path in the table.
    """
    return next((path for spelled in _spellings(given) if is_file(path := root / spelled)), None)


def _spellings(given: str) -> Iterator[str]:
    yield given
    slashed = given.replace("\\", "/")
    for spelled in dict.fromkeys((slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")))):
        if spelled != given:
            yield spelled


def why_missing(given: str) -> str:
    """Return why a path that names no file cannot name one here; empty if it may be that there is only no file."""
    if _DRIVE.match(given):
        return "a path on a Windows computer, expected one relative to the table's folder"
    if _ADDRESS.match(given):
        return "an address, expected a path relative to the table's folder"
    if unquote(given) != given:
        return "a path with signs spelled as in an address (%20 is a space), expected a plain one"
    return ""


def is_audio_name(name: str) -> bool:
    """Check whether a file's name ends as one of a recording does."""
    return name.lower().endswith(AUDIO_SUFFIXES)


def file_ids(paths: Sequence[PurePath]) -> list[str]:
    """Make the id of each file's utterance: its name without the ending, or the path where files share that name.

    >>> file_ids([PurePath("happy/u1.wav"), PurePath("happy/u2.wav"), PurePath("sad/u2.wav")])
    ['u1', 'happy/u2.wav', 'sad/u2.wav']
    """
    stems = {path: normal(path.stem) for path in paths}
    counts = Counter(stems.values())  # of different files: one may have several utterances
    return [
        stem if counts[stem := stems[path]] == 1 and not is_missing(stem) else normal(path.as_posix()) for path in paths
    ]


def is_file(path: Path) -> bool:
    """Check whether a file exists, also for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is too long or contains a zero byte
        return False
