"""A run in tables: its findings, then each set with metrics, classes, calibration, slices and probes."""

from collections import Counter
from dataclasses import replace

from sertool.core.formatting import INTERVAL, plural
from sertool.core.reports.contents import CalibrationRow, ClassRow, RunReport, SetReport, SliceRow
from sertool.core.reports.text.blocks import Block, Section
from sertool.core.reports.text.set_details import details
from sertool.core.reports.wording import (
    NONE,
    figure,
    interval,
    metric_name,
    p_equals,
    p_value,
    points,
    points_interval,
    spread,
)

ARCHITECTURES = {"mat": "MAT", "mnt": "MNT"}
MANY = 20  # classes
ANSWERED = 0.8  # share of utterances that the line on abstaining is about


def run_section(run: RunReport, *, full: bool) -> Section:
    """A run.

    Args:
        run: what is known of it.
        full: every set in full, every member, size and slice, and where it all comes from.
    """
    blocks: list[Block] = []
    for number, own in enumerate(sorted(run.sets.values(), key=lambda one: one.set != "test")):
        blocks += set_blocks(run, own, full=full) if full or number == 0 else [_short(run, own)]
    blocks += [_reads(run, full=full)] if run.reads else []
    if full:
        blocks.append(Block("provenance", ("what", "is"), tuple(run.provenance.items())))
        blocks.append(Block("made again by", ("command",), tuple((one,) for one in run.commands)))
    findings = tuple((one.severity, f"{one.text} [{one.kind}]") for one in run.findings)
    return Section(_title(run), run.stamp, findings, tuple(blocks))


def set_blocks(run: RunReport, own: SetReport, *, full: bool) -> list[Block]:
    """A set in full: metrics, classes, calibration, slices, probes; with ``full`` the members, sizes and counts too."""
    blocks = [_metrics(run, own), _classes(own, full=full)]
    blocks += details(run, own) if full else []
    if own.calibration is not None:
        blocks.append(Block(notes=tuple(_calibration(own.calibration))))
    blocks += [_slices(own, full=full)] if own.slices else []
    blocks += [_probes(own)] if own.probes else []
    if not full:
        return blocks
    return [
        blocks[0],
        *(replace(one, title=f"{own.set} · {one.title}") if one.title else one for one in blocks[1:]),
    ]


def _title(run: RunReport) -> str:
    data = run.dataset + (f" ({run.caveats})" if run.caveats else "")
    folds = f" in {plural(run.folds, 'fold')}" if run.folds > 1 else ""
    parts = [
        run.name,
        data,
        run.task if run.task.endswith("classes") else f"{run.task}, {len(run.class_names)} classes",
        f"{ARCHITECTURES.get(run.architecture, run.architecture)}, {_members(run)}{folds}",
        run.stamp or run.protocol,
    ]
    return " · ".join(parts)


def _members(run: RunReport) -> str:
    if run.members == run.expected_members:
        return plural(run.members, "member")
    return f"{run.members} of {plural(run.expected_members, 'member')}"


def _set_title(run: RunReport, own: SetReport) -> str:
    published = own.published_utterances
    other = f" (published: {published:,})" if published not in (None, own.utterances) else ""
    by = (
        "all there are"
        if run.chosen_by == "all"
        else f"chosen on {run.chosen_by} by {metric_name(run.select)}"
    )
    return f"{own.set} · {plural(own.utterances, 'utterance')}{other} · k = {own.k}, {by}"


def _metrics(run: RunReport, own: SetReport) -> Block:
    rows = [
        (
            metric_name(name),
            figure(value.value, name),
            interval(value, name),
            spread(own.spread.get(name), name),
        )
        for name, value in (*own.metrics.items(), *own.scores.items())
    ]
    notes = [
        f"intervals over {plural(own.clusters, own.unit)}" + (f"; {own.unit_note}" if own.unit_note else "")
    ]
    if own.majority is not None:
        notes.append(f"always the most frequent class: accuracy {figure(own.majority)}")
    header = ("", f"k = {own.k}", INTERVAL, "members, mean ± sd")
    return Block(_set_title(run, own), header, tuple(rows), tuple(notes))


def _short(run: RunReport, own: SetReport) -> Block:
    figures = [f"{metric_name(name)} {figure(value.value)}" for name, value in own.metrics.items()]
    title = f"{own.set} · {plural(own.utterances, 'utterance')} · {' · '.join(figures)}"
    return Block(f"{title} · {run.stamp}" if run.stamp else title)


def _classes(own: SetReport, *, full: bool) -> Block:
    shown = own.classes if full else own.classes[:MANY]
    header = ("class", "precision", *([INTERVAL] if full else []), "recall", *([INTERVAL] if full else []))
    notes = (
        ["≠ the published number"] if any(one.published not in (None, one.support) for one in shown) else []
    )
    if len(own.classes) > len(shown):
        notes.append(f"and {len(own.classes) - len(shown)} more classes: in the files")
    rows = tuple(_class(one, full=full) for one in shown)
    return Block("classes", (*header, "F1", INTERVAL, "support", "decided"), rows, tuple(notes))


def _class(own: ClassRow, *, full: bool) -> tuple[str, ...]:
    cells = [own.name]
    for one in (own.precision, own.recall, own.f1):
        cells += [figure(one.value), *([interval(one)] if full or one is own.f1 else [])]
    support = f"{own.support:,}"
    if own.published not in (None, own.support):
        support += f" ≠ {own.published:,}"
    return (*cells, support, f"{own.predicted:,}")


def _calibration(own: CalibrationRow) -> list[str]:
    divided = "no temperature" if own.temperature is None else f"temperature {own.temperature:.2f}"
    between = "" if own.ece.low is None else f" ({own.ece.low:.3f} - {own.ece.high:.3f})"
    lines = [
        f"calibration: {divided} · ECE {own.ece.value:.3f}{between}, a calibrated model shows "
        f"{own.ece_expected:.3f}, {p_equals(own.p)}",
        f"mean probability {own.confidence:.3f}, right {own.accuracy:.3f} · Brier score {own.brier.value:.3f}",
    ]
    if own.risk:
        point = min(own.risk, key=lambda one: abs(one.coverage - ANSWERED))
        lines.append(
            f"abstaining below {point.threshold:.2f}: {100 * point.coverage:.0f} % are answered, of those "
            f"{figure(point.accuracy)} % rightly"
        )
    return lines


def _slices(own: SetReport, *, full: bool) -> Block:
    shown = own.slices if full else [one for one in own.slices if one.weak]
    tested = sum(one.p is not None for one in own.slices)
    if not shown:
        none = f"none of {tested} is significantly weaker than the rest" if tested else "too small to tell"
        return Block(notes=(f"slices: {none}",))
    header = ("slice", "utterances", "accuracy", INTERVAL, "to the rest", "p", *(["weak"] if full else []))
    title = "slices" if full else f"weak slices, of {tested} tested"
    note = "p: one-sided, corrected by Holm over all slices of the set"
    return Block(title, header, tuple(_slice(one, full=full) for one in shown), (note,))


def _slice(own: SliceRow, *, full: bool) -> tuple[str, ...]:
    cells = (
        f"{own.kind}: {own.name}",
        f"{own.size:,}",
        figure(own.accuracy.value),
        interval(own.accuracy),
        points(own.difference),
        p_value(own.p),
    )
    return (*cells, "weak" if own.weak else "") if full else cells


def _probes(own: SetReport) -> Block:
    names = [name for name in ("accuracy", "uar") if name in own.metrics]
    header = ["reading or listening?", *(metric_name(name) for name in names), "falls by", INTERVAL, "p"]
    rows = [("as it is", *(figure(own.metrics[name].value) for name in names), "", "", "")]
    for one in own.probes:
        figures = [figure(one.metrics[name].value) if name in one.metrics else NONE for name in names]
        rows.append((one.name, *figures, points(one.drop.value), points_interval(one.drop), p_value(one.p)))
    return Block("probes", tuple(header), tuple(rows))


def _reads(run: RunReport, *, full: bool) -> Block:
    if full:
        rows = tuple((one.time, one.by, one.purpose, f"{one.utterances:,}") for one in run.reads)
        return Block("looks at test labels", ("time", "by", "purpose", "utterances"), rows)
    by = Counter(one.by for one in run.reads)
    who = ", ".join(name + (f" {number} times" if number > 1 else "") for name, number in by.items())
    return Block(notes=(f"test labels were looked at by {who}",))
