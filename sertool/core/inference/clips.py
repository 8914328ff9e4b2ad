"""Inputs of a prediction: recordings, folders, a text or a table become clips; unusable rows are listed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import LONGEST, Segment
from sertool.core.features.media import HINT, is_installed
from sertool.core.formatting import (
    cut,
    first_few,
    first_lines,
    plural,
    printable,
    problem_list,
    row_numbers,
    unicode_only,
)
from sertool.core.prepare.audio_paths import AUDIO_SUFFIXES, SUFFIXES, find_audio, why_missing
from sertool.core.prepare.columns import LONGEST_NAME, channel_of, seconds_of
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.places import order_of
from sertool.core.prepare.records import read_records

# Shortest window and hop, in seconds; frames that a model sees lie further apart than a shorter hop. The longest is the
# longest recording that is read.
LEAST_WINDOW = 0.1


@dataclass(frozen=True)
class Clip:
    """A stretch of speech, its words, or both.

    Attributes:
        name: name of the clip in results.
        audio: file of the recording; None without audio.
        text: transcript; empty without text.
        speaker: name of the speaker, if known.
        channel, stream: see :class:`~sertool.core.features.audio.Segment`.
        start, end: seconds into the recording; None for its beginning or end. Of a text alone its times, which order
            its dialogue.
        row: row number, for a clip from a table.
        dialogue: name of the dialogue that it is part of, if known.
        order: number that orders the clips of its dialogue; None where they are in the order in which they are given.
    """

    name: str
    audio: Path | None = None
    text: str = ""
    start: float | None = None
    end: float | None = None
    row: int | None = None
    speaker: str | None = None
    channel: int | None = None
    stream: int | None = None
    dialogue: str | None = None
    order: int | None = None

    @property
    def segment(self) -> Segment | None:
        """The recording or the part of it; None where there is no recording."""
        return None if self.audio is None else Segment(self.audio, self.start, self.end, self.channel, self.stream)


@dataclass(frozen=True)
class RefusedClip:
    """An input that cannot be used: its name, and the reason with file or row."""

    name: str
    reason: str
    hint: str | None = None


@dataclass(frozen=True)
class Inputs:
    """Inputs of a prediction.

    Attributes:
        clips: usable ones in order.
        refused: rows of the table that cannot be used.
        notes: sentences on what was read differently than it stands there, and on what was passed over.
    """

    clips: Sequence[Clip]
    refused: Sequence[RefusedClip] = ()
    notes: Sequence[str] = ()


def collect(
    paths: Sequence[Path], text: str | None, table: Path | None, *, divided: bool = False, stream: int | None = None
) -> Inputs:
    """Collect all clips in order, and the rows of the table that cannot be used; opens no recording.

    Args:
        paths: recordings, and folders to search for recordings by file name, recursively.
        text: text of the one recording, or a text without recording.
        table: CSV or JSON with the columns audio or text or both; optional: id (or utterance), start, end, channel,
            speaker, dialogue, order.
        divided: recordings will be divided into windows, which excludes texts.
        stream: number of the stream of sound in recordings with several, from 1; None is the first.

    Raises:
        UsageError: no input was given, or options contradict each other.
        DataError: the table or a folder cannot be used.
    """
    inputs = _collect(paths, text, table, divided=divided)
    if stream is None:
        return inputs
    return replace(inputs, clips=[replace(clip, stream=stream) for clip in inputs.clips])


def _collect(paths: Sequence[Path], text: str | None, table: Path | None, *, divided: bool) -> Inputs:
    if table is not None:
        if paths or text is not None:
            raise UsageError("--table: lists all recordings and texts; leave out --text and other recordings")
        return _read_table(table)
    if text is not None:
        if divided:
            raise UsageError("--window: divides recordings, and --text cannot be divided; leave one out")
        if len(paths) > 1 or any(path.is_dir() for path in paths):
            raise UsageError(
                "--text: goes with one recording, or with none",
                hint="--table FILE with the columns audio and text for several",
            )
        if not text.strip() and not paths:
            raise UsageError('--text: is empty, expected words as in --text "I am so happy"')
        audio = paths[0] if paths else None
        return Inputs([Clip(printable(str(audio)) if audio else "text", audio, unicode_only(text.strip()))])
    if not paths:
        raise UsageError("no input was given", hint='a recording, several, a folder, --table FILE, or --text "words"')
    # A file that the user names is recognised by its content, whatever its suffix.
    searched = [_search(path) if path.is_dir() else ([path], []) for path in paths]
    clips = [Clip(printable(str(audio)), audio) for found, _ in searched for audio in found]
    return Inputs(clips, notes=[note for _, notes in searched for note in notes])


def check_window(window: float | None, hop: float | None) -> None:
    """Refuse lengths of windows that no recording can be divided into.

    Args:
        window: seconds; None leaves recordings whole.
        hop: seconds. Default: the window.

    Raises:
        UsageError: a length is too short or too long, or the hop is longer than the window.
    """
    if window is None:
        if hop is not None:
            raise UsageError("--hop: only with --window", hint="--window 4 --hop 2")
        return
    for name, value in (("--window", window), ("--hop", hop)):
        if value is not None and not LEAST_WINDOW <= value <= LONGEST:
            raise UsageError(f"{name} {value:g}: expected seconds, from {LEAST_WINDOW:g} to {LONGEST:,}")
    if hop is not None and hop > window:
        raise UsageError(f"--hop {hop:g}: longer than --window {window:g}, so that some seconds would be in no window")


def _search(folder: Path) -> tuple[list[Path], list[str]]:
    """Search a folder for recordings by their names; returns them and a note on the files that were passed over."""
    suffixes = AUDIO_SUFFIXES if is_installed() else SUFFIXES
    found, others = list[Path](), list[str]()
    for below in sorted(folder.rglob("*")):
        inside = below.relative_to(folder)
        # macOS leaves ._x.wav beside x.wav on other systems' disks, which is not a recording.
        if below.suffix.lower() in suffixes and not _hidden(inside) and below.is_file():
            found.append(below)
        elif not below.is_dir():
            others.append(printable(cut(str(inside), LONGEST_NAME, keep_end=True)))
    passed = f"{plural(len(others), 'other file')}: {first_few(others)}" if others else ""
    if not found:
        holds = f"; it holds {passed}" if passed else ""
        raise DataError(f"{folder}: no recordings in this folder (names ending in {', '.join(suffixes)}){holds}")
    if not others:
        return found, []
    unread = tuple(set(AUDIO_SUFFIXES) - set(suffixes))
    more = f"; {HINT} reads more of them" if any(other.lower().endswith(unread) for other in others) else ""
    reasons = f"hidden, or without an ending of recordings that can be read{more}"
    return found, [f"{folder}: passed over {passed} ({reasons})"]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_table(path: Path) -> Inputs:
    findings = Findings()
    table = read_records(path, findings)
    rows = table.rows
    if not findings and not rows:
        findings.add("it holds no rows")
    if table.header and not {"audio", "text"} & set(table.header):
        columns = printable(first_few((cut(name, LONGEST_NAME) for name in table.header), 20))
        findings.add(f"missing column 'audio' or 'text' (columns: {columns})")
        rows = []  # every row would repeat this problem
    clips, refused, seen, places = [], [], dict[str, int](), dict[tuple[str, int], int]()
    for number, record in rows:
        clip = _clip(number, record, path.parent)
        if isinstance(clip, Clip) and (record.get("utterance") or record.get("id")):
            first = seen.setdefault(clip.name, number)  # ids must differ; file names may repeat
            if first != number:
                clip = RefusedClip(clip.name, f"row {number}: {clip.name!r} is the id of row {first} already")
        if isinstance(clip, Clip) and clip.dialogue is not None and clip.order is not None:
            first = places.setdefault((clip.dialogue, clip.order), number)
            if first != number:
                where = f"order {clip.order} of dialogue {printable(clip.dialogue)!r}"
                clip = RefusedClip(clip.name, f"row {number}: {where} is that of row {first} already")
        if isinstance(clip, Clip):
            clips.append(clip)
        else:
            refused.append(clip)
    if findings:
        problems = problem_list(path, [*findings.lines(), *(item.reason for item in refused)])
        lines = [problems, *(f"note: {note}" for note in table.notes)]
        raise DataError("\n  ".join(lines), hint="correct the table; nothing was predicted yet")
    left = [RefusedClip(item.name, f"{path}: {item.reason}") for item in refused]
    clips, unordered = _in_order(clips)
    return Inputs(clips, left, [f"{path}: {note}" for note in (*table.notes, *unordered)])


def _in_order(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Give all clips of a dialogue an order, or none: by start, where all have one, if some have no number.

    Returns:
        The clips, and a note on the rows without a number.
    """
    dialogues: dict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        if clip.dialogue is not None:
            dialogues[clip.dialogue].append(place)
    made, without = list(clips), list[int | None]()
    for places in dialogues.values():
        lacking = [clips[place].row for place in places if clips[place].order is None]
        if not lacking:
            continue
        if len(lacking) < len(places):
            without += lacking
        starts = {place: start for place in places if (start := clips[place].start) is not None}
        by_start = sorted(places, key=lambda place: starts[place]) if len(starts) == len(places) else []
        ranks: dict[int, int] = {place: rank for rank, place in enumerate(by_start)}
        for place in places:
            made[place] = replace(clips[place], order=ranks.get(place))
    if not without:
        return made, []
    how = "their dialogues are ordered by start where all their rows have one, or else as the rows stand"
    return made, [f"{row_numbers(sorted(without, key=lambda row: row or 0))}: order is empty, so {how}"]


def _clip(number: int, record: dict[str, str], root: Path) -> Clip | RefusedClip:
    given, text = record.get("audio", ""), unicode_only(record.get("text", ""))
    # Both sides of a call are in one file.
    side = f" {record['channel']}" if given and record.get("channel") else ""
    name = printable(record.get("utterance") or record.get("id") or given + side or f"row {number}")
    if not given and not text:
        return RefusedClip(name, f"row {number}: has neither audio nor text")
    audio = find_audio(root, given) if given else None
    if given and audio is None and (why := why_missing(given)):
        return RefusedClip(name, f"row {number}: {printable(given)}: {why}")
    try:
        start, end, channel = _part(record)
        order = order_of(value) if (value := record.get("order")) else None
    except ValueError as error:
        return RefusedClip(name, f"row {number}: {printable(str(error))}")
    # A file that is missing is named where it is read, together with damaged ones.
    path = audio or (root / given if given else None)
    speaker, dialogue = record.get("speaker") or None, record.get("dialogue") or None
    return Clip(name, path, text, start, end, number, speaker, channel, dialogue=dialogue, order=order)


def _part(record: dict[str, str]) -> tuple[float | None, float | None, int | None]:
    """Return start, end and channel of a row, None where it names none.

    Raises:
        ValueError: one of them cannot be used; the message is the reason.
    """
    start, end = (seconds_of(name, value) if (value := record.get(name)) else None for name in ("start", "end"))
    if start is not None and end is not None and end <= start:
        raise ValueError("end is not after start")
    channel = record.get("channel")
    return start, end, channel_of(channel) if channel else None


def check_refused(refused: Sequence[RefusedClip], clips: int, *, skip_bad: bool, usable: bool) -> None:
    """Refuse to continue if clips were refused, unless they may be skipped and others are left.

    Args:
        refused: inputs that cannot be used.
        clips: number of all inputs.
        skip_bad: --skip-bad was given.
        usable: at least one input can be used.

    Raises:
        DataError: lists all refused clips.
    """
    if not refused or (skip_bad and usable):
        return
    if clips == 1:
        raise DataError(refused[0].reason, hint=refused[0].hint)
    lines = "\n  ".join(first_lines([item.reason for item in refused]))
    hint = None if skip_bad else "--skip-bad skips them"
    raise DataError(f"{len(refused)} of {clips} cannot be used\n  {lines}", hint=hint)
