"""Findings on predicted scores: what a reader of their figures must not miss, by kind."""

import math
from collections.abc import Iterator, Mapping

from sertool.core.formatting import first_few, plural
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import SetReport
from sertool.core.reports.dimensions import BIAS
from sertool.core.reports.probes import IGNORED, RELEVANT
from sertool.core.reports.score_contents import DimensionRow, ScoreSlice, SpeakerResidual
from sertool.core.reports.wording import change, change_interval, figure, interval, p_equals, percent, slice_name

# Share of the true deviation. Predictions of the smallest squared error deviate r times as much as the true scores, r
# being their correlation: below a half, r is below 0.5, or the model says less than it knows.
NARROW = 0.5
# Share by which intervals may miss their level: which speakers are in validation alone moves the coverage by so much.
UNDER = 0.03
WIDE = 1.96  # standard errors to the end of an interval
FEW = 3  # speakers that a finding names

# Kind -> severity and meaning, as in findings.KINDS.
SCORE_KINDS: Mapping[str, tuple[str, str]] = {
    "predicts-the-mean": ("warning", "the CCC of a score may be that of always predicting its mean"),
    "regresses-to-mean": (
        "warning",
        f"the predictions of a score vary less than {percent(NARROW, 0)} % as much as the true ones",
    ),
    "under-covered": (
        "warning",
        f"intervals hold the true score significantly, and by {percent(UNDER, 0)} points, less often than they should",
    ),
    "speaker-bias": (
        "warning",
        f"the scores of a speaker are significantly, and by {percent(BIAS, 0)} % of the range, too high or too low",
    ),
}
SCORE_NOTES: Mapping[str, tuple[str, str]] = {
    "text-alone": (
        "note",
        f"text alone explains a score: the audio of other utterances, or none, costs a CCC of less than {RELEVANT}",
    ),
}


def score_findings(own: SetReport) -> Iterator[tuple[str, str]]:
    """Yield kind and sentence of each finding on a set with scores."""
    for one in own.dimensions:
        if chance := _mean(one):
            yield "predicts-the-mean", chance
        elif 0 < one.predicted.sd < NARROW * one.true.sd:
            yield "regresses-to-mean", _narrow(one)
        if not chance and text_alone(one) and not (own.use is not None and own.use.audio == IGNORED):
            yield "text-alone", _text_alone(one)
        if under := _under(one):
            yield "under-covered", under
        if biased := [speaker for speaker in one.speakers if speaker.biased]:
            yield "speaker-bias", f"{one.name}: {_biased(biased)}"
    yield from (("weak-slice", _larger(row, own)) for row in own.score_slices if row.weak)


def _mean(own: DimensionRow) -> str:
    """Say why the predictions of a score may be no better than always its mean; empty if they are better."""
    if not own.true.sd > 0:
        return ""
    ccc = own.metrics["ccc"]
    if own.predicted.sd <= 1e-6 * own.true.sd:
        return f"{own.name}: no better than always the mean: every prediction is {own.predicted.mean:.3f}"
    if (ccc.value if ccc.low is None else ccc.low) > 0:
        return ""
    mae = f"MAE {figure(own.metrics['mae'].value, 'mae')}, always the mean {figure(own.baseline['mae'], 'mae')}"
    return f"{own.name}: not shown to be better than always the mean: CCC {_with_interval(ccc, 'ccc')}; {mae}"


def _narrow(own: DimensionRow) -> str:
    return (
        f"{own.name}: the predictions have a standard deviation of {own.predicted.sd:.3f}, the true scores of "
        f"{own.true.sd:.3f}: low ones are predicted too high, and high ones too low"
    )


def text_alone(own: DimensionRow) -> bool:
    """Check whether the 95 % interval excludes that the audio matters to a score, shuffled and masked."""
    falls = [fall for name, fall in own.falls.items() if name.startswith("audio")]
    return len(falls) > 1 and all(fall.high is not None and fall.high < RELEVANT for fall in falls)


def _text_alone(own: DimensionRow) -> str:
    fall = own.falls["audio shuffled"]
    return (
        f"{own.name}: the text alone explains it: with the audio of other utterances the CCC falls by "
        f"{figure(fall.value, 'ccc')} (95 % interval {change_interval(fall, 'ccc')})"
    )


def _under(own: DimensionRow) -> str:
    """Say that intervals hold the true score too seldom; empty if chance, or too small a validation set, may be why.

    Intervals fitted on n utterances hold the next true scores with a share that is itself a matter of chance, with
    variance ``level (1 - level) / (n + 2)``: V. Vovk, "Conditional Validity of Inductive Conformal Predictors", ACML
    2012.
    """
    found = own.intervals
    if found.covered is None or found.covered.high is None or found.covered.value >= found.level - UNDER:
        return ""
    fitted = WIDE * math.sqrt(found.level * (1 - found.level) / (found.validated + 2))
    if found.covered.value + math.hypot(found.covered.high - found.covered.value, fitted) >= found.level:
        return ""
    return (
        f"{own.name}: intervals of {percent(found.level, 0)} % hold the true score of only "
        f"{percent(found.covered.value)} % ({interval(found.covered)}) of the utterances"
    )


def _biased(speakers: list[SpeakerResidual]) -> str:
    worst = sorted(speakers, key=lambda one: -abs(one.mean.value))
    named = [
        f"{one.name} {change(one.mean.value, 'mae')} ({change_interval(one.mean, 'mae')}; "
        f"{plural(one.utterances, 'utterance')}, {p_equals(1.0 if one.p is None else one.p)})"
        for one in worst
    ]
    return f"predicted too high (+) or too low (-) on average: {first_few(named, FEW)}"


def _larger(row: ScoreSlice, own: SetReport) -> str:
    named = slice_name(row.kind, row.name)
    over = f" of {plural(row.clusters, own.unit)}" if own.unit not in ("utterance", row.kind) else ""
    assert row.p is not None, "only a slice that was tested is weak"
    return (
        f"{named}: MAE {_with_interval(row.mae, 'mae')}, {figure(row.difference, 'mae')} above the rest "
        f"({plural(row.size, 'utterance')}{over}, {p_equals(row.p)})"
    )


def _with_interval(own: Estimate, metric: str) -> str:
    return figure(own.value, metric) + ("" if own.low is None else f" ({interval(own, metric)})")
