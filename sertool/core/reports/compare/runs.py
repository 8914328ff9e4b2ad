"""A run to compare: its stored predictions on a set, and the number of averaged members."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.command_line import run_command
from sertool.core.corpora.tasks import VOTES
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import plural
from sertool.core.metrics.calibration import probabilities
from sertool.core.reports.calibration import find_scaling
from sertool.core.reports.choose import choose_size, note, stamp
from sertool.core.reports.compare.contents import Contender
from sertool.core.reports.imported import map_facts
from sertool.core.reports.load import SETS, Loaded, load_run
from sertool.core.reports.provenance import input_notes
from sertool.core.runs.folder import runs_below
from sertool.core.runs.imported import AGAIN, FILE
from sertool.core.runs.prediction_files import StoredSet, set_path
from sertool.core.runs.predictions import Predictions

MAJORITY = "name"  # rule of a label by class name


@dataclass(frozen=True)
class Judged:
    """A run with its stored set, and what its averaged members predict.

    Attributes:
        contender: name and members of the run.
        stored: its predictions.
        decisions: (N,) or (N, C) decisions; of scores (N, C) predicted scores.
        probabilities: (N, C) probabilities as `sertool predict` gives them; None where the set holds no raters' votes.
        sees_context: True if the model sees earlier utterances of the dialogue.
    """

    contender: Contender
    stored: StoredSet
    decisions: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None
    sees_context: bool = False


def open_contender(name: str, output: Path, set_name: str) -> Loaded:
    """Read a run that has predictions on a set.

    Args:
        name: name of the run, a folder in ``output``.
        output: the folder of all runs.
        set_name: ``valid`` or ``test``.

    Raises:
        UsageError: there is no such run, or no such set.
        DataError: the run has no predictions on this set, or they cannot be used.
    """
    if set_name not in SETS:
        raise UsageError(f"--split {set_name}: expected one of {', '.join(SETS)}")
    folder = output / name
    if not folder.is_dir():
        there = runs_below(output)
        known = f"{output} holds: {', '.join(there)}" if there else "sertool train makes one"
        raise UsageError(f"{folder}: no such run{did_you_mean(name, there)}", hint=known)
    if not set_path(folder, set_name).is_file():
        raise DataError(
            f"{name}: no stored predictions for the {set_name} split",
            hint=AGAIN if (folder / FILE).is_file() else run_command("ensemble", folder, "--split", set_name),
        )
    run = load_run(folder)
    if set_name not in run.sets:
        why = "; ".join(run.problems)  # why the set could not be read, if that is the reason
        raise DataError(why or f"{set_path(folder, set_name)}: has no labels, so nothing can be compared")
    return run


def judge(run: Loaded, set_name: str) -> Judged:
    """Decide by a run's predictions on a set, with k chosen as in a report."""
    choice = choose_size(run)
    stored = run.sets[set_name]
    contender = Contender(
        name=run.name,
        k=choice.k,
        members=len(stored.predictions.logits),
        folds=run.origin.folds,
        select=run.recipe.training.select,
        chosen_by=choice.chosen_by,
        stamp=stamp(run, choice),
        notes=tuple(_notes(run, note(run, choice), set_name)),
        imported=run.imported.stated if run.imported is not None else "",
    )
    own, sees = stored.predictions, run.recipe.context is not None
    if own.kind == "scores":
        return Judged(contender, stored, own.ensemble_logits(choice.k), sees_context=sees)
    return Judged(contender, stored, own.decisions(choice.k), _probabilities(run, stored, choice.k), sees)


def _probabilities(run: Loaded, stored: StoredSet, k: int) -> NDArray[np.float64] | None:
    own = stored.predictions
    if own.votes is None or not run.has_probabilities:
        return None
    # A model that learnt the shares of raters has no temperature, see inference/evaluate.py.
    scaling = None if stored.origin.rule == VOTES else find_scaling(run, k)
    temperature = 1.0 if scaling is None or scaling.temperature is None else scaling.temperature
    return probabilities(own.ensemble_logits(k), own.kind, temperature)


def check_together(a: Judged, b: Judged) -> None:
    """Refuse two runs that cannot be compared.

    Raises:
        UsageError: they have different data sets, tasks, classes or scores, or one predicts classes, the other scores.
    """
    names, (own, other) = (a.contender.name, b.contender.name), (a.stored.predictions, b.stored.predictions)
    scored = [one.kind == "scores" for one in (own, other)]
    if any(scored) and not all(scored):
        kinds = ["scores" if one else "classes" for one in scored]
        raise UsageError(
            f"{names[0]} predicts {kinds[0]} and {names[1]} predicts {kinds[1]}: they cannot be compared",
            hint="compare runs of the same task on the same data set",
        )
    # Each of these would make the runs answer different questions.
    for what, *values in (
        ("data sets", a.stored.origin.dataset, b.stored.origin.dataset),
        ("scores" if all(scored) else "tasks", a.stored.origin.task, b.stored.origin.task),
        ("classes", _listed(own.classes), _listed(other.classes)),
        ("ranges of scores", ranges_of(own), ranges_of(other)),
        ("rules for labels", _rule(a), _rule(b)),
    ):
        if values[0] != values[1]:
            raise UsageError(
                f"{names[0]} and {names[1]} have different {what}: {values[0]} and {values[1]}",
                hint="compare runs of the same task on the same data set",
            )


def ranges_of(own: Predictions) -> str:
    """Name the scores of a run with their ranges, as ``valence 1 to 5, arousal 0 to 10``."""
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in zip(own.classes, own.ranges, strict=False))


def _rule(own: Judged) -> str:
    """Return the rule of the labels that decisions are compared with: a soft run is judged by majority labels, too."""
    return MAJORITY if own.stored.origin.rule == VOTES else own.stored.origin.rule


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes)


def _notes(run: Loaded, choice: str, set_name: str) -> list[str]:
    if run.imported is not None:
        return [*map_facts(run.imported).values(), *filter(None, [run.imported.no_test_split])]
    notes = [*([choice] if choice else []), *input_notes(run.recipe)]
    if run.left_out:
        notes.append(f"left out because their logits are not finite: {', '.join(run.left_out)}")
    if run.origin.seen_in_test and set_name == "test":
        notes.append(
            f"{run.origin.started_from}, from which it started, was trained or selected on "
            f"{plural(run.origin.seen_in_test, 'utterance')} of the test set"
        )
    return notes
