"""SAVEE: the form of the release and that of copies say the same."""

import pytest
from made_named import make_savee

from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.layouts.savee import LAYOUT


@pytest.mark.parametrize("flat", [False, True])
def test_both_forms_hold_speaker_and_emotion(flat, tmp_path):
    folder = make_savee(tmp_path / "SAVEE", flat=flat)
    rows = {row.id: row for row in read_layout(LAYOUT, folder).rows}
    assert len(rows) == 4 * 7 * 2
    assert [rows[f"JE_{code}01"].labels["emotion"] for code in ("sa", "su", "a")] == ["sad", "surprise", "angry"]
    assert rows["KL_n02"].groups == {"speaker": "KL", "gender": "male"}
    assert rows["KL_n02"].labels == {"emotion": "neutral"}


def test_one_man_alone_is_recognised(tmp_path):
    assert recognised(make_savee(tmp_path / "SAVEE") / "AudioData" / "DC") is LAYOUT
