"""Slices of a set with scores: the mean absolute error of speakers, genders, lengths and modalities."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import FEWEST, Clusters, Jackknife, holm
from sertool.core.metrics.moments import terms
from sertool.core.metrics.scores import DIMENSION_METRICS, DimensionMetric, mean_figure
from sertool.core.reports.score_contents import ScoreSlice
from sertool.core.reports.slices import LEAST, WEAK, Part, is_few_speakers, slices_of
from sertool.core.runs.prediction_files import StoredSet

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def score_slices(stored: StoredSet, k: int, jackknife: Jackknife) -> tuple[ScoreSlice, ...]:
    """Measure the error on each slice of a set, and find the weak slices.

    A slice is weak if its MAE is significantly, and by more than a twentieth of the range, above that of the rest.
    What is tested, and how, is as for :func:`~sertool.core.reports.slices.slice_rows`; but a single speaker is compared
    with the others by the jackknife over utterances.

    Args:
        stored: the set, with targets.
        k: number of averaged members.
        jackknife: jackknife over the utterances of the set.
    """
    own = stored.predictions
    assert own.targets is not None
    columns = terms(own.targets, np.asarray(own.ensemble_logits(k), np.float64))
    # A range of several scores is the mean over them, as their MAE is.
    counted = np.isfinite(own.targets).any(0)
    widths = np.array([high - low for low, high in own.ranges])[counted]
    rows: list[ScoreSlice] = []
    tested: list[tuple[int, float]] = []
    for part in slices_of(stored):
        row, p = _row(part, columns, np.isfinite(own.targets).any(1), jackknife)
        if row is None:
            continue
        if p is not None and not is_few_speakers(part, stored):
            tested.append((len(rows), p))
        rows.append(row)
    for (number, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        weak = p < WEAK and rows[number].difference > WEAK * float(widths.mean())
        rows[number] = replace(rows[number], p=p, weak=weak)
    return tuple(rows)


def _row(part: Part, columns: Array, known: Mask, jackknife: Jackknife) -> tuple[ScoreSlice | None, float | None]:
    """Return the figures of a slice, and the one-sided p-value that its error is not above the rest's.

    There is no slice where it or the rest has no true score, and no p-value without a test.
    """
    inside, outside, clusters = part.mask & known, ~part.mask & known, jackknife.clusters
    if not inside.any() or not outside.any():
        return None, None
    number, others = (len(np.unique(clusters.index[own])) for own in (inside, outside))
    # One speaker, among speakers enough, is judged by his or her utterances.
    alone = part.kind == "speaker" and number == 1 and not clusters.few
    over = Jackknife(Clusters(np.arange(len(known)), len(known), "utterance")) if alone else jackknife
    errors, errors_left = _figures("mae", columns, inside, over)
    rest, rest_left = _figures("mae", columns, outside, over)
    agreement, agreement_left = _figures("ccc", columns, inside, over)
    mae, ccc = DIMENSION_METRICS["mae"], DIMENSION_METRICS["ccc"]
    row = ScoreSlice(
        kind=part.kind,
        name=part.name,
        size=int(part.mask.sum()),
        clusters=number,
        mae=over.estimate(errors, errors_left, mae.within, inside),
        ccc=over.estimate(agreement, agreement_left, ccc.within, inside),
        difference=errors - rest,
        p=None,
        weak=False,
    )
    if min(inside.sum(), outside.sum()) < LEAST or clusters.few or (not alone and min(number, others) < FEWEST):
        return row, None
    # The part with fewer clusters limits what can be known.
    of = inside if number < others or alone else outside
    found = over.difference(row.difference, errors_left - rest_left, of, within=(-np.inf, np.inf))
    if found.p is None:
        return row, None
    return row, found.p / 2 if row.difference > 0 else 1 - found.p / 2


def _figures(name: str, columns: Array, mask: Mask, over: Jackknife) -> tuple[float, Array]:
    """Return a mean figure over the scores on a part of the set, and (G + N,) without each cluster and utterance."""
    metric: DimensionMetric = DIMENSION_METRICS[name]
    own = np.where(mask[:, None, None], columns, 0.0)
    sums = own.sum(0)
    left = over.totals(own.reshape(len(own), -1)).reshape(-1, *own.shape[1:])
    allowed = metric.allowed(sums)
    return float(mean_figure(metric, sums, allowed)), mean_figure(metric, left, allowed)
