"""What of a set is too long for a terminal: sizes, members, the confusion matrix, reliability, risk and coverage."""

from sertool.core.formatting import INTERVAL
from sertool.core.reports.contents import RunReport, SetReport
from sertool.core.reports.text.blocks import Block
from sertool.core.reports.wording import figure, metric_name


def details(run: RunReport, own: SetReport) -> list[Block]:
    """The tables that stand in files only."""
    blocks = [_sizes(own), _members(run, own)]
    if own.confusion is not None:
        rows = [
            (name, *(f"{number:,}" for number in counts))
            for name, counts in zip(run.class_names, own.confusion, strict=True)
        ]
        blocks.append(Block("confusion: labels down, decisions across", ("", *run.class_names), tuple(rows)))
    if own.calibration is not None:
        rows = [
            (
                f"{one.confidence:.3f}",
                f"{one.accuracy:.3f}",
                f"{one.low:.3f} - {one.high:.3f}",
                f"{one.count:,}",
            )
            for one in own.calibration.bins
        ]
        header = ("mean probability", "share right", INTERVAL, "decisions")
        blocks.append(Block("reliability", header, tuple(rows)))
        points = [
            (f"{one.threshold:.3f}", f"{100 * one.coverage:.1f}", figure(one.accuracy))
            for one in own.calibration.risk
        ]
        blocks.append(
            Block("risk and coverage", ("abstaining below", "answered", "right of those"), tuple(points))
        )
    return blocks


def _sizes(own: SetReport) -> Block:
    names = list(own.sizes[0].metrics) if own.sizes else []
    rows = [
        (f"{one.k}", *(figure(one.metrics[name]) for name in names), "chosen" if one.k == own.k else "")
        for one in own.sizes
    ]
    return Block("the first k members, averaged", ("k", *map(metric_name, names), ""), tuple(rows))


def _members(run: RunReport, own: SetReport) -> Block:
    names = list(own.members[0].metrics) if own.members else []
    folds = run.folds > 1
    rows = [
        (
            one.name,
            *([f"{one.fold}"] if folds else []),
            figure(one.validation),
            *(figure(one.metrics[name]) if name in one.metrics else "" for name in names),
        )
        for one in own.members
    ]
    header = ("member", *(["fold"] if folds else []), f"validation {metric_name(run.select)}")
    return Block("members alone", (*header, *map(metric_name, names)), tuple(rows))
