"""A trained ensemble on the utterances of another corpus: ``sertool ensemble --corpus``.

::

    ckpt/A/on/B/    the predictions of run A on corpus B, as a run without training

The members take the other corpus's utterances as `sertool predict` takes recordings: with the vocabulary, the
statistics and the temperature of their own training. In cross-validation the members of all folds are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.class_maps import MAP_HINT, ClassMap
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.fingerprints import content_hashes
from sertool.core.errors import DataError, UsageError
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.formatting import names_of, plural
from sertool.core.inference.certainty import Certainty, read_certainty
from sertool.core.inference.imported import check_free, store_imported
from sertool.core.inference.mean_logits import mean_logits, tables_for
from sertool.core.inference.other_calibration import calibrated_on, temperature_of, write_or_remove
from sertool.core.inference.other_frames import fitted
from sertool.core.inference.subject import JudgedCorpus, Subject, open_judged, subject_of
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.ensemble_size import EnsembleSize, size_for
from sertool.core.runs.folder import check_folder, log_reads
from sertool.core.runs.imported import CORPUS, PROBABILITIES, SCORES, Imported, refuse_imported
from sertool.core.runs.members import Trained, stack_of
from sertool.core.runs.prediction_files import StoredSet
from sertool.core.runs.predictions import clipped
from sertool.core.runs.transfer import open_with_seen
from sertool.core.training.batches import fit_corpora, fit_speakers

ON = "on"  # folder below that of the run
READER = "sertool ensemble"


@dataclass(frozen=True)
class Judge:
    """A trained ensemble that judges another corpus.

    Attributes:
        folder: folder of the run.
        trained: all its members.
        size: number of members that are averaged, in each fold.
        certainty: temperature of these members, or why there is none.
        seen: content hashes of the utterances that the members were trained or selected on.
    """

    folder: Path
    trained: Trained
    size: EnsembleSize
    certainty: Certainty
    seen: frozenset[bytes]


@dataclass(frozen=True)
class Elsewhere:
    """Result of a judge on another corpus.

    Attributes:
        folder: folder of the stored predictions.
        stored: the predictions.
        subject: the judged utterances; their labels are in ``stored``.
        calibration: temperature of the probabilities, or why there is none; None for scores.
        notes: sentences on what a reader of the figures should know.
    """

    folder: Path
    stored: StoredSet
    subject: Subject
    calibration: Calibration | None
    notes: tuple[str, ...]


def open_judge(folder: Path, data: Path, k: int | None = None) -> Judge:
    """Open a trained ensemble; the corpus of its training is not needed.

    Args:
        folder: folder of a run, or of the reference's checkpoints.
        data: folder of the corpora; needed only by the reference's checkpoints, which lack the vocabulary.
        k: number of members to average; None for the size that is stored with the run.

    Raises:
        UsageError: there is no finished run, or fewer members than ``k``.
        DataError: a file is missing or damaged.
    """
    refuse_imported(folder)
    if not is_reference_folder(folder):
        check_folder(folder, folder.parent)
    trained, seen = open_with_seen(folder, data)
    size = size_for(folder, trained.members, k)
    names = [member.name for member in size.chosen(trained.members)]
    return Judge(folder, trained, size, read_certainty(folder, trained.task, names), seen)


def open_other(
    judge: Judge,
    corpus: Path,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
) -> Subject:
    """Open the utterances of another corpus that an ensemble judges.

    Args:
        judge: the ensemble.
        corpus: folder of the corpus.
        task: name of the label there; None: as in the training.
        split: judged split; None: test if there is one, else all.
        label_map: classes of the corpus and of the ensemble are compared through it; None: by their names.

    Raises:
        DataError: the corpus cannot be read.
        UsageError: it has other frames, other classes or scores, or another range of a score.
    """
    return _subject_of(judge, open_judged(corpus), task=task, split=split, label_map=label_map)


def _subject_of(
    judge: Judge, other: JudgedCorpus, *, task: str | None, split: str | None, label_map: ClassMap | None
) -> Subject:
    own = judge.trained.task
    if label_map is not None and own.kind != "single":
        what = "scores" if own.kind == "scores" else "several classes at once"
        raise UsageError(
            f"--map {label_map.name}: {judge.trained.name} predicts {what}, and maps are for one class per utterance"
        )
    if task is None and own.kind == "scores":
        task = own.name
    elif task is None and own.name in (*other.class_tasks, *other.scores):  # else the usual one, or the only one
        task = f"{own.name}, {len(own.classes)} classes" if own.rule in ("sign", "seven") else own.name
    answers = own.classes if label_map is not None else None
    other = replace(other, corpus=fitted(judge.trained, other))
    subject = subject_of(other, task=task, split=split, label_map=label_map, answers=answers)
    _columns(judge, subject, label_map)  # refuses what cannot be compared before anything is computed
    return subject


def judge_on(
    judge: Judge,
    subject: Subject,
    precision: Precision,
    reader: str = READER,
    *,
    label_map: ClassMap | None = None,
    calibrate_on: str | None = None,
) -> Elsewhere:
    """Predict the utterances of another corpus, and store the predictions in ``on/CORPUS`` below the run's folder.

    The reading of the labels is noted in the log of the run and in that of the stored predictions.

    Args:
        judge: the ensemble.
        subject: the utterances, from :func:`open_other`.
        precision: device and number format.
        reader: command or program that reads the labels, for the logs.
        label_map: the map that ``subject`` was opened with.
        calibrate_on: ``valid`` to fit the temperature on that split of the corpus; None for that of the run.

    Raises:
        UsageError: a judged utterance was in training or validation, the subject does not fit, or the folder of the
            predictions holds something else.
        DataError: the predictions are not finite.
        SertoolError: a file cannot be written.
    """
    name = subject.folder.resolve().name
    folder = judge.folder / ON / name
    check_free(folder)
    valid = _validating(judge, subject, label_map, calibrate_on)
    for one in (subject, *([] if valid is None else [valid])):
        check_unseen(judge, one)
    run = f"{judge.folder.name}/{ON}/{name}"
    raw = _logits(judge, subject, precision)
    notes = _notes(judge, subject)
    calibration: Calibration | None = None
    temperature = 1.0
    if judge.trained.task.kind != "scores":
        if valid is None:
            calibration = temperature_of(judge.trained, judge.size, judge.certainty)
            temperature = calibration.temperature
        else:
            answers = _answers(judge, valid, label_map, _logits(judge, valid, precision), 1.0)
            calibration = calibrated_on(valid, answers, judge.trained.name)
    answers = _answers(judge, subject, label_map, raw, temperature)
    purpose = f"judged {plural(len(judge.size.chosen(judge.trained.members)), 'member')} on {subject.corpus.name}"
    subject.unsealed(reader, purpose)  # notes the read, of which nothing is used here
    log_reads(judge.folder, subject.seal)
    imported = Imported(
        kind=CORPUS,
        source=judge.trained.name,
        answers=SCORES if judge.trained.task.kind == "scores" else PROBABILITIES,
        training=f"recipe {judge.trained.recipe.name} on {judge.trained.corpus}",
        trained_on=(judge.trained.corpus,),
    )
    stored = store_imported(folder, subject, answers, imported, reader=reader, name=run)
    write_or_remove(folder, calibration)
    return Elsewhere(folder, stored, subject, calibration, tuple(notes))


def _validating(judge: Judge, subject: Subject, label_map: ClassMap | None, calibrate_on: str | None) -> Subject | None:
    """Return the utterances that a temperature is fitted on, with their labels; None where none is fitted."""
    if calibrate_on is None:
        return None
    if calibrate_on != "valid":
        raise UsageError(f"--calibrate-on {calibrate_on}: expected valid, the validation split of the other corpus")
    if judge.trained.task.kind == "scores":
        raise UsageError("--calibrate-on: scores have no probabilities")
    if subject.split != "test":
        raise UsageError(
            f"--calibrate-on valid: {subject.split} is judged, and a temperature is never fitted on what is judged",
            hint="--split test judges the test split",
        )
    valid = open_other(judge, subject.folder, task=_task_name(subject), split="valid", label_map=label_map)
    if valid.task != subject.task:
        raise UsageError("--calibrate-on valid: validation has other classes than the judged split")
    return valid.unsealed("", "")  # validation is not logged


def _task_name(subject: Subject) -> str:
    own = subject.dataset
    return own.task if own.num_classes is None else f"{own.task}, {own.num_classes} classes"


def check_unseen(judge: Judge, subject: Subject) -> None:
    """Refuse to judge utterances that the members were trained or selected on, whatever their ids.

    Raises:
        UsageError: names how many, and the first of them.
    """
    hashes = content_hashes(subject.corpus.select(list(subject.rows)))
    known = [one for one, content in zip(subject.ids, hashes, strict=True) if content in judge.seen]
    if known:
        raise UsageError(
            f"{subject.corpus.name}: {judge.trained.name} was trained or selected on {len(known):,} of the "
            f"{plural(len(hashes), 'judged utterance')}, such as {known[0]}: figures on them would be too good",
            hint=f"judge another split, or `sertool ensemble --name {judge.folder.name}` on its own test split",
        )


def _columns(judge: Judge, subject: Subject, label_map: ClassMap | None) -> list[int]:
    """Return the position of each class or score of the subject among those of the judge; empty with a map.

    Raises:
        UsageError: they cannot be compared.
    """
    own, other, name, corpus = judge.trained.task, subject.task, judge.trained.name, subject.corpus.name
    if label_map is not None:
        label_map.model_columns(own.classes, other.classes)
        return []
    if own.kind != other.kind:
        raise UsageError(
            f"{corpus} has {other.per_utterance} for {other.name} per utterance, and {name} predicts "
            f"{own.per_utterance}",
            hint="--task names another label of the corpus",
        )
    if set(own.classes) != set(other.classes):
        what = "scores" if own.kind == "scores" else "classes"
        raise UsageError(
            f"{corpus}: its {other.name} has the {what} {names_of(other.classes)}, and {name} predicts "
            f"{names_of(own.classes)}",
            hint=MAP_HINT if own.kind == "single" else "--task names another label of the corpus",
        )
    places = [own.classes.index(one) for one in other.classes]
    for one, place, (low, high) in zip(other.classes, places, other.ranges, strict=False):
        if own.ranges[place] != (low, high):
            least, most = own.ranges[place]
            raise UsageError(
                f"{corpus}: its {one} goes from {low:g} to {high:g}, and {name} was trained on {least:g} to {most:g}",
                hint="prepare the corpus with scores on the same scale",
            )
    return places


def _answers(
    judge: Judge, subject: Subject, label_map: ClassMap | None, raw: NDArray[np.float32], temperature: float
) -> NDArray[np.float32]:
    """Return the logits (N, C) of the subject's classes, or its scores, from those of the judge.

    With a temperature T, divided by which they are the logits of calibrated probabilities: where several classes count
    for one, the probabilities are calibrated first and then added.
    """
    places = _columns(judge, subject, label_map)
    if label_map is not None:
        columns = label_map.model_columns(judge.trained.task.classes, subject.task.classes)
        return columns.apply(raw / temperature) * np.float32(temperature)
    own = raw[:, places]
    clips = judge.trained.task.kind == "scores" and judge.trained.recipe.dataset.clip
    return clipped(own, subject.task.ranges) if clips else own


def _logits(judge: Judge, subject: Subject, precision: Precision) -> Float32[np.ndarray, "N C"]:
    """Compute the mean logits of the averaged members for the utterances of a subject."""
    trained, corpus, rows = judge.trained, subject.corpus, list(subject.rows)
    dataset = trained.recipe.dataset
    # Over all recordings of each speaker, without their labels.
    speakers = fit_speakers(corpus, dataset.max_audio_length) if dataset.by_speaker else {}
    # As in training a corpus that is held out: over all of its frames, without labels.
    corpora = fit_corpora(corpus, (), dataset.max_audio_length) if dataset.by_corpus else {}
    if trained.recipe.context is None:
        corpus, rows = corpus.select(rows), list(range(len(rows)))
    chosen = judge.size.chosen(trained.members)
    tables = tables_for(trained, corpus, precision.device, speakers, corpora)
    stack = stack_of(trained, chosen).to(precision.device)
    mean = mean_logits(stack, [member.fold for member in chosen], tables, rows, precision)
    if not np.isfinite(mean).all():
        raise DataError(f"{trained.name}: gives values that are not finite; its weights are damaged")
    return mean


def _notes(judge: Judge, subject: Subject) -> list[str]:
    """Say what part of the words the members know, and which speakers could not be standardised by themselves."""
    trained, corpus = judge.trained, subject.corpus
    dataset, notes = trained.recipe.dataset, []
    if "text" in dataset.modalities and corpus.text_frames is None:
        known = [own.vocabulary.index for own in trained.inputs]
        words = [word for row in subject.rows for word in corpus.utterances[row].words[: dataset.max_text_length]]
        found = sum(any(word in index for index in known) for word in words)
        notes.append(f"words known from training: {found:,} of {len(words):,}" if words else "there are no texts")
    if dataset.by_corpus:
        notes.append(f"standardised by all frames of {corpus.name}, without labels")
    if dataset.by_speaker:
        names = {utterance.speaker for utterance in _judged(corpus, subject.rows)}
        left = sum(one.speaker is None for one in _judged(corpus, subject.rows))
        notes.append(
            f"standardised by {plural(len(names - {None}), 'speaker')} of {corpus.name}"
            + (f"; {plural(left, 'utterance')} without a speaker by the training frames" if left else "")
        )
    return notes


def _judged(corpus: Corpus, rows: Sequence[int]) -> list[Any]:
    return [corpus.utterances[row] for row in rows]
