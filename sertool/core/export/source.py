"""The source of an export: the members of a folder, and the corpus they were trained on if it is available."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sertool.core.compute.device import choose
from sertool.core.errors import SertoolError
from sertool.core.features.frontend import open_frontend
from sertool.core.features.log_mel import LogMel
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.inference.ensemble import Ensemble, open_ensemble, predict_sets
from sertool.core.metrics import Interval, clusters_of, few_by_name, uar_interval
from sertool.core.metrics.baselines import Baseline, baseline_metrics, baseline_name
from sertool.core.metrics.calibration import Calibration, why_uncalibrated
from sertool.core.metrics.classification import METRICS
from sertool.core.runs.contents import read_note
from sertool.core.runs.ensemble_size import EnsembleSize, size_for
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.folder import check_folder
from sertool.core.runs.members import Trained, TrainedMember, open_runs
from sertool.core.runs.temperature import read_calibration


@dataclass(frozen=True)
class Opened:
    """The members to export, and the known facts about their data.

    Attributes:
        trained: all members of the folder.
        members: the members to average.
        size: number of members of each fold, and where it comes from.
        calibration: calibration that was fitted for these members; None without one.
        ensemble: the members with their corpus; None if it is not available.
        note: identity of the data.
    """

    trained: Trained
    members: tuple[TrainedMember, ...]
    size: EnsembleSize
    calibration: Calibration | None
    ensemble: Ensemble | None
    note: Mapping[str, Any]

    @property
    def experiment(self) -> Experiment | None:
        """The corpus and its splits, if available."""
        return self.ensemble.experiment if self.ensemble is not None else None

    @property
    def temperature(self) -> float:
        """Divisor of the logits; 1 without a calibration."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def uncalibrated(self) -> str:
        """Reason why the probabilities are not calibrated; empty if they are."""
        return why_uncalibrated(self.calibration)

    @property
    def selected_on_test(self) -> bool:
        """True if the members, or their number, were selected on the test utterances."""
        if self.size.chosen_by == "test":
            return True
        if self.experiment is not None:
            return self.experiment.selected_on_test
        splits = self.trained.recipe.splits
        return splits.scheme == "corpus" and splits.valid == splits.test


@dataclass(frozen=True)
class Figure:
    """Figures of the averaged members on test.

    Attributes:
        utterances: number of utterances.
        accuracy, uar: of all of them.
        interval: interval of the UAR, without ends where there are too few clusters for one.
        note: sentence on the limits of the interval; empty where there are none.
        by_cluster: UAR of each cluster, lowest first, where there are too few; otherwise empty.
        baseline: figures of always the same answer on these utterances.
        speakers_note: sentence on unknown speakers; empty where all are known.
    """

    utterances: int
    accuracy: float
    uar: float
    interval: Interval
    note: str
    by_cluster: tuple[float, ...]
    baseline: Baseline
    speakers_note: str = ""


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
    calibration = read_calibration(folder)
    if calibration is not None and not calibration.fits([member.name for member in members]):
        calibration = None
    return Opened(trained, members, size, calibration, ensemble, note)


def measure(opened: Opened) -> Figure | None:
    """Evaluate the exported members on test, each fold's on its own utterances; None without test utterances."""
    ensemble, experiment = opened.ensemble, opened.experiment
    if ensemble is None or experiment is None or not all(fold.sets.get("test") for fold in experiment.folds):
        return None
    if experiment.recipe.dataset.by_speaker:
        ensemble = replace(ensemble, experiment=_nameless(experiment))
    # Of the averaged members alone, so that one that is left out does not count.
    ensemble = replace(ensemble, trained=replace(ensemble.trained, members=opened.members))
    (test,) = predict_sets(ensemble, ["test"], choose("cpu", "fp32"), "sertool export")
    assert test.targets is not None
    targets, decisions, number = test.targets, test.decisions(opened.size.k), len(test.classes)
    clusters = clusters_of([experiment.corpus.utterances[row] for row in test.utterances])
    names = [clusters.names[own] for own in clusters.index] if clusters.names else None
    return Figure(
        utterances=len(test.ids),
        accuracy=test.metric("accuracy", opened.size.k),
        uar=test.metric("uar", opened.size.k),
        interval=uar_interval(targets, decisions, number, names, unit=clusters.unit),
        note=clusters.note,
        # Without their names: a card is published.
        by_cluster=tuple(
            sorted(METRICS["uar"](targets[own], decisions[own], number) for own in few_by_name(clusters).values())
        ),
        baseline=Baseline(baseline_name(targets, test.classes), baseline_metrics(targets, number)),
        speakers_note=experiment.corpus.speakers_note,
    )


def _nameless(experiment: Experiment) -> Experiment:
    """Return an experiment whose utterances name no speaker, so that its figures are those of a bundle."""
    utterances = tuple(replace(own, speaker=None) for own in experiment.corpus.utterances)
    return replace(experiment, corpus=replace(experiment.corpus, utterances=utterances))


def log_mel_of(trained: Trained) -> LogMel | None:
    """Return the log-mel frontend that makes a model's frames, the one kind a bundle can hold; None for others."""
    maker = open_frontend(trained.recipe.frontend)
    return maker if isinstance(maker, LogMel) and maker.width == trained.audio_width else None
