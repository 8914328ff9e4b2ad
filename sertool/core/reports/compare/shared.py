"""The utterances that two runs both cover, with the labels of both and what each run predicts."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.formatting import plural
from sertool.core.reports.compare.runs import Judged
from sertool.core.runs.prediction_files import Spoken


@dataclass(frozen=True)
class Shared:
    """Predictions of two runs on the utterances that both cover, in the order of the first run.

    Attributes:
        ids: (N,) ids of the utterances.
        rows_a, rows_b: (N,) their places in each run.
        spoken: (N,) facts about them.
        targets: (N,) or (N, C) labels.
        a, b: predictions of each run, of the shape of the targets.
    """

    ids: list[str]
    rows_a: list[int]
    rows_b: list[int]
    spoken: list[Spoken]
    targets: NDArray[Any]
    a: NDArray[Any]
    b: NDArray[Any]


def shared_of(a: Judged, b: Judged) -> Shared:
    """Return the utterances of both runs.

    Raises:
        DataError: they have no utterance in common, or other labels for one.
    """
    own, other = a.stored.predictions, b.stored.predictions
    assert own.targets is not None
    assert other.targets is not None
    names, others_names = _names(a, b)
    there = {name: row for row, name in enumerate(others_names)}
    rows_a = [row for row, name in enumerate(names) if name in there]
    if not rows_a:
        raise DataError(
            f"{a.contender.name} and {b.contender.name} have no utterance of the {own.set} set in common "
            f"(the first are {own.ids[0]!r} and {other.ids[0]!r})",
            hint="compare runs of one corpus: these are split differently, or name their utterances differently",
        )
    # Sets may differ in order or size: rows are matched by name.
    rows_b = [there[names[row]] for row in rows_a]
    targets, others = own.targets[rows_a], other.targets[rows_b]
    # With other labels "right" would mean two things, and no difference could be told from the labels'.
    differ = (targets != others) & ~(np.isnan(targets) & np.isnan(others))
    unlike = np.flatnonzero(differ.reshape(len(rows_a), -1).any(1))
    if len(unlike):
        row = int(unlike[0])
        labels = [named(one[row], own.classes) or "none" for one in (targets, others)]
        raise DataError(
            f"{a.contender.name} and {b.contender.name} have different labels for {len(unlike):,} of "
            f"{plural(len(rows_a), 'utterance')}, the first is {own.ids[rows_a[row]]!r}: {labels[0]} and {labels[1]}",
            hint="evaluate both on the same version of the corpus: sertool ensemble --name NAME --split " + own.set,
        )
    return Shared(
        ids=[own.ids[row] for row in rows_a],
        rows_a=rows_a,
        rows_b=rows_b,
        spoken=[a.stored.spoken[row] for row in rows_a],
        targets=targets,
        a=a.decisions[rows_a],
        b=b.decisions[rows_b],
    )


def _names(a: Judged, b: Judged) -> tuple[list[Hashable], list[Hashable]]:
    """Return names that tell the utterances of each run apart: their ids, where these do.

    Ids are unique in a split of the corpus alone, and folds of cross-validation may test utterances of all splits; then
    the dialogue tells them apart, and at last the place among those of one name.
    """
    stored = a.stored, b.stored
    if all(len(set(one.predictions.ids)) == len(one.predictions.ids) for one in stored):
        return list(a.stored.predictions.ids), list(b.stored.predictions.ids)
    made = []
    for one in stored:
        seen = Counter[Hashable]()
        names: list[Hashable] = []
        for name, spoken in zip(one.predictions.ids, one.spoken, strict=True):
            seen[name, spoken.dialogue] += 1
            names.append((name, spoken.dialogue, seen[name, spoken.dialogue]))
        made.append(names)
    return made[0], made[1]


def named(target: Any, classes: Sequence[str]) -> str:
    """Return the name of a class; of several labels those of all classes that are present, of scores their values."""
    if np.ndim(target) and target.dtype.kind == "f":
        return ", ".join(
            f"{name} {'unknown' if np.isnan(value) else f'{value:g}'}"
            for name, value in zip(classes, target.tolist(), strict=True)
        )
    if np.ndim(target):
        return "|".join(name for name, present in zip(classes, target, strict=True) if present)
    return classes[int(target)]
