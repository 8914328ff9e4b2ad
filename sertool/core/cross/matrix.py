"""The figures of a matrix, from the stored predictions of its cells.

All cells of a column are judged on the same utterances, those that the diagonal tests, and a drop is a paired
difference over them: the figure of the column's own model less that of the cell, as `sertool compare` gives it. Where
the model of a cell lacks classes that the column has, both models choose among the classes that they share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sertool.core.cross.contents import (
    FALLS,
    NO_INTERVAL,
    NOT_SHOWN,
    RISES,
    Cell,
    CorpusFacts,
    Drop,
    Matrix,
    Row,
    Setting,
)
from sertool.core.errors import DataError
from sertool.core.formatting import names_of, plural
from sertool.core.metrics import Clusters, Difference, Estimate, Jackknife, clusters_of, decision_estimates, holm
from sertool.core.metrics.baselines import baseline_metrics, baseline_of_scores
from sertool.core.metrics.classification import decide
from sertool.core.metrics.scores import mean_estimates
from sertool.core.reports.compare.contents import MetricRow
from sertool.core.reports.compare.decisions import decision_rows
from sertool.core.reports.compare.pairs import SIGNIFICANT
from sertool.core.reports.compare.runs import Judged
from sertool.core.reports.compare.scores import score_metric_rows
from sertool.core.reports.compare.shared import Shared, shared_of

Elsewhere = Mapping[tuple[str, str], Judged]  # by the corpus of the training and the judged one


def metric_of(kind: str) -> str:
    """Return the key of the figure that a matrix shows of a kind of task."""
    return "ccc" if kind == "scores" else "uar"


def build_matrix(
    setting: Setting, diagonal: Mapping[str, Judged], elsewhere: Elsewhere, left_out: Mapping[str, Judged]
) -> Matrix:
    """Compute the figures of all cells, their drops from the diagonal, and Holm's correction over all of these.

    Args:
        setting: the experiment.
        diagonal: predictions of each model on its own corpus, by the name of the corpus.
        elsewhere: predictions of each model on every other corpus.
        left_out: predictions on each corpus of the model of all others; empty without such models.

    Raises:
        DataError: predictions of a column share no utterance, class or label.
    """
    names = [corpus.name for corpus in setting.corpora]
    root = setting.name
    cells: dict[tuple[str, str], Cell] = {}
    for own in names:
        cells[own, own] = _cell((own,), own, f"{root}/{own}", diagonal[own], None)
        for other in names:
            if own != other:
                found = elsewhere[own, other]
                cells[own, other] = _cell((own,), other, f"{root}/{own}/on/{other}", found, diagonal[other])
    outside = {}
    for name, found in left_out.items():
        others = tuple(other for other in names if other != name)
        outside[name, ""] = _cell(others, name, f"{root}/{joined_name(others)}/on/{name}", found, diagonal[name])
    corrected = _corrected({**cells, **outside})
    rows = []
    for own in names:
        line = tuple(corrected[own, other] for other in names)
        rows.append(Row(own, line, float(np.mean([one.figure.value for one in line if one.judged_on != own]))))
    first = diagonal[names[0]].stored
    kind = first.predictions.kind
    own_cells = tuple(corrected[name, ""] for name in left_out)
    every = (*(cell for row in rows for cell in row.cells), *own_cells)
    return Matrix(
        setting=setting,
        task=first.origin.task,
        kind=kind,
        metric=metric_of(kind),
        rows=tuple(rows),
        left_out=own_cells,
        constant=tuple(_constant(diagonal[name]) for name in names),
        tests=sum(cell.drop is not None and cell.drop.holm is not None for cell in every),
        notes=tuple(_notes(setting, every, {**cells, **outside}, diagonal)),
    )


def joined_name(names: Sequence[str]) -> str:
    """Name a corpus that is joined of others, and the run that is trained on it.

    >>> joined_name(["EMODB", "RAVDESS"])
    'EMODB+RAVDESS'
    """
    return "+".join(names)


def _cell(trained: tuple[str, ...], judged: str, run: str, own: Judged, diagonal: Judged | None) -> Cell:
    """Judge a model on the utterances and classes that it shares with the diagonal of its column."""
    if diagonal is None:
        shared, classes, row = shared_of(own, own), own.stored.predictions.classes, None
        clusters = clusters_of(shared.spoken)
    else:
        classes = _shared_classes(own, diagonal)
        own, other = restricted(own, classes), restricted(diagonal, classes)
        shared = shared_of(own, other)
        clusters = clusters_of(shared.spoken)
        row = _compared(own, other, shared, clusters)
    return Cell(
        trained_on=trained,
        judged_on=judged,
        run=run,
        utterances=len(shared.ids),
        classes=classes,
        figure=_figure(own, shared, clusters),
        unit=clusters.unit,
        clusters=clusters.number,
        unit_note=clusters.note,
        selected_on_test=own.contender.stamp,
        drop=None if row is None else Drop(row.b, row.difference),
    )


def _shared_classes(own: Judged, diagonal: Judged) -> tuple[str, ...]:
    there = own.stored.predictions.classes
    shared = tuple(name for name in diagonal.stored.predictions.classes if name in there)
    if len(shared) < 2 and own.stored.predictions.kind != "scores":
        raise DataError(f"{own.contender.name}: {names_of(there)} share fewer than two classes with the diagonal")
    return shared


def restricted(judged: Judged, classes: tuple[str, ...]) -> Judged:
    """Return the predictions of a run among some of its classes, on the utterances of these.

    The model decides between these classes alone, as if the others had never been among its answers.
    """
    own = judged.stored.predictions
    if own.classes == classes or own.targets is None:
        return judged
    columns = [own.classes.index(name) for name in classes]
    logits = own.ensemble_logits(judged.contender.k)[:, columns]
    if own.kind == "single":
        place = np.full(len(own.classes), -1)
        place[columns] = np.arange(len(columns))
        kept = np.flatnonzero(place[own.targets] >= 0)
        targets = place[own.targets][kept]
    else:
        kept, targets = np.arange(len(own.ids)), own.targets[:, columns]
    logits = logits[kept]
    predictions = replace(
        own,
        utterances=tuple(own.utterances[row] for row in kept),
        ids=tuple(own.ids[row] for row in kept),
        logits=logits[None],
        targets=targets,
        classes=classes,
        members=own.members[:1],
        votes=None,
        scores=None,
        ranges=tuple(own.ranges[column] for column in columns) if own.ranges else (),
    )
    stored = replace(judged.stored, predictions=predictions, spoken=tuple(judged.stored.spoken[row] for row in kept))
    decisions = logits if own.kind == "scores" else decide(logits, own.kind)
    return replace(judged, stored=stored, decisions=decisions, probabilities=None)


def _figure(own: Judged, shared: Shared, clusters: Clusters) -> Estimate:
    jackknife, predictions = Jackknife(clusters), own.stored.predictions
    if predictions.kind == "scores":
        return mean_estimates(shared.targets, shared.a, jackknife)["ccc"]
    return decision_estimates(shared.targets, shared.a, len(predictions.classes), jackknife)["uar"]


def _compared(own: Judged, other: Judged, shared: Shared, clusters: Clusters) -> MetricRow:
    """Compare a cell (a) with the diagonal (b) as `sertool compare` does."""
    predictions = own.stored.predictions
    if predictions.kind == "scores":
        means = np.nanmean(shared.targets, 0)  # only a baseline depends on it, which is not shown here
        return score_metric_rows(shared, clusters, ["ccc"], predictions.classes, predictions.ranges, means)[0]
    return decision_rows(shared, clusters, ["uar"], len(predictions.classes))[0]


def _constant(diagonal: Judged) -> float:
    """Return the figure of always the same answer."""
    own = diagonal.stored.predictions
    assert own.targets is not None
    if own.kind == "scores":
        means = diagonal.stored.origin.train_means
        always = np.nanmean(own.targets, 0) if means is None else np.array(means)
        return float(baseline_of_scores(own.targets, always).metrics["ccc"])
    return float(baseline_metrics(own.targets, len(own.classes))["uar"])


def _corrected(cells: Mapping[tuple[str, str], Cell]) -> dict[tuple[str, str], Cell]:
    """Add Holm's correction over the drops of all cells, and the verdicts."""
    tested = {key: cell.drop.difference.p for key, cell in cells.items() if cell.drop is not None}
    known = {key: p for key, p in tested.items() if p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    done = {}
    for key, cell in cells.items():
        if cell.drop is None:
            done[key] = cell
            continue
        p = adjusted.get(key)
        drop = replace(cell.drop, holm=p, verdict=verdict(cell.drop.difference, p))
        done[key] = replace(cell, drop=drop)
    return done


def verdict(own: Difference, p: float | None) -> str:
    """Say in a word what a drop shows: its interval excludes 0, and its corrected p-value is below 0.05.

    Args:
        own: diagonal less cell.
        p: its p-value, corrected for the tests of all cells.

    >>> verdict(Difference(0.2, 0.1, 0.3, 0.001), 0.004), verdict(Difference(0.2, 0.01, 0.4, 0.04), 0.16)
    ('falls', 'no difference shown')
    """
    if own.low is None or own.high is None or p is None:
        return NO_INTERVAL
    if (own.low > 0 or own.high < 0) and p < SIGNIFICANT:
        return FALLS if own.value > 0 else RISES
    return NOT_SHOWN


def _notes(
    setting: Setting,
    cells: Sequence[Cell],
    named: Mapping[tuple[str, str], Cell],
    diagonal: Mapping[str, Judged],
) -> list[str]:
    """Say what a reader of the figures should know: maps, other classes, what was selected on test, the corpora."""
    told: dict[str, list[str]] = {}  # what holds for several corpora is one note
    for corpus in setting.corpora:
        for one in _of_corpus(corpus):
            told.setdefault(one, []).append(corpus.name)
    notes = [f"{names_of(names)}: {one}" for one, names in told.items()]
    for name in (corpus.name for corpus in setting.corpora):
        own = named[name, name]
        if own.unit_note:
            notes.append(f"{name}: {own.unit_note}")
        every = diagonal[name].stored.predictions.classes
        fewer = [cell for cell in cells if cell.judged_on == name and cell.classes != every]
        for cell in fewer:
            lacking = [one for one in every if one not in cell.classes]
            notes.append(
                f"{joined_name(cell.trained_on)} on {name}: {plural(len(cell.classes), 'class', 'classes')}, without "
                f"{names_of(lacking)}; the drop is over the same classes"
            )
    stamps = {cell.selected_on_test: None for cell in cells if cell.selected_on_test}
    for stamp in stamps:
        of = dict.fromkeys(joined_name(cell.trained_on) for cell in cells if cell.selected_on_test == stamp)
        notes.append(f"{', '.join(of)}: {stamp}, so that the diagonal, and the drops from it, are too large")
    return notes


def _of_corpus(corpus: CorpusFacts) -> list[str]:
    told = [corpus.caveats] if corpus.caveats else []
    told += [corpus.speakers_note] if corpus.speakers_note else []
    told += [f"the frames are under the licence {one}" for one in corpus.licences]
    return [*told, *corpus.map_lines]
