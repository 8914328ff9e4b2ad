"""Figures of predicted scores and of raters' votes on a set, as plain data. Errors are in the units of the scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sertool.core.metrics import Estimate


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation (divided by N) of scores."""

    mean: float
    sd: float


@dataclass(frozen=True)
class IntervalRow:
    """The intervals of a predicted score, and how often they hold the true one.

    Attributes:
        level: share of intervals that should hold the true score, as 0.9.
        half: half their width, fitted on validation; None if there are none.
        covered: share that does hold it; None without intervals, and on the set that they were fitted on.
        width: mean width, cut to the range of the score; None as ``covered``.
        reason: why there are no intervals, or no share; empty otherwise.
        validated: number of validation utterances that they were fitted on; 0 without intervals.
    """

    level: float
    half: float | None
    covered: Estimate | None
    width: float | None
    reason: str = ""
    validated: int = 0


@dataclass(frozen=True)
class SpeakerResidual:
    """The residuals, predicted minus true score, of a speaker.

    Attributes:
        name: name of the speaker.
        utterances: number of utterances with a true score.
        mean: mean residual, with its interval over these utterances.
        median: median residual.
        p: two-sided p-value that the mean is 0, Holm-corrected over all speakers and scores of the set; None if it was
            not tested.
        biased: True if the mean is significantly, and by more than a tenth of the range, off.
    """

    name: str
    utterances: int
    mean: Estimate
    median: float
    p: float | None
    biased: bool


@dataclass(frozen=True)
class RangeBin:
    """The utterances whose true score lies in a part of the range.

    Attributes:
        low, high: its ends; the upper one belongs to it only at the end of the range.
        utterances: number of utterances.
        residual: their mean residual, predicted minus true score.
    """

    low: float
    high: float
    utterances: int
    residual: Estimate


@dataclass(frozen=True)
class DimensionRow:
    """A predicted score, such as arousal.

    Attributes:
        name: name of the score.
        low, high: its range.
        utterances: number of utterances with a true score.
        metrics: ccc, pearson, mae, rmse and r2.
        sentiment: the field's accuracies and F1 of a score from -3 to 3; empty for others.
        baseline: metrics of always the mean of training.
        true, predicted: moments of both scores, over the utterances with a true one.
        intervals: conformal intervals.
        speakers: residuals by speaker, in the order of their means; empty where no speaker is known.
        bins: residuals by range of the true score; parts without utterances are left out.
        ceilings: the same metrics of one rater against the mean of the others; empty where they are not known.
        falls: by how much the CCC falls with changed input, by probe; empty without probes.
    """

    name: str
    low: float
    high: float
    utterances: int
    metrics: Mapping[str, Estimate]
    sentiment: Mapping[str, Estimate]
    baseline: Mapping[str, float]
    true: Moments
    predicted: Moments
    intervals: IntervalRow
    speakers: tuple[SpeakerResidual, ...]
    bins: tuple[RangeBin, ...]
    ceilings: Mapping[str, Estimate] = field(default_factory=dict)
    falls: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreSlice:
    """A part of a set with scores, as the utterances of one speaker.

    Attributes:
        kind, name, size, clusters: as of :class:`~sertool.core.reports.contents.SliceRow`.
        mae: mean absolute error, the mean over the scores.
        ccc: concordance correlation, the mean over the scores.
        difference: its MAE minus that of the rest.
        p: one-sided p-value that it is not above the rest, Holm-corrected over all slices of the set; None if it was
            too small to test.
        weak: True if it is significantly, and by more than a twentieth of the range, above the rest.
    """

    kind: str
    name: str
    size: int
    clusters: int
    mae: Estimate
    ccc: Estimate
    difference: float
    p: float | None
    weak: bool


@dataclass(frozen=True)
class ScoredUtterance:
    """An utterance with predicted scores as the error browser shows it.

    Attributes:
        id, text, speaker, dialogue: stored with the predictions.
        true: true score of each dimension; None where one is missing.
        predicted: predicted score of each dimension.
        residual: largest distance between both, as a share of the range of its score; None without any true score.
        spread: standard deviation (n - 1) of the members' predictions, of each dimension; None for a single member.
        seconds, words: length.
    """

    id: str
    text: str
    speaker: str | None
    dialogue: str | None
    true: tuple[float | None, ...]
    predicted: tuple[float, ...]
    residual: float | None
    spread: tuple[float, ...] | None
    seconds: float | None
    words: int

    @property
    def order(self) -> tuple[bool, float]:
        """Sort key of error browser and recordings: the largest residual first, unknown ones last."""
        return self.residual is None, -(self.residual or 0.0)


@dataclass(frozen=True)
class VotesRow:
    """The probabilities of a set beside the votes of its raters.

    Attributes:
        utterances: number of utterances with votes.
        metrics: cross_entropy and jsd of the calibrated probabilities.
        baseline: the same of always the mean votes of the set.
        entropy: mean entropy of the votes in nats, the lowest cross-entropy that any probabilities reach.
        ceilings: accuracy and uar of one rater against the majority of the others; empty where they are not known.
        ties: utterances of these speakers that are in no set because their raters tie; None if unknown.
    """

    utterances: int
    metrics: Mapping[str, Estimate]
    baseline: Mapping[str, float]
    entropy: float
    ceilings: Mapping[str, Estimate] = field(default_factory=dict)
    ties: int | None = None
