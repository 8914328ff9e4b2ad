"""Metrics as pure functions of targets and predictions, both class numbers (N,) or 0/1 decisions (N, C).

Names are the field's: accuracy is its WA, uar (unweighted average recall) its UA. Classes are always given as their
number, so a class that is absent from a test set counts the same in every metric.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]


def confusion(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.int64]:
    """(C, C) counts, targets down, predictions across."""
    flat = np.bincount(targets.astype(np.int64) * num_classes + predictions, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def decide(logits: FloatArray, kind: str) -> NDArray[np.int64]:
    """The decisions (N,) of single-label logits (N, C), or (N, C) of multi-label ones (a logit above 0 is a yes)."""
    if kind == "multi":
        return (logits > 0).astype(np.int64)
    return np.asarray(logits.argmax(-1), np.int64)


@dataclass(frozen=True)
class Counts:
    """What every metric of decisions is made of. Leading axes, if there are any, are resamples.

    Attributes:
        hits: (..., C) utterances of a class that were given it.
        support: (..., C) utterances of a class.
        predicted: (..., C) utterances that were given a class.
        utterances: (...) all of them.
        multi: whether each class is a decision of its own.
    """

    hits: NDArray[Any]
    support: NDArray[Any]
    predicted: NDArray[Any]
    utterances: NDArray[Any]
    multi: bool

    @property
    def rejected(self) -> NDArray[Any]:
        """(..., C) utterances that are not of a class and were not given it."""
        return np.asarray(self.utterances[..., None] - self.support - self.predicted + self.hits)


def indicators(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.bool_]:
    """(N, 3C + 1) what an utterance adds to each of ``Counts``: its sum over utterances is their counts."""
    if targets.ndim == 2:
        support, predicted = targets > 0, predictions > 0
    else:
        support, predicted = (part[:, None] == np.arange(num_classes) for part in (targets, predictions))
    return np.hstack([support & predicted, support, predicted, np.ones((len(targets), 1), bool)])


def counts_of(sums: NDArray[Any], *, multi: bool) -> Counts:
    """Sums (..., 3C + 1) of ``indicators`` as counts."""
    hits, support, predicted = np.split(sums[..., :-1], 3, axis=-1)
    return Counts(hits, support, predicted, sums[..., -1], multi)


def count(targets: IntArray, predictions: IntArray, num_classes: int) -> Counts:
    """The counts of all utterances."""
    return counts_of(indicators(targets, predictions, num_classes).sum(0), multi=targets.ndim == 2)


def accuracy_of(counts: Counts) -> NDArray[np.float64]:
    """(...) share of decisions that are right, of all N times C where each class is one."""
    if counts.multi:
        right = (counts.hits + counts.rejected).sum(-1)
        return _ratio(right, counts.utterances * counts.hits.shape[-1])
    return _ratio(counts.hits.sum(-1), counts.utterances)


def uar_of(counts: Counts) -> NDArray[np.float64]:
    """(...) unweighted average recall over the classes that occur; of yes and no, then over classes, if multi-label."""
    if counts.multi:
        others = counts.utterances[..., None] - counts.support
        occur = (counts.support > 0).astype(np.int64) + (others > 0)
        return np.asarray(_ratio(recall_of(counts) + _ratio(counts.rejected, others), occur).mean(-1))
    return _ratio(recall_of(counts).sum(-1), (counts.support > 0).sum(-1))


def precision_of(counts: Counts) -> NDArray[np.float64]:
    """(..., C) precision; 0 where a class was never predicted."""
    return _ratio(counts.hits, counts.predicted)


def recall_of(counts: Counts) -> NDArray[np.float64]:
    """(..., C) recall; 0 where a class is absent."""
    return _ratio(counts.hits, counts.support)


def f1_of(counts: Counts) -> NDArray[np.float64]:
    """(..., C) F1; 0 where a class is neither a target nor a prediction."""
    return _ratio(2 * counts.hits, counts.support + counts.predicted)


def f1_macro_of(counts: Counts) -> NDArray[np.float64]:
    """(...) mean F1 over all classes."""
    return np.asarray(f1_of(counts).mean(-1))


def f1_weighted_of(counts: Counts) -> NDArray[np.float64]:
    """(...) mean F1 weighted by support."""
    return _ratio((f1_of(counts) * counts.support).sum(-1), counts.support.sum(-1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Part by whole, 0 where there is nothing."""
    return np.asarray(part / np.where(whole > 0, whole, np.inf), np.float64)


def accuracy(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Share of decisions that are right; for (N, C) decisions over all N times C."""
    return float(accuracy_of(count(targets, predictions, num_classes)))


def uar(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Unweighted average recall over the classes that occur in the targets."""
    return float(uar_of(count(targets, predictions, num_classes)))


def precision_recall(
    targets: IntArray, predictions: IntArray, num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) precision and (C,) recall of each class; 0 where a class is never predicted, and where it is absent."""
    counts = count(targets, predictions, num_classes)
    return precision_of(counts), recall_of(counts)


def f1_per_class(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.float64]:
    """(C,) F1 of each class; 0 where a class is neither a target nor a prediction."""
    return f1_of(count(targets, predictions, num_classes))


def f1_macro(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Mean F1 over all classes."""
    return float(f1_macro_of(count(targets, predictions, num_classes)))


def f1_weighted(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Mean F1 weighted by how often a class is a target."""
    return float(f1_weighted_of(count(targets, predictions, num_classes)))


METRICS: dict[str, Callable[[IntArray, IntArray, int], float]] = {
    "accuracy": accuracy,
    "uar": uar,
    "f1_macro": f1_macro,
    "f1_weighted": f1_weighted,
}
COUNTED: dict[str, Callable[[Counts], NDArray[np.float64]]] = {
    "accuracy": accuracy_of,
    "uar": uar_of,
    "f1_macro": f1_macro_of,
    "f1_weighted": f1_weighted_of,
}


def report_text(targets: IntArray, predictions: IntArray, classes: Sequence[str] | None = None) -> str:
    """Scikit-learn's classification report; without ``classes`` with class numbers, as the reference printed it."""
    return str(_report(targets, predictions, classes, as_dict=False))


def report_table(targets: IntArray, predictions: IntArray, classes: Sequence[str]) -> dict[str, Any]:
    """The same as a table, by class name."""
    table: dict[str, Any] = _report(targets, predictions, classes, as_dict=True)
    return table


def _report(targets: IntArray, predictions: IntArray, classes: Sequence[str] | None, *, as_dict: bool) -> Any:
    from sklearn.metrics import classification_report  # slow to import, and only needed here

    return classification_report(
        targets,
        predictions,
        labels=None if classes is None else list(range(len(classes))),
        target_names=None if classes is None else list(classes),
        output_dict=as_dict,
        zero_division=0,
    )
