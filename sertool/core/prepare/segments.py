"""Rows of long recordings become rows of their spans of speech: ``sertool prepare --segment``.

A segment has its recording's split, labels, speaker and ratings; its dialogue is the recording, unless the row names
one, and it knows its times in the recording and its order. Spans are kept until the corpus is complete, so that the
same command resumes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import LeftOut
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import READER_VERSION, Segment
from sertool.core.features.segmentation import Cutting, Span, channels_of, find_spans, speaker_of
from sertool.core.files import artifacts
from sertool.core.prepare.rows import Row, Table
from sertool.core.prepare.unusable import place_of, refusal

NO_SPEECH = "no speech was found in it"


@dataclass(frozen=True)
class CutRows:
    """Rows that were cut.

    Attributes:
        table: the rows of the segments; recordings that could not be used are left out with the reason.
        recordings: recordings, or parts of them, in which there is speech.
        seconds: length of all recordings that could be read; each channel counts that is cut for itself.
        kept: seconds of the segments.
    """

    table: Table
    recordings: int
    seconds: float
    kept: float

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return {
            "recordings": self.recordings,
            "segments": len(self.table.rows),
            "seconds": round(self.seconds, 3),
            "seconds_left_out": round(self.seconds - self.kept, 3),
        }


def cut_rows(
    table: Table,
    cutting: Cutting,
    folder: Path,
    *,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CutRows:
    """Cut the recordings of a table at pauses.

    Args:
        table: its rows; one with start and end is cut within them.
        cutting: how to cut.
        folder: where the spans of finished recordings are kept.
        skip_bad: leave out recordings that cannot be read.
        progress: told how many recordings are done, and of how many.

    Raises:
        UsageError: there are no recordings, or a row names a channel while the option does, too.
        DataError: a recording cannot be read, or there is no speech in any.
        SertoolError: the spans cannot be kept.
    """
    _check(table.rows, cutting)
    found: list[list[_Piece] | str] = []
    for done, row in enumerate(table.rows, start=1):
        found.append(_pieces(row, cutting, folder))
        if progress is not None:
            progress(done, len(table.rows))
    pairs = list(zip(table.rows, found, strict=True))
    bad = [(row, one) for row, one in pairs if isinstance(one, str)]
    if bad and (not skip_bad or len(bad) == len(pairs)):
        raise refusal(f"{table.path}: {len(bad)} of {len(pairs)} recordings", bad)
    read = [(row, pieces) for row, pieces in pairs if not isinstance(pieces, str)]
    silent = [(row, NO_SPEECH) for row, pieces in read if not any(piece.spans for piece in pieces)]
    if len(silent) == len(read):
        raise DataError(
            f"{table.path}: no speech was found in any of {len(read)} recordings",
            hint="listen to one of them; --shortest, --channel and another --stream may help",
        )
    rows = _segments(read, cutting)
    cut = replace(
        table,
        rows=tuple(rows),
        warnings=(),
        # Rows are recordings here, and all segments of one are in its split.
        drawn="recording" if table.drawn == "utterance" else table.drawn,
        choices={**table.choices, "segment": asdict(cutting)},
        left_out=(*table.left_out, *_left_out(bad), *_left_out(silent)),
    )
    pieces = [piece for _, own in read for piece in own]
    kept = sum(span.end - span.start for piece in pieces for span in piece.spans)
    return CutRows(_warned(cut, table), len(read) - len(silent), sum(piece.seconds for piece in pieces), kept)


@dataclass(frozen=True)
class _Piece:
    """A recording, or a part or channel of one, that is cut for itself: its length and its spans of speech."""

    segment: Segment
    seconds: float
    spans: tuple[Span, ...]


def _check(rows: Sequence[Row], cutting: Cutting) -> None:
    if any(row.segment is None for row in rows):
        raise UsageError("--segment: cuts recordings, and there are rows without one")
    both = next((row for row in rows if row.segment and row.segment.channel), None)
    if both is not None and (cutting.each or cutting.channel is not None):
        raise UsageError(f"--channel: {place_of(both)}{both.id} names its own channel", hint="leave out one of them")


def _pieces(row: Row, cutting: Cutting, folder: Path) -> list[_Piece] | str:
    """Cut a row's recording; return the reason where it cannot be read."""
    segment = row.segment
    assert segment is not None
    try:
        if cutting.each:
            channels: list[int | None] = [*range(1, channels_of(segment.path, segment.stream) + 1)]
        else:
            channels = [cutting.channel or segment.channel]
        return [_cut(replace(segment, channel=channel), cutting, folder) for channel in channels]
    except DataError as error:
        return str(error)


def _cut(segment: Segment, cutting: Cutting, folder: Path) -> _Piece:
    """Cut a recording, or find its spans where they are kept."""
    try:
        state = segment.path.stat()
    except OSError as error:
        raise artifacts.read_error(segment.path, error) from error
    facts = [
        str(segment.path.resolve()),
        state.st_size,
        state.st_mtime_ns,
        READER_VERSION,
        asdict(cutting.settings),
        [segment.start, segment.end, segment.channel, segment.stream],
    ]
    name = hashlib.blake2b(json.dumps(facts).encode(errors="surrogateescape"), digest_size=20).hexdigest()
    entry = folder / f"{name}.json"
    try:
        kept = artifacts.read_json(entry)
        return _Piece(segment, float(kept["seconds"]), tuple(Span(*map(float, one)) for one in kept["spans"]))
    except (DataError, KeyError, TypeError, ValueError):
        pass  # not there, or damaged: cut
    spans, seconds = find_spans(segment, cutting.settings)
    artifacts.write_json(entry, {"seconds": seconds, "spans": [[span.start, span.end] for span in spans]})
    return _Piece(segment, seconds, tuple(spans))


def _segments(read: Sequence[tuple[Row, list[_Piece]]], cutting: Cutting) -> list[Row]:
    """Return the rows of all segments; those of one dialogue are numbered through in the order of its recordings."""
    numbers: Counter[tuple[str, str]] = Counter()
    made: dict[int, list[Row]] = {}
    ordered = sorted(enumerate(read), key=lambda one: (one[1][0].order or 0, one[1][0].start or 0.0, one[0]))
    for place, (row, pieces) in ordered:
        dialogue = row.groups.get("dialogue", row.id)
        key = (row.split, dialogue)
        own = sorted(
            ((span, piece.segment) for piece in pieces for span in piece.spans),
            key=lambda one: (one[0].start, one[1].channel or 0),
        )
        made[place] = []
        for number, (span, segment) in enumerate(own, start=1):
            numbers[key] += 1
            made[place].append(_segment(row, segment, span, number, dialogue, numbers[key], cutting.each))
    return [row for place in range(len(read)) for row in made[place]]


def _segment(row: Row, whole: Segment, span: Span, number: int, dialogue: str, order: int, each: bool) -> Row:
    start, end = round(span.start, 4), round(span.end, 4)
    groups = {**row.groups, "dialogue": dialogue}
    if each and whole.channel is not None:
        # Channels of the same number hold other voices in another recording.
        groups["speaker"] = f"{row.id} {speaker_of(whole.channel)}"
    return replace(
        row,
        id=f"{row.id}_{number:04d}",
        text="",
        groups=groups,
        segment=replace(whole, start=start, end=end),
        order=order,
        start=start,
        end=end,
        cut_from=whole,
    )


def _left_out(rows: Sequence[tuple[Row, str]]) -> Iterator[LeftOut]:
    return (LeftOut(row.id, row.split, place_of(row) + reason) for row, reason in rows)


def _warned(cut: Table, whole: Table) -> Table:
    """Add what cutting takes from the rows."""
    texts = sum(bool(row.text) for row in whole.rows)
    if not texts:
        return cut
    note = f"the texts of {texts} recordings are left out: they do not tell which segment they belong to"
    return replace(cut, warnings=(note,))
