"""Splits by group: nothing in two sets, nothing lost, and what cannot be divided is told."""

from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.splits import Fold, group_of, make_folds
from sertool.core.corpora.targets import targets_of
from sertool.core.corpora.tasks import Task
from sertool.core.errors import DataError, UsageError
from sertool.core.recipe.schema import Splits

TASK = Task("emotion", ("a", "b"), "name")


def corpus_of(rows):
    """Utterances of (split, speaker, labelled)."""
    utterances = tuple(
        Utterance(f"u{place}", split, "", (), {"emotion": "ab"[place % 2]} if labelled else {}, speaker)
        for place, (split, speaker, labelled) in enumerate(rows)
    )
    return Corpus("MINE", utterances, Frames.join([np.zeros((1, 2), np.float32)] * len(rows), 2))


def folds_of(rows, **keys):
    corpus = corpus_of(rows)
    return corpus, make_folds(corpus, targets_of(corpus, TASK), Splits(**keys))


@st.composite
def tables(draw, splits=("train",), least=3):
    speakers = draw(st.integers(least, 9))
    row = st.tuples(st.sampled_from(splits), st.integers(0, speakers - 1).map("s{}".format), st.booleans())
    rows = draw(st.lists(row, max_size=40))
    # Every speaker has a labelled training utterance.
    return rows + [("train", f"s{number}", True) for number in range(speakers)]


def groups_in(corpus, rows):
    return {corpus.utterances[row].speaker for row in rows}


@settings(deadline=None)
@given(tables(), st.data())
def test_folds_divide_the_labelled_utterances_by_group(rows, data):
    number = data.draw(st.integers(3, len({speaker for _, speaker, _ in rows})))
    corpus, folds = folds_of(rows, scheme="folds", group="speaker", folds=number, seed=data.draw(st.integers(0, 9)))
    assert len(folds) == number
    labelled = [place for place, row in enumerate(rows) if row[2]]
    assert sorted(place for fold in folds for place in fold.sets["test"]) == labelled
    for place, fold in enumerate(folds):
        together = [*fold.sets["train"], *fold.sets["valid"], *fold.sets["test"]]
        assert sorted(together) == labelled
        assert all(fold.sets.values())
        sets = [groups_in(corpus, fold.sets[name]) for name in ("train", "valid", "test")]
        assert sum(len(part) for part in sets) == len(set.union(*sets))
        assert fold.sets["valid"] == folds[(place + 1) % number].sets["test"]
        assert set(fold.name.split("+")) == sets[2]
        assert not fold.selected_on_test


@settings(deadline=None)
@given(tables(), st.integers(0, 9))
def test_a_holdout_divides_training_by_group(rows, seed):
    corpus, (fold,) = folds_of(
        rows, scheme="holdout", group="speaker", valid_fraction=0.2, test_fraction=0.2, seed=seed
    )
    sets = [groups_in(corpus, fold.sets[name]) for name in ("train", "valid", "test")]
    assert sum(len(part) for part in sets) == len(set.union(*sets))
    assert sorted(place for part in fold.sets.values() for place in part) == [
        place for place, row in enumerate(rows) if row[2]
    ]
    assert (
        fold
        == folds_of(rows, scheme="holdout", group="speaker", valid_fraction=0.2, test_fraction=0.2, seed=seed)[1][0]
    )


@settings(deadline=None)
@given(tables(splits=("train", "valid", "test", "private"), least=3))
def test_a_holdout_leaves_a_test_split_alone(rows):
    rows = [*rows, ("test", "s0", True), ("private", "s1", False)]
    _, (fold,) = folds_of(rows, scheme="holdout", group="speaker", valid_fraction=0.3, test_fraction=0.3)
    there = {split: [n for n, row in enumerate(rows) if row[0] == split] for split in ("test", "private", "train")}
    assert list(fold.sets["test"]) == [n for n in there["test"] if rows[n][2]]
    assert list(fold.sets["private"]) == there["private"]
    assert set(fold.sets["train"]) | set(fold.sets["valid"]) == {n for n in there["train"] if rows[n][2]}


def test_named_folds_test_what_they_name_and_validate_on_the_next():
    rows = [("train", speaker, True) for speaker in "AABBCCDD"]
    _, folds = folds_of(rows, scheme="folds", group="speaker", folds=[["B"], ["A", "D"], ["C"]])
    assert folds == [
        Fold("B", {"train": (4, 5), "valid": (0, 1, 6, 7), "test": (2, 3)}),
        Fold("A+D", {"train": (2, 3), "valid": (4, 5), "test": (0, 1, 6, 7)}),
        Fold("C", {"train": (0, 1, 6, 7), "valid": (2, 3), "test": (4, 5)}),
    ]


def test_folds_that_came_with_the_corpus_test_once_each():
    def divided(folds):
        corpus = corpus_of([("train", "A", True)] * len(folds))
        utterances = tuple(replace(one, fold=fold) for one, fold in zip(corpus.utterances, folds, strict=True))
        corpus = replace(corpus, utterances=utterances)
        return make_folds(corpus, targets_of(corpus, TASK), Splits(scheme="folds", group="fold"))

    names = ["fold_1", "fold_2", "fold_3", "fold_4"]
    folds = divided([*names, "fold_1"])
    assert [fold.name for fold in folds] == names
    assert folds[0].sets == {"train": (2, 3), "valid": (1,), "test": (0, 4)}
    with pytest.raises(UsageError, match="at least 3 folds are needed, and MINE came with 2"):
        divided(names[:2])
    with pytest.raises(DataError, match="utterance 'u1' has no fold"):
        divided(["fold_1", None, "fold_2"])


def test_folds_are_of_about_equal_size():
    rows = [("train", f"s{number}", True) for number in range(10) for _ in range(1 + 3 * number)]
    _, folds = folds_of(rows, scheme="folds", group="speaker", folds=5)
    sizes = [len(fold.sets["test"]) for fold in folds]
    assert max(sizes) - min(sizes) <= 8


def test_named_groups_validate():
    rows = [("train", speaker, True) for speaker in "ABCAB"] + [("test", "D", True)]
    _, (fold,) = folds_of(rows, scheme="holdout", group="speaker", valid_groups=["A"])
    assert fold.sets == {"train": (1, 2, 4), "valid": (0, 3), "test": (5,)}


def test_groups_are_named_in_any_form_that_looks_like_theirs():
    rows = [("train", speaker, True) for speaker in ("J\u00f6rg", "Ann", "Zoe\u0308", "Bob")]
    names = ["Jo\u0308rg\u200b", "Zo\u00eb"]  # the second speaker is stored apart, as older corpora may do
    _, (fold,) = folds_of(rows, scheme="holdout", group="speaker", valid_groups=names)
    assert fold.sets["valid"] == (0, 2)
    folds = [["J\u00f6rg"], ["Jo\u0308rg", "Ann"], ["Zo\u00eb", "Bob"]]
    with pytest.raises(UsageError, match="a speaker is in two folds"):
        folds_of(rows, scheme="folds", group="speaker", folds=folds)


def test_the_corpuss_own_splits():
    rows = [
        ("train", "A", True),
        ("valid", "B", True),
        ("test", "C", True),
        ("test", "C", False),
        ("private", "D", False),
    ]
    _, (fold,) = folds_of(rows, scheme="corpus")
    assert fold.sets == {"train": (0,), "valid": (1,), "test": (2,), "private": (4,)}
    assert not fold.selected_on_test
    _, (fold,) = folds_of(rows, scheme="corpus", valid="test")
    assert fold.sets["valid"] == (2,)
    assert fold.selected_on_test


def test_single_utterances_are_groups_of_their_own():
    corpus = corpus_of([("train", None, True), ("test", None, True)])
    assert [group_of(utterance, "utterance") for utterance in corpus.utterances] == ["train/u0", "test/u1"]
    assert group_of(corpus.utterances[0], "speaker") is None


# What cannot be divided

THREE = [("train", "A", True), ("train", "B", True), ("train", "C", True), ("test", "D", True)]


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        (
            THREE,
            {"scheme": "corpus"},
            "MINE: no labelled utterance for valid (the corpus holds train 3, test 1)",
        ),
        (
            [("train", "A", False), *THREE[3:]],
            {"scheme": "corpus", "valid": "test"},
            "MINE: no labelled utterance for train (the corpus holds train 1, test 1)",
        ),
        (
            THREE[:3],
            {"scheme": "corpus", "valid": "train"},
            "MINE: no labelled utterance for test (the corpus holds train 3)",
        ),
        (
            THREE[:1],
            {"scheme": "holdout", "group": "speaker", "valid_fraction": 0.5},
            "MINE: no labelled utterance for train (the corpus holds train 1)",
        ),
        (
            [*THREE, ("train", None, True)],
            {"scheme": "holdout", "group": "speaker", "valid_fraction": 0.5},
            "MINE: utterance 'u4' has no speaker, and splits.group is speaker",
        ),
    ],
)
def test_an_empty_set_is_told(rows, keys, message):
    with pytest.raises(DataError) as caught:
        folds_of(rows, **keys)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"scheme": "folds", "group": "speaker", "folds": 5},
            "splits.folds: 5 folds from 4 speakers",
        ),
        (
            {"scheme": "folds", "group": "speaker", "folds": [["A"], ["B"], ["C"]]},
            "splits.folds: no fold tests speaker D",
        ),
        (
            {"scheme": "folds", "group": "speaker", "folds": [["A"], ["B"], ["C", "D", "X"]]},
            "splits: no speaker X in the corpus; it has A, B, C, D",
        ),
        (
            {"scheme": "holdout", "group": "speaker", "valid_groups": ["D"]},
            "splits: no speaker D in the corpus; it has A, B, C",
        ),
    ],
)
def test_groups_that_do_not_fit_are_told(keys, message):
    with pytest.raises(UsageError) as caught:
        folds_of(THREE, **keys)
    assert str(caught.value) == message


def test_a_label_that_is_no_class_is_told_with_its_utterance():
    corpus = make_corpus()
    with pytest.raises(DataError) as caught:
        targets_of(corpus, Task("emotion", ("angry", "happy"), "name"))
    first = next(u for u in corpus.utterances if u.labels["emotion"] == "sad")
    assert str(caught.value) == f"TINY: utterance {first.id!r}: label 'sad' is not one of angry, happy"


def test_a_recipe_divides_as_it_says():
    corpus = make_corpus()
    targets = targets_of(corpus, Task("emotion", corpus.classes["emotion"], "name"))
    (fold,) = make_folds(corpus, targets, tiny_recipe().splits)
    assert {name: len(rows) for name, rows in fold.sets.items()} == {"train": 24, "valid": 12, "test": 12}
