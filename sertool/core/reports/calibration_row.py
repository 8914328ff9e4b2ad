"""Calibration of a set's probabilities as plain data. Figures are fractions, not percent."""

from dataclasses import dataclass

from sertool.core.metrics import Estimate
from sertool.core.metrics.reliability import Bin, Point


@dataclass(frozen=True)
class CalibrationRow:
    """Calibration of the probabilities after the logits were divided by the temperature.

    Attributes:
        temperature: fitted on validation; None if uncalibrated, and then nothing was divided.
        ece: expected calibration error.
        ece_expected: the error that a perfectly calibrated model with the same confidences would show.
        p: how often such a model would show an error this large; a small p means miscalibrated. None where there are
            too few clusters to tell, and for a model of raters' votes.
        brier: Brier score, from 0 to 2.
        nll: mean negative log-likelihood in nats.
        confidence, accuracy: mean of each; a model with the first above the second is overconfident.
        bins: the reliability diagram.
        risk: accuracy at several degrees of coverage.
        uncalibrated: reason why there is no temperature; empty if there is one.
    """

    temperature: float | None
    ece: Estimate
    ece_expected: float
    p: float | None
    brier: Estimate
    nll: float
    confidence: float
    accuracy: float
    bins: tuple[Bin, ...]
    risk: tuple[Point, ...]
    uncalibrated: str = ""
