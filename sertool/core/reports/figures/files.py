"""The figures of a report as files: SVG, PDF and PNG of each, named after the run, the set and the figure."""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sertool.core.errors import UsageError
from sertool.core.formatting import file_name, first_few
from sertool.core.reports.contents import Report, RunReport, SetReport, TaskReport
from sertool.core.reports.figures import charts, score_charts
from sertool.core.reports.figures.style import GREY, print_style
from sertool.core.reports.wording import ALL_METRICS, is_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 600  # of PNG, as journals ask for line art
FORMATS = ("svg", "pdf", "png")


@dataclass(frozen=True)
class PrintFigure:
    """A figure to be drawn.

    Attributes:
        name: path below the folder of figures, without an ending, as ``demo/test-confusion``.
        stamp: caveats that stand in the figure itself, as it is copied without its text: selection on test, synthetic
            speech; often empty.
        draw: draws it.
    """

    name: str
    stamp: str
    draw: "Callable[[], Figure]"


@dataclass(frozen=True)
class FigureFile:
    """A figure in one format.

    Attributes:
        name: path below the folder of figures, as ``demo/test-confusion.pdf``.
        content: the bytes.
        remark: says which signs no installed font has, with the first format of a figure; empty if all were drawn.
    """

    name: str
    content: bytes
    remark: str = ""


def check_drawable() -> None:
    """Check that matplotlib is installed.

    Raises:
        UsageError: names the extra that installs it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--figures: matplotlib is needed and not installed", hint="pip install 'sertool[figures]'"
        ) from error


def figure_files(report: Report) -> Iterator[FigureFile]:
    """Draw each figure of a report in every format; equal reports give equal bytes."""
    for own in print_figures(report):
        with print_style(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figure = own.draw()
            if own.stamp:
                figure.suptitle(own.stamp, fontsize=6, color=GREY, x=0.99, ha="right")
            files = {ending: _saved(figure, ending, own.name) for ending in FORMATS}
        missing = _missing_signs([str(one.message) for one in caught])
        for ending, content in files.items():
            remark = f"{own.name}: {missing}" if missing and ending == FORMATS[0] else ""  # once a figure
            yield FigureFile(f"{own.name}.{ending}", content, remark)


def _saved(figure: "Figure", ending: str, title: str) -> bytes:
    """Return the bytes of a file; without dates, so that equal figures are equal files."""
    undated: dict[str, None] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending, {})
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=DPI, metadata={"Title": title, **undated})
    return buffer.getvalue()


def _missing_signs(messages: Sequence[str]) -> str:
    """Say which signs no font has, from warnings as "Glyph 24594 (...) missing from font(s) ..."; empty if all were."""
    numbers = {int(found[1]) for message in messages if (found := re.match(r"Glyph (\d+) .*missing from", message))}
    return f"no installed font has {first_few(map(chr, sorted(numbers)))}; boxes stand for them" if numbers else ""


def print_figures(report: Report) -> list[PrintFigure]:
    """List the figures of a report: of all runs of a task, then of each run and each of its sets."""
    return [
        *(figure for task in report.tasks for figure in _of_task(task)),
        *(figure for run in report.runs for figure in _of_run(run)),
    ]


def _of_task(task: TaskReport) -> Iterator[PrintFigure]:
    for metric in ALL_METRICS:
        rows = [row for row in task.ours if metric in row.metrics]
        if rows:
            name = file_name(f"{task.dataset}-{task.name}-{metric}")
            stamp = "open marks: selected on test" if any(row.stamp for row in rows) else ""
            yield PrintFigure(name, stamp, partial(charts.forest_chart, task, metric))


def _of_run(run: RunReport) -> Iterator[PrintFigure]:
    stated = run.imported.stated if run.imported is not None else ""
    folder, stamp = file_name(run.name), " · ".join(part for part in (run.stamp, stated, run.caveats) if part)
    make = partial(PrintFigure, stamp=stamp)
    if any(run.histories.values()):
        score = charts.unit_of(run.select, run.kind, "validation ")
        yield make(
            f"{folder}/training-loss", draw=partial(charts.training_chart, run.histories, "loss", "training loss")
        )
        scale = 100 if is_share(run.select) else 1
        draw = partial(charts.training_chart, run.histories, "score", score, scale)
        yield make(f"{folder}/training-score", draw=draw)
    sizes = {name: own.sizes for name, own in run.sets.items() if len(own.sizes) > 1}
    if sizes:
        chosen = next(iter(run.sets.values())).k
        yield make(f"{folder}/members", draw=partial(charts.sizes_chart, sizes, chosen, run.select, run.kind))
    for name, own in run.sets.items():
        before = f"{folder}/{file_name(name)}"
        if own.classes:
            yield make(f"{before}-classes", draw=partial(charts.classes_chart, own.classes))
        yield from _of_scores(own, before, make)
        if own.confusion is not None:
            yield make(f"{before}-confusion", draw=partial(charts.confusion_chart, own.confusion, run.class_names))
        if own.calibration is not None:
            yield make(f"{before}-reliability", draw=partial(charts.reliability_chart, own.calibration.bins))
            yield make(f"{before}-risk", draw=partial(charts.risk_chart, own.calibration.risk))


def _of_scores(own: SetReport, before: str, make: Callable[..., PrintFigure]) -> Iterator[PrintFigure]:
    for place, one in enumerate(own.dimensions):
        pairs = [(true, row.predicted[place]) for row in own.scored if (true := row.true[place]) is not None]
        name = f"{before}-{file_name(one.name)}"
        if pairs:
            yield make(f"{name}-scatter", draw=partial(score_charts.scatter_chart, one, pairs))
        if one.bins:
            yield make(f"{name}-ranges", draw=partial(score_charts.range_chart, one))
        if one.speakers:
            yield make(f"{name}-speakers", draw=partial(score_charts.speaker_chart, one))
