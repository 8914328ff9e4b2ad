"""The intervals of the scores that a run predicts, in its ``intervals.json``; metrics/conformal.py fits them."""

from dataclasses import asdict
from pathlib import Path

from sertool.core.files import artifacts
from sertool.core.files.typed_json import read_typed
from sertool.core.metrics.conformal import Intervals
from sertool.core.runs.contents import INTERVALS_FORMAT, IntervalsContent

FILE = "intervals.json"


def write_intervals(folder: Path, intervals: Intervals) -> None:
    """Store intervals in the folder of their run.

    Raises:
        SertoolError: the folder cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": INTERVALS_FORMAT, **asdict(intervals)})


def read_intervals(folder: Path) -> Intervals | None:
    """Read the intervals stored with a run; None where ``sertool ensemble`` stored none, as for tasks of classes.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    own = read_typed(path, IntervalsContent, hint="delete it; `sertool ensemble` fits the intervals again")
    lists = {name: tuple(getattr(own, name)) for name in ("half", "members", "names", "reasons")}
    return Intervals(level=own.level, set=own.set, utterances=own.utterances, note=own.note, **lists)
