"""Recordings for the audio players of the page: found by utterance id, embedded or in files beside the page."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.corpora.names import normal
from sertool.core.errors import SertoolError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts
from sertool.core.files.regular import open_regular
from sertool.core.formatting import readable_size
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.table import read_table
from sertool.core.reports.contents import Report, ReportUtterance, RunReport
from sertool.core.reports.score_contents import ScoredUtterance

TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
LARGEST = 300_000  # bytes of an embedded recording: ten seconds at 16 kHz and 16 bit
ALL = 8_000_000  # bytes of all embedded recordings together, so that the page stays quick to open
LARGEST_FILE = 100_000_000  # bytes of a recording in a file: an hour at 16 kHz and 16 bit is more
ALL_FILES = 4_000_000_000  # bytes of all recordings in files, so that a large corpus fills no disk
CUT_RATE = 16_000  # Hz of a segment that is cut out of a longer recording
DEMO = Path(__file__).parent.parent / "corpora" / "demo" / "clips" / "clips.csv"


def find(recordings: Path, ids: Sequence[str]) -> dict[str, Segment]:
    """Find the recordings of utterances; utterances without one are left out.

    Args:
        recordings: a folder whose files are named after the utterances (their id, or its last part after a slash), or
            a table as for ``sertool prepare``, which may have segments (start, end).
        ids: ids of the utterances.

    Raises:
        UsageError: the file is no such table.
        DataError: it is neither folder nor file, or cannot be read.
    """
    if not recordings.is_dir():
        table = read_table(recordings, missing_audio=True, labels=False)
        rows = {row.id: row.segment for row in table.rows if row.segment}
        return {id_: rows[name] for id_ in ids if (name := normal(id_)) in rows}
    try:
        found = [path for path in recordings.rglob("*") if is_audio_name(path.name) and path.is_file()]
    except OSError as error:
        raise artifacts.read_error(recordings, error) from error
    # Of several files with the same name the first one is kept, and one that browsers play before another.
    files = sorted(found, key=lambda path: (path.suffix.lower() not in TYPES, path), reverse=True)
    stems = {normal(path.stem): path for path in files}
    return {id_: Segment(stems[name]) for id_ in ids if (name := normal(id_.rpartition("/")[2])) in stems}


def attach(
    report: Report, recordings: Path | None, keep: Callable[[str, bytes], str] | None = None
) -> tuple[Report, list[str]]:
    """Add recordings to a report. Return it, and sentences on the recordings that get no player.

    The packaged demo corpus has a dozen recordings of its own. Wrong predictions come first, the most confident ones
    at the front, until :data:`ALL` or :data:`ALL_FILES` bytes are used.

    Args:
        report: the report.
        recordings: folder or table, see :func:`find`; None: only those of the demo corpus.
        keep: writes a file, given its name and content, and returns its address; None: recordings are embedded.

    Raises:
        UsageError: the file is no such table.
        DataError: the folder or table cannot be read.
    """
    ids = list(dict.fromkeys(row.id for run in report.runs for row in _rows(run)))
    given = {} if recordings is None else find(recordings, ids)
    # The packaged recordings belong to the demo corpus alone: other corpora may have the same ids.
    demo = find(DEMO, ids) if any(map(_is_demo, report.runs)) else {}
    packed = _Packed(keep)
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


def _rows(run: RunReport) -> list[ReportUtterance | ScoredUtterance]:
    rows: list[ReportUtterance | ScoredUtterance] = []
    for own in run.sets.values():
        rows += [*own.rows]
        rows += [*own.scored]
    return rows


def _most_severe_first(report: Report) -> Iterator[tuple[RunReport, str]]:
    """Yield the utterances of all runs, errors of every run first: they are what a reader wants to listen to."""
    rows = [(run, row) for run in report.runs for row in _rows(run)]
    return ((run, row.id) for run, row in sorted(rows, key=lambda pair: pair[1].order))


class _Packed:
    """Recordings by address, each made once, and counts of those that do not fit."""

    def __init__(self, keep: Callable[[str, bytes], str] | None) -> None:
        self.keep = keep
        self.largest, self.all = (LARGEST, ALL) if keep is None else (LARGEST_FILE, ALL_FILES)
        self.made: dict[Segment, str | None] = {}
        self.bytes = self.large = self.over = 0
        self.faults: list[str] = []

    def address(self, clip: Segment) -> str | None:
        if clip not in self.made:  # runs on the same set share their recordings
            self.made[clip] = self._make(clip)
        return self.made[clip]

    def _make(self, clip: Segment) -> str | None:
        try:
            content, suffix = _content(clip, self.largest)
        except SertoolError as error:
            self.faults.append(str(error))  # a report without this player is better than none
            return None
        if len(content) > self.largest:
            self.large += 1
        elif self.bytes + len(content) > self.all:
            self.over += 1
        else:
            self.bytes += len(content)
            if self.keep is None:
                return f"data:{TYPES[suffix]};base64,{base64.b64encode(content).decode()}"
            # Numbers for names: ids may hold what a file system or an address does not.
            return self.keep(f"{len(self.made) + 1:05d}{suffix}", content)
        return None

    def notes(self) -> list[str]:
        """Say which recordings get no player, and why."""
        notes = []
        hint = "; --audio-files plays larger ones" if self.keep is None else ""
        if self.large:
            notes.append(f"{_count(self.large)} no player: larger than {readable_size(self.largest)}{hint}")
        if self.over:
            limit = f"the limit for all of a report is {readable_size(self.all)}"
            notes.append(f"{_count(self.over)} no player: {limit}{hint}")
        if self.faults:
            more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            notes.append(f"{_count(len(self.faults))} no player: {self.faults[0]}{more}")
        return notes


def _count(number: int) -> str:
    return "1 recording has" if number == 1 else f"{number:,} recordings have"


def _content(clip: Segment, most: int) -> tuple[bytes, str]:
    """Return the bytes of a recording and the ending of its name: the file as it is, or a segment as FLAC.

    Of a file with more than ``most`` bytes only the beginning is read.

    Raises:
        DataError: the recording cannot be read.
    """
    # A whole file of a type that browsers play is taken as it is.
    if clip == Segment(clip.path) and clip.path.suffix.lower() in TYPES:
        try:
            with open_regular(clip.path) as file:
                # One byte more than allowed shows that the file is too large, without reading gigabytes.
                return file.read(most + 1), clip.path.suffix.lower()
        except OSError as error:
            raise artifacts.read_error(clip.path, error) from error
    # Imported here: only recordings that are cut need it.
    import soundfile

    samples = read_audio(clip, CUT_RATE).numpy()
    content = io.BytesIO()
    soundfile.write(content, samples.clip(-1, 1), CUT_RATE, format="FLAC", subtype="PCM_16")
    return content.getvalue(), ".flac"
