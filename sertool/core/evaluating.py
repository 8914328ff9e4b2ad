"""An ensemble judged on sets of its corpus, and its temperature fitted on validation and stored with the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sertool.core.calibration import (
    Calibration,
    calibrate,
    expected_calibration_error,
    negative_log_likelihood,
    write_calibration,
)
from sertool.core.ensembling import Ensemble, Predictions, predict_sets
from sertool.core.errors import SertoolError
from sertool.core.precision import Precision


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble says of the sets that were asked for.

    Attributes:
        results: one a set, in the order asked for.
        k: members that are averaged.
        calibration: of the first k members; None where there is nothing to fit it on.
        note: why there is none, or why it could not be stored; empty where all is well.
    """

    results: tuple[Predictions, ...]
    k: int
    calibration: Calibration | None
    note: str = ""


def evaluate(
    ensemble: Ensemble, sets: Sequence[str], k: int, precision: Precision, folder: Path
) -> Evaluation:
    """Run all members on some sets, fit the temperature of the first k on validation, and store it in ``folder``.

    In cross-validation the pooled validation utterances of all folds are fitted on, each judged by its own fold.

    Raises:
        UsageError: a set is unknown, or not in the corpus.
        DataError: a member's weights do not fit.
    """
    obstacle = _obstacle(ensemble)
    extra = [] if obstacle or "valid" in sets else ["valid"]
    results = predict_sets(ensemble, [*sets, *extra], precision)
    asked = tuple(results[: len(sets)])
    if obstacle:
        return Evaluation(asked, k, None, obstacle)
    valid = next(result for result in results if result.set == "valid")
    assert valid.targets is not None
    names = [member.name for member in ensemble.trained.first(k)]
    calibration = calibrate(valid.ensemble_logits(k), valid.targets, valid.kind, members=names)
    try:
        write_calibration(folder, calibration)
    except SertoolError as error:  # a folder of the reference's checkpoints may be read-only
        return Evaluation(asked, k, calibration, f"not stored for predict and export: {error}")
    return Evaluation(asked, k, calibration)


def _obstacle(ensemble: Ensemble) -> str:
    """Why no temperature can be fitted, or nothing."""
    if ensemble.experiment.selected_on_test:
        return "validation is the test split here, and a temperature is never fitted on test"
    if not all(fold.sets.get("valid") for fold in ensemble.experiment.folds):
        return "there are no validation utterances to fit a temperature on"
    return ""


def calibration_table(evaluation: Evaluation) -> dict[str, Any]:
    """The calibration as plain data: what was fitted, and ECE and NLL before and after it on each labelled set."""
    calibration = evaluation.calibration
    if calibration is None:
        return {"temperature": None, "note": evaluation.note, "sets": {}}
    sets = {"valid": {key: asdict(calibration)[key] for key in _FIGURES}}
    for own in evaluation.results:
        if own.targets is not None:
            logits = own.ensemble_logits(evaluation.k)
            figures = [
                figure(logits, own.targets, own.kind, temperature)
                for figure in (expected_calibration_error, negative_log_likelihood)
                for temperature in (1.0, calibration.temperature)
            ]
            sets[own.set] = dict(zip(_FIGURES, figures, strict=True))
    return {
        "temperature": calibration.temperature,
        "members": list(calibration.members),
        "fitted_on": calibration.set,
        "utterances": calibration.utterances,
        "note": evaluation.note,
        "sets": sets,
    }


_FIGURES = ("ece_before", "ece_after", "nll_before", "nll_after")
