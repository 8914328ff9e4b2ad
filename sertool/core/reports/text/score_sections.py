"""Tables of predicted scores and of raters' votes on a set, for a terminal and for files."""

from sertool.core.formatting import INTERVAL, plural
from sertool.core.reports.contents import SetReport
from sertool.core.reports.score_contents import DimensionRow, IntervalRow, ScoreSlice, VotesRow
from sertool.core.reports.text.blocks import Table
from sertool.core.reports.wording import (
    NONE,
    change,
    change_interval,
    figure,
    interval,
    is_share,
    metric_name,
    p_value,
    percent,
    reached_of,
    speakers_at_ends,
)

SPEAKERS = 40  # in a file's table of residuals, the largest ones at both ends


def score_tables(own: SetReport, *, full: bool) -> list[Table]:
    """Return the tables of each score; if ``full`` also those of all figures and of residuals."""
    tables = [_dimensions(own)]
    if full:
        tables.append(_figures(own))
        tables += [_falls(own)] if len(own.dimensions) > 1 and any(one.falls for one in own.dimensions) else []
        tables += [_ranges(one) for one in own.dimensions if one.bins]
        tables += [_speakers(one) for one in own.dimensions if one.speakers]
    if notes := [sentence for one in own.dimensions for sentence in _covered(one)]:
        tables.append(Table(notes=tuple(notes)))
    return tables


def _dimensions(own: SetReport) -> Table:
    """Return a row for each score: what a terminal has room for."""
    rows = [
        (
            one.name,
            f"{one.low:g} to {one.high:g}",
            f"{one.utterances:,}",
            figure(one.metrics["ccc"].value, "ccc"),
            interval(one.metrics["ccc"], "ccc"),
            figure(one.metrics["pearson"].value, "pearson"),
            figure(one.metrics["mae"].value, "mae"),
            interval(one.metrics["mae"], "mae"),
            figure(one.baseline["mae"], "mae"),
            *(f"{of.mean:.2f} ± {of.sd:.2f}" if one.utterances else NONE for of in (one.true, one.predicted)),
        )
        for one in own.dimensions
    ]
    figures = ("CCC", INTERVAL, "Pearson", "MAE", INTERVAL, "baseline MAE")
    header = ("score", "range", "utterances", *figures, "true", "predicted")
    notes = ("true and predicted: mean ± standard deviation of the scores",)
    return Table("scores", header, tuple(rows), notes)


def _figures(own: SetReport) -> Table:
    """Return a row for each figure of each score, with interval, baseline and what one rater reaches."""
    rows = [
        (
            one.name,
            metric_name(name, own.kind),
            figure(found.value, name),
            interval(found, name),
            figure(one.baseline[name], name) if name in one.baseline else NONE,
            *_rater(one, name),
        )
        for one in own.dimensions
        for name, found in (*one.metrics.items(), *one.sentiment.items())
    ]
    rated = any(one.ceilings for one in own.dimensions)
    header = ("score", "figure", "value", INTERVAL, "baseline", "one rater", INTERVAL)
    kept = len(header) if rated else len(header) - 2
    notes = ("one rater: what one rater reaches against the mean of the others",) if rated else ()
    return Table("each score", header[:kept], tuple(row[:kept] for row in rows), notes)


def _rater(one: DimensionRow, name: str) -> tuple[str, str]:
    found = one.ceilings.get(name)
    return (NONE, NONE) if found is None else (figure(found.value, name), interval(found, name))


def _falls(own: SetReport) -> Table:
    rows = [
        (one.name, name, change(fall.value, "ccc"), change_interval(fall, "ccc"))
        for one in own.dimensions
        for name, fall in one.falls.items()
    ]
    return Table("each score and its input", ("score", "input", "CCC falls by", INTERVAL), tuple(rows))


def _ranges(own: DimensionRow) -> Table:
    rows = [
        (
            f"{one.low:g} to {one.high:g}",
            f"{one.utterances:,}",
            change(one.residual.value, "mae"),
            change_interval(one.residual, "mae"),
        )
        for one in own.bins
    ]
    note = "residual: predicted minus true score, the mean; a model that predicts the middle has + below and - above"
    header = ("true score", "utterances", "residual", INTERVAL)
    return Table(f"residuals of {own.name} by range", header, tuple(rows), (note,))


def _speakers(own: DimensionRow) -> Table:
    shown, left = speakers_at_ends(own.speakers, SPEAKERS)
    rows = [
        (
            one.name,
            f"{one.utterances:,}",
            change(one.mean.value, "mae"),
            change_interval(one.mean, "mae"),
            change(one.median, "mae"),
            p_value(one.p),
            "biased" if one.biased else "",
        )
        for one in shown
    ]
    notes = ["intervals over the utterances of each speaker; p: two-sided, Holm-corrected over all speakers and scores"]
    notes += [f"{plural(left, 'speaker')} between these are in the files"] if left else []
    header = ("speaker", "utterances", "mean residual", INTERVAL, "median", "p", "")
    return Table(f"residuals of {own.name} by speaker", header, tuple(rows), tuple(notes))


def _covered(own: DimensionRow) -> list[str]:
    """Say how often the intervals hold the true score, or why there are none."""
    found: IntervalRow = own.intervals
    if found.half is None:
        return [f"{own.name}: no intervals: {found.reason}"] if found.reason else []
    width = f"{own.name}: predicted score ± {found.half:.3f}"
    if found.covered is None or found.width is None:
        return [f"{width} ({percent(found.level, 0)} % intervals; {found.reason})"]
    between = "" if found.covered.low is None else f" ({interval(found.covered)})"
    return [
        f"{width} holds the true score of {percent(found.covered.value)} %{between}, "
        f"{percent(found.level, 0)} % expected; mean width {found.width:.3f}"
    ]


def score_slice_table(own: SetReport, *, full: bool) -> Table:
    """Return the table of slices; on a terminal the weak ones alone."""
    shown = own.score_slices if full else [one for one in own.score_slices if one.weak]
    tested = sum(one.p is not None for one in own.score_slices)
    if not shown:
        weaker = f"none of {tested} has a significantly larger error than the rest"
        return Table(notes=(f"slices: {weaker if tested else 'none can be tested'}",))
    header = ("slice", "utterances", "MAE", INTERVAL, "CCC", "vs. rest", "p", *(["weak"] if full else []))
    title = "slices" if full else f"weak slices, of {tested} tested"
    notes = ("vs. rest: MAE; p: one-sided, Holm-corrected over all slices of the set",)
    return Table(title, header, tuple(_slice(one, full=full) for one in shown), notes)


def _slice(own: ScoreSlice, *, full: bool) -> tuple[str, ...]:
    cells = (
        f"{own.kind}: {own.name}",
        f"{own.size:,}",
        figure(own.mae.value, "mae"),
        interval(own.mae, "mae"),
        figure(own.ccc.value, "ccc"),
        change(own.difference, "mae"),
        p_value(own.p),
    )
    return (*cells, "weak" if own.weak else "") if full else cells


def votes_table(own: SetReport, votes: VotesRow) -> Table:
    """Return what the raters' votes tell of the probabilities, and the accuracy beside the ceiling."""
    rows = [
        (
            metric_name(name, own.kind),
            figure(found.value, name),
            interval(found, name),
            figure(votes.baseline[name], name),
            "lower is better" if not is_share(name) else "",
        )
        for name, found in votes.metrics.items()
    ]
    notes = [
        f"{plural(votes.utterances, 'utterance')} with votes; baseline: always the mean votes; the entropy of the "
        f"votes, {votes.entropy:.3f}, is the lowest cross-entropy"
    ]
    notes += [
        reached_of(name, own.metrics[name], ceiling, own.kind)
        for name, ceiling in votes.ceilings.items()
        if name in own.metrics
    ]
    if votes.ties is not None:
        notes.append(f"{plural(votes.ties, 'utterance')} of these speakers in no set, because the raters tie")
    return Table("beside the raters' votes", ("", f"k = {own.k}", INTERVAL, "baseline", ""), tuple(rows), tuple(notes))
