"""Rows of a table of answers matched with the utterances of a corpus, by their ids."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.names import normal
from sertool.core.errors import DataError, did_you_mean
from sertool.core.formatting import cut, first_few, plural
from sertool.core.inference.answers.columns import SET, SPLIT, id_column, named
from sertool.core.inference.answers.labels import LONGEST
from sertool.core.inference.answers.table import AnswerTable
from sertool.core.inference.subject import ALL, Subject
from sertool.core.prepare.split_names import read_splits

SHOWN = 5  # ids in a message
Row = tuple[int, Mapping[str, str]]
_COMPARED = 2000  # ids among which a similar one is searched


def rows_of(table: AnswerTable, subject: Subject, notes: list[str]) -> list[list[Row]]:
    """Return the rows about each judged utterance, in the order of ``subject.rows``; at least one each.

    Args:
        table: the table of answers.
        subject: the judged utterances.
        notes: receives sentences on rows that are about others, and on ids that were read in another form.

    Raises:
        DataError: rows have no id, or one of no utterance or of several, or utterances have no row.
    """
    corpus = subject.corpus
    places = _Places(table, corpus)
    rows = _of_set(table, subject)
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        place = places.of(row)
        if place is not None:
            found[place].append(row)
    places.check(len(rows), notes)
    lacking = [corpus.utterances[place].id for place in subject.rows if place not in found]
    if lacking:
        raise DataError(
            f"{table.path}: no answer for {len(lacking):,} of {plural(len(subject.rows), 'judged utterance')} of "
            f"{corpus.name} ({subject.split}): {first_few(lacking, SHOWN)}",
            hint="every utterance needs an answer: who leaves some out could choose them by the result; --split names "
            "another part of the corpus",
        )
    others = len(found) - len(subject.rows)
    if others:
        where = "" if subject.split == ALL else f"in another split than {subject.split} (--split all judges all), or "
        verb = "is" if others == 1 else "are"
        notes.append(
            f"{plural(others, 'utterance')} of the file {verb} not judged: {where}without a label among the classes"
        )
    return [found[place] for place in subject.rows]


def _of_set(table: AnswerTable, subject: Subject) -> list[Row]:
    """Return the rows of the judged set where `sertool ensemble --csv` wrote several; all rows of other files."""
    column = named(table, SET)
    sets = {row.get(column, "") for _, row in table.rows} if column is not None else set()
    if column is None or not sets <= {"valid", "test", "private"}:
        return list(table.rows)
    if subject.set not in sets:
        raise DataError(
            f"{table.path}: has no rows of the set {subject.set}, only of {', '.join(sorted(sets))}",
            hint="--split valid judges those of validation" if "valid" in sets else None,
        )
    return [row for row in table.rows if row[1].get(column) == subject.set]


class _Places:
    """Positions of utterances by id, and what is wrong with the ids of a table."""

    def __init__(self, table: AnswerTable, corpus: Corpus) -> None:
        self.table, self.corpus = table, corpus
        self.ids, self.split = id_column(table), named(table, SPLIT)
        cells = (row[self.split] for _, row in table.rows if self.split in row) if self.split else ()
        self.splits = read_splits(cells)
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, utterance in enumerate(corpus.utterances):
            self.places[utterance.id].append(place)
        self.left_out = {one.id for one in corpus.left_out}
        self.unknown: list[Row] = []
        self.unclear: list[Row] = []
        self.unnamed: list[int] = []
        self.skipped = self.as_files = 0

    def of(self, row: Row) -> int | None:
        """Return the position of a row's utterance; None where there is none, which :meth:`check` reports."""
        given = row[1].get(self.ids, "")
        if not given:
            self.unnamed.append(row[0])
            return None
        for form, name in enumerate(_forms(given)):
            if name in self.places:
                self.as_files += form > 1
                return self._one(row, self.places[name])
            if name in self.left_out:
                self.skipped += 1
                return None
        self.unknown.append(row)
        return None

    def _one(self, row: Row, places: Sequence[int]) -> int | None:
        if len(places) == 1:
            return places[0]
        split = self.splits.get(row[1].get(self.split or "", ""))
        own = [place for place in places if self.corpus.utterances[place].split == split]
        if len(own) == 1:
            return own[0]
        self.unclear.append(row)
        return None

    def check(self, rows: int, notes: list[str]) -> None:
        """Raise the problems of all rows that :meth:`of` was called with, or note what was read in another form.

        Raises:
            DataError: an id is missing, unknown, or that of several utterances.
        """
        path, name = self.table.path, self.corpus.name
        if self.unnamed:
            shown = first_few(map(str, self.unnamed), SHOWN)
            raise DataError(f"{path}: {plural(len(self.unnamed), 'row')} without an id: {shown}")
        if len(self.unknown) == rows:
            there = first_few((one.id for one in self.corpus.utterances), 3)
            raise DataError(
                f"{path}: none of its {plural(rows, 'id')} is that of an utterance of {name}: "
                f"{self._shown(self.unknown)}",
                hint=f"is it a file of another corpus? {name} has {there}; --columns id=COLUMN names another column",
            )
        if self.unknown:
            first = self.unknown[0][1].get(self.ids, "")
            near = did_you_mean(first, self._near(first))
            verb = "has" if len(self.unknown) == 1 else "have"
            raise DataError(
                f"{path}: {len(self.unknown):,} of {plural(rows, 'row')} {verb} the id of no utterance of {name}: "
                f"{self._shown(self.unknown)}{near}"
            )
        if self.unclear:
            raise DataError(
                f"{path}: {plural(len(self.unclear), 'row')} with the id of several utterances of {name}: "
                f"{self._shown(self.unclear)}",
                hint="a column `split` says which of them is meant",
            )
        if self.as_files:
            notes.append(f"{plural(self.as_files, 'id')} read as the name of a recording, without folder and ending")
        if self.skipped:
            notes.append(f"{plural(self.skipped, 'row')} about utterances that {name} had to leave out")

    def _near(self, wanted: str) -> list[str]:
        """Return ids among which a similar one is searched: all, or those that begin alike."""
        ids = list(self.places)
        return ids if len(ids) <= _COMPARED else [one for one in ids if one[:3] == wanted[:3]][:_COMPARED]

    def _shown(self, rows: Iterable[Row]) -> str:
        return first_few((f"{cut(row.get(self.ids, ''), LONGEST)!r} (row {number})" for number, row in rows), SHOWN)


def _forms(given: str) -> list[str]:
    """Return the forms in which an id may be that of an utterance: as it is, normal, and as the name of a file."""
    path = PurePosixPath(given.replace("\\", "/"))
    return [given, normal(given), str(path.with_suffix("")) if path.name else given, path.stem]
