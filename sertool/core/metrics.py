"""Metrics as pure functions of targets and predictions, both class numbers (N,) or 0/1 decisions (N, C).

Names are the field's: accuracy is its WA, uar (unweighted average recall) its UA. Classes are always given as their
number, so a class that is absent from a test set counts the same in every metric.
"""

from collections.abc import Callable, Sequence
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


def accuracy(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Share of decisions that are right; for (N, C) decisions over all N times C."""
    return float((targets == predictions).mean())


def uar(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Unweighted average recall over the classes that occur in the targets."""
    if targets.ndim == 2:
        return float(np.mean([uar(t, p, 2) for t, p in zip(targets.T, predictions.T, strict=True)]))
    return float(uar_of_confusion(confusion(targets, predictions, num_classes)))


def uar_of_confusion(counts: NDArray[Any]) -> NDArray[np.float64]:
    """UAR of confusion counts (..., C, C), over the classes that occur."""
    support = counts.sum(-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(support, 1)
    return np.asarray(recall.sum(-1) / np.maximum((support > 0).sum(-1), 1), np.float64)


def f1_per_class(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.float64]:
    """(C,) F1 of each class; 0 where a class is neither a target nor a prediction."""
    if targets.ndim == 2:
        hits = (targets & predictions).sum(0)
        return np.asarray(2 * hits / np.maximum(targets.sum(0) + predictions.sum(0), 1), np.float64)
    counts = confusion(targets, predictions, num_classes)
    return np.asarray(2 * np.diagonal(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1), np.float64)


def f1_macro(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Mean F1 over all classes."""
    return float(f1_per_class(targets, predictions, num_classes).mean())


def f1_weighted(targets: IntArray, predictions: IntArray, num_classes: int) -> float:
    """Mean F1 weighted by how often a class is a target."""
    support = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=num_classes)
    weights = support / max(support.sum(), 1)
    return float((f1_per_class(targets, predictions, num_classes) * weights).sum())


METRICS: dict[str, Callable[[IntArray, IntArray, int], float]] = {
    "accuracy": accuracy,
    "uar": uar,
    "f1_macro": f1_macro,
    "f1_weighted": f1_weighted,
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
