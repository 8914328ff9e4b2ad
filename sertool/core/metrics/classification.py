"""Metrics of decisions as pure functions of targets and predictions: class numbers (N,) or 0/1 decisions (N, C).

Names are the field's: accuracy is its WA (weighted accuracy), uar (unweighted average recall) its UA. The number of
classes is always given, so a class that is absent from a test set counts the same in every metric.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]


def confusion(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.int64]:
    """Count the utterances of each class that were given each class: (C, C), a row a target.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    # A pair of classes is one number, target * C + prediction, so that one pass over the utterances counts them all.
    flat = np.bincount(targets.astype(np.int64) * num_classes + predictions, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def decide(logits: FloatArray, kind: str) -> NDArray[np.int64]:
    """Turn single-label logits (N, C) into classes (N,), multi-label ones into 0/1 (N, C): a logit above 0 is a yes.

    >>> decide(np.array([[0.1, -2.0], [1.0, 3.0]]), "single").tolist()
    [0, 1]
    >>> decide(np.array([[0.1, -2.0], [1.0, 3.0]]), "multi").tolist()
    [[1, 0], [1, 1]]
    """
    if kind == "multi":
        return (logits > 0).astype(np.int64)
    return np.asarray(logits.argmax(-1), np.int64)


@dataclass(frozen=True)
class Counts:
    """The counts from which every metric of decisions is computed. Leading axes, if any, are parts of the set.

    Attributes:
        hits: (..., C) utterances of a class that were given it.
        support: (..., C) utterances of a class.
        predicted: (..., C) utterances that were given a class.
        utterances: (...) all utterances.
        exact: (...) utterances of which every decision is right.
        multi: True for multi-label tasks, where each class is a decision of its own.
    """

    hits: NDArray[Any]
    support: NDArray[Any]
    predicted: NDArray[Any]
    utterances: NDArray[Any]
    exact: NDArray[Any]
    multi: bool

    @property
    def rejected(self) -> NDArray[Any]:
        """(..., C) utterances that are not of a class and were not given it."""
        return np.asarray(self.utterances[..., None] - self.support - self.predicted + self.hits)


def indicators(targets: IntArray, predictions: IntArray, num_classes: int) -> NDArray[np.bool_]:
    """Return (N, 3C + 2): what each utterance adds to ``Counts``. The sum over utterances gives their counts."""
    if targets.ndim == 2:
        support, predicted = targets > 0, predictions > 0
    else:
        support, predicted = (part[:, None] == np.arange(num_classes) for part in (targets, predictions))
    exact = (support == predicted).all(1, keepdims=True)
    return np.hstack([support & predicted, support, predicted, np.ones((len(targets), 1), bool), exact])


def counts_of(sums: NDArray[Any], *, multi: bool) -> Counts:
    """Read sums (..., 3C + 2) of ``indicators`` as counts."""
    hits, support, predicted = np.split(sums[..., :-2], 3, axis=-1)
    return Counts(hits, support, predicted, sums[..., -2], sums[..., -1], multi)


def count(targets: IntArray, predictions: IntArray, num_classes: int) -> Counts:
    """Count all utterances.

    >>> count(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).hits.tolist()
    [1, 1]
    """
    return counts_of(indicators(targets, predictions, num_classes).sum(0), multi=targets.ndim == 2)


def accuracy_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the share of decisions that are right, ``hits / N``; multi-label over all N times C decisions.

    >>> float(accuracy_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)))
    0.75
    """
    if counts.multi:
        right = (counts.hits + counts.rejected).sum(-1)
        return _ratio(right, counts.utterances * counts.hits.shape[-1])
    return _ratio(counts.hits.sum(-1), counts.utterances)


def uar_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the unweighted average recall, ``mean(hits_c / support_c)`` over the classes c that occur.

    Multi-label: of each class the mean recall of yes and no, then the mean over all classes.

    >>> round(float(uar_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2))), 4)
    0.8333

    Source: B. Schuller, S. Steidl, A. Batliner, "The INTERSPEECH 2009 Emotion Challenge", INTERSPEECH 2009.
    """
    if counts.multi:
        others = counts.utterances[..., None] - counts.support
        # How many of yes and no occur, 1 or 2: a side that is absent has no recall and must not pull the mean down.
        occur = (counts.support > 0).astype(np.int64) + (others > 0)
        return np.asarray(_ratio(recall_of(counts) + _ratio(counts.rejected, others), occur).mean(-1))
    return _ratio(recall_of(counts).sum(-1), (counts.support > 0).sum(-1))


def precision_of(counts: Counts) -> NDArray[np.float64]:
    """Return (..., C) the precision of each class, ``hits / predicted``; 0 where a class was never predicted.

    >>> precision_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)).tolist()
    [1.0, 0.5, 0.0]
    """
    return _ratio(counts.hits, counts.predicted)


def recall_of(counts: Counts) -> NDArray[np.float64]:
    """Return (..., C) the recall of each class, ``hits / support``; 0 where a class is absent.

    >>> recall_of(count(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3)).tolist()
    [0.5, 1.0, 0.0]
    """
    return _ratio(counts.hits, counts.support)


def f1_of(counts: Counts) -> NDArray[np.float64]:
    """Return (..., C) the F1 of each class, ``2 hits / (support + predicted)``; 0 where both are 0.

    >>> f1_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)).round(4).tolist()
    [0.8, 0.6667]

    Source: C. van Rijsbergen, "Information Retrieval", 1979, chapter 7.
    """
    return _ratio(2 * counts.hits, counts.support + counts.predicted)


def f1_macro_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the macro F1, ``mean(F1_c)`` over all classes c: the averaged F1 of the source.

    >>> round(float(f1_macro_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2))), 4)
    0.7333

    Source: J. Opitz, S. Burst, "Macro F1 and Macro F1", arXiv 1911.03347, 2019.
    """
    return np.asarray(f1_of(counts).mean(-1))


def f1_weighted_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the weighted F1, ``sum(F1_c support_c) / sum(support_c)``, as scikit-learn defines it.

    >>> round(float(f1_weighted_of(count(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2))), 4)
    0.7667
    """
    return _ratio((f1_of(counts) * counts.support).sum(-1), counts.support.sum(-1))


def f1_micro_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the micro F1, ``2 sum(hits_c) / sum(support_c + predicted_c)`` over the classes c.

    With one class per utterance it is the accuracy. Where no label is present and none was predicted, it is 0.

    >>> float(f1_micro_of(count(np.array([[1, 1], [0, 1]]), np.array([[1, 0], [0, 1]]), 2)))
    0.8
    """
    return _ratio(2 * counts.hits.sum(-1), (counts.support + counts.predicted).sum(-1))


def exact_match_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the share of utterances of which every decision is right: scikit-learn's multi-label accuracy.

    >>> float(exact_match_of(count(np.array([[1, 1], [0, 1]]), np.array([[1, 0], [0, 1]]), 2)))
    0.5
    """
    return _ratio(counts.exact, counts.utterances)


def hamming_of(counts: Counts) -> NDArray[np.float64]:
    """Return (...) the Hamming loss, the share of decisions that are wrong: 1 less the label accuracy.

    >>> float(hamming_of(count(np.array([[1, 1], [0, 1]]), np.array([[1, 0], [0, 1]]), 2)))
    0.25
    """
    return np.where(counts.utterances > 0, 1 - accuracy_of(counts), 0.0)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; 0 where there is nothing to divide by."""
    return np.asarray(part / np.where(whole > 0, whole, np.inf), np.float64)


@dataclass(frozen=True)
class Metric:
    """A metric as reports write it.

    Attributes:
        title: its name as the field writes it.
        is_share: True for a share, which is written in percent; otherwise it is written in its own unit.
        higher_is_better: False for a loss or an error.
    """

    title: str
    is_share: bool = True
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class DecisionMetric(Metric):
    """A metric of decisions; call it with targets and predictions, both (N,) or (N, C), and the number of classes.

    Attributes:
        of_counts: computes it from counts, of all utterances or of many parts of a set at once.
        is_main: True if ``sertool ensemble`` shows it; of ``METRICS`` also, if ``training.select`` may name it.
    """

    of_counts: Callable[[Counts], NDArray[np.float64]]
    is_main: bool = True

    def __call__(self, targets: IntArray, predictions: IntArray, num_classes: int) -> float:
        """Return the metric of all utterances as a number from 0 to 1."""
        return float(self.of_counts(count(targets, predictions, num_classes)))


# The only lists of metrics of decisions, in the order of every table: recipes, --metric, reports and columns read them.
# Those of scores are DIMENSION_METRICS in metrics/scores.py and SENTIMENT_METRICS in metrics/sentiment.py.
METRICS: dict[str, DecisionMetric] = {
    "accuracy": DecisionMetric("accuracy", of_counts=accuracy_of),
    "uar": DecisionMetric("UAR", of_counts=uar_of),
    "f1_macro": DecisionMetric("macro F1", of_counts=f1_macro_of, is_main=False),
    "f1_weighted": DecisionMetric("weighted F1", of_counts=f1_weighted_of),
}
# A multi-label task decides about each label of an utterance, so that its metrics have names of their own.
LABEL_METRICS: dict[str, DecisionMetric] = {
    "accuracy": DecisionMetric("label accuracy", of_counts=accuracy_of),
    "exact_match": DecisionMetric("exact match", of_counts=exact_match_of),
    "uar": DecisionMetric("balanced label accuracy", of_counts=uar_of, is_main=False),
    "f1_macro": DecisionMetric("macro F1", of_counts=f1_macro_of),
    "f1_micro": DecisionMetric("micro F1", of_counts=f1_micro_of),
    "f1_weighted": DecisionMetric("weighted F1", of_counts=f1_weighted_of, is_main=False),
    "hamming": DecisionMetric("Hamming loss", of_counts=hamming_of, higher_is_better=False),
}
MAIN_METRICS = tuple(name for name, metric in METRICS.items() if metric.is_main)


def metrics_of(kind: str) -> dict[str, DecisionMetric]:
    """Return the metrics of decisions by key, in the order of every table.

    Args:
        kind: ``single`` or ``multi``.

    >>> metrics_of("multi")["accuracy"].title
    'label accuracy'
    """
    return LABEL_METRICS if kind == "multi" else METRICS


def report_text(targets: IntArray, predictions: IntArray, classes: Sequence[str] | None = None) -> str:
    """Return scikit-learn's classification report; without ``classes`` with numbers, as the reference printed it."""
    return str(_report(targets, predictions, classes, as_dict=False))


def report_table(targets: IntArray, predictions: IntArray, classes: Sequence[str]) -> dict[str, Any]:
    """Return scikit-learn's classification report as a table, by class name."""
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
