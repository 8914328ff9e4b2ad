"""Columns of a table: those that sertool reads, repeated ones, and transcripts in a column named ``utterance``.

In MELD's own tables, ``Utterance`` is the transcript, ``Dialogue_ID`` and ``Utterance_ID`` together are the id, and
``Utterance_ID`` is the order in the dialogue. Elsewhere ``utterance`` is the id.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from sertool.core.corpora.names import is_missing, normal
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import is_label_column, label_column
from sertool.core.prepare.labels import TASKS
from sertool.core.prepare.other_names import chosen_names, may_be_read, other_names
from sertool.core.prepare.places import EPISODE_TIMES, are_orders
from sertool.core.prepare.rows import COLUMNS, ID_COLUMNS

NEEDED = frozenset((*ID_COLUMNS, "audio", *TASKS))  # where a table has them, they are not left out at a row's end
_DIALOGUE_ID, _UTTERANCE_ID = "dialogue_id", "utterance_id"
READ = frozenset((*COLUMNS, _DIALOGUE_ID, _UTTERANCE_ID))
LONGEST_NAME = 40  # characters of a column's name in a message
_MOST_COMPARED = 500  # columns that are compared with the known names
_CHANNELS = {"left": 1, "l": 1, "right": 2, "r": 2}
_LONGEST_CHANNEL = 3  # digits
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")

Rows = list[tuple[int, dict[str, str]]]


def column_name(given: str) -> str:
    """Return a column's name in its normal form and in lower case."""
    return normal(given).lower()


def is_read(name: str) -> bool:
    """Check whether the cells of a column may be read, under this name or another one."""
    return is_known(name) or label_column(name) is not None or may_be_read(name) or name in EPISODE_TIMES


def is_known(name: str) -> bool:
    """Check whether a column has the usual name of one that sertool reads."""
    return name in READ or is_label_column(name)


def unused(header: Iterable[str]) -> list[str]:
    """Return columns whose names are none of the known ones, but may be misspelled ones: short, and not too many."""
    others = (name for name in header if name and not is_known(name) and len(name) <= LONGEST_NAME)
    return list(islice(dict.fromkeys(others), _MOST_COMPARED))


def seconds_of(column: str, value: str) -> float:
    """Read a time in seconds.

    Raises:
        ValueError: the value is none; the message names it and the column.
    """
    try:
        # Python also accepts 1_000, which may be a slip.
        seconds = math.nan if "_" in value else float(value)
    except ValueError:
        seconds = math.nan
    if 0 <= seconds < math.inf:
        return seconds
    point = value.replace(",", ".", 1)
    hint = f", did you mean {point}?" if _DECIMAL_COMMA.fullmatch(value) else ""
    raise ValueError(f"{column} {value!r} is not a number of seconds{hint}")


def channel_of(value: str) -> int:
    """Read the number of a channel, from 1; ``left`` is the first and ``right`` the second.

    Raises:
        ValueError: the value is none; the message names it.
    """
    named = _CHANNELS.get(value.lower())
    number = named or (int(value) if value.isascii() and value.isdigit() and len(value) <= _LONGEST_CHANNEL else 0)
    if not number:
        raise ValueError(f"channel {value!r} is not a channel, expected 1, 2, ... or left or right")
    return number


def needed(header: Sequence[str]) -> set[str]:
    """Return the columns of a header that no row may lack, also under other names."""
    others = other_names(header)
    return {*NEEDED, *(names[0] for column, names in others.items() if column in NEEDED)}


def check_repeated(names: Collection[str], findings: Findings) -> None:
    """Refuse columns that are read and appear twice; others may be repeated, as no one reads them."""
    for name, count in Counter(name for name in names if is_known(name)).items():
        if count > 1:
            findings.add(f"column {name!r} appears twice")


def settle(header: Sequence[str], rows: Rows, findings: Findings) -> tuple[list[str], Rows, list[str]]:
    """Find the columns that have other names, and the transcripts and ids of a table.

    Args:
        header: column names.
        rows: number of each row and its values by column.
        findings: receives columns that contradict each other.

    Returns:
        The header and the rows with the columns' usual names, and sentences on what was read differently.
    """
    others = chosen_names(header, [record for _, record in rows])
    header, rows = _renamed(header, rows, others)
    notes = [f"column {name!r} is read as {column!r}" for name, column in others.items()]
    names: dict[str, str] = {}
    if "utterance" in header and "text" not in header:
        if _UTTERANCE_ID in header and "id" not in header:
            names |= {"utterance": "text", _UTTERANCE_ID: "id", **_dialogue(header), **EPISODE_TIMES}
            parts = f"{_DIALOGUE_ID!r} and {_UTTERANCE_ID!r}" if _DIALOGUE_ID in header else f"{_UTTERANCE_ID!r}"
            notes.append(f"column 'utterance' is read as the text, and {parts} as the id, as in MELD's own tables")
            ordered = _is_ordered(header, rows)
            header = [*header, *(["order"] if ordered else [])]
            rows = [(number, _with_id(record, ordered)) for number, record in rows]
        elif _holds_texts(record["utterance"] for _, record in rows):
            names["utterance"] = "text"
            notes.append("column 'utterance' holds texts and is read as 'text'")
    header, rows = _renamed(header, rows, names)
    if set(header) >= set(ID_COLUMNS):
        findings.add("columns 'utterance' and 'id' are both present: keep the one that identifies the row")
    return list(header), rows, notes


def _renamed(header: Sequence[str], rows: Rows, names: Mapping[str, str]) -> tuple[Sequence[str], Rows]:
    """Rename the columns that ``names`` has."""
    if not names:
        return header, rows
    made = [(number, {names.get(name, name): cell for name, cell in record.items()}) for number, record in rows]
    return [names.get(name, name) for name in header], made


def _dialogue(header: Sequence[str]) -> dict[str, str]:
    return {_DIALOGUE_ID: "dialogue"} if _DIALOGUE_ID in header and "dialogue" not in header else {}


def _is_ordered(header: Sequence[str], rows: Rows) -> bool:
    """Check whether the numbers of MELD's utterances order their dialogues."""
    own = _DIALOGUE_ID in header and "order" not in header
    return own and are_orders(record[_UTTERANCE_ID] for _, record in rows)


def _with_id(record: dict[str, str], ordered: bool) -> dict[str, str]:
    """Make MELD's own id, such as dia0_utt3, since utterances are numbered within their dialogue."""
    dialogue, utterance = record.get(_DIALOGUE_ID), record[_UTTERANCE_ID]
    if dialogue is None:
        return record
    lacks = is_missing(dialogue) or is_missing(utterance)
    order = {"order": utterance} if ordered else {}
    return {**record, _UTTERANCE_ID: "" if lacks else f"dia{dialogue}_utt{utterance}", **order}


def _holds_texts(values: Iterable[str]) -> bool:
    """Check whether most values of a column are sentences, or at least of three words."""
    given = [value for value in values if value]
    texts = sum(value.count(" ") > 1 or value.endswith(_SENTENCE_ENDS) for value in given)
    return 2 * texts > len(given)
