"""What a run's folder tells besides its predictions: epochs of training, and the log of who read test labels."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sertool.core.corpora.seal import READ
from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts
from sertool.core.formatting import printable
from sertool.core.reports.contents import LabelRead
from sertool.core.runs.folder import LOG, read_history
from sertool.core.training.history import MemberEpoch


def told(error: SertoolError) -> str:
    """An error as one sentence of a report."""
    sentence = f"{error}; {error.hint}" if error.hint else str(error)
    return printable("; ".join(line.strip() for line in sentence.splitlines()))


@contextmanager
def telling(problems: list[str]) -> Iterator[None]:
    """What goes wrong inside becomes a sentence."""
    try:
        yield
    except SertoolError as error:
        problems.append(told(error))


def read_histories(folder: Path, problems: list[str]) -> dict[str, tuple[MemberEpoch, ...]]:
    """Epochs of all members, also of those that are not finished."""
    found = {}
    for path in sorted(folder.glob("run-*"), key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)]):
        with telling(problems):
            if epochs := read_history(path):
                found[path.name] = tuple(epochs)
    return found


def read_log(folder: Path, problems: list[str]) -> tuple[tuple[LabelRead, ...], float | None]:
    """Who read test labels, and the seconds of training."""
    path = folder / LOG
    if not path.is_file():
        problems.append(f"{path}: no such file, so nobody knows who read the test labels")
        return (), None
    with telling(problems):
        entries = artifacts.read_json_lines(path)
        reads = [_read(entry, path) for entry in entries if entry.get("read") == READ]
        seconds = [_number(entry["seconds"], path) for entry in entries if "seconds" in entry]
        return tuple(reads), sum(seconds) if seconds else None
    return (), None


def _read(entry: Mapping[str, Any], path: Path) -> LabelRead:
    number = entry.get("utterances")
    if type(number) is not int:
        raise DataError(f"{path}: damaged (a look at {number!r:.40} test labels)")
    time, by, purpose = (printable(str(entry.get(key, "?"))) for key in ("time", "by", "purpose"))
    return LabelRead(time, by, purpose, number)


def _number(value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{path}: damaged (seconds: {value!r:.40})")
    return float(value)
