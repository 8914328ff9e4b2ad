"""A run's folder as a report needs it: predictions, probes, histories, log and calibration, as far as they can be read.

What cannot be read is told in a sentence; a folder is given up only where nothing is left to report.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.seal import READ
from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts
from sertool.core.files.yaml_file import parse_yaml
from sertool.core.formatting import printable
from sertool.core.metrics.calibration import Calibration
from sertool.core.recipe.load import validate
from sertool.core.recipe.schema import Recipe
from sertool.core.reports.contents import LabelRead
from sertool.core.runs.folder import LOG, list_runs, read_history
from sertool.core.runs.prediction_files import Origin, StoredSet, read_probes, read_set, set_path
from sertool.core.runs.predictions import MemberScore, Predictions
from sertool.core.runs.temperature import read_calibration
from sertool.core.training.history import MemberEpoch

SETS = ("test", "valid")
LARGEST = 1e30  # of a logit: sums of float32 beyond it overflow, so it is no more finite than NaN

Probes = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Loaded:
    """What a run's folder holds.

    Attributes:
        name, folder: of the run.
        origin: what the predictions were made by and on.
        recipe: the run's own.
        sets: labelled sets by name, ``test`` before ``valid``, without the members of ``left_out``.
        probes: logits (E, N, C) of the same members by set and probe.
        left_out: names of the members whose logits are not finite.
        predicted: how many members there were with them, over all folds.
        seeds: of the predicted members, where their folders are there.
        histories: epochs by member's name.
        reads: of test labels.
        seconds: of training, all commands together; None where the log does not tell.
        calibration: as stored with the run.
        problems: what could not be read, a sentence each.
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
    calibration: Calibration | None
    problems: tuple[str, ...]

    @property
    def main(self) -> StoredSet:
        """The set that figures are first of all about: test, where it is stored."""
        return next(iter(self.sets.values()))

    @property
    def flattered(self) -> bool:
        """Whether anything was or may be selected on test, by the recipe's protocol or by its division."""
        return self.origin.protocol == "paper" or self.origin.selected_on_test

    @property
    def is_reference(self) -> bool:
        """Whether the members are checkpoints of the reference, not runs of sertool."""
        return self.main.predictions.members[0].name.endswith(".pkl")


def load_run(folder: Path) -> Loaded:
    """Read a run's folder.

    Raises:
        DataError: there is nothing to report; the message says why, the hint what to do.
    """
    problems: list[str] = []
    sets = _read_sets(folder, problems)
    if not sets:
        nothing = f"{folder.name}: no stored predictions: {evaluation_command(folder.name)}"
        raise DataError("; ".join(problems) or nothing)
    origin = next(iter(sets.values())).origin
    recipe = _recipe(origin, folder.name)
    seeds: tuple[int, ...] = ()
    with telling(problems):
        seeds = _seeds(folder, next(iter(sets.values())).predictions, problems)
    probes: dict[str, Probes] = {}
    for name, stored in sets.items():
        with telling(problems):
            probes[name] = read_probes(folder, stored.predictions)
    finite = np.all([_finite(stored.predictions.logits) for stored in sets.values()], axis=0)
    kept, left_out = _divided(next(iter(sets.values())).predictions.members, finite)
    predicted = len(kept) + len(left_out)
    if not kept:
        raise DataError(f"{folder.name}: all {predicted} members have logits that are not finite")
    sets = {name: _without(stored, kept, finite) for name, stored in sets.items()}
    reads, seconds = read_log(folder, problems)
    calibration = None
    with telling(problems):
        calibration = read_calibration(folder)
    return Loaded(
        name=folder.name,
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
        calibration=calibration,
        problems=tuple(problems),
    )


def evaluation_command(name: str) -> str:
    """The command that stores what a report needs."""
    return f"sertool ensemble --name {name} --sets valid,test"


def _read_sets(folder: Path, problems: list[str]) -> dict[str, StoredSet]:
    """The labelled sets that belong together; where valid is not of the members of test, test alone."""
    sets = {}
    for name in SETS:
        if set_path(folder, name).is_file():
            with telling(problems):
                stored = _checked(folder, read_set(folder, name), problems)
                if stored.predictions.targets is not None:
                    sets[name] = stored
    if len({_identity(stored) for stored in sets.values()}) > 1:
        problems.append(
            f"{folder.name}: test and valid were evaluated with different members or on different data, so valid "
            f"is left out: {evaluation_command(folder.name)}"
        )
        del sets["valid"]
    return sets


def _identity(stored: StoredSet) -> object:
    origin, own = stored.origin, stored.predictions
    members = tuple((member.name, member.fold) for member in own.members)
    return members, own.classes, own.kind, len(own.logits), origin.recipe, origin.data_hash


def _checked(folder: Path, stored: StoredSet, problems: list[str]) -> StoredSet:
    """The set, if its members are as many as its logits; without raw scores that are none."""
    own, folds = stored.predictions, Counter(member.fold for member in stored.predictions.members)
    path = set_path(folder, own.set)
    if sorted(folds) != list(range(len(folds))) or len(folds) != stored.origin.folds:
        raise DataError(
            f"{path}: damaged (members of {len(folds)} folds)", hint=evaluation_command(folder.name)
        )
    if min(folds.values()) != len(own.logits):
        raise DataError(
            f"{path}: damaged (logits of {len(own.logits)} members)", hint=evaluation_command(folder.name)
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
            f"{evaluation_command(folder.name)}"
        )
    return tuple(sorted({run.seed for run in finished if run.folder.name in names}))


def _finite(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(E,) whether a row of logits (E, N, C) can be computed with."""
    return np.asarray((np.abs(logits) < LARGEST).all((1, 2)))


def _divided(
    members: Sequence[MemberScore], finite: NDArray[np.bool_]
) -> tuple[tuple[MemberScore, ...], tuple[str, ...]]:
    """Members whose row of logits is finite, and the names of the others; row k is that of every fold's k-th."""
    seen: Counter[int] = Counter()
    kept, left_out = [], []
    for member in members:
        rank = seen[member.fold]
        seen[member.fold] += 1
        if rank >= len(finite) or finite[rank]:
            kept.append(member)
        else:
            left_out.append(member.name)
    return tuple(kept) if finite.any() else (), tuple(left_out)


def _without(stored: StoredSet, kept: tuple[MemberScore, ...], finite: NDArray[np.bool_]) -> StoredSet:
    own = stored.predictions
    names = {(member.name, member.fold) for member in kept}
    members = tuple(member for member in own.members if (member.name, member.fold) in names)
    return replace(stored, predictions=replace(own, logits=own.logits[finite], members=members))


def _finite_probes(probes: Probes, finite: NDArray[np.bool_]) -> Probes:
    rows = {name: logits[finite] for name, logits in probes.items() if logits.dtype == np.float32}
    return {name: logits for name, logits in rows.items() if _finite(logits).all()}


def told(error: SertoolError) -> str:
    """An error as one sentence of a report."""
    sentence = f"{error}; {error.hint}" if error.hint else str(error)
    return printable("; ".join(line.strip() for line in sentence.splitlines()))


@contextmanager
def telling(problems: list[str]) -> Iterator[None]:
    """What goes wrong inside becomes a sentence."""
    try:
        yield
    except SertoolError as error:
        problems.append(told(error))


def read_histories(folder: Path, problems: list[str]) -> dict[str, tuple[MemberEpoch, ...]]:
    """Epochs of all members, also of those that are not finished."""
    found = {}
    for path in sorted(folder.glob("run-*"), key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)]):
        with telling(problems):
            if epochs := read_history(path):
                found[path.name] = tuple(epochs)
    return found


def read_log(folder: Path, problems: list[str]) -> tuple[tuple[LabelRead, ...], float | None]:
    """Who read test labels, and the seconds of training."""
    path = folder / LOG
    if not path.is_file():
        problems.append(f"{path}: no such file, so it is unknown who read the test labels")
        return (), None
    with telling(problems):
        entries = artifacts.read_json_lines(path)
        reads = [_read(entry, path) for entry in entries if entry.get("read") == READ]
        seconds = [_number(entry["seconds"], path) for entry in entries if "seconds" in entry]
        return tuple(reads), sum(seconds) if seconds else None
    return (), None


def _read(entry: Mapping[str, Any], path: Path) -> LabelRead:
    number = entry.get("utterances")
    if type(number) is not int:
        raise DataError(f"{path}: damaged (utterances: {number!r:.40})")
    time, by, purpose = (printable(str(entry.get(key, "?"))) for key in ("time", "by", "purpose"))
    return LabelRead(time, by, purpose, number)


def _number(value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{path}: damaged (seconds: {value!r:.40})")
    return float(value)
