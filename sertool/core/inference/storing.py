"""Predictions with all that a report will want to know of them, put into the run's folder."""

import platform
import time

import numpy as np
import torch

from sertool.core.compute.device import Precision
from sertool.core.doctor.inspect import inspect_opened
from sertool.core.inference.ensemble import Ensemble
from sertool.core.recipe.load import resolved
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.prediction_files import Origin, Spoken, StoredSet, write_set
from sertool.core.runs.predictions import Predictions
from sertool.version import __version__


def store(
    ensemble: Ensemble, experiment: Experiment, results: list[Predictions], precision: Precision
) -> None:
    """Write the predictions on each set into the run's folder.

    Args:
        ensemble: who predicted.
        experiment: with the labels that were read.
        results: one a set.
        precision: where and how it was computed.

    Raises:
        SertoolError: the folder cannot be written.
    """
    inspected = any(result.set == "test" for result in results)
    origin = origin_of(ensemble, experiment, precision, inspected=inspected)
    for result in results:
        spoken = tuple(spoken_of(experiment, row) for row in result.utterances)
        write_set(ensemble.folder, StoredSet(origin, result, spoken))


def origin_of(ensemble: Ensemble, experiment: Experiment, precision: Precision, *, inspected: bool) -> Origin:
    """What predictions of an ensemble are made by and on.

    Args:
        ensemble: who predicts.
        experiment: with the labels that were read.
        precision: where and how it computes.
        inspected: whether to ask the doctor, which takes the labels of all sets.
    """
    recipe, corpus, folds = experiment.recipe, experiment.corpus, experiment.folds
    sets = {name: {row for fold in folds for row in fold.sets.get(name, ())} for name in folds[0].sets}
    targets = [experiment.targets[row] for row in sorted(sets["train"])]
    numbers = range(len(experiment.task.classes))
    if experiment.task.kind == "multi":
        counts = np.array(targets, np.int64).sum(0).tolist()
    else:
        counts = [targets.count(number) for number in numbers]
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
        doctor=doctor,
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


def spoken_of(experiment: Experiment, row: int) -> Spoken:
    """What the corpus knows of an utterance."""
    corpus = experiment.corpus
    utterance = corpus.utterances[row]
    text = corpus.text_frames
    return Spoken(
        text=utterance.text,
        speaker=utterance.speaker,
        session=utterance.session,
        dialogue=utterance.dialogue,
        video=utterance.video,
        gender=utterance.gender,
        seconds=utterance.seconds,
        words=len(utterance.words) if text is None else len(text[row]),
        frames=len(corpus.audio[row]),
    )
