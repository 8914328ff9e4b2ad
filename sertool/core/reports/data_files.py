"""A report as CSV, one row per figure, and as JSON: for the reader's own plots and statistics."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sertool.core.metrics import Estimate
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.contents import IMPORTED, Report, RunReport, SetReport, TaskReport
from sertool.core.reports.csv_rows import CsvRow, estimate, estimates, values
from sertool.core.reports.linear_row import LinearRow
from sertool.core.reports.probes import judged_metric
from sertool.core.reports.score_rows import score_rows


def figure_rows(report: Report) -> Iterator[tuple[str | float | int, ...]]:
    """Yield a header and one row per figure of a report."""
    yield CsvRow._fields
    for task in report.tasks:
        yield from _task_rows(task)
    for run in report.runs:
        for own in run.sets.values():
            yield from _set_rows(run, own)


def _task_rows(task: TaskReport) -> Iterator[CsvRow]:
    base = CsvRow(dataset=task.dataset, task=task.task, set="test")
    for own in task.published:
        named = base._replace(what="published", name=own.source, metric=own.metric)
        yield named._replace(value=own.value, k=own.members or "")
    # A difference carries the stamp of the run under the paper's protocol.
    stamps = {row.run: row.stamp for row in task.ours}
    for row in task.differences:
        pair = base._replace(
            run=row.paper,
            protocol="paper - honest",
            selected_on_test=_selected(stamps.get(row.paper, "")),
            what="difference",
            name=f"{row.paper} - {row.honest}",
        )
        yield estimate(pair, row.metric, row.difference)
        if row.p is not None:
            yield pair._replace(metric=f"{row.metric} p", value=row.p)


def _set_rows(run: RunReport, own: SetReport) -> Iterator[CsvRow]:
    base = CsvRow(
        run=run.name,
        dataset=run.dataset,
        task=run.task,
        protocol=run.protocol or IMPORTED,
        selected_on_test=_selected(run.stamp),
        set=own.set,
        k=own.k,
        unit=own.unit,
        clusters=own.clusters,
    )
    yield from estimates(base._replace(what="ensemble"), own.metrics)
    yield from estimates(base._replace(what="score"), own.scores)
    if run.linear is not None and own.set == "test":
        yield from _linear_rows(base, run.name, run.linear)
    plain = base._replace(unit="", clusters="")  # of figures without an interval
    for size in own.sizes:
        yield from values(plain._replace(what="size", k=size.k), size.metrics)
    yield from _member_rows(plain, run, own)
    yield from _class_rows(base, run, own)
    for one in own.by_cluster:
        named = plain._replace(what="cluster", name=one.name)
        decided = {} if own.kind == "scores" else {"accuracy": one.accuracy, "uar": one.uar}
        yield from values(named, {"utterances": one.utterances, **decided, **one.scores})
    yield from values(plain._replace(what="baseline", name=own.baseline.name), own.baseline.metrics)
    yield from score_rows(base, own)
    if own.calibration is not None:
        yield from _calibration_rows(base, own.calibration)
    for part in own.slices:
        named = base._replace(what="slice", name=f"{part.kind}: {part.name}", clusters=part.clusters)
        yield estimate(named, "accuracy", part.accuracy)
        yield from estimates(named, {} if part.uar is None else {"uar": part.uar})
        rest = {"utterances": part.size, "accuracy to the rest": part.difference}
        rest |= {} if part.p is None else {"p": part.p}
        yield from values(named._replace(unit="", clusters=""), rest | {"weak": int(part.weak)})
    fell = f"{judged_metric(own.kind)} falls by"
    for probe in own.probes:
        named = base._replace(what="probe", name=probe.name)
        yield from estimates(named, probe.metrics)
        yield estimate(named, fell, probe.drop)
        bare = named._replace(unit="", clusters="")
        yield from values(bare, {} if probe.p is None else {"p": probe.p})
        for cluster, drop in probe.by_cluster.items():
            yield bare._replace(what="probe by cluster", name=f"{probe.name}: {cluster}", metric=fell, value=drop)


def _linear_rows(base: CsvRow, name: str, linear: LinearRow) -> Iterator[CsvRow]:
    for one in linear.figures:
        bare = base._replace(unit="", clusters="")
        yield bare._replace(what="linear probe", name=linear.name, k=linear.k, metric=one.metric, value=one.linear)
        difference = Estimate(one.difference.value, one.difference.low, one.difference.high)
        named = base._replace(what="difference", name=f"{name} - {linear.name}")
        yield estimate(named, one.metric, difference)
        if one.difference.p is not None:
            yield named._replace(metric=f"{one.metric} p", value=one.difference.p, unit="", clusters="")


def _selected(stamp: str) -> str:
    return stamp.removeprefix("selected on test: ")


def _member_rows(base: CsvRow, run: RunReport, own: SetReport) -> Iterator[CsvRow]:
    single = base._replace(k=1, what="member")
    for member in own.members:
        figures = {f"validation {run.select}": member.validation, **member.metrics}
        yield from values(single._replace(name=member.name), figures)
    for metric, spread in own.spread.items():
        yield single._replace(what="mean", metric=metric, value=spread.mean)
        if spread.sd is not None:
            yield single._replace(what="sd", metric=metric, value=spread.sd)


def _class_rows(base: CsvRow, run: RunReport, own: SetReport) -> Iterator[CsvRow]:
    for one in own.classes:
        named = base._replace(what="class", name=one.name)
        yield from estimates(named, {"precision": one.precision, "recall": one.recall, "f1": one.f1})
        counts = {name: getattr(one, name) for name in ("support", "predicted", "train", "published")}
        known = {name: count for name, count in counts.items() if count is not None}
        yield from values(named._replace(unit="", clusters=""), known)
    for label, counts_of in zip(run.class_names, own.confusion or (), strict=False):
        for decided, number in zip(run.class_names, counts_of, strict=True):
            yield base._replace(
                what="confusion", name=label, metric=f"decided {decided}", value=number, unit="", clusters=""
            )


def _calibration_rows(base: CsvRow, own: CalibrationRow) -> Iterator[CsvRow]:
    named = base._replace(what="calibration")
    yield from estimates(named, {"ece": own.ece, "brier": own.brier})
    plain = named._replace(unit="", clusters="")
    figures = {"ece expected": own.ece_expected, "nll": own.nll}
    figures |= {} if own.p is None else {"p": own.p}
    figures |= {"mean probability": own.confidence, "accuracy": own.accuracy}
    figures |= {"calibrated": 0.0} if own.temperature is None else {"calibrated": 1.0, "temperature": own.temperature}
    yield from values(plain, figures)
    for place, one in enumerate(own.bins):  # bins are numbered from the least confident
        own_bin = plain._replace(what="bin", name=f"{place}")
        share = Estimate(one.accuracy, one.low, one.high)
        yield estimate(own_bin._replace(unit="decision", clusters=one.count), "accuracy", share)
        yield own_bin._replace(metric="mean probability", value=one.confidence)
    for point in own.risk:
        at = plain._replace(what="risk", name=f"{point.threshold!r}")
        yield from values(at, {"coverage": point.coverage, "accuracy": point.accuracy})


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain data for JSON, without the recordings; NaN and infinity become null."""
    content: dict[str, Any] = plain(report)
    del content["recordings"]
    for run in content["runs"]:
        run["classes"] = run["class_names"]  # the name that the results of other commands have
        if run["imported"] is not None:
            run |= dict.fromkeys(("architecture", "protocol", "select"))  # null: not known
    return content


def plain(value: Any) -> Any:
    """Convert dataclasses to dicts, tuples to lists, NaN and infinity, which JSON does not know, to None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {own.name: plain(getattr(value, own.name)) for own in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
