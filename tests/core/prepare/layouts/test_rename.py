"""Classes of a published corpus are merged in labels, ratings and their order."""

import pytest
from fake_layout import made, register

from sertool.core.corpora.readers.layouts import LAYOUTS as READERS
from sertool.core.errors import UsageError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.layouts.read import read_layout
from sertool.core.prepare.layouts.registry import LAYOUTS


@pytest.fixture
def read(tmp_path, monkeypatch):
    register(monkeypatch)
    folder = made(tmp_path)

    def read(text, reader="corpus"):
        return read_layout(LAYOUTS["fake-one"], folder, choices=parse_choices(None, text, None), reader=reader)

    return read


def test_classes_are_merged(read):
    table = read("excited=happy,sad=unhappy")
    assert table.classes == {"emotion": ("happy", "unhappy")}
    assert sorted(row.labels["emotion"] for row in table.rows) == ["happy"] * 4 + ["unhappy"] * 2
    assert {row.ratings["emotion"]["r1"] for row in table.rows} == {"happy", "unhappy"}
    assert {row.ratings["emotion"]["r2"] for row in table.rows} == {("unhappy", "odd")}
    assert all(1 <= row.labels["valence"] <= 5 for row in table.rows)
    assert table.choices == {"map_labels": {"excited": "happy", "sad": "unhappy"}}
    told = "classes renamed by --map-labels: 'excited' as 'happy' (2 utterances), 'sad' as 'unhappy' (2 utterances)"
    assert told in table.warnings


def test_one_class_may_become_two(read):
    table = read("excited=happy|aroused")
    assert table.classes == {"emotion": ("happy", "aroused", "sad")}
    assert {row.labels["emotion"] for row in table.rows} == {("happy",), ("aroused", "happy"), ("sad",)}


def test_a_class_that_is_not_there_is_refused(read):
    with pytest.raises(UsageError, match="there is no class 'exited', did you mean 'excited'"):
        read("exited=happy")


def test_the_classes_of_the_paper_are_fixed(read, monkeypatch):
    monkeypatch.setitem(READERS, "fake-one", READERS["iemocap"])
    with pytest.raises(
        UsageError, match="--map-labels: the recipe is for IEMOCAP, whose classes and splits are the paper's"
    ):
        read("excited=happy", reader="fake-one")
