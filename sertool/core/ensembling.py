"""From trained members to an ensembled result: of our runs, and of a folder of the reference's checkpoints alike.

Members are ordered by validation score, as a number, best first; the logits of the first k are averaged. In
cross-validation the k-th member of every fold judges that fold's utterances, and the result is pooled over folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core import artifacts
from sertool.core.batches import Tables
from sertool.core.errors import DataError, UsageError
from sertool.core.experiment import Experiment, open_experiment, tables_of
from sertool.core.inference import compute_logits, compute_logits_apart
from sertool.core.metrics import METRICS, accuracy, decide, report_table, report_text
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.planning import corpus_note, is_small
from sertool.core.precision import Precision
from sertool.core.recipe_errors import did_you_mean
from sertool.core.reference_runs import open_reference
from sertool.core.reference_store import is_reference_folder
from sertool.core.seen import overlaps
from sertool.core.starting_weights import read_source
from sertool.core.trained import Trained, TrainedMember, open_runs, stack_of

SETS = ("valid", "test", "private")


@dataclass(frozen=True)
class Ensemble:
    """Trained members, and the corpus to judge them on.

    Attributes:
        trained, experiment: the two.
        started_from: the run whose weights they started from; None where they were drawn.
        seen_in_test: how many of the test utterances that run was trained or selected on.
    """

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


@dataclass(frozen=True)
class MemberScore:
    """A member on a set: its accuracy on the utterances that are its own to judge; None on an unlabelled set."""

    name: str
    fold: int
    accuracy: float | None


@dataclass(frozen=True)
class Predictions:
    """What E members say of a set.

    Attributes:
        set: ``valid``, ``test`` or ``private``.
        utterances: (N,) positions in the corpus.
        ids: (N,) utterance ids.
        logits: (E, N, C); row k holds the k-th best member, of each utterance's own fold in cross-validation.
        targets: (N,) or (N, C); None on an unlabelled set.
        kind: ``single`` or ``multi``.
        classes: names of the C classes.
        members: the members one by one.
    """

    set: str
    utterances: tuple[int, ...]
    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[np.int64] | None
    kind: str
    classes: tuple[str, ...]
    members: tuple[MemberScore, ...]

    def ensemble_logits(self, k: int) -> NDArray[np.float32]:
        """(N, C) mean of the first k members' logits."""
        mean: NDArray[np.float32] = self.logits[:k].mean(0)
        return mean

    def decisions(self, k: int) -> NDArray[np.int64]:
        """(N,) classes or (N, C) 0/1 of the first k members."""
        return decide(self.ensemble_logits(k), self.kind)

    def metric(self, name: str, k: int) -> float:
        """A metric of the first k members; a key of ``METRICS``."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no metrics")
        return METRICS[name](self.targets, self.decisions(k), len(self.classes))

    def report(self, k: int, *, numbered: bool) -> str:
        """Scikit-learn's classification report; ``numbered`` as the reference printed it, else by class name."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no report")
        return report_text(self.targets, self.decisions(k), None if numbered else self.classes)


def open_ensemble(name: str, output: Path, data: Path) -> Ensemble:
    """Open the runs below ``output/name``, ours or the reference's, with the corpus they belong to.

    Raises:
        UsageError: there is no such folder, or no finished run in it.
        DataError: a file is damaged, or the data are not those the runs were trained on.
    """
    folder = output / name
    if is_reference_folder(folder):
        return Ensemble(*open_reference(folder, data))
    check_folder(folder, output)
    trained = open_runs(folder)
    experiment = open_experiment(trained.recipe, data)
    _check_data(experiment, folder)
    source = read_source(folder)
    if source is None:
        return Ensemble(trained, experiment)
    seen, _ = overlaps(experiment.corpus, experiment.folds, source.seen)["test"]
    return Ensemble(trained, experiment, source.name, seen)


def check_folder(folder: Path, output: Path) -> None:
    """Refuse a folder without runs, with the nearest name below ``output``.

    Raises:
        UsageError: there is no such folder, or it holds something else.
    """
    if (folder / "recipe.yaml").is_file():
        return
    there = sorted(path.name for path in output.glob("[!.]*") if path.is_dir()) if output.is_dir() else []
    raise UsageError(
        f"{folder}: holds neither runs of sertool nor checkpoints of the reference (best*.pkl)"
        + did_you_mean(folder.name, there),
        hint=f"{output} holds: {', '.join(there)}"
        if there
        else f"{output} is empty; `sertool train` fills it",
    )


def _check_data(experiment: Experiment, folder: Path) -> None:
    before, now = artifacts.read_json(folder / "corpus.json"), corpus_note(experiment)
    if not isinstance(before, dict) or before.get("hash") != now["hash"]:
        counts = before.get("counts") if isinstance(before, dict) else None
        raise DataError(
            f"{folder}: was trained on other data than {experiment.corpus.name} as it is now "
            f"(then {counts}, now {now['counts']})",
            hint="--data names the folder that holds the data sets; train again if the data have changed",
        )


def predict_sets(ensemble: Ensemble, sets: Sequence[str], precision: Precision) -> list[Predictions]:
    """Run all members in one stacked pass over each set.

    Raises:
        UsageError: a set is unknown, or not in the corpus.
        DataError: a member's weights do not fit the architecture or the vocabulary.
    """
    experiment = ensemble.experiment
    for name in sets:
        if name not in SETS:
            raise UsageError(
                f"--sets: no set {name!r}{did_you_mean(name, list(SETS))}; there are {', '.join(SETS)}"
            )
        if not experiment.folds[0].sets.get(name):
            raise UsageError(f"--sets: {experiment.corpus.name} has no {name} utterances")
    tables = tables_of(experiment, ensemble.trained.inputs, precision.device)
    model = stack_of(ensemble.trained, ensemble.members).to(precision.device)
    with precision.threaded(1 if is_small(experiment) else precision.cores):
        return [_predict(ensemble, model, tables, name, precision) for name in sets]


def _predict(
    ensemble: Ensemble, model: MAT | MNT, tables: Tables, name: str, precision: Precision
) -> Predictions:
    experiment = ensemble.experiment
    folds = [member.fold for member in ensemble.members]
    rows = [torch.tensor(experiment.folds[fold].sets[name]) for fold in folds]
    apart = precision.device.type == "cpu" and not is_small(experiment)
    compute = compute_logits_apart if apart else compute_logits
    logits = [part.numpy() for part in compute(model, tables, rows, folds, precision)]
    labelled = name != "private"
    scores = []
    for member, own, part in zip(ensemble.members, rows, logits, strict=True):
        score = None
        if labelled:
            targets = tables.targets[own.to(tables.device)].cpu().long().numpy()
            score = accuracy(targets, decide(part, experiment.task.kind), len(experiment.task.classes))
        scores.append(MemberScore(member.name, member.fold, score))
    # The private set belongs to no fold: every fold's members judge all of it.
    numbers = sorted(set(folds))
    if labelled and len(experiment.folds) > 1:
        if len(numbers) < len(experiment.folds):
            raise UsageError(
                f"{ensemble.name}: {len(numbers)} of {len(experiment.folds)} folds have a finished run"
            )
        ranked = [
            [part for fold, part in zip(folds, logits, strict=True) if fold == number] for number in numbers
        ]
        depth = min(len(parts) for parts in ranked)
        stacked = np.stack([np.concatenate([parts[k] for parts in ranked]) for k in range(depth)])
        pooled = tuple(row for fold in experiment.folds for row in fold.sets[name])
    else:
        stacked = np.stack(logits)
        pooled = experiment.folds[0].sets[name]
    truth = tables.targets[torch.tensor(pooled).to(tables.device)].cpu().long().numpy()
    return Predictions(
        set=name,
        utterances=tuple(pooled),
        ids=tuple(experiment.corpus.utterances[row].id for row in pooled),
        logits=stacked,
        targets=truth if labelled else None,
        kind=experiment.task.kind,
        classes=experiment.task.classes,
        members=tuple(scores),
    )


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
            entry["uar"] = own.metric("uar", k)
            entry["f1_weighted"] = own.metric("f1_weighted", k)
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


def prediction_rows(predictions: Predictions, k: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the first k members' predictions: set, utterance, label, predicted, and a logit a class."""
    logits, decisions = predictions.ensemble_logits(k), predictions.decisions(k)
    header = ["set", "utterance", "label", "predicted", *(f"logit_{name}" for name in predictions.classes)]
    rows = []
    for place, utterance in enumerate(predictions.ids):
        label = "" if predictions.targets is None else _written(predictions.targets[place], predictions)
        values = [repr(float(value)) for value in logits[place]]
        rows.append([predictions.set, utterance, label, _written(decisions[place], predictions), *values])
    return header, rows


def _written(decision: Any, predictions: Predictions) -> str:
    if predictions.kind == "multi":
        return "|".join(str(int(value)) for value in decision)
    return predictions.classes[int(decision)]
