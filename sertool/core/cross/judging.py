"""The cells of a matrix: models on their own test utterances and on other corpora; what is stored is kept."""

from dataclasses import dataclass
from pathlib import Path

from sertool.core.compute.device import Precision
from sertool.core.cross.contents import Matrix
from sertool.core.cross.matrix import build_matrix
from sertool.core.cross.plan import TEST, Crossing, Model
from sertool.core.errors import DataError, SertoolError
from sertool.core.inference.ensemble import Ensemble, open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.inference.other_corpus import ON, Judge, judge_on, open_judge, open_other
from sertool.core.inference.subject import Subject
from sertool.core.reports.compare.runs import Judged, judge
from sertool.core.reports.load import load_run
from sertool.core.runs.experiment import corpus_note
from sertool.core.runs.prediction_files import read_set, set_path

READER = "sertool cross"


@dataclass(frozen=True)
class Told:
    """A cell that was judged or was there already.

    Attributes:
        text: which model on which corpus, and whether its predictions were there.
        notes: sentences on what a reader of the figures should know.
    """

    text: str
    notes: tuple[str, ...] = ()


def judge_diagonal(crossing: Crossing, model: Model, precision: Precision) -> Told:
    """Predict a model's own test utterances, and choose how many members are averaged, unless that is stored.

    Raises:
        DataError: a file is missing or damaged.
        SertoolError: the predictions cannot be stored.
    """
    opened = open_ensemble(model.name, crossing.folder, crossing.data)
    if _is_stored(opened):
        return Told(f"{model.name} on its own test utterances: stored")
    experiment = opened.experiment
    # Validation on the test utterances would show the same figures twice.
    validates = not experiment.selected_on_test and all(fold.sets.get("valid") for fold in experiment.folds)
    sets = ["valid", TEST] if validates else [TEST]
    found = evaluate(opened, sets, None, precision, READER)
    if found.unstored:
        raise SertoolError(found.unstored)
    return Told(f"{model.name} on its own test utterances: {found.size.explained}")


def choose_size(crossing: Crossing, model: Model, precision: Precision) -> Told:
    """Choose on validation how many members of a model of several corpora are averaged, unless that is stored."""
    opened = open_ensemble(model.name, crossing.folder, crossing.data)
    if _is_stored(opened, "valid"):
        return Told(f"{model.name} on its validation: stored")
    if opened.experiment.selected_on_test or not all(fold.sets.get("valid") for fold in opened.experiment.folds):
        return Told(f"{model.name}: nothing to validate on, all members are averaged")
    found = evaluate(opened, ["valid"], None, precision, READER)
    if found.unstored:
        raise SertoolError(found.unstored)
    return Told(f"{model.name} on its validation: {found.size.explained}")


def _is_stored(opened: Ensemble, name: str = TEST) -> bool:
    """Check whether the predictions of all members on the corpus as it is now are stored."""
    if not set_path(opened.folder, name).is_file():
        return False
    try:
        stored = read_set(opened.folder, name)
    except DataError:  # damaged: made again
        return False
    members = {member.name for member in stored.predictions.members}
    return (
        members == {member.name for member in opened.members}
        and stored.origin.data_hash == corpus_note(opened.experiment)["hash"]
    )


def judge_other(crossing: Crossing, model: Model, name: str, precision: Precision) -> Told:
    """Predict another corpus with a model, unless that is stored.

    Args:
        crossing: the matrix.
        model: the model.
        name: name of the corpus.
        precision: device and number format.

    Raises:
        UsageError: the model was trained on a judged utterance, or the corpus does not fit it.
        DataError: a file is missing or damaged.
        SertoolError: the predictions cannot be stored.
    """
    judged, own = open_judge(crossing.folder / model.name, crossing.data), crossing.taken[name]
    task = own.recipe.dataset.task if crossing.label_map is not None else None
    subject = open_other(judged, own.folder, task=task, split=own.split, label_map=crossing.label_map)
    told = f"{model.name} on {name}"
    if _is_judged(judged, subject):
        return Told(f"{told}: stored")
    found = judge_on(judged, subject, precision, READER, label_map=crossing.label_map)
    return Told(f"{told}: {len(subject.rows):,} utterances", found.notes)


def _is_judged(judged: Judge, subject: Subject) -> bool:
    """Check whether the predictions of a model on a corpus as both are now are stored."""
    folder = judged.folder / ON / subject.folder.resolve().name
    own = [set_path(judged.folder, name) for name in (TEST, "valid")]
    path = set_path(folder, TEST)
    if not path.is_file():
        return False
    # After more members were trained, the predictions on the own corpus are newer.
    if any(one.is_file() and one.stat().st_mtime_ns > path.stat().st_mtime_ns for one in own):
        return False
    try:
        origin = read_set(folder, TEST).origin
    except DataError:  # damaged: made again
        return False
    note, imported = subject.map_note, origin.imported
    return (
        imported is not None
        and origin.data_hash == subject.data_hash
        and imported.split == subject.split
        and (imported.map or None) == (None if note is None else note.to_json())
    )


def read_matrix(crossing: Crossing) -> Matrix:
    """Build the matrix from the stored predictions of all cells.

    Raises:
        DataError: predictions are missing or damaged.
    """
    diagonal, elsewhere, left_out = {}, {}, {}
    for model in crossing.models:
        folder = crossing.folder / model.name
        if not model.joined:
            diagonal[model.name] = _read(folder)
        for name in model.judged_on:
            found = _read(folder / ON / name)
            if model.joined:
                left_out[name] = found
            else:
                elsewhere[model.name, name] = found
    return build_matrix(crossing.setting, diagonal, elsewhere, left_out)


def _read(folder: Path) -> Judged:
    return judge(load_run(folder), TEST)
