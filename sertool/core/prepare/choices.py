"""The user's choices on how a table or folder is read: facts in names, classes renamed, scores rescaled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sertool.core.errors import UsageError
from sertool.core.formatting import first_few
from sertool.core.prepare.audio_paths import file_ids
from sertool.core.prepare.cells import Number, Records, plain_cells
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_map import LabelMap, parse_label_map
from sertool.core.prepare.labels import SCORE
from sertool.core.prepare.pattern import Pattern, fact_of, parse_pattern
from sertool.core.prepare.rows import ID_COLUMNS
from sertool.core.prepare.scale import STORED, Scale, parse_scale


@dataclass(frozen=True)
class Choices:
    """Choices of the user; by default a table is read as it stands.

    Attributes:
        pattern: facts in the names of recordings.
        label_map: classes that are merged or renamed.
        scale: scale of the scores.
    """

    pattern: Pattern | None = None
    label_map: LabelMap | None = None
    scale: Scale = STORED

    @property
    def files(self) -> list[Path]:
        """Return the files that the choices were read from."""
        return [self.label_map.file] if self.label_map is not None and self.label_map.file is not None else []

    def to_json(self) -> dict[str, Any]:
        """Return the choices that were made, to be kept with the corpus."""
        made: dict[str, Any] = {}
        if self.pattern is not None:
            made["pattern"] = self.pattern.text
        if self.label_map is not None:
            made["map_labels"] = dict(self.label_map.names)
        if self.scale != STORED:
            made["rescale"] = [self.scale.low, self.scale.high]
        return made

    def apply(
        self, header: Sequence[str], records: Records[Number], findings: Findings
    ) -> tuple[list[str], Records[Number], list[str]]:
        """Add the facts that are in names, and rename classes.

        Args:
            header: names of all columns.
            records: number of each row and its cells by column, with the recording's path in ``audio``.
            findings: receives the names that do not fit the pattern.

        Returns:
            The header and rows, and sentences on what was read.

        Raises:
            UsageError: a choice does not fit the table.
        """
        header, notes = list(header), list[str]()
        if self.pattern is not None:
            header, records, notes = _with_facts(self.pattern, header, records, findings)
        if self.label_map is not None and not findings:
            records, told = self.label_map.apply(records)
            notes += told
        if self.scale != STORED:
            if SCORE not in header:
                raise UsageError(f"--rescale: there is no column {SCORE!r}", hint="leave out --rescale")
            notes.append(f"scores from {self.scale} are rescaled to {STORED}")
        return header, records, notes


AS_IT_STANDS = Choices()


def parse_choices(pattern: str | None, label_map: str | None, scale: str | None) -> Choices:
    """Parse the options --pattern, --map-labels and --rescale; None where one was not given.

    Raises:
        UsageError, DataError: one of them, or the file that it names, is wrong.
    """
    return Choices(
        None if pattern is None else parse_pattern(pattern),
        None if label_map is None else parse_label_map(label_map),
        STORED if scale is None else parse_scale(scale),
    )


def check_needs_recordings(
    header: Sequence[str], choices: Choices, audio_root: Path | None, *, transcribe: bool
) -> None:
    """Refuse choices that are about recordings where a table names none.

    Raises:
        UsageError: the table has texts but no recordings, and a choice needs them.
    """
    given = {"--pattern": choices.pattern, "--audio-root": audio_root, "--transcribe": transcribe or None}
    wrong = next((option for option, value in given.items() if value is not None), None)
    if wrong and "audio" not in header and "text" in header:
        raise UsageError(f"{wrong}: is about recordings, and there is no column 'audio'", hint=f"leave out {wrong}")


def _with_facts(
    pattern: Pattern, header: list[str], records: Records[Number], findings: Findings
) -> tuple[list[str], Records[Number], list[str]]:
    """Add the facts of the recordings' names as columns."""
    known = set(map(fact_of, header))
    if twice := [name for name in pattern.columns if fact_of(name) in known]:
        raise UsageError(
            f"--pattern {pattern.text}: {first_few(twice)} is known already from the table or the folders",
            hint="write {-} for a part of the names that is not used",
        )
    found: list[dict[str, str]] = []
    for number, record in records:
        try:
            found.append(pattern.facts(record["audio"]) if record.get("audio") else {})
        except ValueError as error:
            findings.add(str(error), number, record["audio"])
            found.append({})
    columns: list[str] = list(pattern.columns)
    notes: list[str] = []
    changed: list[str]
    for name in set(columns) & set(ID_COLUMNS):
        ids = [own[name] for own in found if own]
        if len(set(ids)) < len(ids):
            columns.remove(name)
            notes.append(f"{{{name}}} is the same in several names, so the id is the whole name of the file")
    filled: Records[Number] = [
        (number, {**record, **{name: own.get(name, "") for name in columns}})
        for (number, record), own in zip(records, found, strict=True)
    ]
    made, changed = plain_cells(filled)
    facts = {name: sorted({record[name] for _, record in made} - {""}) for name in columns if name not in ID_COLUMNS}
    shown = "; ".join(f"{name} {first_few(values)}" for name, values in facts.items())
    if shown:
        notes.insert(0, f"names of recordings are read as {pattern.text}: {shown}")
    return [*header, *columns], made, [*notes, *changed]


def with_ids(header: Sequence[str], records: Records[Number]) -> tuple[list[str], Records[Number], list[str]]:
    """Make ids from the names of recordings, or from the numbers of rows, where a table has no column of ids.

    Segments of one recording have their times behind its name, such as ``call1_0.5-3``.
    """
    if set(header) & set(ID_COLUMNS) or not set(header) & {"audio", "text"}:
        return list(header), records, []
    lacks = "there is no column 'utterance' or 'id': the ids are the"
    if "audio" not in header:
        numbered = [(number, {**record, "id": f"row{number}"}) for number, record in records]
        return [*header, "id"], numbered, [f"{lacks} numbers of the rows"]
    named = [(record.get("audio", ""), record.get("start", ""), record.get("end", "")) for _, record in records]
    paths = [PurePosixPath(audio.replace("\\", "/")) for audio, _, _ in named]
    made = []
    for (number, record), (audio, start, end), id_ in zip(records, named, file_ids(paths), strict=True):
        times = f"_{start or 0}-{end}" if start or end else ""
        made.append((number, {**record, "id": id_ + times} if audio else record))
    return [*header, "id"], made, [f"{lacks} names of the recordings"]
