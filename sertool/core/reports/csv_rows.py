"""Rows of the CSV file of a report: one per figure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sertool.core.metrics import Estimate


class CsvRow(NamedTuple):
    """A figure; the fields are the columns of the CSV file, which scripts of users rely on.

    ``what`` is published, ensemble, score, size, member, mean, sd, cluster, class, confusion, baseline, calibration,
    bin, risk, slice, probe, probe by cluster, linear probe or difference; of scores dimension, one rater, range and
    speaker, too; beside raters' votes votes and ceiling. ``name`` is the member, class, slice and so on. ``low`` and
    ``high`` are the ends of the 95 % interval over ``clusters`` of ``unit``. Shares are fractions, not percent; errors
    of scores are in the units of the scores.
    """

    run: str = ""
    dataset: str = ""
    task: str = ""
    protocol: str = ""
    selected_on_test: str = ""
    set: str = ""
    k: int | str = ""
    what: str = ""
    name: str = ""
    metric: str = ""
    value: float | int | str = ""
    low: float | str = ""
    high: float | str = ""
    unit: str = ""
    clusters: int | str = ""


def estimates(base: CsvRow, figures: Mapping[str, Estimate]) -> Iterator[CsvRow]:
    """Yield a row for each figure with its interval, as ``base`` but for these."""
    for metric, own in figures.items():
        yield estimate(base, metric, own)


def estimate(base: CsvRow, metric: str, own: Estimate) -> CsvRow:
    """Return the row of a figure with its interval."""
    low, high = ("" if bound is None else bound for bound in (own.low, own.high))
    return base._replace(metric=metric, value=own.value, low=low, high=high)


def values(base: CsvRow, figures: Mapping[str, float | int]) -> Iterator[CsvRow]:
    """Yield a row for each figure without an interval; ``base`` has no unit, or one that is left out."""
    base = base._replace(unit="", clusters="")
    for metric, value in figures.items():
        yield base._replace(metric=metric, value=value)
