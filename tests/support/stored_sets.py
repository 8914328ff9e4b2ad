"""Folders of runs as `sertool ensemble` leaves them, made of random numbers without training."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import CLASSES, tiny_recipe

from sertool.core.metrics.calibration import calibrate
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.metrics.clusters import clusters_of
from sertool.core.recipe.load import resolved
from sertool.core.recipe.schema import Recipe
from sertool.core.reports.build import build_report
from sertool.core.reports.contents import Report, RunReport
from sertool.core.runs.ensemble_size import EnsembleSize, choose_size, write_size
from sertool.core.runs.folder import runs_below
from sertool.core.runs.prediction_files import Origin, Spoken, StoredSet, write_probes, write_set
from sertool.core.runs.predictions import MemberScore, Predictions, divided, finite_rows, without
from sertool.core.runs.temperature import write_calibration

MEMBERS = 3
SHARPNESS = 3.0  # of true logits: about 80 % of labels are the likeliest class


def make_origin(recipe: Recipe | None = None, **changes) -> Origin:
    """Describe a clean run of the tiny recipe, honest and seen by no other run; ``changes`` replace fields."""
    recipe = recipe or tiny_recipe()
    origin = Origin(
        run=recipe.name,
        recipe=resolved(recipe),
        recipe_name=recipe.name,
        dataset="TINY",
        task="emotion",
        rule="name",
        protocol=recipe.protocol,
        selected_on_test=False,
        synthetic=False,
        machine_text=False,
        started_from=None,
        seen_in_test=0,
        data_hash="0123abcd",
        folds=1,
        counts={"train": 800, "valid": 200, "test": 400},
        train_classes=[300, 250, 250],
        doctor=[],
        made={"time": "2026-01-02T03:04:05Z", "device": "CPU", "precision": "fp32", "sertool": "0.1.0"},
    )
    return replace(origin, **changes)


def make_set(
    name: str = "test",
    number: int = 400,
    *,
    origin: Origin | None = None,
    classes: Sequence[str] = CLASSES,
    kind: str = "single",
    members: int = MEMBERS,
    speakers: int = 10,
    seed: int = 1,
) -> StoredSet:
    """Predictions whose probabilities are right: labels are drawn by them, and members add a little noise."""
    random = np.random.default_rng([seed, name == "test"])
    true = random.normal(0, SHARPNESS, (number, len(classes)))
    if kind == "multi":
        targets = (random.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.int64)
    else:
        targets = (true + random.gumbel(size=true.shape)).argmax(-1)
    logits = (true + random.normal(0, 0.5, (members, *true.shape))).astype(np.float32)
    words = random.integers(1, 13, number).tolist()
    spoken = tuple(
        Spoken(
            text=" ".join(["word"] * words[row]),
            speaker=f"{name}-{row % speakers}",
            session=None,
            dialogue=None,
            video=None,
            gender="fm"[row % speakers % 2],
            seconds=words[row] / 2.5,
            words=words[row],
            frames=5 * words[row],
        )
        for row in range(number)
    )
    scores = [METRICS["accuracy"](targets, decide(one, kind), len(classes)) for one in logits]
    own = Predictions(
        set=name,
        utterances=tuple(range(number)),
        ids=tuple(f"{name}{row}" for row in range(number)),
        logits=logits,
        targets=targets,
        kind=kind,
        classes=tuple(classes),
        members=tuple(MemberScore(f"run-{place + 1}", 0, score, 0.8) for place, score in enumerate(scores)),
    )
    return StoredSet(origin or make_origin(), own, spoken)


def in_dialogues(stored: StoredSet, length: int = 20) -> StoredSet:
    """Return the set as dialogues of so many utterances, in which the speakers take turns, or now and then go on."""
    placed = []
    for row, one in enumerate(stored.spoken):
        before = stored.spoken[row - 1].speaker
        follows = None if row % length == 0 else "same" if one.speaker == before else "another"
        dialogue = f"{stored.predictions.set}-{row // length}"
        placed.append(replace(one, dialogue=dialogue, turn=row % length + 1, follows=follows))
    return replace(stored, spoken=tuple(placed))


def changed(stored: StoredSet, **changes) -> StoredSet:
    """Return the set with other values in its predictions."""
    return replace(stored, predictions=replace(stored.predictions, **changes))


def shuffled(stored: StoredSet, seed: int = 5) -> np.ndarray:
    """Exchange the logits among the utterances, as a probe does that costs much accuracy."""
    order = np.random.default_rng(seed).permutation(len(stored.predictions.ids))
    return stored.predictions.logits[:, order]


def write_run(
    folder: Path,
    *sets: StoredSet,
    probes: Callable[[StoredSet], dict[str, np.ndarray]] | None = None,
    calibrated: bool = True,
    judged: int = 1,
    sized: bool = True,
) -> Path:
    """Put sets into a run's folder, with probes, a calibration of all members and a log; returns the folder.

    The size of the ensemble is chosen as by `sertool ensemble`, but for ``sized`` False, as in older versions.
    """
    for stored in sets:
        write_set(folder, stored)
        if probes is not None:
            write_probes(folder, stored.predictions, probes(stored))
        own = stored.predictions
        if own.set == "valid" and calibrated and own.kind != "scores":
            names = [member.name for member in own.members]
            logits = own.ensemble_logits(len(own.logits))
            write_calibration(
                folder, calibrate(logits, own.targets, own.kind, members=names, clusters=clusters_of(stored.spoken))
            )
    finite = np.all([finite_rows(one.predictions.logits) for one in sets], axis=0)
    if sized and finite.any():
        write_size(folder, _size(sets, finite))
    looks = [{"by": "sertool train", "purpose": "the doctor counted the classes of every split"}]
    looks += [{"by": "sertool ensemble", "purpose": "judged 3 members"}] * judged
    entries = [{"read": "test labels", "time": "2026-01-02T03:04:05Z", "utterances": 400, **look} for look in looks]
    entries.insert(1, {"finished": "2026-01-02T03:04:05Z", "seconds": 7.5})
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return folder


def _size(sets: Sequence[StoredSet], finite: np.ndarray) -> EnsembleSize:
    """Choose the size of the ensemble as evaluate does, among the members whose logits are finite."""
    by_name = {one.predictions.set: one for one in sets}
    usable = {name: without(one.predictions, finite) for name, one in by_name.items()}
    origin = sets[0].origin
    on_test = origin.protocol == "paper" or origin.selected_on_test
    clusters = None if on_test else clusters_of(by_name["valid"].spoken if "valid" in by_name else ())
    left_out = divided(sets[0].predictions.members, finite)[1]
    select = "ccc" if sets[0].predictions.kind == "scores" else "accuracy"
    return replace(choose_size(usable, select, clusters), left_out=left_out)


def report(folder: Path, *names: str, **options) -> Report:
    """Build the report on the runs in a folder, without any corpora."""
    return build_report(names or runs_below(folder), folder, folder / "nodata", **options)


def only(folder: Path) -> RunReport:
    """Build the report of the only run in a folder."""
    (run,) = report(folder).runs
    return run
