"""Stored predictions of a run. They hold all that a report needs, so it never opens the model or the corpus.

::

    ckpt/<name>/predictions/
      test.safetensors           logits (E, N, C), targets, scores, votes, and facts about run and utterances
      test-probes.safetensors    logits of the same members with a modality masked or shuffled
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from sertool.core.command_line import run_command
from sertool.core.corpora.tasks import current_names
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import parse_typed
from sertool.core.metrics import Estimate
from sertool.core.runs.contents import PREDICTIONS_FORMAT, PROBES_FORMAT, FactsContent, ProbesContent
from sertool.core.runs.imported import AGAIN, FILE, Imported, plain_imported
from sertool.core.runs.predictions import MemberScore, Predictions

FOLDER = "predictions"
SAME, ANOTHER = "same", "another"  # speaker of the utterance before, see ``Spoken.follows``
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Origin:
    """Model, data and software that predictions come from.

    Attributes:
        run: name of the folder of the members.
        recipe: resolved recipe, as YAML.
        recipe_name: name of the recipe.
        dataset: name of the corpus.
        task, rule: name and rule of the :class:`~sertool.core.corpora.tasks.Task`.
        protocol: ``paper`` or ``honest``.
        selected_on_test: a fold validated on its test utterances.
        synthetic, machine_text: caveats of the corpus.
        started_from: run whose weights the members started from, if any.
        seen_in_test: number of test utterances that run was trained or selected on.
        data_hash: hash of the corpus and its division.
        folds: number of folds; 1 without cross-validation.
        counts: utterances by set, over all folds.
        train_classes: training utterances of each class.
        doctor: findings of `sertool doctor`, as (kind, severity, text); None where it was not run.
        made: time, device, precision and versions.
        trained: training utterances of each fold; None in files of earlier versions.
        train_means: mean of each score over the training utterances of all folds; None for classes.
        imported: facts on predictions that no run made that was trained here; None for those of trained members.
        map: facts on the recipe's label map, as JSON; None without one, and for imported predictions, which have it.
    """

    run: str
    recipe: str
    recipe_name: str
    dataset: str
    task: str
    rule: str
    protocol: str
    selected_on_test: bool
    synthetic: bool
    machine_text: bool
    started_from: str | None
    seen_in_test: int
    data_hash: str
    folds: int
    counts: dict[str, int]
    train_classes: list[int]
    doctor: list[list[str]] | None
    made: dict[str, str]
    trained: list[int] | None = None
    train_means: list[float] | None = None
    imported: Imported | None = None
    map: Mapping[str, Any] | None = None

    @property
    def train_sizes(self) -> tuple[int, ...]:
        """Training utterances of each fold; empty where only their number over all folds is known."""
        if self.trained is None:
            return () if self.folds > 1 or not self.counts.get("train") else (self.counts["train"],)
        return tuple(self.trained)


@dataclass(frozen=True)
class Spoken:
    """Facts about an utterance besides its label; words and frames are 0 where the modality is missing.

    ``turn`` is its position in its dialogue, from 1; None without a dialogue. ``follows`` says whether the utterance
    before it, of any set, is by the ``same`` speaker or by ``another``; None where that is unknown, and for the first.
    ``corpus`` is the one that it comes from, where several were joined.
    """

    text: str
    speaker: str | None
    session: str | None
    dialogue: str | None
    video: str | None
    gender: str | None
    seconds: float | None
    words: int
    frames: int
    turn: int | None = None
    follows: str | None = None
    corpus: str | None = None


@dataclass(frozen=True)
class StoredSet:
    """The predictions of a run on a set.

    Attributes:
        origin: model, data and software that they come from.
        predictions: logits, targets, members.
        spoken: facts about each utterance.
    """

    origin: Origin
    predictions: Predictions
    spoken: tuple[Spoken, ...]


def set_path(folder: Path, name: str) -> Path:
    """Return the file of a set's predictions in a run's folder."""
    return folder / FOLDER / f"{name}.safetensors"


def probes_path(folder: Path, name: str) -> Path:
    """Return the file of the probes of a set."""
    return folder / FOLDER / f"{name}-probes.safetensors"


def write_set(folder: Path, stored: StoredSet) -> None:
    """Store predictions in a run's folder.

    Raises:
        SertoolError: the file cannot be written.
    """
    own = stored.predictions
    facts = {
        "format": PREDICTIONS_FORMAT,
        "set": own.set,
        "kind": own.kind,
        "classes": own.classes,
        **({"ranges": own.ranges, "clip": own.clip} if own.ranges else {}),
        **({"ceilings": _plain(own.ceilings)} if own.ceilings else {}),
        **({"ties": own.ties} if own.ties is not None else {}),
        "members": [asdict(member) for member in own.members],
        "origin": _plain_origin(stored.origin),
        "ids": own.ids,
        "spoken": _columns(stored.spoken),
    }
    arrays: dict[str, NDArray[Any]] = {
        "logits": own.logits,
        "positions": np.array(own.utterances, np.int64),
        # As an array of bytes: the header of a safetensors file may be too short for the texts of a large set.
        "facts": np.frombuffer(json.dumps(facts, ensure_ascii=False).encode(), np.uint8),
    }
    if own.targets is not None:
        arrays["targets"] = own.targets
    if own.scores is not None:
        arrays["scores"] = own.scores
    if own.votes is not None:
        arrays["votes"] = own.votes
    artifacts.write_arrays(set_path(folder, own.set), arrays)


def _columns(spoken: Sequence[Spoken]) -> dict[str, list[Any]]:
    """Return facts about utterances by column; that of the corpora is left out where none were joined."""
    columns = {field.name: [getattr(one, field.name) for one in spoken] for field in fields(Spoken)}
    return {name: own for name, own in columns.items() if name != "corpus" or any(own)}


def _plain_origin(origin: Origin) -> dict[str, Any]:
    """Return an origin as plain data; facts of imported predictions and of a label map are left out without them."""
    content = asdict(origin)
    del content["imported"]
    if origin.map is None:
        del content["map"]
    return content if origin.imported is None else {**content, "imported": plain_imported(origin.imported)}


def _origin(facts: FactsContent) -> Origin:
    imported, label_map = facts.origin.imported, facts.origin.map
    plain = {
        "imported": None if imported is None else imported.facts(),
        "map": None if label_map is None else label_map.model_dump(),
    }
    return Origin(**{**dict(facts.origin), **plain})


def _plain(ceilings: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, dict[str, float | None]]]:
    return {task: {key: asdict(one) for key, one in figures.items()} for task, figures in ceilings.items()}


def stored_sets(folder: Path) -> list[str]:
    """List the names of the sets whose predictions lie in a run's folder."""
    there = (folder / FOLDER).glob("*.safetensors")
    return sorted(path.stem for path in there if not path.stem.endswith("-probes"))


def read_set(folder: Path, name: str) -> StoredSet:
    """Read what :func:`write_set` wrote.

    Raises:
        DataError: the file is missing, damaged or of another version.
    """
    path = set_path(folder, name)
    arrays, _ = artifacts.read_arrays(path)
    again = AGAIN if (folder / FILE).is_file() else f"recreate it: {run_command('ensemble', folder)}"
    facts = _facts(arrays, FactsContent, path, again)
    try:
        stored = StoredSet(_origin(facts), _predictions(facts, arrays), _spoken(facts))
        _check(stored, name)
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: damaged ({type(error).__name__}: {error!s:.120})", hint=again) from error
    return stored


def _facts(arrays: dict[str, NDArray[Any]], model: type[M], path: Path, hint: str) -> M:
    """Take the array of facts out of the others, and read it."""
    if "facts" not in arrays:
        raise DataError(f"{path}: damaged (it holds no facts)", hint=hint)
    return parse_typed(arrays.pop("facts").tobytes(), model, str(path), hint=hint)


def write_probes(folder: Path, predictions: Predictions, probes: Mapping[str, NDArray[np.float32]]) -> None:
    """Store the logits (E, N, C) of probes by name, beside the predictions they belong to.

    Raises:
        SertoolError: the file cannot be written.
    """
    names = json.dumps([member.name for member in predictions.members])
    described = {"format": PROBES_FORMAT, "members": names, "ids": json.dumps(predictions.ids)}
    note = np.frombuffer(json.dumps(described).encode(), np.uint8)
    artifacts.write_arrays(probes_path(folder, predictions.set), {**probes, "facts": note})


def read_probes(folder: Path, predictions: Predictions) -> dict[str, NDArray[np.float32]]:
    """Read the probes of predictions by name; an empty dict where none are stored.

    Raises:
        DataError: the file is damaged, or belongs to other predictions.
    """
    path = probes_path(folder, predictions.set)
    if not path.is_file():
        return {}
    arrays, _ = artifacts.read_arrays(path)
    again = f"recreate them: {run_command('ensemble', folder, '--split', predictions.set, '--probe')}"
    facts = _facts(arrays, ProbesContent, path, again)
    names = [member.name for member in predictions.members]
    try:
        if json.loads(facts.members) != names or json.loads(facts.ids) != list(predictions.ids):
            raise ValueError("they belong to other predictions")
        if any(array.shape != predictions.logits.shape for array in arrays.values()):
            raise ValueError("their shape is not that of the predictions")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be used ({type(error).__name__}: {error!s:.120})", hint=again) from error
    return arrays


def _predictions(facts: FactsContent, arrays: Mapping[str, NDArray[Any]]) -> Predictions:
    return Predictions(
        set=facts.set,
        utterances=tuple(arrays["positions"].tolist()),
        ids=tuple(facts.ids),
        logits=arrays["logits"],
        targets=arrays.get("targets"),
        kind=facts.kind,
        classes=current_names(facts.origin.rule, facts.classes),
        members=tuple(
            MemberScore(own.name, own.fold, own.accuracy, own.validation, dict(own.figures)) for own in facts.members
        ),
        scores=arrays.get("scores"),
        votes=arrays.get("votes"),
        ranges=facts.ranges,
        clip=facts.clip,
        ceilings={
            task: {key: Estimate(one.value, one.low, one.high) for key, one in figures.items()}
            for task, figures in facts.ceilings.items()
        },
        ties=facts.ties,
    )


def _spoken(facts: FactsContent) -> tuple[Spoken, ...]:
    # A column that earlier versions did not store is None, and None for every utterance.
    columns = [
        [None] * len(facts.ids) if (own := getattr(facts.spoken, field.name)) is None else own
        for field in fields(Spoken)
    ]
    if any(len(column) != len(facts.ids) for column in columns):
        raise ValueError("a column has another length than the list of utterances")
    return tuple(Spoken(*row) for row in zip(*columns, strict=True))


def _check(stored: StoredSet, name: str) -> None:
    """Check that everything in a file fits together, so that a report can rely on it."""
    own, number = stored.predictions, len(stored.predictions.ids)
    if own.set != name:
        raise ValueError(f"it holds the set {own.set!r}")
    # Ids are unique in a split, and folds as well as answers of another tool may be about several splits.
    names = own.ids if stored.origin.imported is None else own.utterances
    if not number or (len(set(names)) < number and stored.origin.folds == 1):
        raise ValueError("no utterances, or one of them occurs twice")
    if own.logits.dtype != np.float32 or own.logits.shape[1:] != (number, len(own.classes)):
        raise ValueError(f"logits are {own.logits.dtype} {own.logits.shape}")
    if not len(own.logits) or len(own.utterances) != number or not all(type(row) is int for row in own.utterances):
        raise ValueError("no members, or positions that do not fit")
    if own.targets is not None and not _targets_fit(own, own.targets):
        raise ValueError("targets do not fit")
    if len(own.ranges) != (len(own.classes) if own.kind == "scores" else 0):
        raise ValueError("ranges do not fit")
    if own.votes is not None and not _are_votes(own.votes, (number, len(own.classes))):
        raise ValueError("votes do not fit")
    if own.scores is not None and (own.scores.shape != (number,) or own.scores.dtype != np.float64):
        raise ValueError("scores do not fit")


def _targets_fit(own: Predictions, targets: NDArray[Any]) -> bool:
    shape = (len(own.ids),) if own.kind == "single" else (len(own.ids), len(own.classes))
    if targets.shape != shape:
        return False
    if own.kind == "scores":
        if targets.dtype != np.float64 or len(own.ranges) != len(own.classes):
            return False
        low, high = np.array(own.ranges).T
        return bool((np.isnan(targets) | ((targets >= low) & (targets <= high))).all())
    classes = 2 if own.kind == "multi" else len(own.classes)
    return bool(targets.dtype == np.int64 and targets.min() >= 0 and targets.max() < classes)


def _are_votes(votes: NDArray[Any], shape: tuple[int, int]) -> bool:
    if votes.dtype != np.float64 or votes.shape != shape:
        return False
    known = votes[~np.isnan(votes).any(1)]
    return bool((known >= 0).all() and np.allclose(known.sum(1), 1))
