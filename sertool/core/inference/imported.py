"""Store answers from elsewhere as a run without training, which reports and comparisons judge as any other."""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.agreement import tied_beside
from sertool.core.corpora.targets import labels_of
from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.inference.label_facts import rater_ceilings, rater_votes, raw_scores, spoken_of
from sertool.core.inference.subject import Subject
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.recipe.load import resolved, validate
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.ensemble_size import FILE as SIZE
from sertool.core.runs.folder import log_reads
from sertool.core.runs.imported import FILE, LABELS, Imported, write_imported
from sertool.core.runs.prediction_files import FOLDER, Origin, StoredSet, write_set
from sertool.core.runs.predictions import MemberScore, Predictions
from sertool.core.runs.score_intervals import FILE as INTERVALS
from sertool.core.runs.temperature import FILE as CALIBRATION
from sertool.version import __version__

RECIPE = "imported"
LONGEST_NAME = 200  # bytes; file systems allow 255
TINY = float(np.finfo(np.float32).tiny)  # stands for a probability of 0, whose logarithm is no number


def logits_of_probabilities(probabilities: NDArray[np.float64], kind: str = "single") -> NDArray[np.float32]:
    """Return logits that give probabilities (N, C) back: logarithms, or log odds of several labels.

    Args:
        probabilities: (N, C) from 0 to 1; of one label each row adds up to 1.
        kind: ``single`` for the softmax, ``multi`` for the sigmoid.
    """
    known = probabilities.clip(TINY, 1.0)
    logits = np.log(known)
    if kind == "multi":
        logits -= np.log1p(-known.clip(TINY, 1 - 2**-24))
    return np.asarray(logits, np.float32)


def logits_of_labels(decisions: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return numbers (N, C) whose largest is the decided class (N,), or whose signs are the labels (N, C).

    They hold no probabilities: :attr:`~sertool.core.runs.imported.Imported.answers` says so to every reader.
    """
    there = decisions if decisions.ndim == 2 else np.eye(classes, dtype=np.int64)[decisions]
    return (2.0 * there - 1.0).astype(np.float32)


def check_free(folder: Path) -> None:
    """Refuse a folder that holds anything but a run without training.

    Raises:
        UsageError: the folder holds a trained run, or other files; it is left as it is.
    """
    trained = any(folder.glob("run-*")) or (folder / "recipe.yaml").is_file()
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    # A damaged file marks such a run, too: importing again is how it is mended.
    if not trained and (empty or (folder / FILE).is_file()):
        return
    if folder.exists() and not folder.is_dir():
        what = "is a file"
    else:
        what = "holds a run that was trained" if trained else "holds other files"
    raise UsageError(f"{folder}: {what}, which is not replaced", hint="--name gives the predictions another name")


def store_imported(
    folder: Path,
    subject: Subject,
    logits: NDArray[np.float32],
    imported: Imported,
    *,
    reader: str = "sertool import",
    name: str | None = None,
) -> StoredSet:
    """Store answers for the judged utterances of a corpus as a run without training.

    Reading the labels is noted in the run's log. A run of that kind in the folder is replaced; predictions for
    validation are stored beside those for test.

    Args:
        folder: folder of the run.
        subject: the judged utterances, sealed.
        logits: (N, C) for ``subject.rows``: see :func:`logits_of_probabilities` and :func:`logits_of_labels`; of a task
            of scores the predicted scores.
        imported: where the answers come from; split and label map are taken from ``subject``.
        reader: command that reads the labels, for the log.
        name: name of the run; by default that of its folder.

    Raises:
        UsageError: the folder holds something else.
        SertoolError: a file cannot be written.
    """
    check_free(folder)
    task, rows = subject.task, subject.rows
    if logits.shape != (len(rows), len(task.classes)) or not np.isfinite(logits).all():
        raise ValueError(f"logits {logits.shape} for {len(rows)} utterances and {len(task.classes)} classes")
    note = subject.map_note
    facts = _with(imported, split=subject.split, map=None if note is None else note.to_json())
    opened = subject.unsealed(reader, f"judged {facts.source}")
    # The mark goes first and the read is logged before a figure can be seen.
    write_imported(folder, facts)
    if subject.set == "test":
        _forget(folder)
    log_reads(folder, opened.seal)
    origin = _origin(name or folder.name, opened, facts)
    stored = StoredSet(origin, _predictions(opened, logits, facts), spoken_of(opened.corpus, rows))
    write_set(folder, stored)
    return stored


def _forget(folder: Path) -> None:
    """Remove all that belongs to earlier predictions, such as a temperature that was fitted on them; the log stays."""
    stale = [folder / name for name in (CALIBRATION, INTERVALS, SIZE)]
    for path in (*stale, *(folder / FOLDER).glob("*.safetensors")):
        with artifacts.writing(path):
            path.unlink(missing_ok=True)


def _with(imported: Imported, **facts: Any) -> Imported:
    return Imported(**{**vars(imported), **facts})


def recipe_of(subject: Subject) -> Recipe:
    """Return a recipe that names the corpus and the task of a run without training; nothing else in it is meant."""
    own = subject.dataset.model_dump(mode="json", exclude_defaults=True)
    about = "nothing was trained: these predictions come from elsewhere"
    return validate({"name": RECIPE, "about": about, "dataset": own}, RECIPE)


def _origin(name: str, subject: Subject, imported: Imported) -> Origin:
    corpus = subject.corpus
    recipe = recipe_of(subject)
    return Origin(
        run=name,
        recipe=resolved(recipe),
        recipe_name=recipe.name,
        dataset=corpus.name,
        task=subject.task.name,
        rule=subject.task.rule,
        protocol=recipe.protocol,
        selected_on_test=False,
        synthetic=corpus.synthetic,
        machine_text=corpus.machine_text,
        started_from=None,
        seen_in_test=0,
        data_hash=subject.data_hash,
        folds=1,
        counts={subject.set: len(subject.rows)},
        train_classes=[],
        doctor=None,
        made={
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "sertool": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        imported=imported,
    )


def _predictions(subject: Subject, logits: NDArray[np.float32], imported: Imported) -> Predictions:
    corpus, task, rows = subject.corpus, subject.task, subject.rows
    targets = labels_of(subject.targets, rows, task.kind)
    votes = rater_votes(corpus, task, rows) if task.kind == "single" else None
    accuracy = None
    if task.kind != "scores":
        accuracy = METRICS["accuracy"](targets, decide(logits, task.kind), len(task.classes))
    return Predictions(
        set=subject.set,
        utterances=rows,
        ids=subject.ids,
        logits=logits[None],
        targets=targets,
        kind=task.kind,
        classes=task.classes,
        members=(MemberScore(imported.source, 0, accuracy, 0.0),),  # nothing was validated
        # Labels alone give no mean score.
        scores=None if imported.answers == LABELS else raw_scores(corpus, task, rows),
        votes=votes,
        ranges=task.ranges,
        ceilings=rater_ceilings(corpus, task, rows),
        ties=None if votes is None else len(tied_beside(corpus, task.name, task.classes, rows)),
    )


def run_names(name: str, tools: Sequence[str]) -> list[str]:
    """Return the names of the runs of several tools: that of the only one, or ``NAME-TOOL`` of each.

    Args:
        name: name that the user gave.
        tools: names of the tools; empty for the only one.

    Raises:
        UsageError: one is no name of a folder.
    """
    names = [f"{name}-{tool}" if tool else name for tool in tools]
    for own, tool in zip(names, tools, strict=True):
        what = f"column of tool {tool!r}: {own} as the name of its run" if tool else f"--name {own}"
        # As of a recipe's folder, but in any script.
        if not own or own[0] in ".-" or any(sign in own for sign in '/\\:*?"<>|') or not own.isprintable():
            raise UsageError(f"{what}: expected the name of a folder, without signs such as / and :")
        if len(own.encode()) > LONGEST_NAME:
            raise UsageError(f"--name {own[:40]}...: is longer than {LONGEST_NAME} bytes")
    if twice := next((own for place, own in enumerate(names) if own in names[:place]), None):
        raise UsageError(f"--name {twice}: two tools would be stored there")
    return names
