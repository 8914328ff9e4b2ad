"""EmoV-DB: the names of its archives, and texts from the list of CMU ARCTIC."""

from made_named import make_emov_db

from sertool.core.prepare.layouts.emov_db import LAYOUT
from sertool.core.prepare.layouts.read import read_layout


def test_names_hold_speaker_style_and_sentence(tmp_path):
    folder = make_emov_db(tmp_path / "EmoV-DB")
    table = read_layout(LAYOUT, folder)
    rows = {row.id: row for row in table.rows}
    assert len(rows) == 2 * (5 + 5 + 3 + 5)
    assert rows["sam_Disgust_1_28_0002"].labels == {"emotion": "disgust"}
    assert rows["bea_sleepiness_1-28_0001"].groups == {"speaker": "bea", "gender": "female"}
    assert any(note.startswith("there is no cmuarctic.data") for note in table.warnings)


def test_the_list_of_sentences_gives_the_texts(tmp_path):
    folder = make_emov_db(tmp_path / "EmoV-DB")
    (folder / "cmuarctic.data").write_text('( arctic_a0002 "Not on this side, Ann." )\n( arctic_b0001 "No." )\n')
    rows = {row.id: row.text for row in read_layout(LAYOUT, folder).rows}
    assert rows["bea_amused_1-15_0002"] == "Not on this side, Ann."
    assert rows["bea_amused_1-15_0001"] == ""


def test_the_older_form_has_a_folder_for_each_speaker(tmp_path):
    folder = make_emov_db(tmp_path / "EmoV-DB")
    before = {row.id for row in read_layout(LAYOUT, folder).rows}
    for path in sorted(folder.iterdir()):
        speaker, style = path.name.split("_")
        (folder / speaker).mkdir(exist_ok=True)
        path.rename(folder / speaker / style)
    assert {row.id for row in read_layout(LAYOUT, folder).rows} == before
