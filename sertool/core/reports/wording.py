"""Figures as people write them: shares in percent, differences in points, p-values. JSON and CSV keep fractions."""

import math
from collections.abc import Sequence
from typing import Protocol

from sertool.core.formatting import first_few, plural
from sertool.core.metrics import FEWEST, Difference, Estimate
from sertool.core.metrics.baselines import Baseline
from sertool.core.metrics.classification import LABEL_METRICS, Metric, metrics_of
from sertool.core.metrics.distributions import DISTRIBUTION_METRICS
from sertool.core.metrics.reliability import Bin
from sertool.core.metrics.scores import DIMENSION_METRICS
from sertool.core.metrics.selection import figure_of_score
from sertool.core.metrics.sentiment import SENTIMENT_METRICS
from sertool.core.recipe.schema import ARCHITECTURES
from sertool.core.reports.contents import MemberSpread, RunReport, TaskReport
from sertool.core.reports.dialogue_slices import BEFORE, CHANGE, NOBODY
from sertool.core.reports.score_contents import SpeakerResidual

# In the order of every table; a metric that both kinds of task have is named by `metric_name`.
ALL_METRICS: dict[str, Metric] = {
    **LABEL_METRICS,
    **DISTRIBUTION_METRICS,
    **DIMENSION_METRICS,
    **SENTIMENT_METRICS,
}
NONE = "-"  # shown where there is nothing to show


def metric_name(metric: str, kind: str) -> str:
    """Return the name of a metric as the field writes it.

    Args:
        metric: its key.
        kind: ``single``, ``multi`` or ``scores``, of the task: accuracy of several labels at a time is another figure.
    """
    own = metrics_of(kind).get(metric) or ALL_METRICS.get(metric)
    return own.title if own else metric


def headline(kind: str) -> tuple[str, str]:
    """Return the metrics of every summary of a kind of task.

    >>> headline("scores")
    ('ccc', 'mae')
    """
    return ("ccc", "mae") if kind == "scores" else ("accuracy", "uar")


def in_percent(kind: str) -> bool:
    """Check whether the main figures of a kind of task are shares, written in percent; those of scores are not."""
    return kind != "scores"


def is_error(metric: str) -> bool:
    """Check whether a metric is an error or a loss, of which less is better."""
    return metric in ALL_METRICS and not ALL_METRICS[metric].higher_is_better


def bounds_of(metric: str) -> tuple[float, float]:
    """Return the lowest and highest value of a metric; infinite where there is none.

    >>> bounds_of("accuracy"), bounds_of("ccc"), bounds_of("mae")
    ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    if metric in DIMENSION_METRICS:
        return DIMENSION_METRICS[metric].within
    return (0.0, math.inf) if metric == "cross_entropy" else (0.0, 1.0)


def goal(run: RunReport) -> str:
    """Name what a run predicts: ``emotion, 4 classes``, or ``scores of arousal and valence``."""
    if run.kind == "scores":
        return f"{'the score' if len(run.class_names) == 1 else 'scores of'} {listed(run.class_names)}"
    return run.task if run.task.endswith("classes") else f"{run.task}, {len(run.class_names)} classes"


def made_by(run: RunReport) -> str:
    """Name model and members of a run, as ``MAT, 3 members in 5 folds``; or say what is known of imported ones."""
    if run.imported is not None:
        return run.imported.stated
    members = plural(run.members, "member")
    if run.members != run.expected_members:
        members = f"{run.members} of {plural(run.expected_members, 'member')}"
    folds = f" in {plural(run.folds, 'fold')}" if run.folds > 1 else ""
    return f"{ARCHITECTURES[run.architecture]}, {members}{folds}"


def listed(items: Sequence[str]) -> str:
    """List items in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def capitalised(text: str) -> str:
    """Begin a text with a capital, and leave the rest: ``str.capitalize`` would turn UAR into uar."""
    return text[:1].upper() + text[1:]


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent, as in "72.5"."""
    return f"{100 * share:.{digits}f}"


def figure(value: float, metric: str = "") -> str:
    """Write a figure: shares in percent; errors, correlations and divergences in their own unit."""
    if value != value:  # NaN, as of a correlation with constant scores
        return "not defined"
    return percent(value, 2) if is_share(metric) else f"{round(value, 3) + 0.0:.3f}"  # adding 0 turns -0.0 into 0.0


def interval(own: Estimate | Bin, metric: str = "") -> str:
    """Write the interval of a figure, as in "69.8 - 75.0"; a dash if there is none."""
    if own.low is None or own.high is None:
        return NONE
    if is_share(metric):
        return f"{percent(own.low)} - {percent(own.high)}"
    # A dash before a minus would be misread.
    return f"{own.low:.3f} {'to' if own.low < 0 else '-'} {own.high:.3f}"


BETTER_THAN_ONE = "; a model that learns from all raters may do better than one of them"


def reached_of(metric: str, own: Estimate, ceiling: Estimate, kind: str) -> str:
    """Write a figure beside the one that a rater reaches, as in ``accuracy: 61.00 % of a ceiling of 68.00 %``."""
    parts = [
        f"{figure(one.value, metric)}{' %' * is_share(metric)}"
        + ("" if one.low is None else f" ({interval(one, metric)})")
        for one in (own, ceiling)
    ]
    above = own.value > ceiling.value
    beside = ", above the ceiling of" if above else " of a ceiling of"
    return (
        f"{metric_name(metric, kind)}: {parts[0]}{beside} {parts[1]}: one rater against the others' majority"
        f"{BETTER_THAN_ONE * above}"
    )


def speakers_at_ends(speakers: Sequence[SpeakerResidual], most: int) -> tuple[Sequence[SpeakerResidual], int]:
    """Return the speakers at both ends of the order, at most so many, and the number of those between."""
    if len(speakers) <= most:
        return speakers, 0
    return [*speakers[: most // 2], *speakers[-(most // 2) :]], len(speakers) - most // 2 * 2


def spread(own: MemberSpread | None, metric: str = "") -> str:
    """Write mean and standard deviation over members, as in "68.92 ± 0.84"; a dash if unknown."""
    if own is None:
        return NONE
    mean = figure(own.mean, metric)
    return mean if own.sd is None else f"{mean} ± {figure(own.sd, metric)}"


def points(value: float, digits: int = 2) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    # Rounded first, so that what is shown as zero has no sign.
    rounded = round(100 * value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def points_interval(own: Difference | Estimate) -> str:
    """Write the interval of a difference in points, as in "-0.8 to 4.5"; a dash if there is none."""
    if own.low is None or own.high is None:
        return NONE
    return f"{_unsigned(own.low)} to {_unsigned(own.high)}"


def change(value: float, metric: str = "", digits: int = 2) -> str:
    """Write a difference with its sign: of shares in points, of other metrics in their own unit, as in "+0.031"."""
    if value != value:
        return "not defined"
    if is_share(metric):
        return points(value, digits)
    rounded = round(value, 3)
    return f"{rounded:+.3f}" if rounded else f"{0:.3f}"


def change_interval(own: Difference | Estimate, metric: str = "") -> str:
    """Write the interval of a difference, as in "-0.8 to 4.5" points or "-0.031 to 0.012"; a dash if there is none."""
    if is_share(metric) or own.low is None or own.high is None:
        return points_interval(own)
    return f"{round(own.low, 3) + 0.0:.3f} to {round(own.high, 3) + 0.0:.3f}"


def slice_name(kind: str, name: str) -> str:
    """Name a slice in a sentence: ``3 to 7 words`` explains itself, ``f`` needs its kind.

    >>> slice_name("speaker before", "another"), slice_name("turn", "2 to 3")
    ('another speaker before', 'turn 2 to 3')
    """
    if kind == BEFORE:
        return f"{'no' if name == NOBODY else name} {kind}"
    return name if kind in ("words", "seconds", "modality", CHANGE) else f"{kind} {name}"


def scored(score: float, metric: str) -> str:
    """Write a score by which epochs and members are chosen, of which more is better, as the figure of its metric."""
    return figure(figure_of_score(score, metric), metric)


def p_value(p: float | None) -> str:
    """Write a p-value for a table; a dash if there is none."""
    if p is None or p != p:
        return NONE
    # Smaller values say nothing more: no model of chance is right that far out.
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """Write a p-value for a sentence, as in "p = 0.012"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def is_share(metric: str) -> bool:
    """Check whether a figure is written in percent: all are, except metrics that have a unit of their own."""
    return metric not in ALL_METRICS or ALL_METRICS[metric].is_share


def _unsigned(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"  # adding 0 turns -0.0 into 0.0


def named_baselines(task: TaskReport) -> list[tuple[str, Baseline]]:
    """Return the baselines of a task's runs, each once, with a name.

    Runs of one task may have other test utterances, as in cross-validation. Then the name says which runs are meant.
    """
    found: list[Baseline] = []
    for row in task.ours:
        if row.baseline not in found:
            found.append(row.baseline)
    of = [[row.run for row in task.ours if row.baseline == one] for one in found]
    return [
        (f"{one.name} (of {first_few(runs)})" if len(found) > 1 else one.name, one)
        for one, runs in zip(found, of, strict=True)
    ]


def falls_shown(unit: str) -> str:
    """Say what the last columns of a table of probes hold where clusters are too few for intervals."""
    return f"the last columns show the fall for each {unit}"


class OverClusters(Protocol):
    """Figures with intervals over clusters: see the attributes of ``SetReport``."""

    @property
    def unit(self) -> str:
        """Kind of cluster, as ``speaker``."""

    @property
    def clusters(self) -> int:
        """Number of clusters."""

    @property
    def unit_note(self) -> str:
        """Caveat; may be empty."""


def over_clusters(own: OverClusters) -> str:
    """Say over which clusters intervals are taken, with the caveat if there is one; or why there are none."""
    if own.clusters < FEWEST:
        return own.unit_note
    return f"intervals over {plural(own.clusters, own.unit)}" + (f"; {own.unit_note}" if own.unit_note else "")


def utterances_of(sizes: Sequence[int]) -> str:
    """Write the training utterances of each fold, as ``800 utterances`` or ``267 to 275 utterances per fold``.

    Args:
        sizes: one number for each fold; a single one without cross-validation.
    """
    fewest, most = min(sizes), max(sizes)
    number = plural(most, "utterance")
    if len(sizes) == 1:
        return number
    return f"{number} per fold" if fewest == most else f"{fewest:,} to {number} per fold"
