"""Time lines shown on a terminal: a table of segments, and a summary of each speaker."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sertool.core.formatting import GAP, LINES, cut, padded, plural, printable, total_width
from sertool.core.inference.results import answer_columns, score_columns, share_columns

if TYPE_CHECKING:
    from sertool.core.inference.timeline.contents import Timeline

LEAST_TEXT = 12  # columns that texts get, or they are left out


def show_timelines(lines: "Sequence[Timeline]", title: str, width: int | None, places: Sequence[str]) -> list[str]:
    """Format time lines: for each recording its segments, and a summary of each speaker.

    Args:
        lines: time lines of the recordings.
        title: the model in words.
        width: width of the terminal in columns; None: nothing is cut and all segments are shown.
        places: names of the files that hold all segments.
    """
    shown = [title]
    for line in lines:
        limit = LINES if width is not None and len(line.stretches) > LINES + 5 else None
        shown += ["", printable(line.name), "", *_segments(line, limit, width)]
        if limit is not None:
            where = f", in {', '.join(places)}" if places else "; --csv FILE writes all of them"
            shown.append(printable(f"... and {len(line.stretches) - limit:,} more{where}"))
        shown += ["", *_summary(line)]
    if len(lines) > 1:
        shown += ["", f"{plural(len(lines), 'recording')}, {plural(sum(len(x.stretches) for x in lines), 'segment')}"]
    return shown


def _segments(line: "Timeline", limit: int | None, width: int | None) -> list[str]:
    columns = _columns(_grid(line, limit, every=True))
    if width is not None and total_width(columns) > width:
        columns = _columns(_grid(line, limit, every=False))
    texts = [own.prediction.text for own in line.stretches[:limit]]
    if any(texts):
        room = None if width is None else width - total_width(columns) - GAP
        if room is None or room >= LEAST_TEXT:
            shown = [printable(" ".join(text.split())) for text in texts]
            columns.append(["text", *(text if room is None else cut(text, room) for text in shown)])
    return padded(columns, named=False)


def _grid(line: "Timeline", limit: int | None, *, every: bool) -> list[list[str]]:
    """Build header and rows: times, speaker, answer, and with ``every`` the probability of each class or intervals."""
    from sertool.core.inference.timeline.contents import clock

    own = [replace(one.prediction, start=one.start, end=one.end) for one in line.stretches]
    if line.ranges:
        grid = score_columns(line.classes, own, limit, intervals=every)
    else:
        grid = answer_columns(own, line.abstain, limit)
        if every:
            shares = share_columns(line.classes, own, limit)
            grid = [left + right for left, right in zip(grid, shares, strict=True)]
    named = any(one.speaker for one in line.stretches)
    rows = [["from", "to", *(["speaker"] if named else []), *grid[0][3:]]]
    for one, row in zip(line.stretches, grid[1:], strict=False):
        who = [printable(one.speaker or "")] if named else []
        rows.append([clock(one.start), clock(one.end), *who, *row[3:]])
    return rows


def _columns(grid: list[list[str]]) -> list[list[str]]:
    return [list(column) for column in zip(*grid, strict=True)]


def _summary(line: "Timeline") -> list[str]:
    from sertool.core.inference.timeline.summary import summarise, summary_columns

    grid = summary_columns(line, summarise(line))
    return padded(_columns([[printable(cell) for cell in row] for row in grid]), named=grid[0][0] == "speaker")


def timelines_table(lines: "Sequence[Timeline]") -> list[dict[str, Any]]:
    """Return the summary of each recording as plain data."""
    from sertool.core.inference.timeline.summary import summarise

    return [
        {
            "recording": line.name,
            "segments": len(line.stretches),
            "speakers": [own.table for own in summarise(line)],
        }
        for line in lines
    ]
