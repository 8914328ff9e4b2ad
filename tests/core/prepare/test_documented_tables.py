"""The tables of scores and raters in docs/own-data.md are read as the page says, by the commands that it shows."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from places import ROOT
from recorded_tables import SETTINGS, run

PAGE = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")


def section(title):
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return text


def tables(title):
    """The tables of a section: a list of rows each, header first."""
    blocks = re.findall(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    grids = [[re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in block.splitlines()] for block in blocks]
    return [[[cell.strip(" `").replace("\\|", "|") for cell in row] for row in (grid[0], *grid[2:])] for grid in grids]


def commands(title):
    (block,) = re.findall(r"^```sh\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    words = map(shlex.split, block.splitlines())
    return [own[2:] for own in words if own[1] == "prepare"]


def write(name, rows):
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def prepared(words):
    result = run(*words, "--force", "--json", "p.json", *SETTINGS)
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    lines = Path(words[words.index("--out") + 1], "utterances.jsonl").read_text(encoding="utf-8")
    return result, list(map(json.loads, lines.splitlines()))


def ranges(folder):
    return json.loads(Path(folder, "corpus.json").read_text(encoding="utf-8"))["ranges"]


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    for old, new in zip("abc", ("u1", "u2", "u3"), strict=True):
        (folder / "wav" / f"{old}.wav").rename(folder / f"{new}.wav")
    monkeypatch.chdir(folder)


def test_the_table_of_scores():
    [table] = tables("Scores")
    assert table[0] == ["audio", "text", "speaker", "arousal", "valence", "score_warmth"]
    write("calls.csv", table)
    one, each, both = commands("Scores")
    _, rows = prepared(each)
    assert {row["id"]: row["labels"] for row in rows} == {
        "u1": {"arousal": 3.5, "valence": 0.75, "warmth": 80.0},
        "u2": {"arousal": 4.25, "valence": -0.5, "warmth": 10.0},
        "u3": {"arousal": 1.5, "warmth": 45.0},
    }
    write("calls.csv", [row[:4] for row in table])  # one range fits the column of arousal alone
    assert {row["labels"]["arousal"] for row in prepared(one)[1]} == {3.5, 4.25, 1.5}
    assert ranges("data/CALLS") == {"arousal": [1, 5]}
    write("calls.csv", [row[:4] + row[5:] for row in table])
    prepared(both)
    assert ranges("data/CALLS") == {"arousal": [1, 5], "warmth": [0, 100]}


@pytest.mark.parametrize(("place", "third"), [(0, "angry"), (1, "neutral")])
def test_the_tables_of_raters(place, third):
    table = tables("Raters")[place]
    write("rated.csv", table)
    plain, _ = commands("Raters")
    result, rows = prepared(plain)
    labels = {row["text"]: row["labels"].get("emotion") for row in rows}
    assert labels == {"I would love to": "happy", "No way": None, "Well then": third}
    assert "the raters tie on 1 of 3 utterances (row 3): it has no majority label" in result.stderr


def test_scores_and_other_names_of_classes_beside_raters():
    header, *rows = tables("Raters")[0]
    short = [["hap" if cell == "happy" else cell for cell in row] for row in rows]
    scores = [[str(place + 1), "5"] for place in range(len(rows))]
    names = ["arousal_rater_ann", "score_warmth_rater_bob"]
    write("rated.csv", [header + names, *(row + own for row, own in zip(short, scores, strict=True))])
    _, renamed = commands("Raters")
    words = [word.replace("hap=happy,exc=happy", "hap=happy") for word in renamed]  # the table has no exc
    first = next(row for row in prepared(words)[1] if row["text"] == "I would love to")
    assert first["labels"] == {"emotion": "happy", "arousal": 1.0, "warmth": 5.0}
    assert first["ratings"]["emotion"] == {"3": "neutral", "ann": "happy", "bob": "happy"}
