"""The data of the error browser of scores: true and predicted scores of each utterance as numbers."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sertool.core.reports.html.browser import Pool, as_json
from sertool.core.reports.score_contents import DimensionRow, ScoredUtterance
from sertool.core.reports.wording import change

DIGITS = 3  # of scores in the page


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
        numbers = [*row.true, *row.predicted, *(row.spread or ())]
        table.append(
            [
                pool.place(row),
                -1 if address is None else pool.recording(address),
                *(None if number is None else round(number, DIGITS) for number in numbers),
            ]
        )
    widths = [one.high - one.low for one in dimensions]
    return as_json({"scores": [one.name for one in dimensions], "widths": widths, "rows": table})


def residuals_of(row: ScoredUtterance, names: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Return name, true and predicted score and residual of each score, as script.js shows them."""
    return [
        (name, "–" if true is None else f"{true:.2f}", f"{said:.2f}", "" if true is None else _signed(said - true))
        for name, true, said in zip(names, row.true, row.predicted, strict=True)
    ]


def _signed(apart: float) -> str:
    return change(round(apart, 2), "mae")[:-1]  # two decimals, as the scores have


def spread_of(row: ScoredUtterance) -> str:
    """Write the deviation of members, of several scores the largest."""
    return "–" if row.spread is None else f"{max(row.spread):.2f}"
