"""The files of a run's folder: written while a stack trains and when a member is done, and read back.

::

    ckpt/<name>/
      recipe.yaml                     the resolved recipe
      corpus.json                     which utterances, by hash, and how they were divided
      vocabulary.json                 of the training utterances (vocabulary-<fold>.json in cross-validation)
      standardization.json            mean and standard deviation of the training frames, if the recipe asks
      scores.json                     mean and standard deviation of the training scores, of a task of scores
      log.jsonl                       members asked for, reads of test labels, end, device and seconds of trainings
      start.json                      the run that members start from, if any; see transfer_weights
      size.json                       how many members are averaged, and why; see ensemble_size
      state/group-<k>.safetensors     a stack in training; gone when it is done
      state/group-<k>.json            the stacks of a group whose members did not fit into memory together
      state/group-<k>-<i>-<j>.safetensors  one of these stacks in training, named by its first and last member
      run-<seed>[-<fold>]/            one member
        model.safetensors             its best weights
        history.jsonl                 loss, score, learning rate of every epoch
        run.json                      seed, fold, best score, start; written last, so its presence means "done"
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import parse_typed, read_typed
from sertool.core.runs.contents import (
    RUN_FORMAT,
    DivisionContent,
    StandardizationContent,
    StateContent,
    VocabularyContent,
)
from sertool.core.runs.experiment import FoldInputs
from sertool.core.runs.folder import HISTORY
from sertool.core.training.batches import Standardization
from sertool.core.training.history import MemberEpoch
from sertool.core.training.loop import Finished, Member, MemberProgress, StackState, select_members

Key = tuple[int, int]  # seed and fold of a member
RESTART = "delete it to train this group from the beginning"


def run_folder(folder: Path, member: Member, folds: int) -> Path:
    """Return the folder of a member's files."""
    suffix = f"-{member.fold}" if folds > 1 else ""
    return folder / f"run-{member.seed}{suffix}"


def write_run(run: Path, finished: Finished, select: str, rows: int, began: Mapping[str, str] | None = None) -> None:
    """Write a member that has left the stack.

    Args:
        run: folder of the member.
        finished: the member's weights and history.
        select: metric of the validation score.
        rows: rows of the embedding to keep; a stack pads its embedding to the largest vocabulary.
        began: run, member and hash of the weights that it started from; None where they were drawn at random.
    """
    progress = finished.progress
    weights = {
        name: (weight[:rows] if name.endswith("embedding.weight") else weight).cpu().numpy()
        for name, weight in finished.weights.items()
    }
    artifacts.write_arrays(run / "model.safetensors", weights)
    write_history(run, progress)
    # Last, because its presence says that the member is done: a kill before it means that the member trains again.
    artifacts.write_json(
        run / "run.json",
        {
            "format": RUN_FORMAT,
            "seed": finished.member.seed,
            "fold": finished.member.fold,
            "select": select,
            "score": progress.best,
            "epochs": len(progress.history),
            "best_epoch": max(row.epoch for row in progress.history if row.outcome.startswith("better")),
            **({"start": dict(began)} if began is not None else {}),
        },
    )


def write_history(run: Path, progress: MemberProgress) -> None:
    """Write a member's epochs so far."""
    artifacts.write_json_lines(run / HISTORY, [asdict(row) for row in progress.history])


def _fold_file(folder: Path, stem: str, fold: int, folds: int) -> Path:
    return folder / (f"{stem}-{fold}.json" if folds > 1 else f"{stem}.json")


def write_inputs(folder: Path, inputs: Sequence[FoldInputs]) -> None:
    """Write the vocabulary and the statistics of every fold."""
    for fold, own in enumerate(inputs):
        artifacts.write_json(_fold_file(folder, "vocabulary", fold, len(inputs)), own.vocabulary.to_json())
        if own.standardization is not None:
            path = _fold_file(folder, "standardization", fold, len(inputs))
            artifacts.write_json(path, asdict(own.standardization))
        if own.scores is not None:
            artifacts.write_json(_fold_file(folder, "scores", fold, len(inputs)), asdict(own.scores))


def read_inputs(folder: Path, folds: int, *, standardized: bool, scores: int = 0) -> list[FoldInputs]:
    """Read what :func:`write_inputs` wrote.

    Args:
        folder: folder of the run.
        folds: number of folds.
        standardized: there are statistics of the training frames.
        scores: number of scores of the task; 0 for classes.

    Raises:
        DataError: a file is missing or damaged.
    """
    inputs = []
    for fold in range(folds):
        path = _fold_file(folder, "vocabulary", fold, folds)
        vocabulary = Vocabulary.from_json(dict(read_typed(path, VocabularyContent)), str(path))
        standardization = _read_statistics(_fold_file(folder, "standardization", fold, folds)) if standardized else None
        own = None
        if scores:
            path = _fold_file(folder, "scores", fold, folds)
            own = _read_statistics(path)
            if len(own.mean) != scores:
                raise DataError(f"{path}: statistics of {len(own.mean)} scores, the task has {scores}")
        inputs.append(FoldInputs(vocabulary, standardization, own))
    return inputs


def _read_statistics(path: Path) -> Standardization:
    own = read_typed(path, StandardizationContent)
    if len(own.mean) != len(own.std):
        raise DataError(f"{path}: {len(own.mean)} means and {len(own.std)} standard deviations")
    return Standardization(tuple(own.mean), tuple(own.std))


def _tensors(state: StackState) -> dict[str, Tensor]:
    """Name all tensors of a stack as they are stored."""
    names = [name for name, _ in state.model.named_parameters()]
    groups: dict[str, Sequence[Tensor]] = {
        "weight": [p.detach() for p in state.model.parameters()],
        "first": state.adam.first,
        "second": state.adam.second,
        "best_weight": state.best_weights,
        "best_first": state.best_first,
        "best_second": state.best_second,
    }
    named = {
        f"{group}/{name}": tensor
        for group, tensors in groups.items()
        if tensors  # only the rollback schedule keeps the best moments
        for name, tensor in zip(names, tensors, strict=True)
    }
    return {**named, "steps": state.adam.steps, "best_steps": state.best_steps}


@dataclass(frozen=True)
class PackedState:
    """A stack between two epochs, as plain data.

    Attributes:
        header: epoch, members and the state of their schedules, see :class:`.StateContent`.
        arrays: weights and moments by name. Those of a stack on the CPU share its memory, so they are valid only
            until training continues.
    """

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def members(self) -> list[Key]:
        """(seed, fold) of each member, in order."""
        return [(seed, fold) for seed, fold in self.header["members"]]

    @property
    def epoch(self) -> int:
        """Number of epochs that are done."""
        return int(self.header["epoch"])

    @property
    def progress(self) -> list[MemberProgress]:
        """State of each member's schedule."""
        return [_read_progress(content) for content in self.header["progress"]]


def pack_state(state: StackState) -> PackedState:
    """Convert a stack between two epochs to plain data."""
    header = {
        "epoch": state.epoch,
        "members": [[member.seed, member.fold] for member in state.members],
        "progress": [asdict(progress) for progress in state.progress],
    }
    return PackedState(header, {name: tensor.cpu().numpy() for name, tensor in _tensors(state).items()})


def write_state(path: Path, packed: PackedState) -> None:
    """Write a stack between two epochs: one file, so that a kill leaves either this state or the one before."""
    artifacts.write_arrays(path, packed.arrays, {"state": json.dumps(packed.header)})


def read_state(path: Path) -> PackedState:
    """Read what :func:`write_state` wrote.

    Raises:
        DataError: the file is damaged.
    """
    arrays, metadata = artifacts.read_arrays(path)
    if "state" not in metadata:
        raise DataError(f"{path}: holds no state of a training", hint=RESTART)
    header = parse_typed(metadata["state"], StateContent, str(path), hint=RESTART)
    return PackedState(header.model_dump(mode="json"), arrays)


def select_state(packed: PackedState, members: Sequence[Key]) -> PackedState:
    """Return the state of some members of a stack, in the order of the stack."""
    keep = [place for place, key in enumerate(packed.members) if key in set(members)]
    header = {name: [packed.header[name][place] for place in keep] for name in ("members", "progress")}
    arrays = {name: array[keep] for name, array in packed.arrays.items()}
    return PackedState({**packed.header, **header}, arrays)


def write_division(path: Path, stacks: Sequence[Sequence[Key]]) -> None:
    """Write the members of the stacks into which a group was divided."""
    artifacts.write_json(path, {"stacks": stacks})


def read_division(path: Path) -> list[list[Key]]:
    """Read what :func:`write_division` wrote; no stacks if there is no such file.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return []
    return read_typed(path, DivisionContent, hint=RESTART).stacks


def restore_state(packed: PackedState, state: StackState, path: Path) -> None:
    """Restore a saved state into a freshly started stack; members that had stopped leave the stack.

    Args:
        packed: the saved state.
        state: from :func:`sertool.core.training.loop.start`; changed in place.
        path: file of the saved state, for the message.

    Raises:
        DataError: the state belongs to another run.
    """
    arrays = packed.arrays
    try:
        places = {member.key: place for place, member in enumerate(state.members)}
        # First, because it changes shapes: the saved stack may have lost members since its start.
        select_members(state, [places[key] for key in packed.members])
        for name, tensor in _tensors(state).items():
            if tensor.shape != arrays[name].shape:
                raise ValueError(f"{name} is {arrays[name].shape}, expected {tuple(tensor.shape)}")
            tensor.copy_(torch.tensor(arrays[name]))  # torch.tensor copies: arrays that came by Ray are read-only
        state.epoch = int(packed.header["epoch"])
        state.progress = packed.progress
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: does not belong to this run ({type(error).__name__}: {error})", hint=RESTART
        ) from error


def _read_progress(content: Mapping[str, Any]) -> MemberProgress:
    history = [MemberEpoch(**row) for row in content["history"]]
    return MemberProgress(content["best"], content["decays"], content["waited"], history)
