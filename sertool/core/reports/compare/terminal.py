"""A comparison as lines of text for a terminal."""

from sertool.core.formatting import aligned, cut, plural, printable, wrapped
from sertool.core.metrics import McNemar
from sertool.core.reports.compare.contents import (
    AS_NEAR,
    FARTHER,
    NEARER,
    RIGHT_TO_WRONG,
    WRONG_TO_RIGHT,
    WRONG_TO_WRONG,
    Comparison,
    Contender,
    MetricRow,
    Pair,
)
from sertool.core.reports.wording import (
    change,
    change_interval,
    figure,
    is_share,
    metric_name,
    over_clusters,
    p_equals,
    p_value,
)
from sertool.core.runs.ensemble_size import how_chosen

LONGEST_CLASS = 16  # columns of a class name on a terminal
LEAST_TEXT = 12  # columns; if fewer are left, the text of utterances is not shown
# J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988: 0.2 is small, 0.5 medium, 0.8 large.
SIZES = ((0.2, "below what counts as small"), (0.5, "small"), (0.8, "medium"), (float("inf"), "large"))


def show(comparison: Comparison, width: int | None, flips: int) -> list[str]:
    """Show the compared runs, the metrics with verdicts, McNemar's test, and the flipped utterances.

    Args:
        comparison: the comparison.
        width: columns of the terminal; None: nothing is wrapped or cut.
        flips: number of flipped utterances to show for each pair.
    """
    # Letters keep the tables narrow, however long the names are.
    names = {own.name: chr(ord("A") + place) for place, own in enumerate(comparison.contenders)}
    parts = [
        comparison.dataset + (f" ({comparison.caveats})" if comparison.caveats else ""),
        comparison.task if comparison.kind == "scores" else f"{comparison.task}, {len(comparison.class_names)} classes",
        comparison.set,
        *([plural(comparison.pairs[0].utterances, "utterance")] if len(comparison.pairs) == 1 else []),
    ]
    title = " · ".join(parts)
    lines = wrapped(printable(title), width)
    for own in comparison.contenders:
        lines += _contender(own, names[own.name], comparison.kind, width)
    for pair in comparison.pairs:
        lines += ["", *_pair(comparison, pair, names, width)]
        lines += ["", *_flips(pair, names, width, flips)]
    return lines


def _contender(own: Contender, letter: str, kind: str, width: int | None) -> list[str]:
    by = "" if own.chosen_by == "all" else f", {how_chosen(own.chosen_by, own.select, kind)}"
    folds = f" in each of {own.folds} folds" if own.folds > 1 else ""
    line = f"{own.name} · " + (own.imported or f"{own.k} of {plural(own.members, 'member')}{folds}{by}")
    lines = wrapped(printable(line), width, "   ", f"{letter}  ")
    for note in (own.stamp, *own.notes):
        lines += wrapped(printable(note), width, "   ", "   ") if note else []
    return lines


def _pair(comparison: Comparison, pair: Pair, names: dict[str, str], width: int | None) -> list[str]:
    a, b = names[pair.a], names[pair.b]
    several = len(comparison.pairs) > 1
    lines = [f"{b} against {a}: {plural(pair.utterances, 'utterance')}"] if several else []
    many = comparison.tests > 1
    rows = [_row(comparison, row, many=many) for row in pair.metrics]
    header = ["", a, b, "baseline", f"{b} - {a}", "95 % interval", "p", *(["Holm"] if many else [])]
    lines += aligned(header, rows, width)
    lines.append("")
    by = f" by {pair.unit}"
    for row in pair.metrics:
        lines += wrapped(f"{_name(comparison, row)}: {verdict(row, by)}", width)
    lines += [""] if pair.metrics else []
    lines += _by_cluster(comparison, pair, names, width)
    lines += wrapped(over_clusters(pair) if pair.by_cluster else f"paired {over_clusters(pair)}", width)
    if many:
        of = f"the {len(comparison.pairs)} pairs" if several else "the table"
        lines += wrapped(f"Holm: p corrected for {comparison.tests} tests, one for each p of {of}", width)
    if pair.mcnemar is not None:
        lines += wrapped(_mcnemar(comparison, pair, pair.mcnemar, a, b), width)
    if pair.cohens_h is not None:
        size = next(word for limit, word in SIZES if abs(pair.cohens_h) < limit)
        accuracy = metric_name("accuracy", comparison.kind)
        lines += wrapped(f"effect size of the {accuracy}: Cohen's h {pair.cohens_h:.2f}, {size}", width)
    for note in pair.notes:
        lines += wrapped(f"note: {printable(note)}", width)
    return lines


def _by_cluster(comparison: Comparison, pair: Pair, names: dict[str, str], width: int | None) -> list[str]:
    """Show every metric cluster by cluster; nothing where there are enough for intervals."""
    a, b = names[pair.a], names[pair.b]
    lines = []
    for row in [row for row in pair.metrics if pair.by_cluster and not row.score]:
        metric = row.metric
        rows = [
            [
                name,
                f"{one.utterances:,}",
                figure(one.a[metric], metric),
                figure(one.b[metric], metric),
                change(difference, metric),
            ]
            for one in pair.by_cluster
            for name, difference in [(printable(one.name), one.b[metric] - one.a[metric])]
        ]
        lines += [
            f"{_name(comparison, row)} by {pair.unit}",
            *aligned(["", "utterances", a, b, f"{b} - {a}"], rows, width),
        ]
        lines.append("")
    return lines


def _name(comparison: Comparison, row: MetricRow) -> str:
    """Name a metric, with the score that it is of, or ``mean`` where there are several."""
    name = metric_name(row.metric, comparison.kind)
    if comparison.kind != "scores" or len(comparison.class_names) == 1:
        return name
    return f"{name}, {printable(row.score) or 'mean'}"


def _row(comparison: Comparison, row: MetricRow, *, many: bool) -> list[str]:
    own, metric = row.difference, row.metric
    figures = [figure(one, metric) for one in (row.a, row.b, row.baseline)]
    cells = [_name(comparison, row), *figures, change(own.value, metric), change_interval(own, metric)]
    return [*cells, p_value(own.p), *([p_value(row.holm)] if many else [])]


def verdict(row: MetricRow, by: str) -> str:
    """Write the difference of a metric, as in "+1.9 points, interval -0.8 to 4.5 by speaker: better"."""
    own, metric = row.difference, row.metric
    between = f", interval {change_interval(own, metric)}{by}" if own.low is not None else ""
    unit = " points" * (is_share(metric) and own.value == own.value)
    return f"{change(own.value, metric, 1)}{unit}{between}: {row.verdict}"


def _mcnemar(comparison: Comparison, pair: Pair, test: McNemar, a: str, b: str) -> str:
    what = "decisions" if comparison.kind == "multi" else "utterances"
    several = len(comparison.pairs) > 1
    counts = f"only {a} is right {plural(test.only_a, 'time')}, only {b} {plural(test.only_b, 'time')}"
    if test.p is None or pair.mcnemar_holm is None:
        return f"{counts}; McNemar's test assumes independent {what}, which those of one {pair.unit} are not"
    tests = sum(one.mcnemar_holm is not None for one in comparison.pairs)  # pairs with few clusters have none
    corrected = f", {p_equals(pair.mcnemar_holm)} by Holm over {plural(tests, 'pair')}" * several
    return f"McNemar's exact test: {counts}: {p_equals(test.p)}{corrected}; it assumes independent {what}"


def _flips(pair: Pair, names: dict[str, str], width: int | None, flips: int) -> list[str]:
    scored = bool(pair.flips and pair.flips[0].score)
    others = AS_NEAR if scored else WRONG_TO_WRONG
    changes = [NEARER, FARTHER] if scored else [WRONG_TO_RIGHT, RIGHT_TO_WRONG]
    behind = {NEARER: " to the true score", FARTHER: " from it"}
    named = [*changes, *([others] if pair.count(others) else [])]
    counts = [f"{pair.count(one):,} {one}{behind.get(one, '')}" for one in named]
    a, b = names[pair.a], names[pair.b]
    lines = wrapped(f"from {a} to {b}: {' · '.join(counts)}", width)
    shown = pair.flips[:flips]
    if not shown:
        return lines
    several = len({flip.score for flip in pair.flips}) > 1
    rows = [
        [
            flip.id,
            *([printable(flip.score)] if several else []),
            flip.change,
            *(_decision(own, width) for own in (flip.target, flip.a, flip.b)),
        ]
        for flip in shown
    ]
    header = ["utterance", *(["score"] if several else []), "change", "true" if scored else "label", a, b]
    grid = aligned(header, rows, width, fixed=2 + several)
    # The text is the last column, cut to what the others leave; it is left out if they are shown in several parts.
    room = None if width is None else width - max(map(len, grid)) - 2
    if (room is None or room >= LEAST_TEXT) and len(grid) == len(shown) + 1:
        indent = max(map(len, grid)) + 2
        texts = ["text", *(printable(flip.text) for flip in shown)]
        grid = [
            (line.ljust(indent) + (text if room is None else cut(text, room))).rstrip()
            for line, text in zip(grid, texts, strict=True)
        ]
    more = len(pair.flips) - len(shown)
    rest = [f"and {more:,} more: --flips N shows N, --csv FILE writes all"] if more else []
    return [*lines, *grid, *rest]


def _decision(classes: str, width: int | None) -> str:
    shown = printable(classes or "none")
    return shown if width is None else cut(shown, LONGEST_CLASS)
