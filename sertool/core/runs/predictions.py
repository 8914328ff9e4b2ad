"""Predictions of members on a set of utterances: logits of each, and decisions of the first k together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import decide, metrics_of, report_text

LARGEST = 1e30  # of a logit: sums of float32 beyond it overflow, so it is no more finite than NaN


@dataclass(frozen=True)
class MemberScore:
    """Scores of a member on a set.

    Attributes:
        name: name of its folder or file.
        fold: fold whose utterances it predicts.
        accuracy: accuracy on them (0 to 1); None on an unlabelled set.
        validation: validation score it was selected by.
    """

    name: str
    fold: int
    accuracy: float | None
    validation: float


@dataclass(frozen=True)
class Predictions:
    """Predictions of E members on a set.

    Attributes:
        set: ``valid``, ``test`` or ``private``.
        utterances: (N,) positions in the corpus.
        ids: (N,) utterance ids.
        logits: (E, N, C); row k holds the k-th best member, of each utterance's own fold in cross-validation.
        targets: (N,) or (N, C); None on an unlabelled set.
        kind: ``single`` or ``multi``.
        classes: names of the C classes.
        members: scores of each member.
        scores: (N,) raw labels from -3 to 3, where the task derives its classes from such labels.
    """

    set: str
    utterances: tuple[int, ...]
    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[np.int64] | None
    kind: str
    classes: tuple[str, ...]
    members: tuple[MemberScore, ...]
    scores: NDArray[np.float64] | None = None

    def ensemble_logits(self, k: int) -> NDArray[np.float32]:
        """Average the logits of the first k members; returns (N, C)."""
        mean: NDArray[np.float32] = self.logits[:k].mean(0)  # of logits, not of probabilities
        return mean

    def decisions(self, k: int) -> NDArray[np.int64]:
        """Predict classes (N,), or 0/1 per class (N, C), from the mean logits of the first k members."""
        return decide(self.ensemble_logits(k), self.kind)

    def metric(self, name: str, k: int) -> float:
        """Compute a metric of the first k members together; ``name`` is a key of ``metrics_of(kind)``."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no metrics")
        return metrics_of(self.kind)[name](self.targets, self.decisions(k), len(self.classes))

    def report(self, k: int, *, numbered: bool) -> str:
        """Return scikit-learn's classification report, by class name or, as the reference printed it, ``numbered``."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no report")
        return report_text(self.targets, self.decisions(k), None if numbered else self.classes)


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
    """Return a header and a row per utterance: set, utterance, label, predicted, and a logit per class."""
    logits, decisions = predictions.ensemble_logits(k), predictions.decisions(k)
    rows: list[list[str | float]] = [
        ["set", "utterance", "label", "predicted", *(f"logit_{name}" for name in predictions.classes)]
    ]
    for place, utterance in enumerate(predictions.ids):
        label = "" if predictions.targets is None else _written(predictions.targets[place], predictions)
        rows.append([predictions.set, utterance, label, _written(decisions[place], predictions)])
        rows[-1] += map(float, logits[place])
    return rows


def _written(decision: Any, predictions: Predictions) -> str:
    if predictions.kind == "multi":
        return "|".join(str(int(value)) for value in decision)
    return predictions.classes[int(decision)]
