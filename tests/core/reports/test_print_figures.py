"""Figures for papers: complete, of the promised kind and size, equal for equal reports, safe for any name."""

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image
from report_example import example

from sertool.core.metrics import Estimate
from sertool.core.reports.contents import MemberEpoch
from sertool.core.reports.figures import charts
from sertool.core.reports.figures.files import FORMATS, check_drawable, figure_files, print_figures
from sertool.core.reports.figures.style import print_style

pytestmark = pytest.mark.slow


def one_run(report, **changes):
    """A report of the first run alone, with changes."""
    return replace(report, tasks=(), runs=(replace(report.runs[0], **changes),))


@pytest.fixture
def axes(monkeypatch):
    """Record the calls of ``Axes.plot`` and ``Axes.bar`` in order."""
    calls = []
    for kind in ("plot", "bar"):
        original = getattr(Axes, kind)

        def noted(self, *values, _kind=kind, _original=original, **options):
            calls.append((_kind, values, options))
            return _original(self, *values, **options)

        monkeypatch.setattr(Axes, kind, noted)
    return calls


def test_each_figure_of_the_page_is_there():
    report = example()
    names = {own.name for own in print_figures(report)}
    task, run = report.tasks[0], report.runs[0]
    assert {f"{task.dataset}-{task.task}-{metric}" for metric in ("accuracy", "uar")} <= names
    own = {"training-loss", "training-score", "members", "test-classes", "test-confusion", "test-reliability"}
    assert {f"{run.name}/{name}" for name in own | {"test-risk"}} <= names
    multi = next(run for run in report.runs if run.kind == "multi")
    assert f"{multi.name}/test-confusion" not in names  # no matrix of a multi-label task
    assert f"{multi.name}/test-classes" in names


def small():
    """A report of one run on test."""
    return one_run(example(), sets={"test": example().runs[0].sets["test"]})


@pytest.fixture(scope="module")
def files():
    """The files of a report with one run, by name."""
    return {own.name: own for own in figure_files(small())}


def test_every_figure_is_written_in_every_format(files):
    stems = {name.rpartition(".")[0] for name in files}
    assert files.keys() == {f"{stem}.{ending}" for stem in stems for ending in FORMATS}
    assert not any(own.remark for own in files.values())
    for name, own in files.items():
        if name.endswith("svg"):
            assert ElementTree.fromstring(own.content).tag.endswith("svg")
        elif name.endswith("pdf"):
            assert own.content.startswith(b"%PDF-")
            assert b"/Type3" not in own.content  # publishers refuse fonts of Type 3
        else:
            with Image.open(io.BytesIO(own.content)) as image:
                assert round(image.info["dpi"][0]) == 600


def test_most_figures_fit_a_column(files):
    for name, own in files.items():
        if name.endswith("svg") and "confusion" not in name:
            width = float(re.search(rb'width="([\d.]+)pt"', own.content)[1]) / 72
            assert 3 < width < 3.5


def test_equal_reports_give_equal_files(files):
    for own in islice(figure_files(small()), 6):  # two figures
        assert files[own.name] == own


def test_selection_on_test_stands_in_the_figure():
    report = example()
    stamped = next(run for run in report.runs if run.stamp)
    for own in print_figures(replace(report, tasks=(), runs=(stamped,))):
        assert own.stamp.startswith(stamped.stamp)
    (forest,) = [own for own in print_figures(report) if own.name == "IEMOCAP-emotion-accuracy"]
    assert forest.stamp == "open marks: selected on test"


def test_a_sign_without_a_font_is_told():
    run = example().runs[0]
    named = ("\N{EGYPTIAN HIEROGLYPH A001}", "$x_", *run.class_names[2:])
    test = replace(run.sets["test"], calibration=None, sizes=(), classes=run.sets["test"].classes[:1])
    changed = one_run(example(), class_names=named, sets={"test": test}, histories={})
    told = {own.remark for own in figure_files(changed)}
    assert (
        f"{run.name}/test-confusion: no installed font has \N{EGYPTIAN HIEROGLYPH A001}; boxes stand for them" in told
    )


def test_the_figures_are_those_of_the_report(axes):
    task = example().tasks[0]
    with print_style():
        charts.forest_chart(task, "accuracy")
    drawn = [np.ravel(values[0]).tolist() for kind, values, _ in axes if kind == "plot"]
    for row in task.ours:
        own = row.metrics["accuracy"]
        assert [100 * own.low, 100 * own.high] in drawn
        assert [100 * own.value] in drawn


def test_without_an_interval_there_is_a_mark_alone(axes):
    task = example().tasks[0]
    alone = replace(task, ours=(replace(task.ours[0], metrics={"mae": Estimate(0.71)}),), published=())
    with print_style():
        charts.forest_chart(alone, "mae")
    assert [np.ravel(values[0]).tolist() for _, values, _ in axes] == [[0.71]]  # in its own unit


def test_reliability_shows_bars_and_counts(axes):
    bins = example().runs[0].sets["test"].calibration.bins
    with print_style():
        charts.reliability_chart(bins)
    shares, counts = (list(values[1]) for kind, values, _ in axes if kind == "bar")
    assert shares == pytest.approx([100 * one.accuracy for one in bins])
    assert counts == [one.count for one in bins]


def test_members_are_told_apart_without_colour(axes):
    histories = example().runs[0].histories
    with print_style():
        charts.training_chart(histories, "loss", "training loss")
    looks = {(call[2]["color"], call[2]["linestyle"]) for call in axes if call[2].get("label")}
    assert len(looks) == len(histories) == len({dash for _, dash in looks})


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_left_out(loss, axes):
    epochs = (MemberEpoch(1, loss, 0.3, 1e-3, "better"), MemberEpoch(2, 0.5, 0.4, 1e-3, "worse"))
    with print_style():
        charts.training_chart({"run-1": epochs, "run-2": ()}, "loss", "training loss")
    assert (2, 0.5) in [(*np.ravel(values[0]), *np.ravel(values[1])) for _, values, _ in axes]


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    from sertool.core.errors import UsageError

    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib is needed") as caught:
        check_drawable()
    assert "sertool[figures]" in caught.value.hint
