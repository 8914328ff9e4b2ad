"""Labels of all rows of a table: its classes, its scores, and what raters said, beside or instead of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sertool.core.corpora.corpus import Rating, Ratings
from sertool.core.formatting import row_numbers
from sertool.core.prepare.choices import Choices
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import EMOTION, LabelColumns, label_column, label_columns
from sertool.core.prepare.labels import TASKS, Label, list_columns, names_of, parse_labels
from sertool.core.prepare.raters import (
    check_classes,
    classes_chosen,
    doubtful_classes,
    majority,
    mean_score,
    places_of,
    tie_notes,
)
from sertool.core.prepare.scores import Ranges, ScoreColumn, read_scores

Records = Sequence[tuple[int | None, Mapping[str, str]]]
_SHOWN = 5  # unused columns that are named


@dataclass(frozen=True)
class TableLabels:
    """Labels of the rows of a table, in their order.

    Attributes:
        labels: labels by task of each row.
        ratings: what each rater said, by task and rater; None where nothing is known.
        columns: columns of scores and raters.
        classes: classes by task, where raters alone name them.
        ranges: lowest and highest score by task, for scores whose range the user states.
        notes: sentences on labels that are missing.
    """

    labels: list[dict[str, Label]]
    ratings: list[Ratings | None]
    columns: LabelColumns
    classes: Mapping[str, tuple[str, ...]]
    ranges: Ranges
    notes: tuple[str, ...]

    def missing(self, record: Mapping[str, str]) -> list[str]:
        """Return the problems of a row that should have a label and lacks it."""
        empty = [column for column in TASKS if column in record and not record[column]]
        if not self.columns.names:
            return [f"{column} is empty" for column in empty]
        own = [*(column for column in TASKS if column in record), *self.columns.names]
        return [] if any(record.get(column) for column in own) else ["has no label, score or vote"]


def read_labels(header: Sequence[str], records: Records, choices: Choices, findings: Findings) -> TableLabels:
    """Read the labels of all rows.

    Args:
        header: names of all columns.
        records: number of each row and its cells by column; votes are expanded, see
            :func:`~sertool.core.prepare.votes.expand_votes`.
        choices: ranges of scores, and the scale that they are rescaled from.
        findings: receives cells that are no scores, columns that contradict each other, and misspelled classes.
    """
    columns = label_columns(header, choices.ranges.named, findings)
    lists = list_columns(record for _, record in records)
    rows = [_Labels(number, record, parse_labels(record, lists)) for number, record in records]
    given = [column for column, task in TASKS.items() if task == EMOTION and column in header]
    notes = _add_scores(columns, rows, choices, findings)
    # With problems before, classes were not renamed, so those of raters and labels may differ.
    comparable = not findings or choices.label_map is None
    classes, told = _add_classes(rows, bool(given), comparable, findings)
    return TableLabels(
        labels=[row.labels for row in rows],
        ratings=[row.ratings or None for row in rows],
        columns=columns,
        classes=classes,
        ranges={task: (scale.low, scale.high) for task in columns.score_tasks if (scale := choices.ranges.of(task))},
        notes=(*notes, *told, *_empty_notes(given, rows), *_unused(columns)),
    )


@dataclass
class _Labels:
    """Labels of a row while they are collected."""

    number: int | None
    record: Mapping[str, str]
    labels: dict[str, Label]
    ratings: dict[str, dict[str, Rating]] = field(default_factory=dict)

    def lacks(self, column: str) -> bool:
        """Check whether a cell is empty, and not only wrong."""
        return not self.record.get(column)


def _add_scores(columns: LabelColumns, rows: Sequence[_Labels], choices: Choices, findings: Findings) -> list[str]:
    """Add the scores of rows and of raters; return notes on scores that are missing beside those of raters."""
    of_task = {task: [column] for task, column in columns.scores.items()}
    for task in columns.score_tasks:
        of_task.setdefault(task, []).extend(columns.raters.get(task, {}).values())
    wanted = [ScoreColumn(name, task, choices.scale_of(task)) for task, names in of_task.items() for name in names]
    found = read_scores(wanted, [(row.number, row.record) for row in rows], findings)
    notes = []
    for task in columns.score_tasks:
        raters, column = columns.raters.get(task, {}), columns.scores.get(task)
        lacking = []
        for place, row in enumerate(rows):
            said = {rater: score for rater, name in raters.items() if (score := found[name][place]) is not None}
            stored = {rater: choices.stored(task, score) for rater, score in said.items()}
            if stored:
                row.ratings[task] = dict(stored)
            if column is None and stored:
                row.labels[task] = mean_score(stored.values())
            elif column is not None and (score := found[column][place]) is not None:
                row.labels[task] = choices.stored(task, score)
            elif column is not None and stored and row.lacks(column):
                lacking.append(row.number)
        if lacking:
            notes.append(f"{row_numbers(lacking)}: {column} is empty beside the raters' scores, and stays missing")
    return notes


def _add_classes(
    rows: Sequence[_Labels], has_labels: bool, comparable: bool, findings: Findings
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Add the classes that raters chose, and the label that most of them chose where the table has no other.

    Args:
        rows: the rows, which are changed.
        has_labels: the table has a column of labels.
        comparable: labels and raters have names of the same classes.
        findings: receives classes of raters that are likely misspelled.

    Returns:
        The classes by task where raters alone name them, and notes.
    """
    rated = []
    for row in rows:
        chosen = classes_chosen(
            {
                str(column.rater): cell
                for name, cell in row.record.items()
                if (column := label_column(name)) and column.task == EMOTION
            }
        )
        if chosen:
            row.ratings[EMOTION] = dict(chosen)
            rated.append(row)
    if not rated:
        return {}, []
    places = places_of([row.number for row in rated], [row.ratings[EMOTION] for row in rated])
    if has_labels:
        labelled = {name for row in rows for name in names_of(row.labels.get(EMOTION, ()))}
        return {}, check_classes(places, labelled, findings) if labelled and comparable else []
    tied = []
    for row in rated:
        if (label := majority(row.ratings[EMOTION])) is None:
            tied.append(row.number)
        else:
            row.labels[EMOTION] = label
    winners = {str(row.labels[EMOTION]) for row in rated if EMOTION in row.labels}
    return {EMOTION: tuple(places)}, [*tie_notes(tied, len(rated)), *doubtful_classes(places, winners)]


def _empty_notes(given: Sequence[str], rows: Sequence[_Labels]) -> list[str]:
    """Report rows whose label is missing while they have scores or raters."""
    lacking = {
        column: [row.number for row in rows if row.lacks(column) and (row.labels or row.ratings)] for column in given
    }
    return [
        f"{row_numbers(numbers)}: {column} is empty, and only scores or raters' votes are there"
        for column, numbers in lacking.items()
        if numbers
    ]


def _unused(columns: LabelColumns) -> list[str]:
    return [f"column {name!r} is not used: there is no score that it belongs to" for name in columns.unused[:_SHOWN]]
