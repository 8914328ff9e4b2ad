"""Figures as inline SVG: pure functions of plain data. Sizes are in pixels, colours come from the style sheet."""

from sertool.core.reports.html.figures.curves import (
    best_epoch,
    loss_curves,
    risk_curve,
    score_curves,
    size_curve,
    went_back,
)
from sertool.core.reports.html.figures.forest import (
    DrawnInterval,
    FigureGroup,
    forest,
    interval_cell,
    scale_cell,
    shared_scale,
)
from sertool.core.reports.html.figures.matrices import bar, confusion_matrix, reliability

__all__ = [
    "DrawnInterval",
    "FigureGroup",
    "bar",
    "best_epoch",
    "confusion_matrix",
    "forest",
    "interval_cell",
    "loss_curves",
    "reliability",
    "risk_curve",
    "scale_cell",
    "score_curves",
    "shared_scale",
    "size_curve",
    "went_back",
]
