"""The user's choices on how a table or folder is read: facts in names, classes renamed, scales of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sertool.core.errors import UsageError
from sertool.core.formatting import first_few
from sertool.core.prepare.audio_paths import file_ids
from sertool.core.prepare.cells import Number, Records, plain_cells
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import SENTIMENT, label_columns
from sertool.core.prepare.label_map import LabelMap, parse_label_map
from sertool.core.prepare.labels import SCORE
from sertool.core.prepare.pattern import TEXT, Pattern, fact_of, parse_pattern
from sertool.core.prepare.ranges import NONE_STATED, Ranges, parse_ranges
from sertool.core.prepare.rows import ID_COLUMNS
from sertool.core.prepare.scale import STORED, Scale, parse_scale
from sertool.core.prepare.text_map import TextMap, parse_text_map


@dataclass(frozen=True)
class Choices:
    """Choices of the user; by default a table is read as it stands.

    Attributes:
        pattern: facts in the names of recordings.
        label_map: classes that are merged or renamed.
        scale: scale of the column ``score``, which is rescaled to -3 to 3.
        text_map: sentences by the codes that names hold.
        ranges: ranges of scores that keep their scale.
    """

    pattern: Pattern | None = None
    label_map: LabelMap | None = None
    scale: Scale = STORED
    text_map: TextMap | None = None
    ranges: Ranges = NONE_STATED

    @property
    def files(self) -> list[Path]:
        """Return the files that the choices were read from."""
        return [one.file for one in (self.label_map, self.text_map) if one is not None and one.file is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the choices that were made, to be kept with the corpus."""
        made: dict[str, Any] = {}
        if self.pattern is not None:
            made["pattern"] = self.pattern.text
        if self.label_map is not None:
            made["map_labels"] = dict(self.label_map.names)
        if self.scale != STORED:
            made["rescale"] = [self.scale.low, self.scale.high]
        if self.text_map is not None:
            made["map_texts"] = dict(self.text_map.texts)
        if self.ranges != NONE_STATED:
            made["range"] = self.ranges.to_json()
        return made

    def scale_of(self, task: str) -> Scale | None:
        """Return the scale of a score in the table; None where it has none and the user stated none."""
        return self.ranges.of(task) or (self.scale if task == SENTIMENT else None)

    def stored(self, task: str, score: float) -> float:
        """Return a score of the table as the corpus holds it: on its own scale, or rescaled to -3 to 3."""
        return self.scale.rescaled(score) if task == SENTIMENT and self.ranges.of(task) is None else score

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
            header, records, notes = _with_facts(self.pattern, self.text_map, header, records, findings)
        if self.label_map is not None and not findings:
            records, told = self.label_map.apply(records)
            notes += told
        scores = label_columns(header, self.ranges.named).score_tasks
        if self.scale != STORED:
            if SENTIMENT not in scores:
                raise UsageError(f"--rescale: there is no column {SCORE!r}", hint="leave out --rescale")
            notes.append(f"scores from {self.scale} are rescaled to {STORED}")
        if self.ranges != NONE_STATED:
            self.ranges.check(scores)
        return header, records, notes


AS_IT_STANDS = Choices()


def parse_choices(
    pattern: str | None,
    label_map: str | None,
    scale: str | None,
    text_map: str | None = None,
    ranges: str | None = None,
) -> Choices:
    """Parse the options --pattern, --map-labels, --rescale, --map-texts and --range; None where one was not given.

    Raises:
        UsageError, DataError: one of them, or the file that it names, is wrong.
    """
    choices = Choices(
        None if pattern is None else parse_pattern(pattern),
        None if label_map is None else parse_label_map(label_map),
        STORED if scale is None else parse_scale(scale),
        None if text_map is None else parse_text_map(text_map),
        NONE_STATED if ranges is None else parse_ranges(ranges),
    )
    if scale is not None and choices.ranges.of(SENTIMENT):
        raise UsageError(
            f"--range {ranges}: and --rescale {scale} are both about the column {SCORE!r}",
            hint=f"--range keeps its scale and --rescale maps it to {STORED}: leave out one; "
            "--range arousal=LOW:HIGH is about no other score",
        )
    if choices.text_map and TEXT not in (choices.pattern.columns if choices.pattern else ()):
        raise UsageError(
            "--map-texts: no {text} in --pattern says where the names hold the code of their sentence",
            hint="--pattern '{speaker:2}{text:3}{emotion:1}{take}'",
        )
    return choices


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
    pattern: Pattern, text_map: TextMap | None, header: list[str], records: Records[Number], findings: Findings
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
    if TEXT in columns:
        codes = _with_texts(text_map, records, found, findings)
        if text_map is None:
            columns.remove(TEXT)
            notes.append(f"{{text}} holds codes, which are no texts ({codes}): --map-texts FILE gives their sentences")
    filled: Records[Number] = [
        (number, {**record, **{name: own.get(name, "") for name in columns}})
        for (number, record), own in zip(records, found, strict=True)
    ]
    made, changed = plain_cells(filled)
    told = [name for name in columns if name not in (*ID_COLUMNS, TEXT)]
    facts = {name: sorted({record[name] for _, record in made} - {""}) for name in told}
    shown = "; ".join(f"{name} {first_few(values)}" for name, values in facts.items())
    if shown:
        notes.insert(0, f"names of recordings are read as {pattern.text}: {shown}")
    return [*header, *columns], made, [*notes, *changed]


def _with_texts(
    text_map: TextMap | None, records: Records[Number], found: list[dict[str, str]], findings: Findings
) -> str:
    """Put sentences in the place of their codes, if there are any; return the first codes."""
    codes = [own.get(TEXT, "") for own in found]
    if text_map is not None:
        for (number, _), own, code in zip(records, found, codes, strict=True):
            if code and code not in text_map.texts:
                findings.add(f"{text_map.file} has no sentence for the code", number, code)
            own[TEXT] = text_map.texts.get(code, "")
    return first_few(sorted(set(codes) - {""}))


def with_ids(header: Sequence[str], records: Records[Number]) -> tuple[list[str], Records[Number], list[str]]:
    """Make ids from the names of recordings, or from the numbers of rows, where a table has no column of ids.

    Segments of one recording have their times and their channel behind its name, such as ``call1_0.5-3_left``.
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
        channel = f"_{given}" if (given := record.get("channel")) else ""
        made.append((number, {**record, "id": id_ + times + channel} if audio else record))
    return [*header, "id"], made, [f"{lacks} names of the recordings"]
