"""Classes merged and renamed: ``--map-labels hap=happy,exc=happy``, or a file that says so."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.names import is_missing, normal
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.formatting import first_few, row_numbers
from sertool.core.prepare.audio_paths import is_file
from sertool.core.prepare.cells import LABELS, Number, Records
from sertool.core.prepare.label_columns import holds_classes
from sertool.core.prepare.labels import BETWEEN
from sertool.core.prepare.pairs import read_pairs, split_pair

_OPTION = "--map-labels"
_EXAMPLE = f"{_OPTION} hap=happy,exc=happy, or a file with a line old=new for each class, or a JSON or YAML object"


@dataclass(frozen=True)
class LabelMap:
    """New name by old name of classes.

    Attributes:
        names: new names by old ones, both in their normal form; applied once, so that ``a=b,b=a`` swaps two.
        file: file that they come from; it may name classes that a table does not have.
    """

    names: Mapping[str, str]
    file: Path | None = None

    def apply(self, records: Records[Number]) -> tuple[Records[Number], list[str]]:
        """Rename the classes of rows.

        Args:
            records: number of each row and its cells by column, in their normal form.

        Returns:
            The rows, and sentences on what was renamed.

        Raises:
            UsageError: the option names a class that the rows do not have, or its file none that they have.
        """
        given = [
            (number, {name: _parts(cell) for name, cell in record.items() if cell and _holds_classes(name)})
            for number, record in records
        ]
        renamed, notes = self.rename(given)
        made = [
            (number, {**record, **{name: BETWEEN.join(classes) for name, classes in own.items()}})
            for (number, record), own in zip(records, renamed, strict=True)
        ]
        return made, notes

    def rename(
        self, rows: Iterable[tuple[int | None, Mapping[str, Sequence[str]]]]
    ) -> tuple[list[dict[str, list[str]]], list[str]]:
        """Rename the classes that rows have.

        Args:
            rows: number of each row, and its classes by column or task.

        Returns:
            The classes of each row, and sentences on what was renamed.

        Raises:
            UsageError: see :meth:`apply`.
        """
        places: dict[str, list[int | None]] = defaultdict(list)
        seen: dict[str, None] = {}
        made = []
        for number, labels in rows:
            given = dict.fromkeys(name for classes in labels.values() for name in classes)
            seen.update(given)
            for name in given:
                if name in self.names:
                    places[name].append(number)
            made.append({name: [self.names.get(one, one) for one in classes] for name, classes in labels.items()})
        self._check([name for name in self.names if name not in places], list(filter(None, seen)))
        return made, list(self._notes(places))

    def _check(self, absent: list[str], seen: list[str]) -> None:
        if not absent or (self.file is not None and len(absent) < len(self.names)):
            return
        near = did_you_mean(absent[0], seen)
        raise UsageError(
            f"{_OPTION}: there is no class {first_few(map(repr, absent))}{near}",
            hint=f"the classes are {first_few(map(repr, sorted(seen)), 20)}" if seen else "the table has no classes",
        )

    def _notes(self, places: Mapping[str, list[int | None]]) -> Iterator[str]:
        shown = [f"{old!r} as {new!r} ({row_numbers(places[old])})" for old, new in self.names.items() if old in places]
        yield f"classes renamed by {_OPTION}: {first_few(shown, 20)}"
        if absent := [repr(name) for name in self.names if name not in places]:
            yield f"{self.file}: names classes that are not there: {first_few(absent)}"


def _holds_classes(column: str) -> bool:
    return column in LABELS or holds_classes(column)


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(BETWEEN)]


def parse_label_map(text: str) -> LabelMap:
    """Parse the value of ``--map-labels``: a file, or ``old=new,...``.

    Raises:
        UsageError: the text is neither, names a class twice, or gives none a new name.
        DataError: the file cannot be read or is none of names.
    """
    path = Path(text)
    if is_file(path):
        return LabelMap(_checked(read_pairs(path, "the new name of each class", _EXAMPLE), str(path)), path)
    if "=" not in text:
        raise UsageError(f"{_OPTION} {text}: there is no such file, and it is no list of old=new", hint=_EXAMPLE)
    origin = f"{_OPTION} {text}"
    return LabelMap(_checked([split_pair(part, origin, _EXAMPLE) for part in text.split(",")], origin))


def _checked(pairs: list[tuple[str, str]], origin: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for given, wanted in pairs:
        if "=" in wanted:
            raise UsageError(f"{origin}: {f'{given}={wanted}'!r} is not old=new", hint=_EXAMPLE)
        old, new = normal(given), normal(wanted)
        if not old or is_missing(new):
            raise UsageError(f"{origin}: {old!r} has no new name, or {new!r} no old one", hint=_EXAMPLE)
        if names.setdefault(old, new) != new:
            raise UsageError(f"{origin}: {old!r} is to be both {names[old]!r} and {new!r}", hint="keep one of them")
    if not names:
        raise UsageError(f"{origin}: names no classes", hint=_EXAMPLE)
    return names
