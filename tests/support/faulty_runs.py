"""Stored runs with one thing wrong each, for tests of the findings of a report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import tiny_recipe
from scored_sets import make_score_set
from stored_sets import changed, in_dialogues, make_origin, make_set, shuffled, write_run

from sertool.core.reports.contents import RunReport
from sertool.core.reports.score_findings import SCORE_KINDS, SCORE_NOTES
from sertool.core.runs.imported import Imported
from sertool.core.runs.prediction_files import StoredSet

PAPER = tiny_recipe(protocol="paper")
PAPERS = make_origin(PAPER, selected_on_test=True)


def kinds(run: RunReport) -> list[str]:
    return [found.kind for found in run.findings]


def text(run: RunReport, kind: str) -> str:
    (found,) = [found.text for found in run.findings if found.kind == kind]
    return found


def planted(kind: str, folder: Path) -> None:
    """A run with one thing wrong."""
    if kind in (*SCORE_KINDS, *SCORE_NOTES):
        planted_scores(kind, folder)
        return
    test, valid, options = make_set("test"), make_set("valid", 200), {}
    own, random = test.predictions, np.random.default_rng(1)
    if kind == "miscalibrated":
        noisy = random.random(400) < 0.4
        test = changed(test, targets=np.where(noisy, random.integers(0, 3, 400), own.targets))
    elif kind == "weak-slice":
        women = np.array([one.gender == "f" for one in test.spoken])
        test = changed(test, targets=np.where(women & (random.random(400) < 0.5), 0, own.targets))
    elif kind in ("ignores-audio", "ignores-text"):
        ignored = kind.removeprefix("ignores-")
        other = {"audio": "text", "text": "audio"}[ignored]
        options["probes"] = lambda stored: {
            f"{ignored} shuffled": stored.predictions.logits,
            f"{ignored} masked": stored.predictions.logits,
            f"{other} shuffled": shuffled(stored),
            f"{other} masked": shuffled(stored, 6),
        }
    elif kind == "ignores-context":
        test, valid = (in_dialogues(one) for one in (test, valid))
        options["probes"] = lambda stored: {
            **{f"context {how}": stored.predictions.logits for how in ("masked", "shuffled")},
            **{f"{name} {how}": shuffled(stored) for name in ("audio", "text") for how in ("masked", "shuffled")},
        }
    elif kind == "never-predicted":
        logits = own.logits.copy()
        logits[:, :, 2] = -20
        test = changed(test, logits=logits)
    elif kind == "no-better-than-majority":
        test = changed(test, targets=random.integers(0, 3, 400))
    elif kind == "nan-logits":
        logits = own.logits.copy()
        logits[1, 7, 0] = np.nan
        test = changed(test, logits=logits)
    elif kind in ("few-members", "one-member"):
        left = 2 if kind == "few-members" else 1
        test, valid = (
            changed(one, logits=one.predictions.logits[:left], members=one.predictions.members[:left])
            for one in (test, valid)
        )
    elif kind == "other-clusters":
        some = tuple(replace(one, speaker=f"s{row % 2}", video=f"v{row % 9}") for row, one in enumerate(test.spoken))
        test = replace(test, spoken=some)
    elif kind == "few-clusters":
        test = make_set("test", speakers=3)
    elif kind == "read-often":
        options["judged"] = 4
    else:
        test, valid = (replace(one, origin=made_by(kind)) for one in (test, valid))
    write_run(folder, test, valid, **options)


def made_by(kind: str):
    if kind == "selected-on-test":
        return PAPERS
    if kind == "normalised-by-speaker":
        return make_origin(tiny_recipe(dataset={"standardize": "speaker"}))
    if kind == "normalised-by-corpus":
        folds = {"scheme": "folds", "group": "corpus"}
        return make_origin(tiny_recipe(dataset={"standardize": "each-corpus"}, splits=folds))
    if kind == "trained-on-corpus":
        return make_origin(imported=Imported("model", "theirs", trained_on=("IEMOCAP",), seen=("IEMOCAP",)))
    if kind == "seen-in-test":
        return make_origin(started_from="earlier", seen_in_test=12)
    if kind in ("training-unknown", "training-stated", "no-probabilities", "no-test-split"):
        training = "an SVM on the train split" if kind == "training-stated" else None
        answers = "labels" if kind == "no-probabilities" else "probabilities"
        split = "all" if kind == "no-test-split" else "test"
        return make_origin(imported=Imported("predictions", "theirs.csv", answers, split, training=training))
    return make_origin(doctor=[["no-text", "warning", "3 utterances without words"], [kind, "error", "as told"]])


def planted_scores(kind: str, folder: Path) -> None:
    """A run of scores with one thing wrong."""
    test, valid = make_score_set("test"), make_score_set("valid", 200)
    own = test.predictions
    if kind == "regresses-to-mean":
        test, valid = (make_score_set(name, slope=0.3, noise=0.04) for name in ("test", "valid"))
    elif kind == "predicts-the-mean":
        test, valid = (make_score_set(name, slope=0.0) for name in ("test", "valid"))
    elif kind == "under-covered":
        test = make_score_set("test", noise=0.25)
    elif kind == "speaker-bias":
        logits = own.logits.copy()
        logits[:, [one.speaker == "test-3" for one in test.spoken], 0] += 0.8
        test = changed(test, logits=logits)
    elif kind == "text-alone":
        write_run(folder, test, valid, probes=_text_alone)
        return
    write_run(folder, test, valid)


def _text_alone(stored: StoredSet) -> dict[str, np.ndarray]:
    """Probes of a model that needs the text for both scores, and the audio for arousal alone."""
    logits, other = stored.predictions.logits, shuffled(stored)
    audio = np.stack([logits[..., 0], other[..., 1]], axis=-1)
    return {"text masked": other, "text shuffled": other, "audio masked": audio, "audio shuffled": audio}
