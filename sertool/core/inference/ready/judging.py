"""Judge a ready model on a corpus: its answers for the judged utterances, stored as a run without training."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.class_maps import MAP_HINT, ClassMap, compared
from sertool.core.corpora.load import load_corpus
from sertool.core.corpora.score_tasks import ranges_in
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.formatting import names_of, plural
from sertool.core.inference.imported import check_free, store_imported
from sertool.core.inference.ready.answers import as_single, mapped, names_in, outputs_of, refuse_unnamed
from sertool.core.inference.ready.facts import ReadyFacts, ReadyModel
from sertool.core.inference.ready.known import seen_in_training, training_of
from sertool.core.inference.ready.sound import recordings_of
from sertool.core.inference.subject import Subject, open_subject, reader_of
from sertool.core.runs.imported import MODEL, PROBABILITIES, SCORES, Imported
from sertool.core.runs.prediction_files import StoredSet

READER = "sertool judge"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judgement:
    """A ready model that was judged on a corpus.

    Attributes:
        facts: the model.
        subject: the judged utterances.
        imported: facts that are stored with the predictions.
        stored: the predictions.
        seen: titles of the corpora among the model's training data that this corpus is.
        notes: sentences on what a reader of the figures should know.
    """

    facts: ReadyFacts
    subject: Subject
    imported: Imported
    stored: StoredSet
    seen: tuple[str, ...]
    notes: tuple[str, ...]


def open_judged(
    facts: ReadyFacts,
    folder: Path,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
) -> Subject:
    """Open the utterances of a corpus on which a ready model is judged.

    Args:
        facts: the model.
        folder: folder of the corpus.
        task: name of the label, see :func:`~sertool.core.inference.subject.open_subject`; without one a model of scores
            is judged on the scores that both have.
        split: judged split; None: test if there is one, else all.
        label_map: classes of the corpus and of the model are compared through it; None: by their names.

    Raises:
        DataError: the corpus or the model cannot be used.
        UsageError: model and corpus have too little in common; the message says what each has.
    """
    if facts.kind == "scores":
        if label_map is not None:
            raise UsageError(
                f"--map {label_map.name}: {facts.name} predicts scores ({names_of(facts.names)}), and no classes"
            )
        return open_subject(folder, task=task or _common_scores(facts, folder), split=split)
    if label_map is not None:
        if not any(label_map.model_class(name) for name in facts.names):
            refuse_unnamed(facts)
        return open_subject(folder, task=task, split=split, label_map=label_map, answers=facts.names)
    refuse_unnamed(facts)
    subject = open_subject(folder, task=task, split=split)
    _columns(facts, subject)  # refuses other classes before anything is computed
    return subject


def _common_scores(facts: ReadyFacts, folder: Path) -> str:
    corpus = load_corpus(reader_of(folder), folder)
    have = list(ranges_in(corpus))
    common = []
    for name in have:
        try:
            names_in(facts, [name])
        except DataError:
            continue
        common.append(name)
    if not common:
        held = f"has the scores {names_of(have)}" if have else "has no scores"
        raise UsageError(f"{corpus.name}: {held}, and {facts.name} predicts {names_of(facts.names)}")
    return ", ".join(common)


def _columns(facts: ReadyFacts, subject: Subject) -> list[int]:
    """Return the position of each class of the task among those of the model.

    Raises:
        UsageError: the model lacks one.
    """
    task = subject.task
    if task.kind == "scores":
        raise UsageError(
            f"{subject.corpus.name} has scores for {task.name}, and {facts.name} answers classes: "
            f"{names_of(facts.names)}",
            hint="--task names a task of classes",
        )
    have = {compared(name): place for place, name in enumerate(facts.names)}
    lacking = [name for name in task.classes if compared(name) not in have]
    if lacking:
        raise UsageError(
            f"{facts.name}: has no class {names_of(lacking)} of {subject.corpus.name}'s {task.name}; it has "
            f"{names_of(facts.names)}",
            hint=MAP_HINT,
        )
    return [have[compared(name)] for name in task.classes]


def judge_ready(
    model: ReadyModel,
    subject: Subject,
    folder: Path,
    *,
    label_map: ClassMap | None = None,
    recordings: Path | None = None,
    progress: Progress | None = None,
) -> Judgement:
    """Run a ready model over the judged utterances of a corpus, and store its answers as a run.

    Args:
        model: the model.
        subject: the judged utterances, from :func:`open_judged`.
        folder: folder of the run.
        label_map: the map that ``subject`` was opened with.
        recordings: folder that holds the recordings; None: they lie where the corpus says.
        progress: called with the number of utterances read and of all.

    Raises:
        DataError: a recording is missing or cannot be read, or the corpus has no texts for a model of texts.
        UsageError: the folder of the run holds something else.
        SertoolError: a file cannot be written.
    """
    check_free(folder)
    facts, notes = model.facts, list[str]()
    inputs = _texts(subject, notes) if facts.modality == "text" else recordings_of(subject, recordings)
    outputs = np.stack(list(outputs_of(model, _read(facts, inputs, notes, progress))))
    logits = _compared(facts, subject, outputs, label_map, notes)
    training = training_of(facts.name, facts.card)
    corpus = subject.corpus
    names = [name for name in (corpus.name, corpus.layout, subject.folder.resolve().name) if name]
    seen = tuple(seen_in_training(training, names))
    imported = Imported(
        kind=MODEL,
        source=facts.title,
        answers=SCORES if facts.kind == "scores" else PROBABILITIES,
        training=f"on {training.sentence}" if training.stated else None,
        licence=facts.card.licence,
        trained_on=(*training.corpora.values(), *training.others),
        seen=seen,
    )
    stored = store_imported(folder, subject, logits, imported, reader=READER)
    assert stored.origin.imported is not None
    return Judgement(facts, subject, stored.origin.imported, stored, seen, tuple(notes))


def _texts(subject: Subject, notes: list[str]) -> list[str]:
    texts = [subject.corpus.utterances[row].text for row in subject.rows]
    empty = sum(not text.strip() for text in texts)
    if empty == len(texts):
        raise DataError(
            f"{subject.corpus.name}: its judged utterances have no texts, and this model reads texts alone",
            hint="prepare the corpus with texts, or transcribe it: sertool prepare --transcribe MODEL",
        )
    if empty:
        notes.append(f"{plural(empty, 'utterance')} of {len(texts):,} without a text: answered on an empty one")
    if subject.corpus.machine_text:
        notes.append("the texts were written by a machine")
    return texts


def _read(facts: ReadyFacts, inputs: Sequence[Any], notes: list[str], progress: Progress | None) -> Iterator[Any]:
    """Yield waveforms or texts, in order.

    Raises:
        DataError: a recording cannot be read.
    """
    cut = 0
    for done, one in enumerate(inputs, start=1):
        given = one
        if isinstance(one, Segment):
            assert facts.sample_rate is not None
            given = read_audio(one, facts.sample_rate)
            cut += facts.longest is not None and len(given) > facts.longest * facts.sample_rate
        yield given
        if progress is not None:
            progress(done, len(inputs))
    if cut:
        notes.append(f"of {plural(cut, 'recording')} the model hears the first {facts.longest:g} s alone")


def _compared(
    facts: ReadyFacts,
    subject: Subject,
    outputs: NDArray[np.float32],
    label_map: ClassMap | None,
    notes: list[str],
) -> NDArray[np.float32]:
    """Return outputs (N, M) of the model as logits or scores (N, C) of the task."""
    task = subject.task
    if task.kind == "scores":
        return _rescaled(facts, subject, outputs, notes)
    if label_map is not None:
        columns = label_map.model_columns(facts.names, task.classes)
        return mapped(facts, outputs, columns)
    places = _columns(facts, subject)
    if task.kind == "multi":
        if facts.kind != "multi":
            raise UsageError(
                f"{subject.corpus.name}: an utterance may have several classes of {task.name}, and {facts.name} "
                "answers one",
                hint="--task names a task with one class, or choose a model of several labels",
            )
        return outputs[:, places]
    left = [name for place, name in enumerate(facts.names) if place not in places]
    if left:
        notes.append(f"classes of the model left out, as the corpus does not have them: {names_of(left)}")
    return as_single(facts, outputs)[:, places]


def _rescaled(
    facts: ReadyFacts, subject: Subject, outputs: NDArray[np.float32], notes: list[str]
) -> NDArray[np.float32]:
    """Return the scores of the task in the corpus's ranges, from those of the model in its own."""
    task = subject.task
    places = names_in(facts, task.classes)
    made = np.empty((len(outputs), len(places)), np.float32)
    for column, (place, (low, high)) in enumerate(zip(places, task.ranges, strict=True)):
        least, most = facts.ranges[place]
        made[:, column] = low + (outputs[:, place] - least) / (most - least) * (high - low)
    changed = [
        f"{name} from {facts.ranges[place][0]:g} - {facts.ranges[place][1]:g} to {low:g} - {high:g}"
        for name, place, (low, high) in zip(task.classes, places, task.ranges, strict=True)
        if facts.ranges[place] != (low, high)
    ]
    if changed:
        notes.append(f"scores of the model in the corpus's ranges: {', '.join(changed)}")
    return made
