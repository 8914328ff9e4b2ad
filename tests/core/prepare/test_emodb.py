"""EMO-DB's file names as tables: checked against the real table where it is at hand."""

import csv

import pytest

from sertool.core.errors import DataError
from sertool.core.prepare import emodb


def test_a_name_is_speaker_sentence_emotion_and_take():
    assert emodb.rows(["16b10Wb.wav", "03a01Fa.wav"]) == [
        {
            "utterance": "03a01Fa",
            "audio": "03a01Fa.wav",
            "text": "Der Lappen liegt auf dem Eisschrank.",
            "emotion": "happiness",
            "speaker": "03",
            "gender": "male",
        },
        {
            "utterance": "16b10Wb",
            "audio": "16b10Wb.wav",
            "text": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
            "emotion": "anger",
            "speaker": "16",
            "gender": "female",
        },
    ]


def test_other_names_are_passed_over():
    names = ["01a01Fa.wav", "03a03Fa.wav", "03a01Xa.wav", "03a01Fa.lablaut", "erkennung.txt", "03a01F.wav"]
    assert emodb.rows(names) == []


def test_the_tables_are_written(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("03a01Fa.wav", "03a02La.wav", "notes.txt"):
        (tmp_path / "wav" / name).write_bytes(b"")
    assert len(emodb.write_tables(tmp_path)) == 2
    assert (tmp_path / "utterances.csv").read_text().splitlines()[0] == "utterance,audio,text,emotion,speaker,gender"
    four = list(csv.DictReader((tmp_path / "four-emotions.csv").read_text().splitlines()))
    assert [(row["audio"], row["emotion"]) for row in four] == [("wav/03a01Fa.wav", "happiness")]


def test_a_folder_without_recordings(tmp_path):
    with pytest.raises(DataError, match=r"wav: no recordings of EMO-DB, expected names like 03a01Fa\.wav$"):
        emodb.write_tables(tmp_path)


@pytest.mark.data
def test_the_real_table_says_the_same(data_folder):
    path = data_folder / "emodb" / "utterances.csv"
    if not path.is_file():
        pytest.skip(f"no EMO-DB in {data_folder}")
    with path.open(encoding="utf-8") as file:
        real = sorted(csv.DictReader(file), key=lambda row: row["id"])
    ours = emodb.rows(f"{row['id']}.wav" for row in real)
    assert len(ours) == 339
    assert [(r["utterance"], *(r[key] for key in ("text", "emotion", "speaker", "gender"))) for r in ours] == [
        (r["id"], *(r[key] for key in ("text", "emotion", "speaker", "gender"))) for r in real
    ]
