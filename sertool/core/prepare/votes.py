"""The column ``votes``: how many raters chose each class, such as ``angry:3|neutral:2``."""

import re
from collections.abc import Iterator, Sequence

from sertool.core.corpora.names import is_missing, normal
from sertool.core.formatting import cut
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import RATERS, VOTES
from sertool.core.prepare.labels import BETWEEN

MOST_RATERS = 1000  # of one utterance; the corpus keeps each of them
EXAMPLE = "angry:3|neutral:2"
_WHOLE = re.compile(r"\+?(\d+)(?:\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_OTHER_SIGN = re.compile(r":\s*\d+\s*[,;/]")  # angry:3,neutral:2
_MOST_DIGITS = 9
_LONGEST = 60  # characters of a cell in a message

Records = Sequence[tuple[int, dict[str, str]]]


def parse_votes(cell: str) -> dict[str, int]:
    """Parse a cell of ``votes``.

    Returns:
        Number of raters by class, in the order of the cell; 0 where nobody chose it.

    Raises:
        ValueError: the cell is none; the message says why, without the cell.

    >>> parse_votes("angry:3|neutral:2|sad:0")
    {'angry': 3, 'neutral': 2, 'sad': 0}
    """
    found: dict[str, int] = {}
    for part in cell.split(BETWEEN):
        given, colon, number = part.rpartition(":")
        name = normal(given)
        if not colon or is_missing(name) or _OTHER_SIGN.search(name) or not _NUMBER.fullmatch(number.strip()):
            raise ValueError(f"votes is not a list of class:number such as {EXAMPLE}")
        if name in found:
            raise ValueError("votes names a class twice")
        found[name] = _count(number.strip())
    if not any(found.values()):
        raise ValueError("votes is 0 for every class")
    if sum(found.values()) > MOST_RATERS:
        raise ValueError(f"votes has more than {MOST_RATERS:,} raters")
    return found


def _count(number: str) -> int:
    if number.startswith("-"):
        raise ValueError("votes has a negative number")
    match = _WHOLE.fullmatch(number)
    if match is None:
        raise ValueError("votes has a number that is not whole: expected the number of raters who chose the class")
    digits = match[1].lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else MOST_RATERS + 1


def expand_votes(records: Records, findings: Findings) -> list[tuple[int, dict[str, str]]]:
    """Give each vote a column of its own, ``rater_1``, ``rater_2``, ...: nobody knows who the raters were.

    Args:
        records: number of each row and its cells by column.
        findings: receives the cells that are no votes, or that do not add up to the column ``raters``.
    """
    made = []
    for number, record in records:
        chosen: list[str] = []
        if cell := record.get(VOTES):
            try:
                votes = parse_votes(cell)
            except ValueError as error:
                findings.add(str(error), number, repr(cut(cell, _LONGEST)))
            else:
                chosen = [name for name, count in votes.items() for _ in range(count)]
                for problem, example in _against(len(chosen), record.get(RATERS, "")):
                    findings.add(problem, number, example)
        made.append((number, {**record, **{f"rater_{place}": name for place, name in enumerate(chosen, start=1)}}))
    return made


def _against(votes: int, raters: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a cell of ``raters``, or with votes that are not as many; and an example."""
    if not raters:
        return
    match = _WHOLE.fullmatch(raters)
    if match is None:
        yield "raters is not a whole number", repr(cut(raters, _LONGEST))
    elif int(match[1][-_MOST_DIGITS:]) != votes or len(match[1].lstrip("0")) > _MOST_DIGITS:
        yield "votes do not add up to raters", f"{votes} of {cut(raters, _LONGEST)}"
