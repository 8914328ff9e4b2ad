"""Published counts: the packaged table is sound, and what differs from it is told."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from planting import recipe_for

from sertool.commands.doctor import show
from sertool.core.corpora.corpus import SPLITS, Corpus, Frames, LeftOut, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.doctor.inspect import inspect, warning_lines
from sertool.core.doctor.published import WHOLE, compare, published
from sertool.core.prepare.layouts.registry import LAYOUTS
from sertool.core.recipe import load as recipes
from sertool.core.recipe.frontends import Frontend

EXPECTED = {"meld": ("meld", "meld-sentiment"), "iemocap": ("iemocap",)}


def corpus_of(layout, splits, speakers=1, seconds=None, **classes):
    """A corpus of many utterances without frames.

    Args:
        layout: name of the layout.
        splits: utterances by split.
        speakers: speakers of each split, of the same names.
        seconds: length of each utterance.
        classes: utterances of each class by split, by task.
    """
    utterances = []
    for split, size in splits.items():
        labels = {task: Counter({name: count[split] for name, count in own.items()}) for task, own in classes.items()}
        columns = {task: list(counter.elements()) for task, counter in labels.items()}
        utterances += [
            Utterance(
                f"{split}{n}",
                split,
                "a word",
                ("a", "word"),
                {task: column[n] for task, column in columns.items() if n < len(column)},
                speaker=f"s{n % speakers}",
                seconds=seconds,
            )
            for n in range(size)
        ]
    frames = Frames(np.zeros((0, 80), np.float32), np.zeros(len(utterances) + 1, np.int64))
    return Corpus("MADE", tuple(utterances), frames, {task: tuple(own) for task, own in classes.items()}, layout=layout)


@cache
def meld():
    """A corpus with MELD's counts."""
    (known,) = published()["meld"]
    corpus = corpus_of("meld", known.utterances, 47, 3.18, **known.classes)
    voices = [replace(u, speaker=f"s{n % known.speakers[u.split]}") for n, u in enumerate(corpus.utterances)]
    return replace(corpus, utterances=tuple(voices))


def lasting(seconds):
    """MELD with utterances of one length."""
    return replace(meld(), utterances=tuple(replace(u, seconds=seconds) for u in meld().utterances))


def without(corpus, row):
    one = corpus.utterances[row]
    rows = [n for n in range(len(corpus.utterances)) if n != row]
    return corpus.select(rows), one


def test_the_table_is_sound():
    for name, entries in published().items():
        assert len({one.of for one in entries}) == len(entries)
        for one in entries:
            counts = [one.utterances, one.speakers or {}, *(c for own in one.classes.values() for c in own.values())]
            for count in counts:
                assert set(count) <= {*SPLITS, WHOLE}, name
                assert all(number > 0 for number in count.values())
            for task, classes in one.classes.items():
                assert sum(sum(c.values()) for c in classes.values()) <= sum(one.utterances.values()), (name, task)


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_has_published_counts_of_its_own_classes(name):
    for one in published()[name]:
        for task, classes in one.classes.items():
            assert classes.keys() <= set(LAYOUTS[name].classes[task])


@pytest.mark.parametrize(("layout", "recipe"), [(a, b) for a, names in EXPECTED.items() for b in names])
def test_the_table_says_what_the_recipes_say(layout, recipe):
    opened = recipes.load(recipe)
    (known,) = published()[layout]
    counts = known.classes[opened.dataset.task].values()
    for n, count in enumerate(counts):
        of_splits = {str(split): one.classes[n] for split, one in opened.expected.items() if one.classes}
        assert count in (of_splits, {WHOLE: sum(of_splits.values())})


def test_a_corpus_as_published():
    found = compare(meld())
    assert found.differs == ()
    assert found.agrees == (
        "13,708 utterances",
        "260 speakers",
        "classes of emotion",
        "classes of sentiment",
        "12.1 hours",
    )
    assert compare(replace(meld(), layout=None)) is None
    assert compare(replace(meld(), layout="unknown-to-us")) is None


def test_an_utterance_too_few_in_a_split():
    corpus, _ = without(meld(), 0)
    assert compare(corpus).differs == (
        "utterances of train: 9,988, published 9,989",
        "emotion neutral of train: 4,709, published 4,710",
        "sentiment neutral of train: 4,709, published 4,710",
    )


def test_an_utterance_that_was_left_out_is_no_difference():
    corpus, one = without(meld(), 0)
    found = compare(replace(corpus, left_out=(LeftOut(one.id, "train", "broken"),)))
    assert (found.differs, found.agrees[0]) == ((), "13,707 utterances and 1 left out")
    found = compare(replace(corpus, left_out=(LeftOut(one.id, "test", "broken"),)))
    assert found.differs[0] == "utterances of train: 9,988, published 9,989"


def test_one_too_many_is_a_difference():
    corpus = meld()
    again = replace(corpus.utterances[0], id="again")
    found = compare(replace(corpus, utterances=(*corpus.utterances, again)))
    assert "utterances of train: 9,990, published 9,989" in found.differs


def test_other_splits_are_compared_as_a_whole():
    corpus = meld()
    joined = tuple(replace(u, split="train") if u.split == "valid" else u for u in corpus.utterances)
    found = compare(replace(corpus, utterances=joined))
    assert (found.differs, found.agrees[0]) == ((), "13,708 utterances")
    assert not any("speaker" in name for name in found.agrees)  # by split alone


def test_folds_of_emobox_leave_a_corpus_as_published():
    """The folds of IEMOCAP hold only utterances of the four classes, and have a validation of their own."""
    corpus = meld()
    rows = [n for n, one in enumerate(corpus.utterances) if one.labels["emotion"] != "neutral"]
    left_out = [
        LeftOut(u.id, u.split, "not in EmoBox's folds") for u in corpus.utterances if u.labels["emotion"] == "neutral"
    ]
    some = replace(corpus.select(rows), left_out=tuple(left_out), choices={"splits": "emobox:meld"})
    moved = replace(some, utterances=tuple(replace(u, split="test") for u in some.utterances[:9]) + some.utterances[9:])
    found = compare(moved)
    assert found.differs == ()
    assert not any("hours" in line for line in found.agrees)


def test_renamed_classes_are_the_users_own():
    found = compare(replace(meld(), choices={"map_labels": {"joy": "neutral"}}))
    assert found.agrees == ("13,708 utterances", "260 speakers", "12.1 hours")


def test_hours_may_differ_a_little_and_not_much():
    assert compare(lasting(3.3)).differs == ()
    assert compare(lasting(1.6)).differs == ("hours: 6.1, published about 12.1",)
    assert not any("hours" in line for line in compare(lasting(None)).agrees)


def test_the_nearest_release_is_compared():
    sdk, mmsa = published()["mosei"]
    assert compare(corpus_of("mosei", sdk.utterances)).of == sdk.of
    assert compare(corpus_of("mosei", mmsa.utterances)).of == mmsa.of


def test_the_finding_names_the_counts_and_the_doctor_shows_what_agrees(tmp_path):
    corpus = corpus_of("iemocap", {"train": 9, "test": 4}, 2, emotion={"neutral": {"train": 5, "test": 2}})
    corpus = replace(
        corpus,
        audio=Frames(np.full((13, 80), 0.5, np.float32), np.arange(14)),
        frontend=Frontend().model_dump(),
        classes={"emotion": ("neutral", "happy", "sad", "angry")},
    )
    write_corpus(corpus, tmp_path / "MOSEI")
    recipe = recipe_for("own", "dataset.task=emotion", "expected={}")
    inspection = inspect(recipe, tmp_path / "MOSEI", data_dir=tmp_path)
    (finding,) = [one for one in inspection.findings if one.kind == "published"]
    assert (finding.severity, finding.number) == ("warning", 11)
    start = "11 counts differ from those published for IEMOCAP: utterances of train: 9, published 8,220, "
    assert finding.text.startswith(start)
    assert finding.text.endswith("emotion neutral of test: 2, published 384 and 6 more")
    assert any("[published]" in line for line in warning_lines(inspection))
    assert inspection.to_json()["published"]["differs"][2] == "speakers of train: 2, published 8"
    shown = "\n".join(line.plain for line in show(inspection, "sertool train", 200))
    assert "as published for" not in shown
    agreeing = replace(inspection, published=replace(inspection.published, agrees=("10 speakers",)))
    shown = "\n".join(line.plain for line in show(agreeing, "sertool train", 200))
    assert "as published for IEMOCAP: 10 speakers" in shown
