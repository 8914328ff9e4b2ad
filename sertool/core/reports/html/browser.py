"""The data of the error browser: every utterance once in a report, what each run says of it as numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from sertool.core.reports.contents import ReportUtterance
from sertool.core.reports.html.figures import encoded

PAGE = 50  # rows shown at a time; the first of them stand in the page itself, for readers without JavaScript


class Names:
    """Texts in order of first appearance; a text is stored once and meant by its place."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, text: str | None) -> int:
        """Where a text stands; -1 for None."""
        return -1 if text is None else self.places.setdefault(text, len(self.places))


class Pool:
    """Utterances and recordings of a report. Two runs on the same test set share them."""

    def __init__(self) -> None:
        self._speakers, self._dialogues, self._recordings = Names(), Names(), Names()
        self._places: dict[tuple[Any, ...], int] = {}

    def place(self, row: ReportUtterance) -> int:
        """Where an utterance stands."""
        speaker, dialogue = self._speakers.place(row.speaker), self._dialogues.place(row.dialogue)
        entry = row.id, row.text, speaker, dialogue, row.seconds, row.words
        return self._places.setdefault(entry, len(self._places))

    def recording(self, address: str) -> int:
        """Where a recording stands."""
        return self._recordings.place(address)

    def data(self) -> Markup:
        """All of it as JSON; ask when every browser is made."""
        return as_json(
            {
                "utterances": list(self._places),
                "speakers": list(self._speakers.places),
                "dialogues": list(self._dialogues.places),
                "recordings": list(self._recordings.places),
            }
        )


def most_severe_first(rows: Sequence[ReportUtterance]) -> list[ReportUtterance]:
    """Wrong decisions before right ones, the surest first."""
    return sorted(rows, key=lambda row: (row.right, -row.confidence))


def browser_data(
    rows: Sequence[ReportUtterance],
    classes: Sequence[str],
    members: int,
    pool: Pool,
    recordings: Mapping[str, str],
) -> Markup:
    """What one run says of a set, as JSON.

    A row is the utterance's place in the pool, label and decision as places in ``labels``, 1 if right, confidence,
    members that agree, place of its recording or -1, then the probability of every class. Probabilities are in 1/1000.

    Args:
        rows: in the order to show them.
        classes: names of the probabilities.
        members: of the run.
        pool: takes utterances and recordings.
        recordings: addresses by utterance's id.
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
    return as_json(
        {"labels": list(labels.places), "classes": list(classes), "members": members, "rows": table}
    )


def _thousandths(value: float) -> int | None:
    return round(1000 * value) if value == value else None


def as_json(content: Any) -> Markup:
    """JSON that can stand inside ``<script>``."""
    return Markup(encoded(json.dumps(content, ensure_ascii=False, separators=(",", ":"))))
