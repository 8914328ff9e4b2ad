"""Splits that ``sertool prepare`` draws: by group, evenly, and what it falls back to."""

from collections import Counter, defaultdict

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import UsageError
from sertool.core.prepare.draw_splits import Draw, deal, parse_shares
from sertool.core.prepare.table import read_table

SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}
EMOTIONS = ["angry", "happy", "sad"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.lists(st.sampled_from(EMOTIONS), max_size=2, unique=True)), min_size=9),
    st.integers(0, 99),
)
def test_a_group_is_in_one_split_and_no_split_is_empty(utterances, seed):
    groups = [group for group, _ in utterances]
    groups[:3] = [9, 10, 11]  # as many as there are splits
    splits = deal(groups, [own for _, own in utterances], SHARES, seed)
    assert set(splits) == set(SHARES)
    where = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        where[group].add(split)
    assert all(len(found) == 1 for found in where.values())
    assert splits == deal(groups, [own for _, own in utterances], SHARES, seed)


def test_each_class_is_spread_evenly():
    """Without groups each class is divided by the shares, a rare one too; 1000 are more than are refined."""
    for number in (100, 1000):
        classes = [["rare"] if place % 10 == 0 else ["usual"] for place in range(number)]
        splits = deal(range(number), classes, SHARES, 1)
        for name, count in (("rare", number // 10), ("usual", number * 9 // 10)):
            own = Counter(split for split, (label,) in zip(splits, classes, strict=True) if label == name)
            for split, share in SHARES.items():
                assert abs(own[split] - share * count) <= 1.5


def test_groups_of_one_class_each_are_dealt_so_that_each_split_has_all_classes():
    groups = [f"{emotion}{number}" for emotion in EMOTIONS for number in range(4)]
    splits = deal(groups, [[group[:-1]] for group in groups], {"train": 0.5, "valid": 0.25, "test": 0.25}, 3)
    found = Counter((split, group[:-1]) for split, group in zip(splits, groups, strict=True))
    assert found == {
        (split, emotion): 2 if split == "train" else 1 for split in ("train", "valid", "test") for emotion in EMOTIONS
    }


def test_many_rare_classes_do_not_spoil_the_sizes():
    sizes = Counter(deal(range(60), [[number] for number in range(60)], SHARES, 1))
    assert sizes == {"train": 42, "valid": 9, "test": 9}


def test_another_seed_is_another_draw():
    draws = {tuple(deal(range(20), [["x"]] * 20, SHARES, seed)) for seed in range(5)}
    assert len(draws) > 1


@pytest.mark.parametrize("text", ["0.7,0.3", "a,b,c", "0.7,0.3,0", "0.7,0.2,0.2", "nan,nan,nan", ""])
def test_shares_that_are_none(text):
    with pytest.raises(UsageError) as caught:
        parse_shares(text)
    assert str(caught.value) == f"--splits {text}: expected three shares above 0 that sum to 1"


def test_shares():
    assert parse_shares("0.6, 0.2,0.2") == (0.6, 0.2, 0.2)


def table(folder, header, rows):
    for name in "abcdef":
        soundfile.write(folder / f"{name}.wav", [0.0] * 100, 8000)
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_table(path, draw=Draw(seed=2))


def test_the_first_known_group_that_is_large_enough_decides(tmp_path):
    found = table(
        tmp_path,
        "id,audio,text,label,speaker,dialogue",
        [f"u{n},a.wav,t,{'xy'[n % 2]},s{n % 2},d{n % 4}" for n in range(12)],
    )
    assert found.drawn == "dialogue"
    assert found.warnings == (
        "there are only 2 speakers: splits are not drawn by speaker, so one speaker may be in several splits",
    )
    where = defaultdict(set)
    for row in found.rows:
        where[row.groups["dialogue"]].add(row.split)
    assert all(len(splits) == 1 for splits in where.values())
    assert {row.split for row in found.rows} == {"train", "valid", "test"}


def test_segments_of_a_recording_stay_together(tmp_path):
    found = table(
        tmp_path,
        "id,audio,text,label,speaker",
        [f"u{n},{'abc'[n % 3]}.wav,t,x,{'s' if n else ''}" for n in range(9)],
    )
    assert found.drawn == "recording"
    assert found.warnings[1:] == (
        "speaker is empty in row 2: splits are not drawn by speaker, so one speaker may be in several splits",
    )
    assert len({(row.segment.path, row.split) for row in found.rows}) == 3


def test_one_recording_is_divided_by_utterance(tmp_path):
    assert table(tmp_path, "id,audio,text,label", [f"u{n},a.wav,t,x" for n in range(9)]).drawn == "utterance"


def test_only_what_is_missing_is_drawn(tmp_path):
    rows = [f"u{n},a.wav,t,{'xy'[n % 2]},s{n % 4},train" for n in range(12)]
    found = table(tmp_path, "id,audio,text,label,speaker,split", [*rows, "v,b.wav,t,x,other,test"])
    assert found.warnings == ("there is no split valid: drawn from train by speaker",)
    assert [row.id for row in found.rows if row.split == "test"] == ["v"]
    assert Counter(row.split for row in found.rows)["valid"] == 3
