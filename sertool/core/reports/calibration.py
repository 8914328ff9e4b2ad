"""Calibration of a run's probabilities, and the temperature by which its logits are divided."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.tasks import VOTES
from sertool.core.formatting import plural
from sertool.core.metrics import Jackknife
from sertool.core.metrics.calibration import calibrate, confidences, negative_log_likelihood
from sertool.core.metrics.clusters import clusters_of
from sertool.core.metrics.reliability import (
    brier_estimate,
    ece_estimate,
    ece_expected,
    reliability,
    risk_coverage,
)
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.imported import NO_PROBABILITIES, NO_VALIDATION
from sertool.core.reports.load import Loaded
from sertool.core.runs.ensemble_size import first_of_folds
from sertool.core.runs.temperature import SHARES


@dataclass(frozen=True)
class Scaling:
    """The temperature by which a run's logits are divided.

    Attributes:
        temperature: None if the run is uncalibrated; its logits are left unchanged.
        note: sentence on its origin, or on why the run is uncalibrated.
    """

    temperature: float | None
    note: str


def find_scaling(run: Loaded, k: int) -> Scaling:
    """Find the temperature of the first k members, or the reason why they are uncalibrated.

    What is stored with the run is used if it was fitted for these members. Otherwise the temperature is fitted on the
    stored validation set. If validation is the test split there is none: a temperature is never fitted on test.
    """
    members = f"the first {plural(k, 'member')}"
    if run.origin.rule == VOTES:
        return Scaling(None, SHARES)
    if not run.has_probabilities:
        return Scaling(None, NO_PROBABILITIES)
    if run.origin.selected_on_test:  # validation is test
        return Scaling(None, "validation is the test split, and a temperature is never fitted on test")
    names = [one.name for one in first_of_folds(run.main.predictions.members, k)]
    found, origin = run.calibration, "stored with the run"
    # A temperature belongs to one set of members: averaging more of them makes probabilities less sharp.
    if found is None or not found.fits(names):
        if "valid" not in run.sets:
            nothing = f"neither a temperature of {members} nor predictions on validation are stored"
            return Scaling(None, nothing if run.imported is None else NO_VALIDATION)
        stored = run.sets["valid"]
        valid, clusters = stored.predictions, clusters_of(stored.spoken)
        assert valid.targets is not None
        advise = run.origin.folds == 1
        found = calibrate(
            valid.ensemble_logits(k), valid.targets, valid.kind, members=names, clusters=clusters, advise=advise
        )
        origin = f"fitted on validation for {members}" if run.imported is None else "fitted on validation"
    if not found.calibrated:
        return Scaling(None, found.reason)
    note = f"; {found.note}" * bool(found.note)
    return Scaling(found.temperature, f"temperature {found.temperature:.3f}, {origin}{note}")


def calibration_row(
    logits: NDArray[np.float32],
    targets: NDArray[np.int64],
    kind: str,
    scaling: Scaling,
    jackknife: Jackknife,
) -> CalibrationRow:
    """Measure the calibration of logits (N, C), divided by the temperature if there is one.

    Args:
        logits: (N, C) logits, averaged over members.
        targets: (N,) classes, or (N, C) of a multi-label task.
        kind: ``single`` or ``multi``.
        scaling: the temperature.
        jackknife: jackknife over the utterances, for the intervals.
    """
    temperature = scaling.temperature
    used = 1.0 if temperature is None else temperature
    p: float | None
    expected, p = ece_expected(logits, targets, kind, used)
    confidence, right = confidences(logits, targets, kind, used)
    bins = reliability(logits, targets, kind, used)
    if jackknife.clusters.few or scaling.note == SHARES:
        # The test and these intervals take decisions as independent, which those of a few speakers are not. Of a model
        # of votes the share of the raters is not the chance that the majority is right, so that nothing is tested.
        p, bins = None, [replace(one, low=None, high=None) for one in bins]
    return CalibrationRow(
        temperature=temperature,
        ece=ece_estimate(logits, targets, kind, used, jackknife),
        ece_expected=expected,
        p=p,
        brier=brier_estimate(logits, targets, kind, used, jackknife),
        nll=negative_log_likelihood(logits, targets, kind, used),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        bins=tuple(bins),
        risk=tuple(risk_coverage(logits, targets, kind, used)),
        uncalibrated=scaling.note if temperature is None else "",
    )
