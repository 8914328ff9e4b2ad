"""Metrics of a comparison: those that a user asks for, or else the usual ones of a kind of task."""

from collections.abc import Sequence

from sertool.core.errors import UsageError, did_you_mean
from sertool.core.metrics.classification import LABEL_METRICS, metrics_of
from sertool.core.metrics.distributions import DISTRIBUTION_METRICS
from sertool.core.metrics.scores import DIMENSION_METRICS
from sertool.core.metrics.sentiment import RANGE, SENTIMENT_METRICS
from sertool.core.reports.compare.runs import ranges_of
from sertool.core.runs.predictions import Predictions

COMPARED = tuple(name for name, metric in LABEL_METRICS.items() if metric.higher_is_better)  # metrics of decisions
USUAL = {
    "single": ("accuracy", "uar", "f1_weighted"),
    "multi": ("accuracy", "uar", "f1_weighted"),
    "scores": ("ccc", "mae"),
}
# Short names for two metrics each.
WITH_AND_WITHOUT = {name: (f"{name}_with_zeros", f"{name}_without_zeros") for name in ("acc2", "f1")}

Ranges = Sequence[tuple[float, float]]


def check_names(metrics: Sequence[str]) -> None:
    """Refuse names that are no metric's, or that name one twice.

    Raises:
        UsageError: naming the first of them.
    """
    known = (*COMPARED, *DISTRIBUTION_METRICS, *DIMENSION_METRICS, *WITH_AND_WITHOUT, *SENTIMENT_METRICS)
    for metric in metrics:
        if metric not in known:
            raise UsageError(
                f"--metric {metric}: expected one of {', '.join(known)}{did_you_mean(metric, list(known))}"
            )
    twice = next(
        (one for own in (metrics, expanded(metrics)) for place, one in enumerate(own) if one in own[:place]), None
    )
    if twice is not None:
        raise UsageError(f"--metric {twice}: is given twice")


def expanded(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of metrics, with both of each short name.

    >>> expanded(["mae", "acc2"])
    ('mae', 'acc2_with_zeros', 'acc2_without_zeros')
    """
    return tuple(name for metric in metrics for name in WITH_AND_WITHOUT.get(metric, (metric,)))


def comparable(kind: str, ranges: Ranges = ()) -> tuple[str, ...]:
    """Return the keys of the metrics that can be compared of runs of a kind of task.

    Args:
        kind: ``single``, ``multi`` or ``scores``.
        ranges: lowest and highest value of each score; those from -3 to 3 have the field's metrics beside the others.

    >>> comparable("scores")
    ('ccc', 'pearson', 'mae', 'rmse', 'r2')
    """
    if kind == "scores":
        return (*DIMENSION_METRICS, *(SENTIMENT_METRICS if RANGE in ranges else ()))
    of_votes = tuple(DISTRIBUTION_METRICS) if kind == "single" else ()
    return (*(name for name in COMPARED if name in metrics_of(kind)), *of_votes)


def check_fit(metrics: Sequence[str], own: Predictions) -> None:
    """Refuse metrics that runs do not have; ``cross_entropy`` and ``jsd`` need votes besides, see :func:`chosen`.

    Args:
        metrics: names of metrics, as a user gave them.
        own: predictions of one of the runs.

    Raises:
        UsageError: naming the first of them, and what the runs have.
    """
    known = comparable(own.kind, own.ranges)
    unfit = next((metric for metric in metrics if not set(expanded([metric])) <= set(known)), None)
    if unfit is None:
        return
    of = "multi-label tasks"
    if unfit in WITH_AND_WITHOUT or unfit in SENTIMENT_METRICS:
        others = f", not of {ranges_of(own)}" if own.kind == "scores" else ""
        of = f"scores from {RANGE[0]:g} to {RANGE[1]:g}{others}"
    elif own.kind == "scores":
        of = "classes"
    elif unfit in DIMENSION_METRICS:
        of = "scores"
    elif unfit in DISTRIBUTION_METRICS:
        of = "tasks with one class per utterance"
    raise UsageError(f"--metric {unfit}: is a metric of {of}; expected one of {', '.join(known)}")


def chosen(metrics: Sequence[str] | None, own: Predictions, *, voted: bool) -> tuple[str, ...]:
    """Return the metrics to compare: those asked for, or the usual ones of a kind of task.

    Args:
        metrics: names of metrics that :func:`check_fit` accepts; None: the usual ones.
        own: predictions of one of the runs.
        voted: both runs hold the same votes of raters.

    Raises:
        UsageError: a metric needs votes of raters, and there are none.
    """
    if metrics is None:
        more = DISTRIBUTION_METRICS if voted else SENTIMENT_METRICS if RANGE in own.ranges else ()
        return (*USUAL[own.kind], *more)
    if not voted and (unfit := [name for name in metrics if name in DISTRIBUTION_METRICS]):
        raise UsageError(f"--metric {unfit[0]}: needs votes of raters, and the runs hold none for the same utterances")
    return expanded(metrics)
