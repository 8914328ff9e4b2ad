"""From trained members to an ensembled result: of our runs, and of a folder of the reference's checkpoints alike.

Members are ordered by validation score, as a number, best first; the logits of the first k are averaged. In
cross-validation the k-th member of every fold judges that fold's utterances, and the result is pooled over folds.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.fingerprints import overlaps
from sertool.core.corpora.tasks import SCORED
from sertool.core.errors import DataError, SertoolError, UsageError, did_you_mean
from sertool.core.files import artifacts
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.metrics.classification import MAIN_METRICS, METRICS, decide, report_table
from sertool.core.runs.experiment import Experiment, corpus_note, open_experiment, tables_of
from sertool.core.runs.folder import check_folder, log_reads
from sertool.core.runs.members import Trained, TrainedMember, open_runs, stack_of
from sertool.core.runs.predictions import MemberScore, Predictions
from sertool.core.runs.reference import open_reference
from sertool.core.runs.transfer_weights import read_source
from sertool.core.training.batches import Tables
from sertool.core.training.logits import logits_of

SETS = ("valid", "test", "private")


@dataclass(frozen=True)
class Ensemble:
    """Trained members, and the corpus to judge them on.

    Attributes:
        folder: where they lie; takes the log of who read test labels.
        trained, experiment: the two.
        started_from: the run whose weights they started from; None where they were drawn.
        seen_in_test: how many of the test utterances that run was trained or selected on.
    """

    folder: Path
    trained: Trained
    experiment: Experiment
    started_from: str | None = None
    seen_in_test: int = 0

    @property
    def name(self) -> str:
        """Of the folder the members lie in."""
        return self.trained.name

    @property
    def members(self) -> tuple[TrainedMember, ...]:
        """All of them, best first within each fold."""
        return self.trained.members

    @property
    def depth(self) -> int:
        """How many members can be averaged."""
        return self.trained.depth

    @property
    def protocol(self) -> str:
        """``paper`` or ``honest``, as the recipe says."""
        return self.experiment.recipe.protocol


def open_ensemble(name: str, output: Path, data: Path) -> Ensemble:
    """Open the runs below ``output/name``, ours or the reference's, with the corpus they belong to.

    Raises:
        UsageError: there is no such folder, or no finished run in it.
        DataError: a file is damaged, or the data are not those the runs were trained on.
    """
    folder = output / name
    if is_reference_folder(folder):
        return Ensemble(folder, *open_reference(folder, data))
    check_folder(folder, output)
    trained = open_runs(folder)
    experiment = open_experiment(trained.recipe, data)
    _check_data(experiment, folder)
    source = read_source(folder)
    if source is None:
        return Ensemble(folder, trained, experiment)
    seen, _ = overlaps(experiment.corpus, experiment.folds, source.seen)["test"]
    return Ensemble(folder, trained, experiment, source.name, seen)


def _check_data(experiment: Experiment, folder: Path) -> None:
    before, now = artifacts.read_json(folder / "corpus.json"), corpus_note(experiment)
    if not isinstance(before, dict) or before.get("hash") != now["hash"]:
        counts = before.get("counts") if isinstance(before, dict) else None
        raise DataError(
            f"{folder}: was trained on other data than {experiment.corpus.name} as it is now "
            f"(then {counts}, now {now['counts']})",
            hint="--data names the folder that holds the data sets; train again if the data have changed",
        )


def predict_sets(
    ensemble: Ensemble, sets: Sequence[str], precision: Precision, reader: str = "sertool"
) -> list[Predictions]:
    """Run all members in one stacked pass over each set.

    Args:
        ensemble: who predicts.
        sets: of :data:`SETS`.
        precision: where and how it computes.
        reader: who asks, for the log where test labels are read.

    Raises:
        UsageError: a set is unknown, or not in the corpus.
        DataError: a member's weights do not fit the architecture or the vocabulary.
    """
    check_sets(ensemble, sets)
    return run_members(ensemble, read_labels(ensemble, sets, reader), sets, precision)


def check_sets(ensemble: Ensemble, sets: Sequence[str]) -> None:
    """Refuse a set that is unknown, or not in the corpus.

    Raises:
        UsageError: with the sets there are.
    """
    for name in sets:
        if name not in SETS:
            raise UsageError(
                f"--sets: no set {name!r}{did_you_mean(name, list(SETS))}; there are {', '.join(SETS)}"
            )
        if not ensemble.experiment.folds[0].sets.get(name):
            raise UsageError(f"--sets: {ensemble.experiment.corpus.name} has no {name} utterances")


def read_labels(ensemble: Ensemble, sets: Sequence[str], reader: str) -> Experiment:
    """The experiment with the labels that judging some sets needs; a look at those of test goes into the run's log."""
    if "test" not in sets:
        return ensemble.experiment
    experiment = ensemble.experiment.unsealed(reader, f"judged {len(ensemble.members)} members")
    with suppress(SertoolError):  # a folder of the reference's checkpoints may be read-only
        log_reads(ensemble.folder, experiment.seal)
    return experiment


def run_members(
    ensemble: Ensemble, experiment: Experiment, sets: Sequence[str], precision: Precision
) -> list[Predictions]:
    """The predictions of all members on some sets, with the labels that an experiment of :func:`read_labels` shows."""
    run = open_stack(ensemble, precision)
    return [_predictions(ensemble, experiment, name, run(name, None)) for name in sets]


Change = Callable[[Tables, Sequence[int]], Tables]  # given the positions of a set's utterances
Run = Callable[[str, Change | None], list[NDArray[np.float32]]]


def open_stack(ensemble: Ensemble, precision: Precision) -> Run:
    """A function that gives the logits (N, C) of each member for its own utterances of a set.

    It takes the set's name, and what is done to the tables first, or None.

    Args:
        ensemble: who predicts.
        precision: where and how it computes.
    """
    experiment = ensemble.experiment
    tables = tables_of(experiment, ensemble.trained.inputs, precision.device)
    model = stack_of(ensemble.trained, ensemble.members).to(precision.device)
    folds = [member.fold for member in ensemble.members]

    def run(name: str, change: Change | None) -> list[NDArray[np.float32]]:
        own = tables if change is None else change(tables, _pooled(experiment, name))
        rows = [torch.tensor(experiment.folds[fold].sets[name]) for fold in folds]
        return [part.numpy() for part in logits_of(model, own, rows, folds, precision)]

    return run


def _pooled(experiment: Experiment, name: str) -> tuple[int, ...]:
    """The positions of a set's utterances, over all folds; the private set belongs to none."""
    folds = experiment.folds[:1] if name == "private" else experiment.folds
    return tuple(row for fold in folds for row in fold.sets[name])


def _predictions(
    ensemble: Ensemble, experiment: Experiment, name: str, logits: Sequence[NDArray[np.float32]]
) -> Predictions:
    labelled, kind, classes = name != "private", experiment.task.kind, experiment.task.classes
    scores = []
    for member, part in zip(ensemble.members, logits, strict=True):
        accurate = None
        if labelled:
            targets = _targets(experiment, experiment.folds[member.fold].sets[name])
            accurate = METRICS["accuracy"](targets, decide(part, kind), len(classes))
        scores.append(MemberScore(member.name, member.fold, accurate, member.score))
    pooled = _pooled(experiment, name)
    return Predictions(
        set=name,
        utterances=pooled,
        ids=tuple(experiment.corpus.utterances[row].id for row in pooled),
        logits=stacked(ensemble, name, logits),
        targets=_targets(experiment, pooled) if labelled else None,
        kind=kind,
        classes=classes,
        members=tuple(scores),
        scores=_raw_scores(experiment, pooled) if labelled else None,
    )


def _raw_scores(experiment: Experiment, rows: Sequence[int]) -> NDArray[np.float64] | None:
    """The labels as the corpus holds them, where they are scores from -3 to 3."""
    if experiment.task.rule not in SCORED:
        return None
    labels = [experiment.corpus.utterances[row].labels[experiment.task.name] for row in rows]
    return np.array(labels, np.float64)


def _targets(experiment: Experiment, rows: Sequence[int]) -> NDArray[np.int64]:
    return np.array([experiment.targets[row] for row in rows], np.int64)


def stacked(ensemble: Ensemble, name: str, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Members' logits (N_e, C) as (depth, N, C): the k-th best of every fold stand side by side in row k.

    Raises:
        UsageError: a fold has no finished run, so that nobody can judge its utterances.
    """
    folds = [member.fold for member in ensemble.members]
    number = len(ensemble.experiment.folds)
    # The private set belongs to no fold: every fold's members judge all of it.
    if name == "private" or number == 1:
        return np.stack(logits)
    if len(set(folds)) < number:
        raise UsageError(f"{ensemble.name}: {len(set(folds))} of {number} folds have a finished run")
    ranked = [
        [part for own, part in zip(folds, logits, strict=True) if own == fold] for fold in range(number)
    ]
    return np.stack([np.concatenate([parts[k] for parts in ranked]) for k in range(ensemble.depth)])


def result_table(ensemble: Ensemble, predictions: Sequence[Predictions], index: int | None) -> dict[str, Any]:
    """The result as plain data, for ``--json``; accuracies are fractions."""
    sets: dict[str, Any] = {}
    for own in predictions:
        entry: dict[str, Any] = {
            "utterances": len(own.ids),
            "members": [{"checkpoint": m.name, "accuracy": m.accuracy} for m in own.members],
        }
        if own.targets is not None:
            sizes = range(1, len(own.logits) + 1)
            entry["ensemble"] = [{"members": k, "accuracy": own.metric("accuracy", k)} for k in sizes]
            k = chosen_size(ensemble.depth, index)
            entry.update({name: own.metric(name, k) for name in MAIN_METRICS if name != "accuracy"})
            entry["report"] = report_table(own.targets, own.decisions(k), own.classes)
        sets[own.set] = entry
    recipe = ensemble.experiment.recipe
    return {
        "name": ensemble.name,
        "dataset": ensemble.experiment.corpus.name,
        "task": ensemble.experiment.task.name,
        "protocol": recipe.protocol,
        "selected_on_test": ensemble.experiment.selected_on_test,
        "started_from": ensemble.started_from,
        "seen_in_test": ensemble.seen_in_test,
        "synthetic": ensemble.experiment.corpus.synthetic,
        "machine_text": ensemble.experiment.corpus.machine_text,
        "classes": list(ensemble.experiment.task.classes),
        "sets": sets,
    }


def chosen_size(available: int, index: int | None) -> int:
    """How many members are averaged: all, or ``index``.

    Raises:
        UsageError: there are fewer.
    """
    if index is None:
        return available
    if not 1 <= index <= available:
        raise UsageError(f"--index {index}: there are {available} members to average")
    return index
