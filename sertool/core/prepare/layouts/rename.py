"""Classes of a published corpus, merged and renamed by ``--map-labels``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sertool.core.corpora.corpus import Rating, Ratings
from sertool.core.prepare.label_map import LabelMap
from sertool.core.prepare.labels import BETWEEN, Label, names_of
from sertool.core.prepare.rows import Row

Classes = Mapping[str, tuple[str, ...]]


def rename(label_map: LabelMap, rows: Sequence[Row], classes: Classes) -> tuple[list[Row], Classes, list[str]]:
    """Rename the classes of labels and ratings.

    Args:
        label_map: new names of classes.
        rows: the utterances.
        classes: classes by task in their usual order.

    Returns:
        The utterances, the classes by task, and sentences on what was renamed.

    Raises:
        UsageError: the option names a class that no utterance has.
    """
    given = [(row.number, {task: names_of(label) for task, label in row.labels.items()}) for row in rows]
    renamed, notes = label_map.rename(given)
    several = {
        task
        for row, own in zip(rows, renamed, strict=True)
        for task, names in own.items()
        if isinstance(row.labels[task], tuple) or any(BETWEEN in name for name in names)
    }
    made = [
        replace(
            row,
            labels={task: _label(label, own[task], task in several) for task, label in row.labels.items()},
            ratings=_ratings(label_map, row.ratings),
        )
        for row, own in zip(rows, renamed, strict=True)
    ]
    return made, {task: _apart(label_map.names.get(name, name) for name in own) for task, own in classes.items()}, notes


def _label(label: Label, names: Sequence[str], several: bool) -> Label:
    return label if isinstance(label, float) else tuple(sorted(_apart(names))) if several else names[0]


def _apart(names: Iterable[str]) -> tuple[str, ...]:
    """Return each class once; a new name may be a list of classes."""
    return tuple(dict.fromkeys(part.strip() for name in names for part in name.split(BETWEEN)))


def _ratings(label_map: LabelMap, ratings: Ratings | None) -> Ratings | None:
    if ratings is None:
        return None
    return {task: {rater: _rating(label_map, said) for rater, said in own.items()} for task, own in ratings.items()}


def _rating(label_map: LabelMap, said: Rating) -> Rating:
    if isinstance(said, float):
        return said
    found = _apart(label_map.names.get(name, name) for name in names_of(said))
    return found[0] if isinstance(said, str) and len(found) == 1 else found
