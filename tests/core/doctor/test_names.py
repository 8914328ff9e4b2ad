"""Names that look alike, those that stand for a missing value, and likely spellings of one name."""

import numpy as np
from planting import recipe_for

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.tasks import Task
from sertool.core.doctor import leakage, names
from sertool.core.doctor.subject import Subject


def subject_of(classes, speakers):
    utterances = tuple(
        Utterance(f"u{n}", "train", "", (), {"emotion": classes[0]}, speaker=speaker)
        for n, speaker in enumerate(speakers)
    )
    sets = {"train": tuple(range(len(speakers) - 1)), "valid": (), "test": (len(speakers) - 1,)}
    corpus = Corpus(
        "old", utterances, Frames.join([np.zeros((1, 80), np.float32)] * len(speakers), 80), {"emotion": classes}
    )
    task = Task("emotion", classes, "name")
    return Subject(recipe_for("own"), corpus, task, [0] * len(speakers), [Fold("all", sets)])


def test_classes_and_speakers_that_look_alike_and_missing_ones():
    classes = ("b\u00f6se", "bo\u0308se", "froh", "nan", "#N/A")
    (finding,) = names.check(subject_of(classes, ["J\u00f6rg", None, "Jo\u0308rg\u200b", "Ann"]))
    assert (finding.kind, finding.number) == ("names", 4)
    assert finding.examples == (
        "class 'b\u00f6se' = 'bo\\u0308se'",
        "class 'nan' stands for a missing value",
        "class '#N/A' stands for a missing value",
        "speaker 'Jo\\u0308rg\\u200b' = 'J\u00f6rg'",
    )


def test_names_that_are_fine():
    assert not list(
        names.check(subject_of(("+", "-", "none", "sad", "mad", "anger", "grade1", "grade2"), ["Anna", "Hanna", None]))
    )


def test_likely_spellings_are_suspected():
    classes = ("Angry", "angry ", "neutral", "neutrl", "very sad", "VerySad", "joy")
    (finding,) = names.check(subject_of(classes, ["S_01", "s 01", "S02"]))
    assert (finding.kind, finding.number) == ("spellings", 4)
    assert finding.text == "4 names with several likely spellings, which count as different names"
    assert finding.examples == (
        "class 'Angry' = 'angry '",
        "class 'VerySad' = 'very sad'",
        "class 'neutral' = 'neutrl'",
        "speaker 'S_01' = 's 01'",
    )
    assert "--map-labels" in finding.advice


def test_names_that_look_like_several_labels_are_suspected():
    (finding,) = names.check(subject_of(("happy", "sad", "happy, sad", "happy/sad", "r&b"), ["Ann"]))
    assert (finding.kind, finding.number, finding.severity) == ("joined-labels", 2, "warning")
    assert finding.text == "2 classes that may be several labels, each counted as one class"
    assert finding.examples == ("class 'happy, sad'", "class 'happy/sad'")
    assert "how several labels are written" in finding.advice


def test_a_speaker_in_two_sets_is_shared_in_whatever_form():
    (finding,) = leakage.check(subject_of(("a", "b"), ["J\u00f6rg", "Ann", "Jo\u0308rg"]))
    assert (finding.kind, finding.examples) == ("shared-speakers", ("J\u00f6rg (train, test)",))
