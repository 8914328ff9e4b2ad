"""Other names that people give to columns: ``path`` or ``File Name`` for audio, ``speaker_id`` for speaker.

A column is read under another name only if the table lacks the column itself, and it is always told.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from sertool.core.corpora.names import is_missing
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.labels import TASKS
from sertool.core.prepare.rows import ID_COLUMNS
from sertool.core.prepare.split_names import is_split

# Names without spaces, hyphens and underscores; of several in one table, the first here is read.
_OTHER_NAMES = {
    "audio": """
        audiopath audiofilepath audiofile audiofilename filepath path pathtofile pathtowav wavpath wavfile wavfilename
        wavname file filename fname wav recording clip
    """,
    "id": "utteranceid uttid",
    "label": "class emotions labels emotionlabel emotionclass emoclass",
    "text": "transcript transcription",
    "speaker": "speakerid spkid spkrid speakername spk spkr actorid actor participantid participant",
    "split": "partition subset splitset",
}
_MEANT = {name: column for column, names in _OTHER_NAMES.items() for name in names.split()}
_RANKS = {name: rank for rank, name in enumerate(_MEANT)}
_LEFT_OUT = str.maketrans("", "", " _-")
# Columns that stand in for one another: a table with any of them does not lack the others.
_INSTEAD = {"id": ID_COLUMNS, "label": tuple(TASKS)}


def _short(name: str) -> str:
    return name.translate(_LEFT_OUT)


def may_be_read(name: str) -> bool:
    """Check whether a column's name is another name of one that sertool reads."""
    return _short(name) in _MEANT


def other_names(header: Sequence[str]) -> dict[str, list[str]]:
    """Find the columns that a header lacks, with those columns that may be meant, the likeliest first."""
    found: dict[str, list[str]] = {}
    for name, count in Counter(header).items():
        column = _MEANT.get(_short(name))
        # Of a column that is there twice, only one could be kept.
        if column and count == 1 and not set(_INSTEAD.get(column, (column,))) & set(header):
            found.setdefault(column, []).append(name)
    return {column: sorted(names, key=lambda name: _RANKS[_short(name)]) for column, names in found.items()}


def chosen_names(header: Sequence[str], records: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Choose the columns that are read under another name.

    Args:
        header: names of all columns.
        records: cells of each row by column.

    Returns:
        Usual name by the name that the table gives, such as ``{"path": "audio"}``.
    """
    candidates = other_names(header)
    if not candidates:
        return {}
    rows = list(records)
    chosen = {}
    for column, names in candidates.items():
        for name in names:
            cells = [cell for row in rows if not is_missing(cell := row.get(name, ""))]
            if cells and _FITS.get(column, _fits)(cells, len(rows)):
                chosen[name] = column
                break
    return chosen


def _fits(cells: Sequence[str], rows: int) -> bool:
    return True


def _are_recordings(cells: Sequence[str], rows: int) -> bool:
    """Check whether most cells end as names of recordings do: a column ``path`` may name folders or pages."""
    return 2 * sum(map(is_audio_name, cells)) > len(cells)


def _are_ids(cells: Sequence[str], rows: int) -> bool:
    """Check whether the cells tell the rows apart; utterances may be numbered anew in each dialogue."""
    return len(set(cells)) == rows


def _are_splits(cells: Sequence[str], rows: int) -> bool:
    return len(cells) == rows and all(map(is_split, cells))


_FITS: dict[str, Callable[[Sequence[str], int], bool]] = {
    "audio": _are_recordings,
    "id": _are_ids,
    "split": _are_splits,
}
