"""Numbers in a table of answers: probabilities, logits and scores, checked so that each means what it says."""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import cut
from sertool.core.inference.answers.labels import LONGEST
from sertool.core.prepare.findings import Findings
from sertool.core.runs.predictions import LARGEST

FloatArray = NDArray[np.float64]
# Probabilities that were rounded to two digits are wrong by half a hundredth each.
ROUNDED, LEAST = 0.005, 0.02
_EDGE = 1e-4  # by which rounding may carry a probability below 0 or above 1
_COMMA = re.compile(r"[+-]?\d+,\d+")  # a decimal comma; the fields of the table are divided already


def number_of(cell: str) -> float:
    """Read a number; NaN for what is none.

    >>> number_of("0.25"), number_of("0,25"), number_of("1e-3"), number_of("1_0")
    (0.25, 0.25, 0.001, nan)
    """
    text = cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell
    try:
        return math.nan if "_" in text else float(text)  # Python also accepts 1_000
    except ValueError:
        return math.nan


def read_numbers(
    cells: Sequence[Sequence[str]], numbers: Sequence[int], columns: Sequence[str], findings: Findings
) -> FloatArray:
    """Read a table of numbers (N, C).

    Args:
        cells: (N, C) cells.
        numbers: (N,) number of each row in the file.
        columns: (C,) names of the columns.
        findings: receives the cells that hold no finite number, which are 0 in the result.
    """
    values = np.array([[number_of(cell) for cell in row] for row in cells], np.float64).reshape(len(cells), -1)
    for place, column in zip(*np.nonzero(~(np.abs(values) < LARGEST)), strict=True):
        cell = cells[place][column]
        what = f"is not a finite number: {cut(cell, LONGEST)!r}" if cell else "is empty"
        findings.add(f"{columns[column]} {what}", numbers[place])
        values[place, column] = 0.0
    return values


def checked_probabilities(
    values: FloatArray, numbers: Sequence[int], columns: Sequence[str], findings: Findings, *, single: bool
) -> FloatArray:
    """Return probabilities (N, C) whose rows add up to 1, which those of one label do but for their rounding.

    Args:
        values: the numbers of the file.
        numbers: (N,) number of each row in the file.
        columns: (C,) names of the columns.
        findings: receives what are no probabilities.
        single: each utterance has one label, so that its probabilities add up to 1.
    """
    for place, column in zip(*np.nonzero((values < -_EDGE) | (values > 1 + _EDGE)), strict=True):
        findings.add(f"{columns[column]} is no probability from 0 to 1", numbers[place], f"{values[place, column]:g}")
    known = values.clip(0.0, 1.0)
    if not single:
        return known
    sums = known.sum(1)
    tolerance = max(LEAST, ROUNDED * values.shape[1] + 1e-9)
    wrong = np.abs(sums - 1) > tolerance
    for place in np.flatnonzero(wrong).tolist() if not findings else ():
        findings.add("the probabilities do not add up to 1", numbers[place], f"{sums[place]:.4g}")
    return known / np.where(wrong, 1.0, sums)[:, None]


def hint_for(values: FloatArray, *, plain: bool) -> str:
    """Say what numbers may be that are no probabilities.

    Args:
        values: (N, C) numbers of the file.
        plain: their columns are named by the classes alone.
    """
    sums = values.sum(1)
    if (values >= 0).all() and float(np.median(np.abs(sums - 100))) < 1:
        return "are they percent? divide them by 100"
    if (values < 0).any() or (plain and (values > 1).any()):
        return "are they logits? name their columns logit_CLASS"
    return "each row needs a probability for every class of the tool; columns of classes are prob_CLASS"


def check_scores(
    values: FloatArray, columns: Sequence[str], ranges: Sequence[tuple[float, float]], findings: Findings
) -> list[str]:
    """Check predicted scores (N, D) against their ranges; returns sentences on those a little outside.

    A regression may predict a little more than the highest score. Most values outside, or one by more than the width of
    the range, are those of another scale.
    """
    notes = []
    for name, (low, high), own in zip(columns, ranges, values.T, strict=True):
        outside = (own < low) | (own > high)
        far = (own < low - (high - low)) | (own > high + (high - low))
        if far.any() or outside.mean() > 0.5:
            worst = own[far][0] if far.any() else own[outside][0]
            findings.add(
                f"{name}: {int(outside.sum()):,} of {len(own):,} values are out of range, expected {low:g} to {high:g}",
                None,
                f"{worst:g}",
            )
        elif outside.any():
            notes.append(f"{name}: {int(outside.sum()):,} of {len(own):,} values lie outside {low:g} to {high:g}")
    return notes
