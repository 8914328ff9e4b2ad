"""What prepare and doctor say of raters: on corpora in their owners' layouts, and on planted ones."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from builders import CLASSES, make_corpus, tiny_recipe, write_tiny
from json_results import schemas
from made_iemocap import make_iemocap
from made_msp_podcast import make_msp_podcast
from made_named import make_crema_d
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.recipe.load import resolved

CREMA_D = """\
raters of emotion-voice: 4.8 (4 to 5) for each of 25 utterances, 4 ties; 95 % intervals over 5 speakers
  Krippendorff's alpha 0.54 (0.49 to 0.58), Fleiss' kappa 0.53 (0.48 to 0.57)
  ceiling: one rater has accuracy 70.4 % (62.2 to 77.5), UAR 66.2 % (63.8 to 68.5) against the majority of the others
  lowest alpha: classes neutral 0.29, angry 0.34, sad 0.52; speakers 1001 0.54, 1002 0.54, 1003 0.54
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def agreement_of(format_, path):
    content = json.loads(Path(path).read_text())
    jsonschema.Draft202012Validator(schemas()[format_]).validate(content)
    return content["agreement"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(folder):
    done = run("prepare", folder, "--out", "corpus", "--workers", "1", "--json", "prepared.json")
    assert done.exit_code == 0, done.output
    return done.stdout, agreement_of("sertool-preparation/1", "prepared.json")


def inspected(*options):
    done = run("doctor", "--data", "corpus", "--json", "doctor.json", *options)
    assert done.exit_code == 0, done.output
    return done.stdout, agreement_of("sertool-inspection/1", "doctor.json")


def test_listeners_of_crema_d(here):
    shown, agreement = prepared(make_crema_d(here / "CREMA-D"))
    assert CREMA_D in shown
    assert list(agreement) == ["emotion-voice"]
    assert agreement["emotion-voice"]["raters"] == {"mean": 4.84, "fewest": 4, "most": 5}
    assert set(agreement["emotion-voice"]["by_class"]) == {"angry", "disgust", "fear", "happy", "neutral", "sad"}
    assert set(agreement["emotion-voice"]["by_speaker"]) == {"1001", "1002", "1003", "1004", "1040"}
    told, same = inspected("--set", "dataset.task=emotion-voice")
    assert same == agreement
    assert " ".join(CREMA_D.split()) in " ".join(told.split())
    # Of a task that nobody rated the doctor says nothing, and names the alpha of the others.
    told, same = inspected()
    assert "raters of emotion-voice: Krippendorff's alpha 0.54 (0.49 to 0.58)\n\n" in told
    assert "ceiling" not in told
    assert same == agreement


def test_raters_of_iemocap(here):
    shown, agreement = prepared(make_iemocap(here))
    assert list(agreement) == ["emotion", "emotion-6", "emotion-all", "arousal", "dominance", "valence"]
    assert agreement["emotion-all"]["kind"] == "classes"
    assert agreement["valence"]["kind"] == "scores"
    # The made raters differ in arousal on every utterance in the same way, and never in dominance.
    assert agreement["arousal"]["spread"]["value"] == pytest.approx(np.std([2, 3, 2], ddof=1))
    assert agreement["dominance"]["alpha"] == {"value": None, "low": None, "high": None}
    assert "Krippendorff's alpha not defined (nothing varies)" in shown
    assert "raters of dominance: 2 for each of 70 utterances\n" in shown
    assert inspected()[1] == agreement


def test_workers_of_msp_podcast(here):
    shown, agreement = prepared(make_msp_podcast(here))
    assert list(agreement) == ["emotion", "emotion-4", "emotion-all", "arousal", "dominance", "valence"]
    assert (
        agreement["emotion-all"]["ties"] == 5
    )  # a recording of each podcast of train, valid and Test1 has no majority
    assert agreement["emotion-all"]["utterances"] == 50
    assert agreement["valence"]["spread"]["value"] == pytest.approx(1)
    assert "raters of emotion-all: 3 for each of 50 utterances, 5 ties; 95 % intervals over 5 speakers" in shown


def test_a_corpus_without_raters_says_nothing(here):
    write_tiny(here)
    done = run("doctor", "--data", "TINY", "--json", "doctor.json")
    assert "raters" not in done.stdout
    assert "agreement" not in json.loads(Path("doctor.json").read_text())


def with_raters(right, raters=3, scores=False):
    """A corpus whose raters know the class with this probability, and else guess."""
    draw, corpus = np.random.default_rng(1), make_corpus({"train": 60, "valid": 30, "test": 30})
    made = []
    for one in corpus.utterances:
        guesses = draw.integers(0, 3, raters)
        known = [CLASSES.index(one.labels["emotion"]) if draw.random() < right else guess for guess in guesses]
        said = {f"r{number}": float(each) if scores else CLASSES[each] for number, each in enumerate(known)}
        made.append(replace(one, ratings={"emotion": said}))
    return replace(corpus, utterances=tuple(made))


def findings(here, corpus):
    write_tiny(here, corpus)
    run("doctor", "--data", "TINY", "--json", "doctor.json")
    found = json.loads(Path("doctor.json").read_text())["findings"]
    return [one for one in found if one["kind"] == "raters-disagree"]


def test_the_doctor_finds_raters_who_hardly_agree(here):
    [found] = findings(here, with_raters(0.2))
    assert found["severity"] == "warning"
    assert found["number"] == 120
    assert found["text"].startswith("raters hardly agree on emotion: Krippendorff's alpha is ")
    assert {example.split(":")[0] for example in found["examples"]} == set(CLASSES)
    alphas = [float(example.split()[-1]) for example in found["examples"]]
    assert alphas == sorted(alphas)


def test_the_doctor_finds_a_score_whose_raters_hardly_agree(here):
    folder = make_iemocap(here)
    prepared(folder)
    changes = ["dataset.target=scores", "dataset.task=valence,dominance", "training.select=ccc"]
    changes += ["training.class_weights=none", "training.label_smoothing=0"]  # custom's are of classes
    told, agreement = inspected(*(word for change in changes for word in ("--set", change)))
    assert list(agreement) == ["valence", "dominance", "emotion", "emotion-6", "emotion-all", "arousal"]
    told = " ".join(told.split())
    assert "ceiling: one rater has CCC -0.52 (-0.58 to -0.46), MAE 0.86 (0.73 to 0.98) against the mean" in told
    assert "warning: raters hardly agree on valence: Krippendorff's alpha is -0.34" in told
    assert "hardly agree on dominance" not in told  # nothing varies, so that there is no alpha
    assert "raters of emotion-all: Krippendorff's alpha 0.59" in told
    assert "try: let more people rate each utterance" in told


def test_training_warns_of_raters_who_hardly_agree(here):
    write_tiny(here / "data", with_raters(0.1))
    Path("r.yaml").write_text(resolved(tiny_recipe(training={"runs": 1, "max_epochs": 1})))
    done = run("train", "--recipe", "r.yaml", "--name", "tiny", "--data", "data", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "warning: raters hardly agree on emotion: Krippendorff's alpha is" in done.stderr


def test_the_doctor_is_content_with_raters_who_agree(here):
    assert findings(here, with_raters(0.8)) == []


def test_one_rater_is_told_as_one(here):
    write_tiny(here, with_raters(0.8, raters=1))
    done = run("doctor", "--data", "TINY")
    told = " ".join(done.stdout.split())
    assert "raters of emotion: 1 for each of 120 utterances; nobody rated what another did" in told
    assert "raters-disagree" not in told
