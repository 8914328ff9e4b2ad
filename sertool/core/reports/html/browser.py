"""The data of the error browser: every utterance once per report, and the predictions of each run as numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from sertool.core.files.page_text import as_json
from sertool.core.reports.contents import ReportUtterance
from sertool.core.reports.score_contents import ScoredUtterance

# Rows shown at a time, as in script.js; the first ones are in the page for readers without JavaScript.
PAGE = 50
# Rows that are printed, as in style.css and script.js: all utterances of a test set would fill a dozen sheets.
PRINTED = 20


class Names:
    """Texts in order of first appearance; each is stored once and referred to by its place."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}  # text -> place; a dict keeps the order of insertion

    def place(self, text: str | None) -> int:
        """Return the place of a text, which is added if it is new; -1 for None."""
        return -1 if text is None else self.places.setdefault(text, len(self.places))


class Pool:
    """Utterances and recordings of a report, shared by runs on the same set: this keeps the page small."""

    def __init__(self) -> None:
        self._speakers, self._dialogues, self._recordings = Names(), Names(), Names()
        self._places: dict[tuple[Any, ...], int] = {}

    def place(self, row: ReportUtterance | ScoredUtterance) -> int:
        """Return the place of an utterance, which is added if it is new."""
        speaker, dialogue = self._speakers.place(row.speaker), self._dialogues.place(row.dialogue)
        # Label and prediction are not in it: they belong to a run.
        entry = row.id, row.text, speaker, dialogue, row.seconds, row.words
        return self._places.setdefault(entry, len(self._places))

    def recording(self, address: str) -> int:
        """Return the place of a recording, which is added if it is new."""
        return self._recordings.place(address)

    def data(self) -> Markup:
        """Return the pool as JSON; to be called after all browsers have been made."""
        return as_json(
            {
                "utterances": list(self._places),
                "speakers": list(self._speakers.places),
                "dialogues": list(self._dialogues.places),
                "recordings": list(self._recordings.places),
            }
        )


def browser_data(
    rows: Sequence[ReportUtterance],
    classes: Sequence[str],
    members: int,
    pool: Pool,
    recordings: Mapping[str, str],
) -> Markup:
    """Return the predictions of one run on a set as JSON.

    A row is: place of the utterance in the pool, places of label and prediction in ``labels``, 1 if right, confidence,
    number of agreeing members, place of the recording or -1, probability of every class. Probabilities are in 1/1000.

    Args:
        rows: utterances in the order to show them.
        classes: names of the classes, in the order of the probabilities.
        members: number of members of the run.
        pool: the pool to which utterances and recordings are added.
        recordings: addresses of recordings by utterance id.
    """
    labels = Names()
    table = []
    for row in rows:
        address = recordings.get(row.id)
        table.append(
            [
                pool.place(row),
                labels.place(row.target),
                labels.place(row.decision),
                int(row.right),
                _thousandths(row.confidence),
                row.members,
                -1 if address is None else pool.recording(address),
                *map(_thousandths, row.probabilities),
            ]
        )
    names = {"labels": list(labels.places), "classes": list(classes)}
    return as_json({**names, "members": members, "rows": table})


def _thousandths(value: float) -> int | None:
    return round(1000 * value) if value == value else None  # JSON has no NaN
