"""Lines of `sertool ensemble` on predicted scores, on their intervals, and on probabilities beside raters' votes."""

from typing import TYPE_CHECKING

from sertool.core.formatting import aligned, padded, plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sertool.core.inference.evaluate import Evaluation
    from sertool.core.inference.figures import ScoreFigures, VoteFigures
    from sertool.core.metrics import Estimate
    from sertool.core.runs.predictions import Predictions

WITH_INTERVALS = ("ccc", "mae")  # metrics whose intervals stand in the table; --json has all


def member_lines(result: "Predictions", metric: str, k: int) -> list[str]:
    """Format the figure of each member, and of each number of averaged members, by the metric that selects."""
    from sertool.core.reports.wording import figure, metric_name

    title = metric_name(metric, result.kind)
    alone = [figure(one.figures[metric], metric) if metric in one.figures else "not defined" for one in result.members]
    sizes = range(1, len(result.logits) + 1)
    together = [figure(result.metric(metric, size), metric) for size in sizes]
    return [
        "",
        *padded([["member", *(one.name for one in result.members)], [title, *alone]]),
        "",
        *padded(
            [["averaged", *map(str, sizes)], [title, *together], ["", *("<- report" * (size == k) for size in sizes)]],
            named=False,
        ),
    ]


def score_lines(result: "Predictions", figures: "ScoreFigures", k: int, width: int | None) -> list[str]:
    """Format the figures of each score, their mean, and the baseline, as a table; then the field's for -3 to 3.

    Columns that do not fit into ``width`` go below; None: all fit.
    """
    from sertool.core.metrics.scores import DIMENSION_METRICS
    from sertool.core.reports.wording import figure, metric_name

    rows = dict(figures.each)
    several = len(rows) > 1
    names = [printable(name) for name in rows]
    columns = [["", *names, *["mean"] * several, "baseline"]]
    columns.append(["utterances", *(f"{number:,}" for number in figures.known.values()), *[""] * several, ""])
    for key in DIMENSION_METRICS:
        own = [*(one[key] for one in rows.values()), *[figures.mean[key]] * several]
        baseline = figure(figures.baseline.metrics[key], key)
        columns.append([metric_name(key, result.kind), *(figure(one.value, key) for one in own), baseline])
        if key in WITH_INTERVALS:
            columns += _intervals(own, key)
    header, *cells = zip(*columns, strict=True)
    lines = ["", f"figures of {plural(k, 'member')}; errors are in the units of the scores", ""]
    lines += aligned(header, cells, width)
    lines.append(f"baseline: {figures.baseline.name} of training" + (", the mean over the scores" if several else ""))
    for name, found in figures.sentiment.items():
        lines += ["", *_sentiment(name, found, figures.constant[name])]
    return lines


def _intervals(own: "Iterable[Estimate]", key: str) -> list[list[str]]:
    """Return the column of intervals, with an empty cell for the baseline; no column where none has an interval."""
    from sertool.core.reports.wording import NONE, interval

    cells = [interval(one, key) for one in own]
    return [["95 % interval", *cells, ""]] if any(cell != NONE for cell in cells) else []


def _sentiment(name: str, found: "Mapping[str, Estimate]", constant: "Mapping[str, float]") -> list[str]:
    from sertool.core.reports.wording import figure, metric_name

    own = list(found.items())
    columns = [
        [f"{printable(name)}, in percent", *(metric_name(key, "scores") for key, _ in own)],
        ["", *(figure(one.value, key) for key, one in own)],
    ]
    cells = [_interval(one, key) for key, one in own]
    columns += [["95 % interval", *cells]] if any(cells) else []
    columns.append(["baseline", *(figure(constant[key], key) for key, _ in own)])
    return padded(columns)


def _interval(one: "Estimate", key: str) -> str:
    from sertool.core.reports.wording import interval

    return "" if one.low is None else interval(one, key)


def vote_lines(figures: "VoteFigures | None") -> list[str]:
    """Format how near probabilities are to the raters' votes, and the accuracy beside the ceiling of the raters."""
    from sertool.core.reports.wording import BETTER_THAN_ONE, figure, interval, metric_name

    if figures is None:
        return []
    parts = []
    for key, one in figures.metrics.items():
        parts.append(f"{metric_name(key, 'single')} {figure(one.value, key)}")
        parts[-1] += f" ({interval(one, key)})" if one.low is not None else ""
    lines = [
        f"votes of raters on {plural(figures.utterances, 'utterance')}: {' · '.join(parts)}; no cross-entropy is below "
        f"{figures.entropy:.3f}, the entropy of the votes"
    ]
    if figures.ceiling is not None:
        ends = f" ({interval(figures.ceiling)})" if figures.ceiling.low is not None else ""
        above = figures.accuracy > figures.ceiling.value
        beside = ", above the ceiling of" if above else " of a ceiling of"
        lines.append(
            f"accuracy {figure(figures.accuracy)}{beside} {figure(figures.ceiling.value)}{ends}: how often one rater "
            f"chooses what most of the others chose{BETTER_THAN_ONE * above}"
        )
    return lines


def ceiling_lines(result: "Predictions") -> list[str]:
    """Format what one rater of a score reaches against the mean of the others; no line without several raters."""
    from sertool.core.reports.wording import figure

    parts = [
        f"{printable(name)} CCC {figure(own['ccc'].value, 'ccc')}, MAE {figure(own['mae'].value, 'mae')}"
        for name, own in result.ceilings.items()
        if {"ccc", "mae"} <= set(own)
    ]
    return [f"one rater against the mean of the others: {' · '.join(parts)}"] if parts else []


def interval_lines(evaluation: "Evaluation", figures: "Mapping[str, ScoreFigures]") -> list[str]:
    """Say how wide the intervals of scores are, what they come from, and how many true scores of each set they cover.

    Args:
        evaluation: the evaluation, which fitted them on validation.
        figures: figures of each labelled set.
    """
    intervals = evaluation.intervals
    if intervals is None:
        return [f"intervals: none, {evaluation.no_intervals}"] if evaluation.no_intervals else []
    known = zip(intervals.names, intervals.half, intervals.reasons, strict=True)
    half = [f"{printable(name)} ±{own:.3f}" for name, own, _ in known if own is not None]
    lines = []
    if half:
        title = f"{100 * intervals.level:g} % intervals: {', '.join(half)}"
        source = f"(from {plural(intervals.utterances, 'validation utterance')})"
        lines.append("; ".join([f"{title} {source}", *filter(None, [intervals.note])]))
        lines += [
            f"on {name} they cover {_held(own)}"
            for name, own in figures.items()
            if name != intervals.set and own.coverage  # that of validation is no finding: they were fitted on it
        ]
    why = zip(intervals.names, intervals.reasons, strict=True)
    return [*lines, *(f"intervals: none for {printable(name)}: {reason}" for name, reason in why if reason)]


def _held(own: "ScoreFigures") -> str:
    """Write the share of true scores that the intervals hold, of each score."""
    from sertool.core.reports.wording import interval, percent

    shares = []
    for name, one in own.coverage.items():
        ends = f" ({interval(one.covered)})" if one.covered.low is not None else ""
        of = f" of {printable(name)}" if len(own.each) > 1 else ""
        shares.append(f"{percent(one.covered.value)} %{of}{ends}")
    return ", ".join(shares)
