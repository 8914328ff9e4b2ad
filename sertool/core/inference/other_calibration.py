"""Calibration of a trained ensemble on another corpus: its own temperature, or one that is fitted there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.targets import labels_of
from sertool.core.inference.certainty import Certainty
from sertool.core.inference.subject import Subject
from sertool.core.metrics.calibration import Calibration, calibrate
from sertool.core.metrics.clusters import clusters_of
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.members import Trained
from sertool.core.runs.temperature import FILE, write_calibration


def temperature_of(trained: Trained, size: EnsembleSize, certainty: Certainty) -> Calibration:
    """Return the temperature of a run as that of its predictions on another corpus; it is not fitted there.

    Args:
        trained: the members.
        size: number of averaged members, whose temperature it is.
        certainty: what is stored with the run.
    """
    member = trained.name  # the only one of the stored predictions: the whole ensemble
    own, where = certainty.calibration, f"fitted on validation of {trained.corpus}"
    if own is None:
        reason = f"{trained.name} has no temperature for {size}: {certainty.uncalibrated}"
        return Calibration((member,), 1.0, "valid", 0, 0.0, 0.0, 0.0, 0.0, calibrated=False, reason=reason)
    note = "; ".join(filter(None, [where, own.note]))
    reason = f"{trained.name}: {own.reason}" if own.reason else ""
    return replace(own, members=(member,), note=note, reason=reason)


def calibrated_on(valid: Subject, logits: NDArray[np.float32], member: str) -> Calibration:
    """Fit a temperature on the validation utterances of another corpus.

    Args:
        valid: the utterances, with their labels.
        logits: (N, C) logits of their classes.
        member: name of the only member of the stored predictions, the run.
    """
    targets = labels_of(valid.targets, valid.rows, valid.task.kind)
    clusters = clusters_of([valid.corpus.utterances[row] for row in valid.rows])
    found = calibrate(logits, targets, valid.task.kind, members=[member], clusters=clusters, advise=False)
    where = f"on validation of {valid.corpus.name}, the judged corpus"
    note = "; ".join(filter(None, [f"fitted {where}", found.note]))
    return replace(found, note=note, reason=f"{found.reason} ({where})" if found.reason else "")


def write_or_remove(folder: Path, calibration: Calibration | None) -> None:
    """Store the calibration with the predictions, and leave none of earlier ones there.

    Raises:
        SertoolError: the file cannot be written.
    """
    if calibration is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        write_calibration(folder, calibration)
