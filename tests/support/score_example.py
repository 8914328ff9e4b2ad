"""A report on two runs of scores and one with raters' votes, and one in which every name is hostile."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scored_sets import make_score_set, make_voted_set
from stored_sets import changed, report, shuffled, write_run

from sertool.core.metrics import Estimate
from sertool.core.reports.contents import Report, SetReport
from sertool.core.runs.prediction_files import StoredSet
from sertool.core.training.history import MemberEpoch

CEILING = {
    "ccc": Estimate(0.9, 0.85, 0.94),
    "pearson": Estimate(0.92, 0.88, 0.95),
    "mae": Estimate(0.3, 0.2, 0.4),
    "rmse": Estimate(0.4, 0.3, 0.5),
    "r2": Estimate(0.8, 0.7, 0.9),
}


def write_scores(folder: Path, number: int = 130) -> Path:
    """Write runs ``scores``, ``narrow`` (drawn to the mean, with a biased speaker) and ``votes``."""
    write_run(folder / "scores", *_sets(number), probes=_probes)
    narrow = [make_score_set(name, number, slope=0.3, noise=0.05, speakers=6) for name in ("test", "valid")]
    logits = narrow[0].predictions.logits.copy()
    logits[:, [one.speaker == "test-3" for one in narrow[0].spoken]] += (0.9, 0)
    write_run(folder / "narrow", changed(narrow[0], logits=logits), narrow[1])
    ceilings = {"emotion": {"accuracy": Estimate(0.9, 0.85, 0.94)}}
    votes = [make_voted_set(name, number) for name in ("test", "valid")]
    write_run(folder / "votes", *(changed(one, ceilings=ceilings, ties=12) for one in votes))
    return folder


def scores_report(folder: Path, *names: str, number: int = 130) -> Report:
    """Report on the runs of :func:`write_scores`, the first with curves of its training."""
    made = report(write_scores(folder, number), *names)
    epochs = [MemberEpoch(epoch, 1 / epoch, 1 - 0.6 / epoch, 1e-3, "better") for epoch in range(1, 6)]
    histories = {"run-1": tuple(epochs), "run-2": tuple(epochs[:4])}
    runs = [replace(run, histories=histories) if run.name == "scores" else run for run in made.runs]
    return replace(made, runs=tuple(runs))


def _sets(number: int) -> list[StoredSet]:
    found = []
    for name in ("test", "valid"):
        stored = make_score_set(name, number, missing=9)
        found.append(changed(stored, ceilings={"valence": CEILING}))
    return found


def _probes(stored: StoredSet) -> dict[str, np.ndarray]:
    logits, other = stored.predictions.logits, shuffled(stored)
    audio = np.stack([logits[..., 0], other[..., 1]], axis=-1)
    return {"text masked": other, "text shuffled": other, "audio masked": audio, "audio shuffled": audio}


def hostile_scores(folder: Path, bad: str) -> Report:
    """Return the report on ``scores`` whose scores, speakers, texts and ids are ``bad``."""
    made = scores_report(folder, "scores", number=20)
    (run,) = made.runs
    test = _hostile(run.sets["test"], bad)
    return replace(
        made, runs=(replace(run, name=bad, class_names=(bad, bad), sets={"test": test}, findings=()),), tasks=()
    )


def _hostile(own: SetReport, bad: str) -> SetReport:
    dimensions = tuple(
        replace(one, name=bad, speakers=tuple(replace(speaker, name=bad) for speaker in one.speakers))
        for one in own.dimensions
    )
    scored = tuple(
        replace(row, id=f"{bad}{place}", text=bad, speaker=bad, dialogue=bad) for place, row in enumerate(own.scored)
    )
    slices = tuple(replace(row, name=bad) for row in own.score_slices)
    return replace(own, dimensions=dimensions, scored=scored, score_slices=slices)
