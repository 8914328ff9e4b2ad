"""Figures as inline SVG: pure functions of plain data. Sizes are in pixels, colours come from the style sheet."""

from sertool.core.reports.html.figures.curves import risk_curve, size_curve
from sertool.core.reports.html.figures.forest import (
    DrawnInterval,
    FigureGroup,
    forest,
    interval_cell,
    scale_cell,
    shared_scale,
)
from sertool.core.reports.html.figures.matrices import FEW, bar, confusion_matrix, reliability
from sertool.core.reports.html.figures.scores import MOST, range_residuals, scatter, speaker_residuals
from sertool.core.reports.html.figures.training import NAMED, loss_curves, score_curves

__all__ = [
    "FEW",
    "MOST",
    "NAMED",
    "DrawnInterval",
    "FigureGroup",
    "bar",
    "confusion_matrix",
    "forest",
    "interval_cell",
    "loss_curves",
    "range_residuals",
    "reliability",
    "risk_curve",
    "scale_cell",
    "scatter",
    "score_curves",
    "shared_scale",
    "size_curve",
    "speaker_residuals",
]
