"""What is exported: members of a folder, and their corpus where it is at hand and the one they were trained on."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.compute.device import choose
from sertool.core.errors import SertoolError
from sertool.core.files import artifacts
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.inference.ensemble import Ensemble, chosen_size, open_ensemble, predict_sets
from sertool.core.metrics import Interval, uar_interval
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.folder import check_folder
from sertool.core.runs.members import Trained, TrainedMember, open_runs
from sertool.core.runs.temperature import read_calibration


@dataclass(frozen=True)
class Opened:
    """What is exported, and what is known of the data.

    Attributes:
        trained: the folder's members.
        members: that are averaged.
        k: of each fold.
        calibration: that was fitted for these members.
        ensemble: with the corpus; None where that is not at hand.
        note: what identifies the data.
    """

    trained: Trained
    members: tuple[TrainedMember, ...]
    k: int
    calibration: Calibration | None
    ensemble: Ensemble | None
    note: Mapping[str, Any]

    @property
    def experiment(self) -> Experiment | None:
        """The corpus and its division, where it is at hand."""
        return self.ensemble.experiment if self.ensemble is not None else None

    @property
    def temperature(self) -> float:
        """That logits are divided by; 1 where none was fitted."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def selected_on_test(self) -> bool:
        """Whether members were selected on the test utterances."""
        if self.experiment is not None:
            return self.experiment.selected_on_test
        splits = self.trained.recipe.splits
        return splits.scheme == "corpus" and splits.valid == splits.test


@dataclass(frozen=True)
class Figure:
    """How good the averaged members are on the test utterances; the interval only for one class an utterance."""

    utterances: int
    accuracy: float
    uar: float
    interval: Interval | None


def open_trained(name: str, output: Path, data: Path, index: int | None) -> Opened:
    """Open the members that are exported, and their corpus where it is at hand and the one they were trained on."""
    folder = output / name
    ensemble: Ensemble | None = None
    if is_reference_folder(folder):
        ensemble = open_ensemble(name, output, data)
        note: Mapping[str, Any] = corpus_note(ensemble.experiment)
    else:
        check_folder(folder, output)
        with suppress(SertoolError):  # a model may be exported where its corpus is not
            ensemble = open_ensemble(name, output, data)
        note = artifacts.read_json(folder / "corpus.json")
    trained = open_runs(folder) if ensemble is None else ensemble.trained
    k = chosen_size(trained.depth, index)
    members = trained.first(k)
    calibration = read_calibration(folder)
    if calibration is not None and not calibration.fits([member.name for member in members]):
        calibration = None
    return Opened(trained, members, k, calibration, ensemble, note)


def measure(opened: Opened) -> Figure | None:
    """The exported members on the test utterances, each fold's on its own; None where there are none to judge on."""
    ensemble, experiment = opened.ensemble, opened.experiment
    if ensemble is None or experiment is None or not all(fold.sets.get("test") for fold in experiment.folds):
        return None
    (test,) = predict_sets(ensemble, ["test"], choose("cpu", "fp32"), "sertool export")
    interval = None
    if test.kind == "single" and test.targets is not None:
        speakers = [experiment.corpus.utterances[row].speaker for row in test.utterances]
        named: Sequence[str] | None = [str(one) for one in speakers] if all(speakers) else None
        interval = uar_interval(test.targets, test.decisions(opened.k), len(test.classes), named)
    return Figure(len(test.ids), test.metric("accuracy", opened.k), test.metric("uar", opened.k), interval)
