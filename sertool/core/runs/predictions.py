"""Predictions of members on a set of utterances: logits of each, and decisions of the first k together."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Estimate, Jackknife
from sertool.core.metrics.classification import decide, metrics_of, report_text
from sertool.core.metrics.intervals import counts_left
from sertool.core.metrics.scores import figures_left, score_figures
from sertool.core.metrics.selection import LOWER_IS_BETTER, score_of_figure

LARGEST = 1e30  # of a logit: sums of float32 beyond it overflow, so it is no more finite than NaN


@dataclass(frozen=True)
class MemberScore:
    """Scores of a member on a set.

    Attributes:
        name: name of its folder or file.
        fold: fold whose utterances it predicts.
        accuracy: accuracy on them (0 to 1); None on an unlabelled set and for scores.
        validation: validation score it was selected by.
        figures: of a task of scores its figures on them by key, means over the scores; without those not defined.
    """

    name: str
    fold: int
    accuracy: float | None
    validation: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Predictions of E members on a set.

    Attributes:
        set: ``valid``, ``test`` or ``private``.
        utterances: (N,) positions in the corpus.
        ids: (N,) utterance ids.
        logits: (E, N, C); row k holds the k-th best member, of each utterance's own fold in cross-validation. Of a task
            of scores the members' predictions in the units of the scores.
        targets: (N,) or (N, C); of a task of scores (N, C) float64 with NaN where one is missing. None on an unlabelled
            set.
        kind: ``single``, ``multi`` or ``scores``.
        classes: names of the C classes, or of the scores.
        members: scores of each member.
        scores: (N,) raw labels from -3 to 3, where the task derives its classes from such labels.
        votes: (N, C) share of the raters that chose each class, NaN where unknown; None without raters.
        ranges: lowest and highest value of each score; empty for tasks of classes.
        clip: predictions are cut to these ranges.
        ceilings: figures that one rater reaches against the others here, by task or score, and key: ``accuracy`` and
            ``uar``, or those of ``DIMENSION_METRICS``. Empty where no utterance has two raters.
        ties: utterances of the same split and speakers that are in no set because their raters tie; None if unknown.
    """

    set: str
    utterances: tuple[int, ...]
    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[Any] | None
    kind: str
    classes: tuple[str, ...]
    members: tuple[MemberScore, ...]
    scores: NDArray[np.float64] | None = None
    votes: NDArray[np.float64] | None = None
    ranges: tuple[tuple[float, float], ...] = ()
    clip: bool = False
    ceilings: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    ties: int | None = None

    def ensemble_logits(self, k: int) -> NDArray[np.float32]:
        """Average the logits, or the predicted scores, of the first k members; returns (N, C)."""
        mean: NDArray[np.float32] = self.logits[:k].mean(0)  # of logits, not of probabilities
        return self._in_range(mean)

    def member_logits(self, member: int) -> NDArray[np.float32]:
        """Return the logits, or the predicted scores, of a single member; (N, C)."""
        return self._in_range(self.logits[member])

    def _in_range(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return clipped(values, self.ranges) if self.clip else values

    def decisions(self, k: int) -> NDArray[np.int64]:
        """Predict classes (N,), or 0/1 per class (N, C), from the mean logits of the first k members."""
        return decide(self.ensemble_logits(k), self.kind)

    def figures(self, k: int) -> dict[str, float]:
        """Compute every metric of the first k members together; of scores the mean over the scores."""
        return self._figures(self.ensemble_logits(k))

    def member_figures(self, member: int) -> dict[str, float]:
        """Compute every metric of a single member."""
        return self._figures(self.member_logits(member))

    def _figures(self, values: NDArray[np.float32]) -> dict[str, float]:
        if self.targets is None:
            raise ValueError("an unlabelled set has no metrics")
        if self.kind == "scores":
            return score_figures(self.targets, values)
        decisions = decide(values, self.kind)
        return {name: one(self.targets, decisions, len(self.classes)) for name, one in metrics_of(self.kind).items()}

    def metric(self, name: str, k: int) -> float:
        """Compute a metric of the first k members together, by its key in :meth:`figures`."""
        return self.figures(k)[name]

    def score(self, name: str, k: int) -> float:
        """Compute a metric as a score by which sizes are chosen: more is better, so an error has a minus."""
        return score_of_figure(self.metric(name, k), name)

    def scores_without(self, name: str, k: int, jackknife: Jackknife) -> NDArray[np.float64]:
        """Return the score of :meth:`score` without each cluster, then without each utterance: (G + N,)."""
        return scores_left(self, self.ensemble_logits(k), name, jackknife)

    def report(self, k: int, *, numbered: bool) -> str:
        """Return scikit-learn's classification report, by class name or, as the reference printed it, ``numbered``."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no report")
        return report_text(self.targets, self.decisions(k), None if numbered else self.classes)


def clipped(values: NDArray[np.float32], ranges: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """Cut predicted scores (N, C) to the range of each."""
    low, high = np.array(ranges, np.float32).T
    return values.clip(low, high)


def scores_left(
    own: Predictions, values: NDArray[np.float32], metric: str, jackknife: Jackknife
) -> NDArray[np.float64]:
    """Return a metric of some predictions as a score, without each cluster, then without each utterance: (G + N,).

    Args:
        own: predictions that hold the targets.
        values: (N, C) logits, or predicted scores.
        metric: key of the metric.
        jackknife: jackknife over the utterances of ``own``.
    """
    assert own.targets is not None
    if own.kind == "scores":
        left = figures_left(own.targets, values, jackknife)[metric]
    else:
        counts = counts_left(own.targets, decide(values, own.kind), len(own.classes), jackknife)
        left = metrics_of(own.kind)[metric].of_counts(counts)
    return -left if metric in LOWER_IS_BETTER else left


def finite_rows(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (E,) for each member whether all of its logits (E, N, C) are usable numbers."""
    return np.asarray((np.abs(logits) < LARGEST).all((1, 2)))


def divided(
    members: Sequence[MemberScore], finite: NDArray[np.bool_]
) -> tuple[tuple[MemberScore, ...], tuple[str, ...]]:
    """Return the members whose logits are finite, and the names of the others.

    In cross-validation row k of the logits joins the k-th member of every fold, so these are kept or left out together.
    """
    seen: Counter[int] = Counter()
    kept, left_out = [], []
    for member in members:
        rank = seen[member.fold]
        seen[member.fold] += 1
        if rank >= len(finite) or finite[rank]:
            kept.append(member)
        else:
            left_out.append(member.name)
    return tuple(kept) if finite.any() else (), tuple(left_out)


def without(predictions: Predictions, finite: NDArray[np.bool_]) -> Predictions:
    """Return predictions without the members whose logits are not finite."""
    kept, _ = divided(predictions.members, finite)
    return replace(predictions, logits=predictions.logits[finite], members=kept)


def prediction_rows(predictions: Predictions, k: int) -> list[list[str | float]]:
    """Return a header and a row per utterance: set, utterance, label, predicted, and a logit per class.

    Of a task of scores: set, utterance, each score, and each prediction; empty where a score is missing.
    """
    logits = predictions.ensemble_logits(k)
    if predictions.kind == "scores":
        return _score_rows(predictions, logits)
    decisions = predictions.decisions(k)
    rows: list[list[str | float]] = [
        ["set", "utterance", "label", "predicted", *(f"logit_{name}" for name in predictions.classes)]
    ]
    for place, utterance in enumerate(predictions.ids):
        label = "" if predictions.targets is None else _written(predictions.targets[place], predictions)
        rows.append([predictions.set, utterance, label, _written(decisions[place], predictions)])
        rows[-1] += map(float, logits[place])
    return rows


def _score_rows(predictions: Predictions, values: NDArray[np.float32]) -> list[list[str | float]]:
    names = predictions.classes
    rows: list[list[str | float]] = [["set", "utterance", *names, *(f"predicted_{name}" for name in names)]]
    for place, utterance in enumerate(predictions.ids):
        true = [None] * len(names) if predictions.targets is None else predictions.targets[place].tolist()
        known = ["" if value is None or math.isnan(value) else value for value in true]
        rows.append([predictions.set, utterance, *known, *map(float, values[place])])
    return rows


def _written(decision: Any, predictions: Predictions) -> str:
    if predictions.kind == "multi":
        return "|".join(str(int(value)) for value in decision)
    return predictions.classes[int(decision)]
