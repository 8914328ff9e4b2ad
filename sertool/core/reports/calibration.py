"""Calibration of a run's probabilities, and the temperature by which its logits are divided."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural
from sertool.core.metrics import Bootstrap
from sertool.core.metrics.calibration import confidences, fit_temperature, negative_log_likelihood
from sertool.core.metrics.reliability import (
    brier_estimate,
    ece_estimate,
    ece_expected,
    reliability,
    risk_coverage,
)
from sertool.core.reports.contents import CalibrationRow
from sertool.core.reports.load import Loaded
from sertool.core.runs.predictions import Predictions


def find_temperature(run: Loaded, k: int) -> tuple[float | None, str]:
    """Return the temperature of the first k members, and a sentence on its origin, or on why there is none.

    The temperature stored with the run is used if it was fitted for these members. Otherwise it is fitted on the
    stored validation set. If validation is the test split there is none: a temperature is never fitted on test.
    """
    if run.origin.selected_on_test:  # validation is test
        return None, "none: validation is the test split, and a temperature is never fitted on test"
    stored = run.calibration
    # A temperature belongs to one set of members: averaging more of them makes probabilities less sharp.
    if stored is not None and stored.fits(_names(run.main.predictions, k)):
        return stored.temperature, f"temperature {stored.temperature:.3f}, stored with the run"
    if "valid" not in run.sets:
        return (
            None,
            f"none: neither a temperature of the first {plural(k, 'member')} nor predictions on validation are stored",
        )
    valid = run.sets["valid"].predictions
    assert valid.targets is not None
    temperature = fit_temperature(valid.ensemble_logits(k), valid.targets, valid.kind)
    members = f"the first {plural(k, 'member')}"
    return temperature, f"temperature {temperature:.3f}, fitted on validation for {members}"


def _names(predictions: Predictions, k: int) -> list[str]:
    """Return the names of the first k members of every fold, in the order of all members."""
    seen: dict[int, int] = {}  # members met so far, by fold
    names = []
    for member in predictions.members:
        seen[member.fold] = seen.get(member.fold, 0) + 1
        if seen[member.fold] <= k:
            names.append(member.name)
    return names


def calibration_row(
    logits: NDArray[np.float32],
    targets: NDArray[np.int64],
    kind: str,
    temperature: float | None,
    bootstrap: Bootstrap,
) -> CalibrationRow:
    """Measure the calibration of logits (N, C) divided by a temperature.

    Args:
        logits: (N, C) logits, averaged over members.
        targets: (N,) classes, or (N, C) of a multi-label task.
        kind: ``single`` or ``multi``.
        temperature: None leaves the logits unchanged.
        bootstrap: resamples of the utterances, for the intervals.
    """
    used = 1.0 if temperature is None else temperature
    p: float | None
    expected, p = ece_expected(logits, targets, kind, used)
    confidence, right = confidences(logits, targets, kind, used)
    bins = reliability(logits, targets, kind, used)
    if bootstrap.clusters.few:
        # The test and these intervals take decisions as independent, which those of a few speakers are not.
        p, bins = None, [replace(one, low=None, high=None) for one in bins]
    return CalibrationRow(
        temperature=temperature,
        ece=ece_estimate(logits, targets, kind, used, bootstrap),
        ece_expected=expected,
        p=p,
        brier=brier_estimate(logits, targets, kind, used, bootstrap),
        nll=negative_log_likelihood(logits, targets, kind, used),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        bins=tuple(bins),
        risk=tuple(risk_coverage(logits, targets, kind, used)),
    )
