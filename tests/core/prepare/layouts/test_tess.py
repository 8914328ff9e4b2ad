"""TESS: words, emotions and actresses in its names, whatever its folders are called."""

from made_named import make_tess

from sertool.core.prepare.layouts.read import read_layout
from sertool.core.prepare.layouts.tess import LAYOUT


def test_names_hold_actress_word_and_emotion(tmp_path):
    rows = {row.id: row for row in read_layout(LAYOUT, make_tess(tmp_path / "TESS")).rows}
    assert len(rows) == 2 * 7 * 3
    assert rows["OAF_back_ps"].labels == {"emotion": "surprise"}
    assert rows["OAF_back_ps"].text == "Say the word back."
    assert rows["OAF_bite_neutral"].segment.path.name == "OA_bite_neutral.wav"
    assert {row.groups["speaker"] for row in rows.values()} == {"OAF", "YAF"}
