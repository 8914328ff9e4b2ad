"""Scores in the columns of a table: numbers within a stated range. All that is wrong is told by column."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sertool.core.formatting import first_few
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import SENTIMENT
from sertool.core.prepare.scale import STORED, Scale

# Python's float() also takes 1_000 and the digits of other scripts, which may be slips.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_INFINITE = frozenset(("inf", "infinity", "nan"))
_NO_SCALE = Scale(-math.inf, math.inf)
_LONGEST = 60  # characters of a cell in a message

Records = Sequence[tuple[int | None, Mapping[str, str]]]
Ranges = Mapping[str, tuple[float, float]]  # lowest and highest score by task


@dataclass(frozen=True)
class ScoreColumn:
    """A column of scores, of the utterances themselves or of one rater.

    Attributes:
        name: name of the column.
        task: the score.
        scale: its range; None where the user has not stated one.
    """

    name: str
    task: str
    scale: Scale | None


def read_scores(columns: Iterable[ScoreColumn], records: Records, findings: Findings) -> dict[str, list[float | None]]:
    """Read the scores of columns.

    Args:
        columns: the columns.
        records: number of each row and its cells by column.
        findings: receives cells that are no scores, and the columns without a range.

    Returns:
        For each column the score of each row; None where its cell is empty or no score.
    """
    columns = list(columns)
    found = {column.name: _Column(column, records, findings).scores() for column in columns}
    _check_stated([column for column in columns if column.scale is None], found, findings)
    return found


def own_ranges(stated: Ranges) -> dict[str, tuple[float, float]]:
    """Return the ranges that a corpus holds: of all scores but those on the usual scale of sentiment.

    >>> own_ranges({"sentiment": (-3, 3), "arousal": (-3, 3)})
    {'arousal': (-3, 3)}
    """
    usual = (STORED.low, STORED.high)
    return {task: ends for task, ends in stated.items() if task != SENTIMENT or ends != usual}


def number_of(cell: str) -> float | None:
    """Read a number as people and programs write it; None for words, and for a decimal comma.

    >>> number_of("3.2"), number_of("-1e-1"), number_of("3,2"), number_of("1_000"), number_of("1e400")
    (3.2, -0.1, None, None, inf)
    """
    return float(cell) + 0.0 if _NUMBER.fullmatch(cell) else None  # + 0.0 makes -0.0 plain


class _Column:
    """A column whose cells are read."""

    def __init__(self, column: ScoreColumn, records: Records, findings: Findings) -> None:
        self._column, self._findings = column, findings
        self._cells = [(number, record.get(column.name, "")) for number, record in records]
        self._numbers = {cell: number_of(cell) for cell in {cell for _, cell in self._cells} if cell}

    def scores(self) -> list[float | None]:
        scale = self._column.scale or _NO_SCALE
        there = any(score is not None for score in self._numbers.values())
        wrong = {
            cell: problem
            for cell, score in self._numbers.items()
            if (problem := self._problem(cell, score, scale, there))
        }
        for number, cell in self._cells:
            if cell in wrong:
                shown = cell if len(cell) <= _LONGEST else cell[:_LONGEST] + "…"
                self._findings.add(wrong[cell], number, repr(shown))
        return [None if cell in wrong else self._numbers.get(cell) for _, cell in self._cells]

    def _problem(self, cell: str, score: float | None, scale: Scale, there: bool) -> str:
        """Return what is wrong with a cell; nothing for a score. ``there``: the column holds numbers, too."""
        name = self._column.name
        if score is None and _COMMA.fullmatch(cell):
            return f"{name} has a decimal comma, expected a point as in 3.2"
        if (score is None and cell.casefold().lstrip("+-") in _INFINITE) or (score is not None and math.isinf(score)):
            return f"{name} is not a finite number"
        if score is None:
            expected = "" if scale == _NO_SCALE else f" from {scale}"
            return f"{name} mixes scores and words" if there else f"{name} holds no numbers, expected scores{expected}"
        if scale.low <= score <= scale.high:
            return ""
        other = " (another scale is stated by --range LOW:HIGH, or mapped by --rescale LOW:HIGH)"
        return f"{name} is not from {scale}{other if self._column.task == SENTIMENT and scale == STORED else ''}"


def _check_stated(columns: Sequence[ScoreColumn], found: Mapping[str, list[float | None]], findings: Findings) -> None:
    """Refuse columns without a stated range, and say which scores they hold."""
    if not columns:
        return
    tasks = dict.fromkeys(column.task for column in columns)
    given = [score for column in columns for score in found[column.name] if score is not None]
    held = f" (the table has scores from {min(given):g} to {max(given):g})" if given else ""
    example = ",".join(f"{task}=LOW:HIGH" for task in list(tasks)[:3])
    findings.add(f"the range of {first_few(tasks, 10)} is not stated: --range LOW:HIGH, or --range {example}{held}")
