"""Names, finished members and log of a run's folder, without torch; :mod:`.checkpoint` describes all its files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sertool.core.corpora.seal import Seal
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.files import artifacts
from sertool.core.files.typed_json import read_typed, read_typed_lines
from sertool.core.runs.contents import EpochContent, RunContent
from sertool.core.runs.imported import refuse_imported
from sertool.core.runs.prediction_files import FOLDER
from sertool.core.training.history import MemberEpoch

HISTORY = "history.jsonl"
LOG = "log.jsonl"
LINEAR = "-linear"  # behind the name of a run: that of its linear probe


@dataclass(frozen=True)
class Run:
    """A finished member's folder."""

    folder: Path
    seed: int
    fold: int
    score: float
    epochs: int

    def weights(self) -> dict[str, NDArray[Any]]:
        """Read the member's parameters by name, without the member axis."""
        arrays, _ = artifacts.read_arrays(self.folder / "model.safetensors")
        return arrays


def is_done(run: Path) -> bool:
    """Check whether a member has finished training."""
    return (run / "run.json").is_file()


def list_runs(folder: Path) -> list[Run]:
    """List the finished members of a folder, best validation score first; equal scores by seed and fold.

    Raises:
        DataError: a run.json is damaged.
    """
    runs = []
    for path in folder.glob("run-*/run.json"):
        own = read_typed(path, RunContent)
        runs.append(Run(path.parent, own.seed, own.fold, own.score, own.epochs))
    # Seed and fold decide between equal scores, so that the order does not depend on the file system.
    return sorted(runs, key=lambda run: (-run.score, run.seed, run.fold))


def read_history(run: Path) -> list[MemberEpoch]:
    """Read the epochs of a member, finished or not; an empty list before its first saved epoch.

    Raises:
        DataError: the file is damaged.
    """
    path = run / HISTORY
    if not path.is_file():
        return []
    return [MemberEpoch(**dict(row)) for row in read_typed_lines(path, EpochContent)]


def append_log(folder: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Append entries to a run's log, one per line.

    Raises:
        SertoolError: the log cannot be written.
    """
    path = folder / LOG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:  # appended: what was read once stays on record
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
    except OSError as error:
        raise artifacts.write_error(path, error) from error


def runs_below(output: Path) -> list[str]:
    """List the folders in ``output`` that hold runs, of sertool or the reference, or stored predictions."""
    marks = ("recipe.yaml", "run-*/run.json", "best*.pkl", f"{FOLDER}/*.safetensors")
    folders = sorted(path for path in output.glob("[!.]*") if path.is_dir())
    return [path.name for path in folders if any(any(path.glob(mark)) for mark in marks)]


def check_folder(folder: Path, output: Path) -> None:
    """Refuse a folder without runs; the message suggests the nearest name in ``output``.

    Raises:
        UsageError: the folder does not exist, or holds no trained members.
    """
    refuse_imported(folder)
    if (folder / "recipe.yaml").is_file():  # the first file that a training writes
        return
    there = sorted(path.name for path in output.glob("[!.]*") if path.is_dir()) if output.is_dir() else []
    raise UsageError(
        f"{folder}: holds neither runs of sertool nor checkpoints of the reference (best*.pkl)"
        + did_you_mean(folder.name, there),
        hint=f"{output} holds: {', '.join(there)}" if there else f"{output} is empty; `sertool train` fills it",
    )


def log_reads(folder: Path, seal: Seal) -> None:
    """Append to the run's log who has read test labels since the last call.

    Raises:
        SertoolError: the log cannot be written.
    """
    append_log(folder, seal.reads)
    seal.reads.clear()  # only after they are on the disk
