"""The finished members of a run's folder, without what it takes to run them; see checkpoint for the whole folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sertool.core import artifacts
from sertool.core.errors import DataError
from sertool.core.history import MemberEpoch

RUN_FORMAT = "sertool-run/1"
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Run:
    """A finished member as it lies on the disk."""

    folder: Path
    seed: int
    fold: int
    score: float
    epochs: int

    def weights(self) -> dict[str, NDArray[Any]]:
        """Its parameters by name, without the member axis."""
        arrays, _ = artifacts.read_arrays(self.folder / "model.safetensors")
        return arrays


def is_done(run: Path) -> bool:
    """Whether a member's folder is complete."""
    return (run / "run.json").is_file()


def list_runs(folder: Path) -> list[Run]:
    """The finished members of a folder, best validation score first, equal ones by seed and fold.

    Raises:
        DataError: a run.json is damaged.
    """
    runs = []
    for path in folder.glob("run-*/run.json"):
        content = artifacts.read_json(path)
        try:
            if content["format"] != RUN_FORMAT:
                raise DataError(f"{path}: format {content['format']!r}, expected {RUN_FORMAT}")
            runs.append(
                Run(
                    path.parent,
                    int(content["seed"]),
                    int(content["fold"]),
                    float(content["score"]),
                    int(content["epochs"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: damaged ({type(error).__name__}: {error})") from error
    return sorted(runs, key=lambda run: (-run.score, run.seed, run.fold))


def read_history(run: Path) -> list[MemberEpoch]:
    """The epochs of a member, finished or not; none where nothing was written yet.

    Raises:
        DataError: the file is damaged.
    """
    path = run / HISTORY
    if not path.is_file():
        return []
    return [_epoch(row, path) for row in artifacts.read_json_lines(path)]


def _epoch(row: Mapping[str, Any], path: Path) -> MemberEpoch:
    try:
        return MemberEpoch(
            int(row["epoch"]),
            float(row["loss"]),
            float(row["score"]),
            float(row["learning_rate"]),
            str(row["outcome"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged ({type(error).__name__}: {error})") from error
