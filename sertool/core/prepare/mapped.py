"""Rows of a table under the classes of a label map: ``sertool prepare --map``."""

from dataclasses import replace

import numpy as np

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.label_maps import ClassMap
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.formatting import names_of
from sertool.core.prepare.labels import classes_of
from sertool.core.prepare.rows import Table


def map_table(table: Table, label_map: ClassMap, task: str) -> Table:
    """Bring the labels of a task, and what its raters said, under the classes of a map.

    Rows of other classes stay without a label. The facts are told by a warning and kept with the choices.

    Args:
        table: the checked table.
        label_map: the map.
        task: task whose labels are mapped; for maps with scores also a new one.

    Raises:
        UsageError: the map does not fit the labels.
    """
    classes = classes_of([row.labels for row in table.rows], table.classes)
    if task not in classes and not label_map.scores:
        raise UsageError(
            f"--map {label_map.name}: the table has no classes of {task!r}{did_you_mean(task, list(classes))}",
            hint=f"--set dataset.task=NAME maps another task; those of classes: {names_of(classes)}",
        )
    # The labels alone, as a corpus, which is what maps are for.
    utterances = [Utterance(row.id, row.split, "", (), labels=row.labels, ratings=row.ratings) for row in table.rows]
    none = Frames(np.zeros((0, 1), np.float32), np.zeros(len(utterances) + 1, np.int64))
    name = table.path.resolve().name
    mapped, note = label_map.map_labels(
        Corpus(name, tuple(utterances), none, classes=classes, ranges=table.ranges), task
    )
    rows = tuple(
        replace(row, labels=dict(one.labels), ratings=one.ratings)
        for row, one in zip(table.rows, mapped.utterances, strict=True)
    )
    return replace(
        table,
        rows=rows,
        classes={**table.classes, task: note.classes},
        choices={**table.choices, "map": note.to_json()},
        warnings=(*table.warnings, "\n  ".join(note.lines)),
    )
