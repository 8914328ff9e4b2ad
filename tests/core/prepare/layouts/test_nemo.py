"""nEMO: names and table together, and either without the other."""

import pytest
from made_named import make_nemo

from sertool.core.errors import DataError
from sertool.core.prepare.layouts.nemo import LAYOUT
from sertool.core.prepare.layouts.read import read_layout


@pytest.fixture
def folder(tmp_path):
    return make_nemo(tmp_path / "nEMO")


def test_names_hold_emotion_and_actor_and_the_table_the_rest(folder):
    rows = {row.id: row for row in read_layout(LAYOUT, folder).rows}
    assert len(rows) == 4 * 6 * 2
    row = rows["BB0_surprised_2"]
    assert (row.labels, row.text) == ({"emotion": "surprise"}, "Zażółć, gęślą 2.")
    assert row.groups == {"speaker": "BB0", "gender": "female"}


def test_a_line_without_its_recording_and_a_recording_without_its_line(folder):
    (folder / "samples" / "AA0_fear_1.wav").rename(folder / "samples" / "AA0_fear_9.wav")
    with pytest.raises(DataError, match=r"no recording \(1\): AA0_fear_1"):
        read_layout(LAYOUT, folder)
    table = read_layout(LAYOUT, folder, skip_bad=True)
    assert "1 recording without a line in data.tsv: AA0_fear_9" in table.warnings
    assert [one.id for one in table.left_out] == ["AA0_fear_1"]
    assert len(table.rows) == 48


def test_recordings_without_the_table(folder):
    (folder / "data.tsv").unlink()
    table = read_layout(LAYOUT, folder)
    assert "there is no data.tsv, so texts and genders are not known" in table.warnings
    assert not any(row.text for row in table.rows)
