"""EMO-DB's folder: the facts of the tables that fetch-data writes, and their four classes as a task."""

import csv
from collections import Counter

import pytest
from made_named import make_emodb

from sertool.core.prepare import emodb
from sertool.core.prepare.layouts.emodb import LAYOUT
from sertool.core.prepare.layouts.read import read_layout


def test_the_folder_says_what_the_table_says(tmp_path):
    folder = make_emodb(tmp_path / "emodb")
    by_name = {row["utterance"]: row for row in emodb.write_tables(folder)}
    rows = read_layout(LAYOUT, folder).rows
    assert len(rows) == len(by_name) == 4 * 2 * 7
    for row in rows:
        said = by_name[row.id]
        assert (row.text, row.labels["emotion"]) == (said["text"], said["emotion"])
        assert row.groups == {"speaker": said["speaker"], "gender": said["gender"]}
    four = Counter(row.labels["emotion-4"] for row in rows if "emotion-4" in row.labels)
    assert four == dict.fromkeys(emodb.FOUR, 8)


@pytest.mark.data
def test_real_recordings(data_folder):
    folder = data_folder / "emodb"
    if not folder.is_dir():
        pytest.skip(f"no EMO-DB in {data_folder}")
    rows = read_layout(LAYOUT, folder).rows
    with (folder / "utterances.csv").open(encoding="utf-8") as file:
        real = {row["id"]: row["emotion"] for row in csv.DictReader(file)}
    assert {row.id: row.labels["emotion"] for row in rows} == real
    assert Counter(row.groups["gender"] for row in rows)["male"] == sum(row[:2] in emodb.MALE for row in real)
