"""Tests of the clusters that a set falls into, of too few of them, and of the sentences about it."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.metrics import FEWEST, choose_clusters, clusters_of, few_clusters
from sertool.core.metrics.clusters import UNITS, clusters_by

MANY, TWO, ONE = [f"x{n % 6}" for n in range(12)], ["a", "b"] * 6, ["a"] * 12
THREE, FOUR = ["a", "b", "c"] * 4, ["a", "b", "c", "d"] * 3
HOLES, MOST_HOLES = [None, *MANY[1:]], [None] * 9 + ["a", "b", "b"]
NOTHING = "over utterances: nothing is known about speakers, dialogues or videos"
FEW = "too few for an interval (5 are needed)"


@pytest.mark.parametrize(
    ("groups", "unit", "number", "note"),
    [
        ({"speaker": MANY}, "speaker", 6, ""),
        ({"session": MANY, "dialogue": ["d"] * 12, "speaker": MANY}, "speaker", 6, ""),
        ({"dialogue": MANY}, "dialogue", 6, "over dialogues: nothing is known about speakers"),
        (
            {"speaker": TWO, "dialogue": MANY},
            "dialogue", 6,
            "only 2 speakers: the interval is over 6 dialogues, and says nothing about other speakers",
        ),
        (
            {"speaker": ONE, "video": MANY},
            "video", 6,
            "one speaker only: the interval is over 6 videos, and says nothing about other speakers",
        ),
        ({"speaker": THREE}, "speaker", 3, f"3 speakers: {FEW}"),
        ({"speaker": TWO, "session": TWO}, "speaker", 2, f"2 speakers: {FEW}"),
        ({"speaker": THREE, "dialogue": FOUR}, "speaker", 3, f"3 speakers: {FEW}"),
        ({"speaker": ONE}, "speaker", 1, f"1 speaker: {FEW}"),
        ({"video": TWO}, "video", 2, f"2 videos: {FEW}"),
        ({}, "utterance", 12, NOTHING),
        ({"speaker": [None] * 12}, "utterance", 12, NOTHING),
        ({"video": HOLES}, "utterance", 12, NOTHING),
        ({"speaker": HOLES, "video": MANY}, "video", 6, "over videos: the speaker of 1 of 12 utterances is unknown"),
        (
            {"speaker": HOLES}, "speaker", 7,
            "the speaker of 1 of 12 utterances is unknown: they count as one speaker",
        ),
        (
            {"speaker": MOST_HOLES, "video": FOUR}, "speaker", 3,
            f"3 speakers: {FEW}; the speaker of 9 of 12 utterances is unknown",
        ),
    ],
)  # fmt: skip
def test_the_best_unit_that_is_known_is_chosen_and_explained(groups, unit, number, note):
    clusters = choose_clusters(groups, 12)
    assert (clusters.unit, clusters.number, clusters.note) == (unit, number, note)
    assert clusters.few == (number < FEWEST)
    if unit == "utterance":
        assert (clusters.index.tolist(), clusters.names) == (list(range(12)), ())
    else:
        named = [clusters.names[place] for place in clusters.index]
        assert named == [name or "unknown" for name in groups[unit]]
        assert len(clusters.names) == number


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_few_utterances_of_nobody_are_too_few_as_well(count):
    clusters = choose_clusters({}, count)
    assert (clusters.number, clusters.unit, clusters.few) == (count, "utterance", False)
    assert clusters.note == f"{count} utterance{'s' * (count != 1)}: {FEW}"


def test_nothing_has_no_clusters():
    assert choose_clusters({"speaker": []}, 0).number == 0


@given(st.dictionaries(st.sampled_from(UNITS), st.lists(st.sampled_from([None, "", "a", "b", "c", "d", "e", "f"]),
       min_size=9, max_size=9)))  # fmt: skip
def test_every_utterance_has_a_cluster(groups):
    clusters = choose_clusters(groups, 9)
    assert sorted({*clusters.index.tolist()}) == list(range(clusters.number))
    # Known speakers are never forgotten: intervals over utterances would be too narrow.
    assert clusters.unit != "utterance" or not any(groups.get("speaker", []))
    assert bool(clusters.note) or (clusters.unit == "speaker" and clusters.number >= FEWEST)


def test_utterances_know_their_clusters():
    @dataclass
    class Said:
        speaker: str | None
        dialogue: str | None = None
        video: str | None = None
        session: str | None = None

    clusters = clusters_of([Said("b"), Said("a"), Said("b")])
    assert (clusters.unit, clusters.names, clusters.index.tolist()) == ("speaker", ("a", "b"), [1, 0, 1])


def test_the_sentence_about_few_clusters():
    assert (
        few_clusters(2, "speaker", "test") == f"2 test speakers: {FEW}; cross-validate with --set splits.scheme=folds"
    )
    assert few_clusters(1, "speaker", "validation", advise=False) == f"1 validation speaker: {FEW}"
    assert few_clusters(0, "video", advise=False) == f"0 videos: {FEW}"


def test_validation_is_called_so():
    assert few_clusters(2, "speaker", "valid").startswith("2 validation speakers: too few")


NAMES = st.lists(st.tuples(st.none() | st.sampled_from("abcdefg"), st.none() | st.sampled_from("xyz")), min_size=1)


@given(pairs=NAMES, unit=st.sampled_from(UNITS))
def test_a_unit_that_is_asked_for_keeps_its_clusters_whole(pairs, unit):
    names, speakers = map(list, zip(*pairs, strict=True))
    found = clusters_by(unit, names, speakers)
    of = dict(zip(names, found.index.tolist(), strict=True))
    for name, own in zip(names, found.index.tolist(), strict=True):
        if name is not None:
            assert own == of[name]
            assert found.names[own] == name
    missing = names.count(None)
    unknown = missing if unit == "dialogue" else min(missing, 1)  # without a dialogue each is alone
    assert found.number == len(set(found.index.tolist())) == len(found.names) == len(set(names) - {None}) + unknown
    assert found.few == (found.number < FEWEST)
    assert (FEW in found.note) == found.few


@pytest.mark.parametrize(
    ("unit", "names", "speakers", "note"),
    [
        ("dialogue", MANY, MANY, ""),  # whole speakers in each
        ("dialogue", MANY, TWO, "2 of 2 speakers are in several dialogues, so an interval says nothing about other "
         "speakers"),
        ("video", MANY, [None] * 12, ""),
        ("speaker", HOLES, HOLES, "the speaker of 1 of 12 utterances is unknown: they count as one speaker"),
        ("dialogue", HOLES, ONE, "the dialogue of 1 of 12 utterances is unknown: each of them is alone"),
        ("session", TWO, ONE, f"2 sessions: {FEW}"),
    ],
)  # fmt: skip
def test_what_limits_intervals_over_a_unit_that_is_asked_for(unit, names, speakers, note):
    assert clusters_by(unit, names, speakers).note == note
