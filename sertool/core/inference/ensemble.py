"""Ensembles of trained members on their corpus: our runs, or a folder of the reference's checkpoints.

Members are ordered by validation score, best first, and the logits of the first k are averaged. In cross-validation the
k-th member of every fold predicts that fold's utterances, and the results are pooled over folds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.agreement import tied_beside
from sertool.core.corpora.fingerprints import overlaps
from sertool.core.corpora.seal import DECISIONS
from sertool.core.corpora.targets import labels_of
from sertool.core.errors import DataError, SertoolError, UsageError, did_you_mean
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.formatting import plural
from sertool.core.inference.label_facts import rater_ceilings, rater_votes, raw_scores
from sertool.core.metrics.baselines import baseline_metrics, baseline_name
from sertool.core.metrics.classification import METRICS, decide, metrics_of, report_table
from sertool.core.metrics.scores import score_figures
from sertool.core.runs.contents import read_note
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.experiment import Experiment, corpus_note, open_experiment, tables_of
from sertool.core.runs.folder import check_folder, log_reads
from sertool.core.runs.members import Trained, TrainedMember, open_runs, stack_of
from sertool.core.runs.predictions import MemberScore, Predictions, clipped, finite_rows
from sertool.core.runs.reference import open_reference
from sertool.core.runs.transfer_weights import read_source
from sertool.core.training.batches import Tables
from sertool.core.training.logits import logits_of

SETS = ("valid", "test", "private")


@dataclass(frozen=True)
class Ensemble:
    """Trained members and the corpus to evaluate them on.

    Attributes:
        folder: folder of the run; its log records who read test labels.
        trained: the members.
        experiment: the corpus, divided by their recipe.
        started_from: run whose weights they started from; None where weights were drawn at random.
        seen_in_test: number of test utterances that that run was trained or selected on.
    """

    folder: Path
    trained: Trained
    experiment: Experiment
    started_from: str | None = None
    seen_in_test: int = 0

    @property
    def name(self) -> str:
        """Name of the members' folder."""
        return self.trained.name

    @property
    def members(self) -> tuple[TrainedMember, ...]:
        """Members, best first within each fold."""
        return self.trained.members

    @property
    def depth(self) -> int:
        """Number of members that can be averaged."""
        return self.trained.depth

    @property
    def protocol(self) -> str:
        """``paper`` or ``honest``, as the recipe says."""
        return self.experiment.recipe.protocol


def open_ensemble(name: str, output: Path, data: Path) -> Ensemble:
    """Open the runs in ``output/name``, ours or the reference's, and their corpus.

    Raises:
        UsageError: the folder does not exist, or holds no finished run.
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
    before, now = read_note(folder), corpus_note(experiment)
    # The hash covers texts, frames, labels and division; counts only help to see what has changed.
    if before.hash != now["hash"]:
        raise DataError(
            f"{folder}: was trained on other data than {experiment.corpus.name} as it is now "
            f"(then {before.counts}, now {now['counts']})",
            hint="--data names the folder that holds the data sets; train again if the data have changed",
        )


def predict_sets(
    ensemble: Ensemble, sets: Sequence[str], precision: Precision, reader: str = "sertool"
) -> list[Predictions]:
    """Run all members in one stacked pass over each set.

    Args:
        ensemble: the members and their corpus.
        sets: names from :data:`SETS`.
        precision: device and number format.
        reader: command or program that reads test labels, for the run's log.

    Raises:
        UsageError: a set is unknown, or not in the corpus.
        DataError: a member's weights do not fit the architecture or the vocabulary.
    """
    check_sets(ensemble, sets)
    return run_members(ensemble, read_labels(ensemble, sets, reader), sets, precision)


def check_sets(ensemble: Ensemble, sets: Sequence[str]) -> None:
    """Refuse a set that is unknown, or not in the corpus.

    Raises:
        UsageError: lists the sets to choose from.
    """
    for name in sets:
        if name not in SETS:
            raise UsageError(f"--split: no split {name!r}{did_you_mean(name, list(SETS))}; there are {', '.join(SETS)}")
        if not ensemble.experiment.folds[0].sets.get(name):
            raise UsageError(f"--split: {ensemble.experiment.corpus.name} has no {name} utterances")


def read_labels(ensemble: Ensemble, sets: Sequence[str], reader: str) -> Experiment:
    """Return the experiment with the labels of some sets; reading those of test is noted in the run's log."""
    if "test" not in sets:
        return ensemble.experiment
    experiment = ensemble.experiment.unsealed(reader, f"judged {plural(len(ensemble.members), 'member')}", DECISIONS)
    with suppress(SertoolError):  # a folder of the reference's checkpoints may be read-only
        log_reads(ensemble.folder, experiment.seal)
    return experiment


def run_members(
    ensemble: Ensemble, experiment: Experiment, sets: Sequence[str], precision: Precision
) -> list[Predictions]:
    """Predict some sets with all members; ``experiment`` comes from :func:`read_labels` and holds the labels."""
    run = open_stack(ensemble, precision)
    return [_predictions(ensemble, experiment, name, run(name, None)) for name in sets]


# Changes the inputs of the utterances at some positions, as a probe does.
Change = Callable[[Tables, Sequence[int]], Tables]
# Computes logits (N, C) of each member for its own utterances of a named set, perhaps with changed inputs.
Run = Callable[[str, Change | None], list[Float32[np.ndarray, "_ C"]]]


def open_stack(ensemble: Ensemble, precision: Precision) -> Run:
    """Load all members and the corpus on the device; returns a function that runs the members on a set.

    Args:
        ensemble: the members and their corpus.
        precision: device and number format.
    """
    experiment = ensemble.experiment
    tables = tables_of(experiment, ensemble.trained.inputs, precision.device)
    model = stack_of(ensemble.trained, ensemble.members).to(precision.device)  # once, for all sets and probes
    folds = [member.fold for member in ensemble.members]

    def run(name: str, change: Change | None) -> list[Float32[np.ndarray, "_ C"]]:
        own = tables if change is None else change(tables, _pooled(experiment, name))
        rows = [torch.tensor(experiment.folds[fold].sets[name]) for fold in folds]
        return [part.numpy() for part in logits_of(model, own, rows, folds, precision)]

    return run


def _pooled(experiment: Experiment, name: str) -> tuple[int, ...]:
    """List the positions of a set's utterances over all folds; the private set belongs to no fold."""
    folds = experiment.folds[:1] if name == "private" else experiment.folds
    return tuple(row for fold in folds for row in fold.sets[name])


def _predictions(
    ensemble: Ensemble, experiment: Experiment, name: str, logits: Sequence[NDArray[np.float32]]
) -> Predictions:
    labelled, task, targets = name != "private", experiment.task, experiment.targets
    pooled = _pooled(experiment, name)
    votes = rater_votes(experiment.corpus, task, pooled) if labelled and task.kind == "single" else None
    return Predictions(
        set=name,
        utterances=pooled,
        ids=tuple(experiment.corpus.utterances[row].id for row in pooled),
        logits=stacked(ensemble, name, logits),
        targets=labels_of(targets, pooled, task.kind) if labelled else None,
        kind=task.kind,
        classes=task.classes,
        members=_member_scores(ensemble, experiment, name, logits),
        scores=raw_scores(experiment.corpus, task, pooled) if labelled else None,
        votes=votes,
        ranges=task.ranges,
        clip=experiment.recipe.dataset.clip,
        ceilings=rater_ceilings(experiment.corpus, task, pooled) if labelled else {},
        ties=None if votes is None else len(tied_beside(experiment.corpus, task.name, task.classes, pooled)),
    )


def _member_scores(
    ensemble: Ensemble, experiment: Experiment, name: str, logits: Sequence[NDArray[np.float32]]
) -> tuple[MemberScore, ...]:
    """Judge each member on its own utterances of a set; without labels it has its validation score alone."""
    task, clip = experiment.task, experiment.recipe.dataset.clip
    scores = []
    for member, part in zip(ensemble.members, logits, strict=True):
        accurate, figures = None, dict[str, float]()
        if name != "private":
            own = labels_of(experiment.targets, experiment.folds[member.fold].sets[name], task.kind)
            if task.kind == "scores" and finite_rows(part[None]).all():  # arithmetic with infinity warns
                found = score_figures(own, clipped(part, task.ranges) if clip else part)
                figures = {key: value for key, value in found.items() if math.isfinite(value)}
            elif task.kind != "scores":
                accurate = METRICS["accuracy"](own, decide(part, task.kind), len(task.classes))
        scores.append(MemberScore(member.name, member.fold, accurate, member.score, figures))
    return tuple(scores)


def stacked(
    ensemble: Ensemble, name: str, logits: Sequence[Float32[np.ndarray, "_ C"]]
) -> Float32[np.ndarray, "depth N C"]:
    """Arrange members' logits (N_e, C) as (depth, N, C); row k holds the k-th best member of every fold.

    Raises:
        UsageError: a fold has no finished run, so that no member can predict its utterances.
    """
    folds = [member.fold for member in ensemble.members]
    number = len(ensemble.experiment.folds)
    if number == 1:
        return np.stack(logits)
    if len(set(folds)) < number and name != "private":
        raise UsageError(f"{ensemble.name}: {len(set(folds))} of {number} folds have a finished run")
    ranked = [[part for own, part in zip(folds, logits, strict=True) if own == fold] for fold in sorted(set(folds))]
    # A fold with more members than the others leaves out its last ones.
    ranks = [[parts[k] for parts in ranked] for k in range(ensemble.depth)]
    # The private set belongs to no fold: the members of every fold predict all of it, as they do for `predict`.
    join = (lambda parts: np.mean(parts, axis=0)) if name == "private" else np.concatenate
    return np.stack([join(parts) for parts in ranks])


def _member_entry(one: MemberScore) -> dict[str, Any]:
    """Return a member as plain data: its accuracy, or of scores the figures that are defined."""
    entry = {"name": one.name, "checkpoint": one.name, "accuracy": one.accuracy}
    return {**entry, "figures": dict(one.figures)} if one.figures else entry


def result_table(ensemble: Ensemble, predictions: Sequence[Predictions], size: EnsembleSize) -> dict[str, Any]:
    """Return the result as plain data, for ``--json``: shares as fractions, errors in the units of the scores."""
    sets: dict[str, Any] = {}
    for own in predictions:
        entry: dict[str, Any] = {
            "utterances": len(own.ids),
            "members": [_member_entry(one) for one in own.members],
        }
        sizes = range(1, len(own.logits) + 1)
        if own.targets is not None and own.kind == "scores":
            entry["ensemble"] = [{"members": k, **finite(own.figures(k))} for k in sizes]
            entry |= finite(own.figures(size.k))
        elif own.targets is not None:
            entry["ensemble"] = [{"members": k, "accuracy": own.metric("accuracy", k)} for k in sizes]
            entry.update({name: own.metric(name, size.k) for name in metrics_of(own.kind)})
            answer = baseline_name(own.targets, own.classes)
            entry["baseline"] = {"name": answer, "metrics": baseline_metrics(own.targets, len(own.classes))}
            entry["report"] = report_table(own.targets, own.decisions(size.k), own.classes)
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
        "size": size.table,
        "sets": sets,
    }


def finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Return figures by key as plain data for JSON; None where one is not defined.

    >>> finite({"ccc": 0.5, "r2": float("nan")})
    {'ccc': 0.5, 'r2': None}
    """
    return {key: value if math.isfinite(value) else None for key, value in figures.items()}
