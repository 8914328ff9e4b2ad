"""Predicted scores on a set, one by one: figures with intervals, residuals by speaker and by range, coverage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import FEWEST, Estimate, Jackknife, holm
from sertool.core.metrics.baselines import baseline_of_scores
from sertool.core.metrics.conformal import coverage_estimates
from sertool.core.metrics.jackknife import LEVEL
from sertool.core.metrics.moments import mean_of
from sertool.core.metrics.scores import dimension_differences, dimension_estimates
from sertool.core.metrics.sentiment import RANGE, sentiment_estimates, sentiment_figures
from sertool.core.reports.load import Probes
from sertool.core.reports.probes import COMMON, shares
from sertool.core.reports.scales import nice_step
from sertool.core.reports.score_contents import DimensionRow, IntervalRow, Moments, RangeBin, SpeakerResidual
from sertool.core.reports.score_intervals import ScoreIntervals
from sertool.core.runs.prediction_files import StoredSet
from sertool.core.runs.predictions import Predictions

PARTS = 10  # of the range of a score at most: more would hold too few utterances each
LEAST = 10  # utterances of a speaker for a test of the mean residual, as of a slice
SIGNIFICANT = 0.01  # corrected p-value of a bias: utterances of a speaker are less independent than the test takes them
# Share of the range that is a bias: 0.4 on a scale from 1 to 5. Means of a handful of raters vary by nearly as much, so
# a smaller one says little about the model, however many utterances show it.
BIAS = 0.1

Array = NDArray[np.float64]


def dimension_rows(
    stored: StoredSet, k: int, intervals: ScoreIntervals, means: Array, jackknife: Jackknife
) -> tuple[DimensionRow, ...]:
    """Return the figures of each score.

    Args:
        stored: predictions of scores on a set, with targets.
        k: number of averaged members.
        intervals: intervals of the averaged members.
        means: (D,) mean of each score in training, for the baseline.
        jackknife: jackknife over the utterances.
    """
    own = stored.predictions
    assert own.targets is not None
    targets, values = own.targets, np.asarray(own.ensemble_logits(k), np.float64)
    covered = _interval_rows(own, values, intervals, jackknife)
    speakers = _by_speaker(targets, values, [one.speaker for one in stored.spoken], own.ranges)
    columns = zip(own.classes, own.ranges, targets.T, values.T, means, covered, speakers, strict=True)
    return tuple(
        DimensionRow(
            name=name,
            low=low,
            high=high,
            utterances=int(np.isfinite(true).sum()),
            metrics=dimension_estimates(true, said, jackknife),
            sentiment=sentiment_estimates(true, said, jackknife) if (low, high) == RANGE else {},
            baseline=_baseline(true, float(mean), (low, high)),
            true=_moments(true[np.isfinite(true)]),
            predicted=_moments(said[np.isfinite(true)]),
            intervals=coverage,
            speakers=by_speaker,
            bins=tuple(_bins(true, said, (low, high), jackknife)),
            ceilings=own.ceilings.get(name, {}),
        )
        for name, (low, high), true, said, mean, coverage, by_speaker in columns
    )


def falls_of(stored: StoredSet, probes: Probes, k: int, jackknife: Jackknife) -> list[dict[str, Estimate]]:
    """Return for each score by how much its CCC falls with each probe, as far as a modality is common.

    Args:
        stored: predictions of scores on a set, with targets.
        probes: logits (E, N, D) by probe.
        k: number of averaged members.
        jackknife: jackknife over the utterances.
    """
    own, common = stored.predictions, shares(stored.spoken)
    assert own.targets is not None
    found: list[dict[str, Estimate]] = [{} for _ in own.classes]
    for name, logits in probes.items():
        if common[name.partition(" ")[0]] < COMMON:
            continue
        intact, probed = own.ensemble_logits(k), replace(own, logits=logits).ensemble_logits(k)
        for place, falls in enumerate(found):
            true, changed, said = (one[:, place] for one in (own.targets, probed, intact))
            fell = dimension_differences(true, changed, said, jackknife)["ccc"]
            falls[name] = Estimate(fell.value, fell.low, fell.high)
    return found


def _baseline(true: Array, mean: float, within: tuple[float, float]) -> dict[str, float]:
    """Return the figures of always the mean of training."""
    found = dict(baseline_of_scores(true[:, None], np.array([mean])).metrics)
    return found | sentiment_figures(true, np.full(len(true), mean)) if within == RANGE else found


def _moments(scores: Array) -> Moments:
    return Moments(float(scores.mean()), float(scores.std())) if len(scores) else Moments(np.nan, np.nan)


def _interval_rows(
    own: Predictions, values: Array, intervals: ScoreIntervals, jackknife: Jackknife
) -> Iterator[IntervalRow]:
    fitted = intervals.fitted
    if fitted is None:
        yield from (IntervalRow(intervals.level, None, None, None, intervals.note) for _ in own.classes)
        return
    assert own.targets is not None
    here = own.set == fitted.set
    found = coverage_estimates(own.targets, values, fitted.half, jackknife, own.ranges)
    for half, reason, coverage in zip(fitted.half, fitted.reasons, found, strict=True):
        if coverage is None or here or not np.isfinite(coverage.covered.value):
            why = reason or ("fitted on these utterances" if here else "no true scores")
            yield IntervalRow(fitted.level, half, None, None, why, fitted.utterances)
        else:
            yield IntervalRow(fitted.level, half, coverage.covered, coverage.width, validated=fitted.utterances)


def _by_speaker(
    targets: Array, values: Array, speakers: Sequence[str | None], ranges: Sequence[tuple[float, float]]
) -> list[tuple[SpeakerResidual, ...]]:
    """Return the residuals of each speaker for each score, in the order of their means.

    A speaker's mean is tested by Student's t over his or her utterances: this is about no other speaker. Source:
    Student, "The probable error of a mean", Biometrika 6, 1908.
    """
    names = sorted({name for name in speakers if name is not None})
    places = {name: place for place, name in enumerate(names)}
    index = np.array([places.get(name or "", len(names)) for name in speakers])
    order = np.argsort(index, kind="stable")
    ends = np.searchsorted(index[order], np.arange(len(names) + 1))
    rows: list[list[SpeakerResidual]] = []
    for true, said in zip(targets.T, values.T, strict=True):
        apart = (said - true)[order]
        parts = ((name, apart[ends[place] : ends[place + 1]]) for name, place in places.items())
        rows.append([_residual(name, part[np.isfinite(part)]) for name, part in parts if np.isfinite(part).any()])
    tested = [(place, at) for place, own in enumerate(rows) for at, one in enumerate(own) if one.p is not None]
    corrected = holm([p for place, at in tested if (p := rows[place][at].p) is not None])
    for (place, at), p in zip(tested, corrected, strict=True):
        low, high = ranges[place]
        one = rows[place][at]
        rows[place][at] = replace(one, p=p, biased=p < SIGNIFICANT and abs(one.mean.value) > BIAS * (high - low))
    return [tuple(sorted(own, key=lambda one: one.mean.value)) for own in rows]


def _residual(name: str, apart: Array) -> SpeakerResidual:
    """Return the residuals (n,) of a speaker; the p-value is not corrected yet."""
    from scipy.special import stdtr, stdtrit  # slow to import, and only needed here

    number, mean, median = len(apart), float(apart.mean()), float(np.median(apart))
    error = float(apart.std(ddof=1)) / np.sqrt(number) if number > 1 else 0.0
    if number < FEWEST or error <= 1e-9 * max(1.0, abs(mean)):
        return SpeakerResidual(name, number, Estimate(mean), median, None, biased=False)
    half = float(stdtrit(number - 1, (1 + LEVEL) / 2)) * error
    p = 2 * float(stdtr(number - 1, -abs(mean) / error)) if number >= LEAST else None
    return SpeakerResidual(name, number, Estimate(mean, mean - half, mean + half), median, p, biased=False)


def _bins(true: Array, said: Array, within: tuple[float, float], jackknife: Jackknife) -> Iterator[RangeBin]:
    """Yield the parts of the range that hold utterances, in their order."""
    low, high = within
    step = nice_step((high - low) / PARTS)
    number = max(1, int(np.ceil((high - low) / step - 1e-9)))
    known = np.isfinite(true)
    place = np.full(len(true), -1)
    # What is left by rounding must not move a score that lies on an edge into the part below.
    place[known] = np.clip(np.floor((true[known] - low) / step + 1e-9), 0, number - 1).astype(int)
    for part in range(number):
        mask = place == part
        if not mask.any():
            continue
        columns = np.stack([np.where(mask, said - np.where(known, true, 0.0), 0.0), mask], axis=-1)
        mean = jackknife.estimate(float((said - true)[mask].mean()), mean_of(jackknife.totals(columns)), of=mask)
        ends = low + part * step, min(low + (part + 1) * step, high)
        yield RangeBin(round(ends[0], 10), round(ends[1], 10), int(mask.sum()), mean)
