"""Recordings for the report's players: found by an utterance's id, kept small, embedded as ``data:`` addresses."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts
from sertool.core.prepare.table import read_table
from sertool.core.reports.contents import Report, ReportUtterance, RunReport

TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
LARGEST = 300_000  # bytes of a recording
ALL = 8_000_000  # bytes of all of them
CUT_RATE = 16_000  # Hz of what is cut out of a longer recording
DEMO = Path(__file__).parent.parent / "corpora" / "demo" / "clips" / "clips.csv"


@dataclass(frozen=True)
class Recording(Segment):
    """A recording of the report, or the part of one."""

    @property
    def is_whole(self) -> bool:
        """Whether it is the file as it lies there."""
        return self.start is None and self.end is None and self.path.suffix.lower() in TYPES


def find(recordings: Path, ids: Sequence[str]) -> dict[str, Recording]:
    """The recording of each utterance that has one.

    Args:
        recordings: a folder, in which a file's name without its ending is the utterance's id, or the last part of an
            id with slashes; or a table as of ``sertool prepare``, with segments where it has start and end.
        ids: of utterances.

    Raises:
        UsageError: the table is of another kind.
        DataError: it is neither folder nor file, or cannot be read.
    """
    if not recordings.is_dir():
        rows = {
            row.id: Recording(row.segment.path, row.segment.start, row.segment.end)
            for row in read_table(recordings, missing_audio=True).rows
        }
        return {id_: rows[id_] for id_ in ids if id_ in rows}
    try:
        files = sorted(
            path for path in recordings.rglob("*") if path.suffix.lower() in TYPES and path.is_file()
        )
    except OSError as error:
        raise artifacts.read_error(recordings, error) from error
    # Read backwards, so that of several files of a name the first stays.
    stems = {path.stem: path for path in reversed(files)}
    return {id_: Recording(stems[name]) for id_ in ids if (name := id_.rpartition("/")[2]) in stems}


def attach(report: Report, recordings: Path | None) -> tuple[Report, list[str]]:
    """The report with recordings for its players, and sentences on what has none.

    The packaged demo corpus brings a dozen of its own. Wrong decisions come first, the surest of them at the front,
    until :data:`ALL` bytes are full.

    Args:
        report: as analysis made it.
        recordings: folder or table, see :func:`find`; None takes the demo's alone.

    Raises:
        UsageError: the table is of another kind.
        DataError: the folder or table cannot be read.
    """
    ids = list(dict.fromkeys(row.id for run in report.runs for row in _rows(run)))
    given = {} if recordings is None else find(recordings, ids)
    demo = find(DEMO, ids) if any(map(_is_demo, report.runs)) else {}
    packed = _Packed()
    attached: dict[str, dict[str, str]] = {run.name: {} for run in report.runs}
    for run, id_ in _most_severe_first(report):
        clip = given.get(id_) or (demo.get(id_) if _is_demo(run) else None)
        if clip and (address := packed.address(clip)):
            attached[run.name][id_] = address
    notes = packed.notes()
    if recordings is not None and not given:
        notes = [f"{recordings}: holds no recording of any utterance in the report", *notes]
    return replace(report, recordings={name: own for name, own in attached.items() if own}), notes


def _is_demo(run: RunReport) -> bool:
    return run.dataset == "demo" and "synthetic" in run.caveats


def _rows(run: RunReport) -> list[ReportUtterance]:
    return [row for own in run.sets.values() for row in own.rows]


def _most_severe_first(report: Report) -> Iterator[tuple[RunReport, str]]:
    """Every run's utterances, so that room goes to the errors of all runs before it goes to right decisions."""
    rows = [(run, row) for run in report.runs for row in _rows(run)]
    return ((run, row.id) for run, row in sorted(rows, key=lambda pair: (pair[1].right, -pair[1].confidence)))


class _Packed:
    """Addresses of recordings, each made once, and what did not fit."""

    def __init__(self) -> None:
        self.made: dict[Recording, str | None] = {}
        self.bytes = self.large = self.over = 0
        self.faults: list[str] = []

    def address(self, clip: Recording) -> str | None:
        if clip not in self.made:
            self.made[clip] = self._make(clip)
        return self.made[clip]

    def _make(self, clip: Recording) -> str | None:
        try:
            content, kind = _content(clip)
        except DataError as error:
            self.faults.append(str(error))
            return None
        if len(content) > LARGEST:
            self.large += 1
        elif self.bytes + len(content) > ALL:
            self.over += 1
        else:
            self.bytes += len(content)
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
        return None

    def notes(self) -> list[str]:
        """Sentences on what has no player."""
        notes = []
        if self.large:
            notes.append(f"{_count(self.large)} no player: larger than {LARGEST // 1000} kB")
        if self.over:
            notes.append(
                f"{_count(self.over)} no player: the limit for all of a report is {ALL // 1_000_000} MB"
            )
        if self.faults:
            more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            notes.append(f"{_count(len(self.faults))} no player: {self.faults[0]}{more}")
        return notes


def _count(number: int) -> str:
    return "1 recording has" if number == 1 else f"{number:,} recordings have"


def _content(clip: Recording) -> tuple[bytes, str]:
    """The bytes of a recording and their type: the file as it is, or what is cut out of one as FLAC.

    Raises:
        DataError: it cannot be read.
    """
    if clip.is_whole:
        try:
            with clip.path.open("rb") as file:
                # One byte too many tells that it is too large, without reading gigabytes.
                return file.read(LARGEST + 1), TYPES[clip.path.suffix.lower()]
        except OSError as error:
            raise artifacts.read_error(clip.path, error) from error
    # Imported here: only recordings that are cut need it.
    import soundfile

    samples = read_audio(clip, CUT_RATE).numpy()
    content = io.BytesIO()
    soundfile.write(content, samples.clip(-1, 1), CUT_RATE, format="FLAC", subtype="PCM_16")
    return content.getvalue(), TYPES[".flac"]
