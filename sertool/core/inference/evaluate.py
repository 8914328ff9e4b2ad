"""Evaluation of an ensemble on its corpus: predictions and temperature, stored with the run for other commands."""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.targets import class_counts
from sertool.core.doctor.inspect import inspect_opened
from sertool.core.errors import DataError, SertoolError
from sertool.core.inference.ensemble import Ensemble, check_sets, read_labels, run_members
from sertool.core.inference.label_facts import spoken_of
from sertool.core.inference.probe import probe
from sertool.core.inference.score_intervals import fitted_intervals, obstacle_to_intervals
from sertool.core.metrics.calibration import (
    Calibration,
    calibrate,
    expected_calibration_error,
    negative_log_likelihood,
)
from sertool.core.metrics.clusters import clusters_of
from sertool.core.metrics.conformal import Intervals
from sertool.core.recipe.load import resolved
from sertool.core.runs.ensemble_size import (
    EnsembleSize,
    choose_size,
    chosen_by_user,
    read_size,
    write_size,
)
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.prediction_files import Origin, StoredSet, write_probes, write_set
from sertool.core.runs.predictions import Predictions, divided, finite_rows, without
from sertool.core.runs.score_intervals import write_intervals
from sertool.core.runs.target_statistics import training_means
from sertool.core.runs.temperature import SHARES, write_calibration
from sertool.version import __version__

_FIGURES = ("ece_before", "ece_after", "nll_before", "nll_after")


@dataclass(frozen=True)
class Evaluation:
    """Results of an ensemble on the requested sets.

    Attributes:
        results: predictions of each set, in the requested order, without members whose logits are not finite.
        size: number of members that are averaged, as it is stored with the run.
        calibration: temperature of these members, or why validation cannot tell it; None where there is nothing
            to fit it on.
        probes: logits (E, N, C) of each probe, by set; empty without probes.
        note: reason why there is no calibration; empty if there is one.
        unstored: reason why the results could not be stored; empty if they were.
        intervals: intervals of the scores that these members predict; None for a task of classes, and where there is
            nothing to fit them on.
        no_intervals: reason why a task of scores has no intervals; empty otherwise.
    """

    results: tuple[Predictions, ...]
    size: EnsembleSize
    calibration: Calibration | None
    probes: Mapping[str, Mapping[str, NDArray[np.float32]]]
    note: str = ""
    unstored: str = ""
    intervals: Intervals | None = None
    no_intervals: str = ""

    @property
    def k(self) -> int:
        """Number of members that are averaged; in cross-validation of each fold."""
        return self.size.k


def evaluate(
    ensemble: Ensemble,
    sets: Sequence[str],
    k: int | None,
    precision: Precision,
    reader: str = "sertool",
    *,
    probed: bool = False,
) -> Evaluation:
    """Predict some sets with all members, choose how many to average, and store predictions, size and calibration.

    The size is chosen on validation, see :func:`~sertool.core.runs.ensemble_size.choose_on_validation`; under the
    paper's protocol on test. The temperature of the averaged members is fitted on validation; in cross-validation on
    the validation utterances of all folds, each predicted by its own fold. So are the intervals of scores.

    Args:
        ensemble: the members and their corpus.
        sets: sets to predict; validation is predicted as well, as size and temperature need it.
        k: number of members to average, as the user chose it; None to choose it.
        precision: device and number format.
        reader: command or program that reads test labels, for the run's log.
        probed: also predict with a modality masked or shuffled.

    Raises:
        UsageError: a set is unknown, or not in the corpus.
        DataError: a member's weights do not fit, or no member has finite logits.
    """
    check_sets(ensemble, sets)
    if k is not None:
        chosen_by_user(ensemble.members, k)  # refused before anything is computed
    obstacle, no_intervals = _obstacle(ensemble), obstacle_to_intervals(ensemble)
    extra = [] if _validates_nothing(ensemble) or "valid" in sets else ["valid"]
    experiment = read_labels(ensemble, sets, reader)
    results = run_members(ensemble, experiment, [*sets, *extra], precision)
    probes = {name: probe(ensemble, name, precision) for name in sets if probed and name != "private"}
    finite = np.all([finite_rows(own.logits) for own in results], axis=0)
    if not finite.any():
        raise DataError(f"{ensemble.name}: no member has finite logits; their weights are damaged: train them again")
    usable = [without(own, finite) for own in results]
    size = _size(ensemble, {own.set: own for own in usable}, k, divided(results[0].members, finite)[1])
    asked = tuple(usable[: len(sets)])  # without validation that only size and temperature need
    unstored = ""
    calibration = None if obstacle else _calibrated(ensemble, experiment, size, usable)
    intervals = None
    if experiment.task.kind == "scores" and not no_intervals:
        intervals = fitted_intervals(ensemble, experiment, size, usable)
    try:
        _store(ensemble, experiment, results, precision)
        for result in results:
            if result.set in probes:
                write_probes(ensemble.folder, result, probes[result.set])
        if calibration is not None:
            write_calibration(ensemble.folder, calibration)
        if intervals is not None:
            write_intervals(ensemble.folder, intervals)
        write_size(ensemble.folder, size)
    except SertoolError as error:  # a folder of the reference's checkpoints may be read-only
        unstored = f"not stored for report, predict and export: {error}"
    kept = {name: {key: logits[finite] for key, logits in own.items()} for name, own in probes.items()}
    return Evaluation(asked, size, calibration, kept, obstacle, unstored, intervals, no_intervals)


def _size(
    ensemble: Ensemble, sets: Mapping[str, Predictions], k: int | None, left_out: tuple[str, ...]
) -> EnsembleSize:
    """Choose the number of averaged members from the predictions of the usable ones, by set, or take the user's."""
    experiment = ensemble.experiment
    if k is not None:
        size = chosen_by_user(next(iter(sets.values())).members, k)
    else:
        clusters, folds = None, None
        if ensemble.protocol != "paper" and not experiment.selected_on_test:
            rows = sets["valid"].utterances if "valid" in sets else ()
            clusters = clusters_of([experiment.corpus.utterances[row] for row in rows])
            validated = {
                row: place for place, fold in enumerate(experiment.folds) for row in fold.sets.get("valid", ())
            }
            folds = np.array([validated[row] for row in rows], np.int64)
        size = choose_size(sets, experiment.recipe.training.select, clusters, read_size(ensemble.folder), folds)
    return replace(size, left_out=left_out)


def _calibrated(
    ensemble: Ensemble, experiment: Experiment, size: EnsembleSize, results: Sequence[Predictions]
) -> Calibration:
    """Calibrate the averaged members on validation."""
    valid = next(result for result in results if result.set == "valid")
    assert valid.targets is not None
    logits = valid.ensemble_logits(size.k)
    names = [member.name for member in size.chosen(ensemble.members)]
    clusters = clusters_of([experiment.corpus.utterances[row] for row in valid.utterances])
    advise = len(experiment.folds) == 1
    return calibrate(logits, valid.targets, valid.kind, members=names, clusters=clusters, advise=advise)


def _validates_nothing(ensemble: Ensemble) -> bool:
    """Check whether there is no validation apart from test that size, temperature and intervals could come from."""
    experiment = ensemble.experiment
    return experiment.selected_on_test or not all(fold.sets.get("valid") for fold in experiment.folds)


def _obstacle(ensemble: Ensemble) -> str:
    """Return the reason why no temperature can be fitted; empty if it can."""
    task = ensemble.experiment.task
    if task.kind == "scores":
        return "scores have no probabilities"
    if task.is_soft:
        return SHARES
    if ensemble.experiment.selected_on_test:
        return "validation is the test split here, and a temperature is never fitted on test"
    if not all(fold.sets.get("valid") for fold in ensemble.experiment.folds):
        return "there are no validation utterances to fit a temperature on"
    return ""


def _store(ensemble: Ensemble, experiment: Experiment, results: list[Predictions], precision: Precision) -> None:
    """Write the predictions of each set into the run's folder; ``experiment`` holds the labels that were read."""
    # The doctor's checks read the labels of all sets, so they run only if those of test were read anyway.
    inspected = any(result.set == "test" for result in results)
    origin = _origin_of(ensemble, experiment, precision, inspected=inspected)
    for result in results:
        write_set(ensemble.folder, StoredSet(origin, result, spoken_of(experiment.corpus, result.utterances)))


def _origin_of(ensemble: Ensemble, experiment: Experiment, precision: Precision, *, inspected: bool) -> Origin:
    """Describe model, data and software behind predictions; ``inspected`` adds the findings of the doctor."""
    recipe, corpus, folds = experiment.recipe, experiment.corpus, experiment.folds
    # As sets: an utterance may be in the training set of several folds, and counts once.
    sets = {name: {row for fold in folds for row in fold.sets.get(name, ())} for name in folds[0].sets}
    targets = [experiment.targets[row] for row in sorted(sets["train"])]
    scored, counts = experiment.task.kind == "scores", list[int]()
    if not scored:
        counts = class_counts(experiment.task, targets).round().astype(int).tolist()
    doctor = None
    if inspected:
        found = inspect_opened(recipe, corpus, experiment.task, experiment.targets, folds, "").findings
        doctor = [[one.kind, one.severity, one.text] for one in found]
    return Origin(
        run=ensemble.name,
        recipe=resolved(recipe),
        recipe_name=recipe.name,
        dataset=corpus.name,
        task=experiment.task.name,
        rule=experiment.task.rule,
        protocol=recipe.protocol,
        selected_on_test=experiment.selected_on_test,
        synthetic=corpus.synthetic,
        machine_text=corpus.machine_text,
        started_from=ensemble.started_from,
        seen_in_test=ensemble.seen_in_test,
        data_hash=str(corpus_note(experiment)["hash"]),
        folds=len(folds),
        counts={name: len(rows) for name, rows in sets.items()},
        train_classes=counts,
        trained=[len(fold.sets["train"]) for fold in folds],
        doctor=doctor,
        train_means=training_means(experiment.targets, folds) if scored else None,
        map=None if experiment.map_note is None else experiment.map_note.to_json(),
        made={
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "device": precision.reason,
            "precision": precision.name,
            "sertool": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    )


def calibration_table(evaluation: Evaluation) -> dict[str, Any]:
    """Return the calibration as plain data: temperature, and ECE and NLL without and with it on each labelled set."""
    calibration = evaluation.calibration
    if calibration is None:
        return {"calibrated": False, "temperature": None, "reason": evaluation.note, "sets": {}}
    sets = {"valid": {key: asdict(calibration)[key] for key in _FIGURES}}
    for own in evaluation.results:
        logits = own.ensemble_logits(evaluation.k)
        if own.targets is not None and np.isfinite(logits).all():
            figures = [
                figure(logits, own.targets, own.kind, temperature)
                for figure in (expected_calibration_error, negative_log_likelihood)
                for temperature in (1.0, calibration.temperature)  # before and after
            ]
            sets[own.set] = dict(zip(_FIGURES, figures, strict=True))
    return {
        "calibrated": calibration.calibrated,
        "temperature": calibration.temperature,
        "low": calibration.low,
        "high": calibration.high,
        "reason": calibration.reason,
        "note": calibration.note,
        "members": list(calibration.members),
        "fitted_on": calibration.set,
        "utterances": calibration.utterances,
        "sets": sets,
    }
