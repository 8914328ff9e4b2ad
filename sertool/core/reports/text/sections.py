"""A report in sections of tables: one for each data set and task, one for each run, one for what could not be used."""

import math
from collections import Counter
from dataclasses import replace

from sertool.core.corpora.seal import COUNTS, DECISIONS
from sertool.core.formatting import INTERVAL, plural
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.contents import (
    ClassRow,
    Report,
    RunReport,
    SetReport,
    SliceRow,
)
from sertool.core.reports.linear_row import LinearRow
from sertool.core.reports.probes import judged_metric, probed_title, second_metric
from sertool.core.reports.text.blocks import Section, Table, without_empty
from sertool.core.reports.text.corpus_sections import by_corpus
from sertool.core.reports.text.dialogue_sections import in_dialogues
from sertool.core.reports.text.score_sections import score_slice_table, score_tables, votes_table
from sertool.core.reports.wording import (
    NONE,
    change,
    change_interval,
    falls_shown,
    figure,
    goal,
    interval,
    made_by,
    metric_name,
    over_clusters,
    p_equals,
    p_value,
    percent,
    points,
    spread,
)
from sertool.core.runs.ensemble_size import how_chosen

MANY = 20  # classes that a terminal shows
ANSWERED = 0.8  # coverage for which the line on abstaining gives the accuracy


def problem_section(report: Report) -> Section:
    """Build the section of runs and files that could not be used."""
    return Section("could not be used", "", (), (Table(notes=report.problems),))


def run_section(run: RunReport, *, full: bool) -> Section:
    """Build the section of a run.

    Args:
        run: the figures.
        full: True for every set in full, with members, sizes, all slices and the provenance.
    """
    tables: list[Table] = []
    for number, own in enumerate(sorted(run.sets.values(), key=lambda one: one.set != "test")):
        tables += set_tables(run, own, full=full) if full or number == 0 else [_short(run, own)]
    tables += [_reads(run, full=full)] if run.reads else []
    if full:
        tables.append(Table("provenance", ("item", "value"), tuple(run.provenance.items())))
        tables.append(Table("commands to reproduce", ("command",), tuple((one,) for one in run.commands)))
    findings = tuple((one.severity, f"{one.text} [{one.kind}]") for one in run.findings)
    return Section(_title(run), run.stamp, findings, tuple(tables))


def set_tables(run: RunReport, own: SetReport, *, full: bool) -> list[Table]:
    """Return metrics, classes, calibration, slices and probes of a set; if ``full`` also members, sizes and counts."""
    beside = [_linear(run, own, run.linear)] if run.linear is not None and own.set == "test" else []
    tables = [_metrics(run, own), *beside, *([_by_cluster(own)] if own.by_cluster else [])]
    tables += [votes_table(own, own.votes)] if own.votes is not None else []
    tables += score_tables(own, full=full) if own.kind == "scores" else [_classes(own, full=full)]
    tables += _details(run, own) if full else []
    if own.calibration is not None:
        tables.append(Table(notes=tuple(_calibration(own.calibration))))
    tables += [_slices(own, full=full)] if own.slices else []
    tables += [score_slice_table(own, full=full)] if own.score_slices else []
    tables += by_corpus(own)
    tables += [] if full else in_dialogues(own)  # files have all slices in one table
    tables += [_probes(own)] if own.probes else []
    tables = [without_empty(table) for table in tables]
    if not full:
        return tables
    # Files have the tables of several sets below each other; the first one names its set already.
    named = [replace(one, title=f"{own.set} · {one.title}") if one.title else one for one in tables[1:]]
    return [tables[0], *named]


def _title(run: RunReport) -> str:
    data = run.dataset + (f" ({run.caveats})" if run.caveats else "")
    parts = [
        run.name,
        data,
        goal(run),
        made_by(run),
        *([f"context: {run.context}"] if run.context else []),
        run.stamp or run.protocol,
    ]
    return " · ".join(filter(None, parts))


def _set_title(run: RunReport, own: SetReport) -> str:
    published = own.published_utterances
    other = f" (published: {published:,})" if published not in (None, own.utterances) else ""
    size = f" · k = {own.k}, {how_chosen(run.chosen_by, run.select, run.kind)}" if run.imported is None else ""
    return f"{own.set} · {plural(own.utterances, 'utterance')}{other}{size}"


def _metrics(run: RunReport, own: SetReport) -> Table:
    rows = [
        (
            metric_name(name, own.kind),
            figure(value.value, name),
            interval(value, name),
            figure(own.baseline.metrics[name], name) if name in own.baseline.metrics else NONE,
            spread(own.spread.get(name), name),
        )
        for name, value in (*own.metrics.items(), *own.scores.items())
    ]
    notes = [over_clusters(own)]
    scored = ", and always the mean score" if own.scores and own.kind != "scores" else ""
    notes.append(f"baseline: {own.baseline.name}{scored}")
    notes += [f"means over {plural(len(own.dimensions), 'score')}"] if len(own.dimensions) > 1 else []
    header = ("", f"k = {own.k}" if run.imported is None else "value", INTERVAL, "baseline", "members, mean ± sd")
    return Table(_set_title(run, own), header, tuple(rows), tuple(notes))


def _linear(run: RunReport, own: SetReport, linear: LinearRow) -> Table:
    rows = [
        (
            metric_name(one.metric, own.kind),
            figure(one.run, one.metric),
            figure(one.linear, one.metric),
            change(one.difference.value, one.metric),
            change_interval(one.difference, one.metric),
            p_value(one.difference.p),
        )
        for one in linear.figures
    ]
    title = f"linear probe: {linear.name}, {linear.k} of {plural(linear.members, 'member')} averaged"
    header = ("", run.name, linear.name, "difference", INTERVAL, "p")
    return Table(title, header, tuple(rows), (linear.sentence, *linear.notes))


def _by_cluster(own: SetReport) -> Table:
    names = list(own.metrics) if own.kind == "scores" else ["accuracy", "uar", *own.scores]
    rows = []
    for one in own.by_cluster:
        values = {"accuracy": one.accuracy, "uar": one.uar, **one.scores}
        figures = (figure(values.get(name, math.nan), name) for name in names)
        rows.append((one.name, f"{one.utterances:,}", *figures))
    header = (own.unit, "utterances", *(metric_name(name, own.kind) for name in names))
    return Table(f"by {own.unit}", header, tuple(rows))


def _short(run: RunReport, own: SetReport) -> Table:
    figures = [f"{metric_name(name, own.kind)} {figure(value.value, name)}" for name, value in own.metrics.items()]
    title = f"{own.set} · {plural(own.utterances, 'utterance')} · {' · '.join(figures)}"
    return Table(f"{title} · {run.stamp}" if run.stamp else title)


def _classes(own: SetReport, *, full: bool) -> Table:
    shown = own.classes if full else own.classes[:MANY]
    header = ("class", "precision", *([INTERVAL] if full else []), "recall", *([INTERVAL] if full else []))
    notes = (
        ["≠: differs from the published number"]
        if any(one.published not in (None, one.support) for one in shown)
        else []
    )
    if len(own.classes) > len(shown):
        notes.append(f"{len(own.classes) - len(shown)} more classes are in the files")
    rows = tuple(_class(one, full=full) for one in shown)
    return Table("classes", (*header, "F1", INTERVAL, "support", "predicted"), rows, tuple(notes))


def _class(own: ClassRow, *, full: bool) -> tuple[str, ...]:
    cells = [own.name]
    for one in (own.precision, own.recall, own.f1):
        # A terminal has room for one interval a class.
        cells += [figure(one.value), *([interval(one)] if full or one is own.f1 else [])]
    support = f"{own.support:,}"
    if own.published not in (None, own.support):
        support += f" ≠ {own.published:,}"
    return (*cells, support, f"{own.predicted:,}")


def _calibration(own: CalibrationRow) -> list[str]:
    divided = "uncalibrated" if own.temperature is None else f"temperature {own.temperature:.2f}"
    between = "" if own.ece.low is None else f" ({interval(own.ece)})"
    tested = "" if own.p is None else f", {p_equals(own.p)}"
    lines = [
        f"calibration: {divided} · ECE {percent(own.ece.value)} %{between}, {percent(own.ece_expected)} % expected "
        f"by chance{tested}",
        f"mean probability {percent(own.confidence)} %, correct {percent(own.accuracy)} % · "
        f"Brier score {own.brier.value:.3f}",
    ]
    if own.uncalibrated:
        lines.insert(1, f"uncalibrated: {own.uncalibrated}")
    if own.risk:  # the point whose coverage is nearest
        point = min(own.risk, key=lambda one: abs(one.coverage - ANSWERED))
        lines.append(
            f"abstaining below a probability of {percent(point.threshold)} %: {percent(point.coverage)} % are "
            f"answered, {percent(point.accuracy)} % of these correctly"
        )
    return lines


def _slices(own: SetReport, *, full: bool) -> Table:
    shown = own.slices if full else [one for one in own.slices if one.weak]  # there may be dozens
    tested = sum(one.p is not None for one in own.slices)
    if not shown:
        weaker = f"none of {tested} is significantly weaker than the rest"
        untested = f"not tested: {plural(own.clusters, own.unit)}" if own.by_cluster else "all are too small to test"
        return Table(notes=(f"slices: {weaker if tested else untested}",))
    accuracy = metric_name("accuracy", own.kind)
    header = ("slice", "utterances", accuracy, INTERVAL, "vs. rest", "p", *(["weak"] if full else []))
    title = "slices" if full else f"weak slices, of {tested} tested"
    note = "p: one-sided, Holm-corrected over all slices of the set"
    return Table(title, header, tuple(_slice(one, full=full) for one in shown), (note,))


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


def _probes(own: SetReport) -> Table:
    first, second = judged_metric(own.kind), second_metric(own.kind)
    names = [name for name in (first, second) if name in own.metrics]
    # Where clusters are too few for an interval, the fall in each of them stands in its place.
    clusters = [one.name for one in own.by_cluster]
    header = [
        "input",
        *(metric_name(name, own.kind) for name in names),
        f"{metric_name(first, own.kind)} falls by",
        *(clusters or [INTERVAL, "p"]),
    ]
    rows = [
        ("as it is", *(figure(own.metrics[name].value, name) for name in names), *[""] * (len(header) - len(names) - 1))
    ]
    for one in own.probes:
        figures = [figure(one.metrics[name].value, name) if name in one.metrics else NONE for name in names]
        beside = [change_interval(one.drop, first), p_value(one.p)]
        if clusters:
            beside = [change(one.by_cluster[name], first, 1) for name in clusters]
        rows.append((one.name, *figures, change(one.drop.value, first), *beside))
    notes = [falls_shown(own.unit)] if clusters else []
    notes += [own.use.sentence] if own.use is not None else []
    return Table(probed_title(own.probes), tuple(header), tuple(rows), tuple(notes))


def _reads(run: RunReport, *, full: bool) -> Table:
    if full:
        rows = tuple((one.time, one.by, one.use, one.purpose, f"{one.utterances:,}") for one in run.reads)
        return Table("access to test labels", ("time", "by", "for", "purpose", "utterances"), rows)
    # A terminal gets one line; the times are in the files.
    decided, counted = (_readers(run, use) for use in (DECISIONS, COUNTS))
    notes = [f"decisions were compared with the test labels by {decided}"] if decided else []
    notes += [f"the test labels were counted, without any decision, by {counted}"] if counted else []
    return Table(notes=tuple(notes))


def _readers(run: RunReport, use: str) -> str:
    """List who read the test labels for a use, with the number of times."""
    by = Counter(one.by for one in run.reads if one.use == use)
    return ", ".join(name + (f" ({number} times)" if number > 1 else "") for name, number in by.items())


def _details(run: RunReport, own: SetReport) -> list[Table]:
    """Return the tables that only files have, as they are too long for a terminal."""
    tables = [_size_table(own), _member_table(run, own)] if run.imported is None else []
    if own.confusion is not None:
        rows = [
            (name, *(f"{number:,}" for number in counts))
            for name, counts in zip(run.class_names, own.confusion, strict=True)
        ]
        title = "confusion matrix: a row per label, a column per prediction"
        tables.append(Table(title, ("", *run.class_names), tuple(rows)))
    if own.calibration is not None:
        rows = [
            (percent(one.confidence), percent(one.accuracy), interval(one), f"{one.count:,}")
            for one in own.calibration.bins
        ]
        header = ("mean probability", "correct", INTERVAL, "predictions")
        tables.append(Table("reliability", header, tuple(rows)))
        shares = [(one.threshold, one.coverage, one.accuracy) for one in own.calibration.risk]
        answered = tuple(tuple(map(percent, row)) for row in shares)
        tables.append(Table("risk and coverage", ("abstain below", "answered", "correct of these"), answered))
    return tables


def _size_table(own: SetReport) -> Table:
    names = list(own.sizes[0].metrics) if own.sizes else []
    rows = [
        (f"{one.k}", *(figure(one.metrics[name], name) for name in names), "chosen" if one.k == own.k else "")
        for one in own.sizes
    ]
    return Table(
        "the first k members, averaged", ("k", *(metric_name(name, own.kind) for name in names), ""), tuple(rows)
    )


def _member_table(run: RunReport, own: SetReport) -> Table:
    names = list(own.members[0].metrics) if own.members else []
    folds = run.folds > 1  # without, the column would be the same everywhere
    rows = [
        (
            one.name,
            *([f"{one.fold}"] if folds else []),
            figure(one.validation, run.select),
            *(figure(one.metrics[name], name) if name in one.metrics else "" for name in names),
        )
        for one in own.members
    ]
    header = ("member", *(["fold"] if folds else []), f"validation {metric_name(run.select, run.kind)}")
    return Table("single members", (*header, *(metric_name(name, own.kind) for name in names)), tuple(rows))
