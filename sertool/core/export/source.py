"""The source of an export: the members of a folder, and the corpus they were trained on if it is available."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.errors import SertoolError
from sertool.core.features.frontend import open_frontend
from sertool.core.features.log_mel import LogMel
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.inference.certainty import Certainty, read_certainty
from sertool.core.inference.ensemble import Ensemble, open_ensemble
from sertool.core.runs.contents import read_note
from sertool.core.runs.ensemble_size import EnsembleSize, size_for
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.folder import check_folder
from sertool.core.runs.members import Trained, TrainedMember, open_runs


@dataclass(frozen=True)
class Opened:
    """The members to export, and the known facts about their data.

    Attributes:
        trained: all members of the folder.
        members: the members to average.
        size: number of members of each fold, and where it comes from.
        certainty: temperature or intervals that were fitted for these members, or why there are none.
        ensemble: the members with their corpus; None if it is not available.
        note: identity of the data.
    """

    trained: Trained
    members: tuple[TrainedMember, ...]
    size: EnsembleSize
    certainty: Certainty
    ensemble: Ensemble | None
    note: Mapping[str, Any]

    @property
    def experiment(self) -> Experiment | None:
        """The corpus and its splits, if available."""
        return self.ensemble.experiment if self.ensemble is not None else None

    @property
    def temperature(self) -> float:
        """Divisor of the logits; 1 without a calibration."""
        calibration = self.certainty.calibration
        return calibration.temperature if calibration else 1.0

    @property
    def selected_on_test(self) -> bool:
        """True if the members, or their number, were selected on the test utterances."""
        if self.size.chosen_by == "test":
            return True
        if self.experiment is not None:
            return self.experiment.selected_on_test
        splits = self.trained.recipe.splits
        return splits.scheme == "corpus" and splits.valid == splits.test


def open_trained(name: str, output: Path, data: Path, index: int | None) -> Opened:
    """Open the members to export, and the corpus they were trained on if it is available."""
    folder = output / name
    ensemble: Ensemble | None = None
    if is_reference_folder(folder):
        ensemble = open_ensemble(name, output, data)
        note: Mapping[str, Any] = corpus_note(ensemble.experiment)
    else:
        check_folder(folder, output)
        with suppress(SertoolError):  # a model may be exported where its corpus is not
            ensemble = open_ensemble(name, output, data)
        note = read_note(folder).model_dump()
    trained = open_runs(folder) if ensemble is None else ensemble.trained
    size = size_for(folder, trained.members, index)
    members = size.chosen(trained.members)
    certainty = read_certainty(folder, trained.task, [member.name for member in members])
    return Opened(trained, members, size, certainty, ensemble, note)


def log_mel_of(trained: Trained) -> LogMel | None:
    """Return the log-mel frontend that makes a model's frames, the one kind a bundle can hold; None for others."""
    maker = open_frontend(trained.recipe.frontend)
    return maker if isinstance(maker, LogMel) and maker.width == trained.audio_width else None
