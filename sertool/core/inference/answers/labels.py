"""Labels in a table of answers, as numbers of classes."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.class_maps import compared
from sertool.core.corpora.names import normal
from sertool.core.errors import did_you_mean
from sertool.core.formatting import cut
from sertool.core.prepare.findings import Findings

_BETWEEN = re.compile(r"\s*[|,;]\s*")  # labels of one utterance
LONGEST = 40  # characters of a cell in a message


def class_finder(classes: Sequence[str]) -> Callable[[str], str | None]:
    """Return a function that gives the class of a name: as it is spelled, or in any case where that is one class."""
    exact, alike = set(classes), dict[str, list[str]]()
    for name in classes:
        alike.setdefault(compared(name), []).append(name)

    def find(name: str) -> str | None:
        own = normal(name)
        if own in exact:
            return own
        near = alike.get(compared(name), [])
        return near[0] if len(near) == 1 else None

    return find


def read_decisions(
    cells: Sequence[str],
    numbers: Sequence[int],
    classes: Sequence[str],
    find: Callable[[str], str | None],
    findings: Findings,
    *,
    several: bool,
) -> NDArray[np.int64]:
    """Return the decisions of a column of labels: (N,) classes, or (N, C) 0 or 1.

    Args:
        cells: (N,) labels.
        numbers: (N,) number of each row in the file.
        classes: names of the C classes.
        find: function that gives the class of a label, see :func:`class_finder`.
        findings: receives labels that are none of the classes; such a row has the first class.
        several: an utterance may have several labels, such as ``happy|sad``, or none.
    """
    made = np.zeros((len(cells), len(classes)), np.int64)
    for place, cell in enumerate(cells):
        for own in _labels(cell, len(classes)) if several else [cell]:
            found = own if isinstance(own, int) else _place(own, classes, find)
            if found is not None:
                made[place, found] = 1
            elif own:
                near = did_you_mean(str(own), list(classes))
                example = f"{cut(str(own), LONGEST)!r}{near}"
                findings.add(f"the label is none of {', '.join(classes)}", numbers[place], example)
            else:
                findings.add("label is empty", numbers[place])
    return made if several else np.asarray(made.argmax(1), np.int64)


def _place(name: str, classes: Sequence[str], find: Callable[[str], str | None]) -> int | None:
    own = find(name)
    return classes.index(own) if own in classes else None


def _labels(cell: str, number: int) -> list[str | int]:
    """Divide a cell into labels; a 0 or 1 for each class, as `sertool ensemble` writes them, gives their numbers."""
    parts = [part for part in _BETWEEN.split(cell.strip()) if part]
    if len(parts) == number and set(parts) <= {"0", "1"}:
        return [place for place, part in enumerate(parts) if part == "1"]
    return list(parts)
