"""The data of the error browser of scores: true and predicted scores of each utterance as numbers."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from markupsafe import Markup

from sertool.core.files.page_text import as_json
from sertool.core.reports.html.browser import Pool
from sertool.core.reports.score_contents import DimensionRow, ScoredUtterance

DIGITS = 3  # of scores in the data of the page, which shows two


def score_browser_data(
    rows: Sequence[ScoredUtterance], dimensions: Sequence[DimensionRow], pool: Pool, recordings: Mapping[str, str]
) -> Markup:
    """Return the predicted scores of one run on a set as JSON.

    A row is: place of the utterance in the pool, place of the recording or -1, all true scores, all predicted ones, and
    the deviations of members of all, where there are several. A score that is missing is null.

    Args:
        rows: utterances in the order to show them.
        dimensions: the scores.
        pool: the pool to which utterances and recordings are added.
        recordings: addresses of recordings by utterance id.
    """
    table = []
    for row in rows:
        address = recordings.get(row.id)
        numbers = map(_stored, (*row.true, *row.predicted, *(row.spread or ())))
        table.append([pool.place(row), -1 if address is None else pool.recording(address), *numbers])
    widths = [one.high - one.low for one in dimensions]
    return as_json({"scores": [one.name for one in dimensions], "widths": widths, "rows": table})


def residuals_of(row: ScoredUtterance, names: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Return name, true and predicted score and residual of each score, as script.js shows them."""
    found = []
    for name, true, said in zip(names, row.true, row.predicted, strict=True):
        if true is None:
            found.append((name, "–", _fixed(round(said, DIGITS)), ""))
        else:
            apart = _fixed(round(said, DIGITS) - round(true, DIGITS))
            signed = apart if apart.startswith("-") or not float(apart) else f"+{apart}"
            found.append((name, _fixed(round(true, DIGITS)), _fixed(round(said, DIGITS)), signed))
    return found


def residual_of(row: ScoredUtterance, dimensions: Sequence[DimensionRow]) -> str:
    """Write the largest residual in percent of the range of its score, as script.js does."""
    shares = [
        abs((round(said, DIGITS) - round(true, DIGITS)) / (one.high - one.low))
        for true, said, one in zip(row.true, row.predicted, dimensions, strict=True)
        if true is not None
    ]
    return _fixed(100 * max(shares), 1) if shares else "–"


def spread_of(row: ScoredUtterance) -> str:
    """Write the deviation of members, of several scores the largest."""
    return "–" if row.spread is None else _fixed(max(round(one, DIGITS) for one in row.spread))


def _stored(number: float | None) -> float | None:
    return None if number is None else round(number, DIGITS)


def _fixed(value: float, digits: int = 2) -> str:
    """Write a number as JavaScript does: a half is rounded away from zero, and what is shown as zero has no sign."""
    written = str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
    return written if float(written) else written.removeprefix("-")
