"""The files of a run that a report needs: predictions, probes, histories, log and calibration.

A file that cannot be read becomes a sentence among the problems; a run is given up only if nothing is left to report.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.command_line import run_command
from sertool.core.corpora.seal import COUNTS, DECISIONS, READ
from sertool.core.errors import DataError, SertoolError
from sertool.core.files.typed_json import read_typed_lines
from sertool.core.files.yaml_file import parse_yaml
from sertool.core.formatting import plural, printable
from sertool.core.metrics.calibration import Calibration
from sertool.core.metrics.clusters import Clusters, clusters_of
from sertool.core.metrics.conformal import Intervals
from sertool.core.recipe.load import validate
from sertool.core.recipe.schema import Recipe
from sertool.core.reports.label_reads import LabelRead
from sertool.core.runs.contents import LogEntry
from sertool.core.runs.ensemble_size import EnsembleSize, read_size
from sertool.core.runs.folder import LOG, list_runs, read_history
from sertool.core.runs.imported import AGAIN, FILE, Imported
from sertool.core.runs.prediction_files import Origin, Spoken, StoredSet, read_probes, read_set, set_path
from sertool.core.runs.predictions import Predictions, divided, finite_rows, without
from sertool.core.runs.score_intervals import read_intervals
from sertool.core.runs.temperature import read_calibration
from sertool.core.training.history import MemberEpoch

SETS = ("test", "valid")  # the first that is stored is the main one

Probes = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Loaded:
    """The contents of a run's folder.

    Attributes:
        name, folder: name and folder of the run.
        origin: origin of the predictions: members, data, versions.
        recipe: the recipe of the run.
        sets: labelled sets by name, ``test`` before ``valid``, without the members of ``left_out``.
        probes: logits (E, N, C) of the same members by set and probe.
        left_out: names of the members whose logits are not finite.
        predicted: number of members including those of ``left_out``, over all folds.
        seeds: seeds of the predicted members whose folders exist.
        histories: training epochs by member.
        reads: accesses to the test labels.
        seconds: training time of all commands together; None if the log does not have it.
        asked: number of members that the last training was asked for, over all folds; None if the log does not have it.
        calibration: calibration stored with the run.
        intervals: intervals of scores stored with the run.
        size: number of averaged members stored with the run.
        problems: a sentence for each file that could not be read.
        by: unit of the intervals that the user asks for; None for the usual one.
    """

    name: str
    folder: Path
    origin: Origin
    recipe: Recipe
    sets: Mapping[str, StoredSet]
    probes: Mapping[str, Probes]
    left_out: tuple[str, ...]
    predicted: int
    seeds: tuple[int, ...]
    histories: Mapping[str, tuple[MemberEpoch, ...]]
    reads: tuple[LabelRead, ...]
    seconds: float | None
    asked: int | None
    calibration: Calibration | None
    intervals: Intervals | None
    size: EnsembleSize | None
    problems: tuple[str, ...]
    by: str | None = None

    def clusters(self, spoken: Sequence[Spoken]) -> Clusters:
        """Return the clusters of utterances of a set, over which its intervals are."""
        return clusters_of(spoken, self.by)

    @property
    def main(self) -> StoredSet:
        """The main set of the report: test, or valid if no test set is stored."""
        return next(iter(self.sets.values()))

    @property
    def is_optimistic(self) -> bool:
        """True if anything was or may be selected on test, by the recipe's protocol or by its splits."""
        return self.origin.protocol == "paper" or self.origin.selected_on_test

    @property
    def is_reference(self) -> bool:
        """True if the members are checkpoints of the reference, not runs of sertool."""
        return self.imported is None and self.main.predictions.members[0].name.endswith(".pkl")

    @property
    def has_probabilities(self) -> bool:
        """True if the logits are those of probabilities; labels that were imported alone have none."""
        return self.imported is None or self.imported.has_probabilities

    @property
    def imported(self) -> Imported | None:
        """Facts on predictions that come from elsewhere; None for trained members."""
        return self.origin.imported

    @property
    def expected(self) -> int:
        """Number of members over all folds that the last training was asked for, or else the recipe.

        It is at least the number of predicted members: whoever trains five and later asks for two has all five.
        """
        if self.is_reference or self.imported is not None:  # how many checkpoints there should be is not known
            return len(self.main.predictions.members)
        return max(self.predicted, self.asked or self.recipe.training.runs * self.origin.folds)


def load_run(folder: Path) -> Loaded:
    """Read a run's folder.

    Raises:
        DataError: there is nothing to report; the message says why and what to do.
    """
    problems: list[str] = []
    sets = _read_sets(folder, problems)
    if not sets:
        nothing = f"{folder.name}: no stored predictions: {evaluation_command(folder)}"
        raise DataError("; ".join(problems) or nothing)
    origin = next(iter(sets.values())).origin
    recipe = _recipe(origin, folder.name)
    # What is missing or damaged from here on costs a part of the report, not the run.
    seeds: tuple[int, ...] = ()
    with noting(problems):
        seeds = _seeds(folder, next(iter(sets.values())).predictions, problems)
    probes: dict[str, Probes] = {}
    for name, stored in sets.items():
        with noting(problems):
            probes[name] = read_probes(folder, stored.predictions)
    # A member is left out of all sets if it is not finite in one, so that every set is about the same members.
    finite = np.all([finite_rows(stored.predictions.logits) for stored in sets.values()], axis=0)
    kept, left_out = divided(next(iter(sets.values())).predictions.members, finite)
    predicted = len(kept) + len(left_out)
    if not kept:
        which = f"all {predicted} members have" if predicted > 1 else "its only member has"
        raise DataError(f"{folder.name}: {which} logits that are not finite")
    sets = {name: replace(stored, predictions=without(stored.predictions, finite)) for name, stored in sets.items()}
    reads, seconds, asked = read_log(folder, problems)
    calibration, intervals, size = None, None, None
    with noting(problems):
        calibration = read_calibration(folder)
    with noting(problems):
        intervals = read_intervals(folder)
    with noting(problems):
        size = read_size(folder)
    return Loaded(
        name=folder.name if origin.imported is None else origin.run,  # such as A/on/B
        folder=folder,
        origin=origin,
        recipe=recipe,
        sets=sets,
        probes={name: _finite_probes(own, finite) for name, own in probes.items()},
        left_out=left_out,
        predicted=predicted,
        seeds=seeds,
        histories=read_histories(folder, problems),
        reads=reads,
        seconds=seconds,
        asked=asked,
        calibration=calibration,
        intervals=intervals,
        size=size,
        problems=tuple(problems),
    )


def evaluation_command(folder: Path) -> str:
    """Return the command that stores the predictions that a report on a run needs."""
    if (folder / FILE).is_file():
        return AGAIN
    return run_command("ensemble", folder, "--split", "valid,test")


def _read_sets(folder: Path, problems: list[str]) -> dict[str, StoredSet]:
    """Read the labelled sets of the same members; if those of valid are not the members of test, test alone."""
    sets = {}
    for name in SETS:
        if set_path(folder, name).is_file():
            with noting(problems):
                stored = _checked(folder, read_set(folder, name), problems)
                if stored.predictions.targets is not None:
                    sets[name] = stored
    if len({_identity(stored) for stored in sets.values()}) > 1:
        problems.append(
            f"{folder.name}: test and valid were evaluated with different members or on different data, so valid "
            f"is left out: {evaluation_command(folder)}"
        )
        del sets["valid"]
    return sets


def _identity(stored: StoredSet) -> object:
    """Return everything that must be equal in two sets for k and a temperature of one to hold for the other."""
    origin, own = stored.origin, stored.predictions
    members = tuple((member.name, member.fold) for member in own.members)
    return members, own.classes, own.kind, len(own.logits), origin.recipe, origin.data_hash


def _checked(folder: Path, stored: StoredSet, problems: list[str]) -> StoredSet:
    """Return the set if its members match its logits; without its raw scores if they are out of range."""
    # Row k of the logits holds the k-th member of every fold, so every fold needs at least that many.
    own, folds = stored.predictions, Counter(member.fold for member in stored.predictions.members)
    path = set_path(folder, own.set)
    if sorted(folds) != list(range(len(folds))) or len(folds) != stored.origin.folds:
        raise DataError(f"{path}: damaged (members of {len(folds)} folds)", hint=evaluation_command(folder))
    if min(folds.values()) != len(own.logits):
        raise DataError(
            f"{path}: damaged (logits of {plural(len(own.logits), 'member')})", hint=evaluation_command(folder)
        )
    if own.scores is not None and not (np.abs(own.scores) <= 3).all():
        problems.append(f"{path}: raw scores outside -3 to 3 are ignored")
        return replace(stored, predictions=replace(own, scores=None))
    return stored


def _recipe(origin: Origin, name: str) -> Recipe:
    try:
        return validate(parse_yaml(origin.recipe, f"recipe of {name}"), f"recipe of {name}")
    except SertoolError as error:
        raise DataError(
            str(error),
            hint=f"the run was made by sertool {origin.made.get('sertool', '?')}: use that version, or train it again",
        ) from error


def _seeds(folder: Path, own: Predictions, problems: list[str]) -> tuple[int, ...]:
    finished, names = list_runs(folder), {member.name for member in own.members}
    if len(finished) > len(names):
        problems.append(
            f"{folder.name}: {len(finished)} members have finished, but the predictions are of {len(names)}: "
            f"{evaluation_command(folder)}"
        )
    return tuple(sorted({run.seed for run in finished if run.folder.name in names}))


def _finite_probes(probes: Probes, finite: NDArray[np.bool_]) -> Probes:
    rows = {name: logits[finite] for name, logits in probes.items() if logits.dtype == np.float32}
    return {name: logits for name, logits in rows.items() if finite_rows(logits).all()}


def as_sentence(error: SertoolError) -> str:
    """Write an error and its hint as one sentence of a report."""
    sentence = f"{error}; {error.hint}" if error.hint else str(error)
    return printable("; ".join(line.strip() for line in sentence.splitlines()))


@contextmanager
def noting(problems: list[str]) -> Iterator[None]:
    """Add an error that is raised inside to the problems as a sentence, and continue."""
    try:
        yield
    except SertoolError as error:
        problems.append(as_sentence(error))


def read_histories(folder: Path, problems: list[str]) -> dict[str, tuple[MemberEpoch, ...]]:
    """Read the training epochs of all members, including those that have not finished."""
    found = {}
    # By number, so that run-10 comes after run-9.
    for path in sorted(folder.glob("run-*"), key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)]):
        with noting(problems):
            if epochs := read_history(path):
                found[path.name] = tuple(epochs)
    return found


def read_log(folder: Path, problems: list[str]) -> tuple[tuple[LabelRead, ...], float | None, int | None]:
    """Read the accesses to the test labels, the seconds of training, and the members that the last one was to have."""
    path = folder / LOG
    if not path.is_file():
        problems.append(f"{path}: no such file, so it is unknown who read the test labels")
        return (), None, None
    with noting(problems):
        entries = read_typed_lines(path, LogEntry)
        reads = [_read(entry, path) for entry in entries if entry.read == READ]
        seconds = [entry.seconds for entry in entries if entry.seconds is not None]
        asked = [entry.asked for entry in entries if entry.asked]
        # A line for each command that trained.
        return tuple(reads), sum(seconds) if seconds else None, asked[-1] if asked else None
    return (), None, None


def _read(entry: LogEntry, path: Path) -> LabelRead:
    if entry.utterances is None:
        raise DataError(f"{path}: does not say how many test labels were read")
    time, by, purpose = (printable(str(text)) for text in (entry.time, entry.by, entry.purpose))
    # Earlier versions wrote no use. Their doctor was the only reader that compared no decisions with the labels.
    counted = entry.use == COUNTS or (entry.use is None and purpose.startswith("the doctor"))
    return LabelRead(time, by, purpose, COUNTS if counted else DECISIONS, entry.utterances)
