"""Figures in the words and tables of the model card: on test and validation, of raters, of weights of fewer bits."""

from collections.abc import Mapping, Sequence
from typing import Any

from sertool.core.export.check import BundleComparison
from sertool.core.export.figures import Figure, ScoreFigure, ScoreFigures
from sertool.core.export.losses import Loss, told
from sertool.core.formatting import in_markdown, in_range, plural
from sertool.core.inference.certainty import Certainty
from sertool.core.metrics import FEWEST, Estimate, few_clusters
from sertool.core.metrics.calibration import Calibration
from sertool.core.metrics.classification import metrics_of
from sertool.core.metrics.conformal import Intervals
from sertool.core.metrics.distributions import DISTRIBUTION_METRICS
from sertool.core.metrics.scores import DIMENSION_METRICS
from sertool.core.metrics.selection import figure_of_score
from sertool.core.runs.members import Trained

SHOWN = ("ccc", "pearson", "mae")  # figures of scores on a card


def sure_row(certainty: Certainty, task_ranges: Mapping[str, tuple[float, float]]) -> str:
    """Write the row of the card's table on the calibration of probabilities, or on the intervals of scores.

    Args:
        certainty: what was fitted on validation.
        task_ranges: range of each score, by name; empty for classes.
    """
    if not task_ranges:
        return f"probabilities | {_calibration(certainty)}"
    if certainty.intervals is None:
        return "intervals | none; `sertool ensemble` fits them, if there is validation to fit them on"
    return f"intervals | {_intervals(certainty.intervals, task_ranges)}"


def _calibration(certainty: Certainty) -> str:
    own: Calibration | None = certainty.calibration
    if own is None and certainty.is_of_shares:
        return f"not calibrated: {certainty.uncalibrated}"
    if own is None:
        return "uncalibrated (temperature 1); `sertool ensemble` fits a temperature"
    if not own.calibrated:
        return f"uncalibrated (temperature 1): {own.reason}"
    return (
        f"temperature {own.temperature:.3g}, fitted on {own.utterances:,} {own.set} utterances; calibration error "
        f"there {100 * own.ece_before:.1f} % before, {100 * own.ece_after:.1f} % after"
        f"{f'; {own.note}' * bool(own.note)}"
    )


def _intervals(own: Intervals, ranges: Mapping[str, tuple[float, float]]) -> str:
    parts = []
    for name, half, reason in zip(own.names, own.half, own.reasons, strict=True):
        width = f"none ({reason})" if half is None else f"plus or minus {in_range(half, *ranges[name])}"
        parts.append(f"{in_markdown(name)} {width}")
    note = f"; {own.note}" if own.note else ""
    return (
        f"{100 * own.level:g} %, by split conformal prediction from {own.utterances:,} validation utterances: "
        f"{', '.join(parts)}{note}"
    )


def figures_text(figure: Figure | ScoreFigures, trained: Trained, folds: int, *, optimistic: bool) -> str:
    """Write the figures on test.

    Args:
        figure: the figures.
        trained: the model.
        folds: number of folds.
        optimistic: members were selected or trained on these utterances.
    """
    own = ", each by the members of its own fold" if folds > 1 else ""
    selected = " Members were selected or trained on these utterances, so the figures are optimistic." * optimistic
    unknown = f"**Speakers unknown:** {in_markdown(figure.speakers_note)}.\n\n" if figure.speakers_note else ""
    if isinstance(figure, ScoreFigures):
        return f"{unknown}On {figure.utterances:,} test utterances{own}:\n\n{_score_table(figure)}{selected}"
    uar, accuracy = (metrics_of(trained.task.kind)[name].title for name in ("uar", "accuracy"))
    constant = figure.baseline.metrics
    return (
        f"{unknown}On {figure.utterances:,} test utterances{own}: "
        f"{uar} {100 * figure.uar:.1f} % ({_interval(figure)}), "
        f"{accuracy} {100 * figure.accuracy:.1f} %. Baseline, {in_markdown(figure.baseline.name)}: "
        f"{uar} {100 * constant['uar']:.1f} %, {accuracy} {100 * constant['accuracy']:.1f} %.{selected}"
        f"{_against_raters(figure)}"
    )


def _interval(figure: Figure) -> str:
    own = figure.interval
    if own.clusters < FEWEST:
        each = ", ".join(f"{100 * uar:.1f}" for uar in figure.by_cluster)
        by_cluster = f"; by {own.unit} {each} %" if each else ""
        return few_clusters(own.clusters, own.unit, "test", advise=False) + by_cluster
    if own.low is None or own.high is None:
        return "no interval can be given"
    note = f"; {in_markdown(figure.note)}" if figure.note else ""
    clusters = plural(own.clusters, own.unit)
    return f"95 % interval {100 * own.low:.1f} to {100 * own.high:.1f} %, over {clusters}{note}"


def _against_raters(figure: Figure) -> str:
    """Give the figures against what raters said, where it is known."""
    said = []
    if figure.distribution:
        each = ", ".join(
            f"{DISTRIBUTION_METRICS[name].title} {_written(own)}" for name, own in figure.distribution.items()
        )
        said.append(f" Against the shares of the raters that chose each class: {each}.")
    if ceiling := figure.ceilings.get("accuracy"):
        said.append(f" One rater chooses what most of the others chose for {100 * ceiling.value:.1f} % of them.")
    return "".join(said)


def _score_table(own: ScoreFigures) -> str:
    """Write a table of the figures: a column for each score, and for their mean."""
    columns = dict(own.each) | ({"mean": own.mean} if len(own.each) > 1 else {})
    rows = [["", *map(in_markdown, columns)], ["---"] * (1 + len(columns))]
    rows.append(["utterances", *(f"{one.utterances:,}" for one in columns.values())])
    for name in SHOWN:
        title = DIMENSION_METRICS[name].title
        rows.append([title, *(_written(one.figures[name]) for one in columns.values())])
    constant = (f"{one.baseline.metrics['mae']:.3f}" for one in columns.values())
    rows.append([f"MAE of {own.mean.baseline.name}", *constant])
    if any(one.ceilings for one in columns.values()):
        rows.append(["CCC of one rater", *(_ceiling(one) for one in columns.values())])
    if any(one.coverage for one in columns.values()):
        rows.append(["intervals that hold the score", *(_coverage(one) for one in columns.values())])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    clusters, where = own.clusters, "Intervals in brackets are at 95 %"
    over = f"{where}, over {plural(clusters.number, clusters.unit)}"
    if clusters.few:
        over = few_clusters(clusters.number, clusters.unit, "test", advise=False)
    note = f"; {in_markdown(clusters.note)}" if clusters.note and not clusters.few else ""
    return f"{table}\n\n{over[0].upper()}{over[1:]}{note}."


def _written(own: Estimate) -> str:
    """Write a figure of scores or shares, with its interval if there is one."""
    if own.value != own.value:
        return "not defined"
    interval = "" if own.low is None or own.high is None else f" ({own.low:.3f} to {own.high:.3f})"
    return f"{own.value:.3f}{interval}"


def _ceiling(own: ScoreFigure) -> str:
    return _written(own.ceilings["ccc"]) if "ccc" in own.ceilings else ""


def _coverage(own: ScoreFigure) -> str:
    if own.coverage is None:
        return ""
    held = own.coverage.covered
    interval = "" if held.low is None or held.high is None else f" ({100 * held.low:.1f} to {100 * held.high:.1f} %)"
    return f"{100 * held.value:.1f} %{interval}"


def validation_text(trained: Trained, scores: Sequence[float]) -> str:
    """Give the validation scores of the members, by which their best epochs were chosen."""
    worst, best, select = min(scores), max(scores), trained.recipe.training.select
    if trained.task.kind == "scores":
        title = DIMENSION_METRICS[select].title
        span = f"{title} {figure_of_score(worst, select):.3f} to {figure_of_score(best, select):.3f}"
    else:
        # The reference's checkpoints hold their scores in percent.
        if best > 1:
            worst, best = worst / 100, best / 100
        span = f"{metrics_of(trained.task.kind)[select].title} {100 * worst:.1f} to {100 * best:.1f} %"
    return f"On validation, where each member's best epoch was chosen: {span} by member."


def raters_row(raters: Mapping[str, Any], trained: Trained) -> str:
    """Write a row of the card's table on who rated and how well they agreed; nothing where it is not known.

    Args:
        raters: facts about the raters of each score or of the task, see ``runs.raters``.
        trained: the model.
    """
    parts = []
    for name, own in raters.items():
        what = f"{in_markdown(name)}: " if trained.task.kind == "scores" else ""
        parts.append(f"{what}{_raters(own, scores=trained.task.kind == 'scores')}")
    if not parts:
        return ""
    return f"\n| raters | {'; '.join(parts)} (utterances that were trained or validated on) |"


def _raters(own: Mapping[str, Any], *, scores: bool) -> str:
    number = f"{own['fewest']}" if own["fewest"] == own["most"] else f"{own['fewest']} to {own['most']}"
    mean = "" if own["fewest"] == own["most"] else f", {own['mean']:.1f} on average"
    said = f"{number} for each of {own['utterances'] + own['one_rater']:,} utterances{mean}"
    if (alpha := own["agreement"].get("alpha")) is not None:
        said += f", Krippendorff's alpha {_written(Estimate(**alpha))}"
    ceilings = {name: Estimate(**one) for name, one in own["ceilings"].items()}
    if scores and "ccc" in ceilings and "mae" in ceilings:
        ccc, mae = _written(ceilings["ccc"]), ceilings["mae"].value
        said += f", one rater has CCC {ccc} and MAE {mae:.3f} against the mean of the others"
    elif not scores and "accuracy" in ceilings:
        said += f", one rater agrees with most of the others for {100 * ceilings['accuracy'].value:.1f} %"
    return said


def differences_text(compared: Sequence[BundleComparison]) -> str:
    """Say by how much the graph and PyTorch differ; encoders whose weights have less than 32 bits may change some."""
    largest = max(own.largest for own in compared)
    if compared[0].scores:
        return f"scores differ by\nat most {largest:.1e} of their range"
    differing, count = sum(own.differing for own in compared), sum(own.utterances for own in compared)
    same = f"{differing} of {count} predictions differ" if differing else "every prediction is the same"
    return f"logits differ by\nat most {largest:.1e}, and {same}"


def int8_text(loss: Loss | None) -> str:
    """Say what the 8-bit graph costs; nothing without one."""
    if loss is None:
        return ""
    if not loss.full:
        return "\nThe accuracy lost by `model.int8.onnx` was not measured."
    return (
        f"\n`model.int8.onnx` has {told(loss.less)} on {loss.utterances} validation utterances, the full graph "
        f"{told(loss.full).removeprefix('accuracy ')}."
    )


def bits_text(bits: str, loss: Loss | None) -> str:
    """Say what encoders with weights of fewer than 32 bits cost."""
    said = f"The encoders' weights are stored in {bits}"
    if loss is None or not loss.full:
        return f"\n{said}; the accuracy that this costs was not measured."
    return (
        f"\n{said}: {told(loss.less)} on {loss.utterances} validation utterances, "
        f"{told(loss.full).removeprefix('accuracy ')} with 32 bits."
    )
