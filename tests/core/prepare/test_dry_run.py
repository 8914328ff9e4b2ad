"""`--dry-run` shows how names are read, in any width, and leaves nothing behind."""

import json
import os

import pytest
from recorded_tables import GOOD, run, write

from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.dry_run import SHOWN, DryRun
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.table import read_table


def files(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("width", [None, 80, 200])
def test_the_first_rows_stand_in_the_order_of_the_table(folder, width):
    lines = DryRun(read_table(write(folder, GOOD))).lines(width)
    assert lines[0].endswith("table.csv: 4 utterances: train 2, valid 1, test 1")
    header, *rows = lines[2:7]
    assert header.split() == ["file", "start", "end", "id", "split", "speaker", "session", "emotion", "text"]
    assert [row.split()[0] for row in rows] == ["wav/a.wav", "wav/b.wav", "wav/c.wav", "wav/c.wav"]
    assert "Yes, I'd love" in rows[0]
    assert width is None or max(map(len, lines[2:])) <= width


def test_a_long_text_and_a_long_path_are_cut_only_on_a_terminal(folder):
    long = "word " * 60
    table = write(folder, f"audio,text,label\nwav/a.wav,{long},happy\nwav/b.wav,no,sad\n")
    found = DryRun(read_table(table))
    assert long.strip() in "\n".join(found.lines(None))
    assert all(len(line) <= 80 for line in found.lines(80)[2:])


def test_facts_of_names_are_shown(folder):
    for number in range(SHOWN + 3):
        os.link(folder / "wav/a.wav", folder / f"s{number % 3}_happy_{number:02}.wav")
    choices = parse_choices("{speaker}_{label}_{utterance}", None, None)
    (folder / "wav").rename(folder / ".wav")
    found = DryRun(read_folder(folder, choices=choices))
    assert [row.segment.path.name for row in found.rows][:2] == ["s0_happy_00.wav", "s0_happy_03.wav"]
    assert len(found.to_json()["rows"]) == SHOWN
    assert "... and 3 more" in found.lines(80)


def test_the_command_writes_nothing_but_its_result(folder, monkeypatch):
    monkeypatch.chdir(folder)
    table = write(folder, GOOD)
    before = files(folder)
    result = run(table, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "dry run: nothing was decoded or written" in result.stdout
    result = run(table, "--dry-run", "--out", "new", "--json", "rows.json")
    assert result.exit_code == 0, result.output
    assert files(folder) == sorted([*before, str(folder / "rows.json")])
    found = json.loads((folder / "rows.json").read_text())
    assert found["format"] == "sertool-dry-run/1"
    assert [row["id"] for row in found["rows"]] == ["u1", "u2", "u3", "u4"]
    assert found["rows"][2] == {
        **dict.fromkeys(("channel", "dialogue", "video", "gender", "order", "fold")),
        **{"file": "wav/c.wav", "start": 0.1, "end": 0.4, "id": "u3", "split": "test", "speaker": "bob"},
        **{"session": "s2", "labels": {"emotion": "happy"}, "ratings": {}, "text": "Fine"},
    }


def test_problems_are_told_as_without_it(folder):
    result = run(write(folder, GOOD.replace("b.wav", "d.wav")), "--dry-run")
    assert result.exit_code == 1
    assert "no such audio file" in str(result.exception)


def test_several_classes_scores_and_texts_alone(folder):
    found = DryRun(read_table(write(folder, "text,label\nwell,happy|sad\nno,sad\n")))
    assert found.to_json()["rows"][0]["labels"] == {"emotion": ["happy", "sad"]}
    assert found.to_json()["rows"][0]["file"] is None
    assert "happy|sad" in "\n".join(found.lines(80))
    assert "-1.5" in "\n".join(DryRun(read_table(write(folder, "text,score\nwell,-1.5\nno,2\n"))).lines(80))
