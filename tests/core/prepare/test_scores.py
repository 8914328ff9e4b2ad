"""Columns of scores: numbers on their own scale, some of them missing, and what is no score told with its rows."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import SETTINGS, run, write

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.scores import number_of
from sertool.core.prepare.table import read_table

HEADER = "id,text,speaker,arousal,valence,score_How Warm"
ROWS = [
    "u1,yes I would,ann,1,-0.5,10",
    "u2,no way,bob,4.5,,0",
    "u3,well then,cid,,1,",
    "u4,come on,dan,5,0.25,100",
]
RANGES = "arousal=1:5,valence=-1:1,how_warm=0:100"


def table_of(folder, *rows, header=HEADER, ranges=RANGES, name="table.csv"):
    choices = parse_choices(None, None, None, None, ranges)
    return read_table(write(folder, "\n".join([header, *rows]) + "\n", name), choices=choices)


def problems(folder, *rows, **options):
    with pytest.raises(DataError) as caught:
        table_of(folder, *rows, **options)
    return [line for line in str(caught.value).splitlines()[1:] if not line.startswith("  note:")]


def labels(table):
    return {row.id: dict(row.labels) for row in table.rows}


WANTED = {
    "u1": {"arousal": 1.0, "valence": -0.5, "how_warm": 10.0},
    "u2": {"arousal": 4.5, "how_warm": 0.0},
    "u3": {"valence": 1.0},
    "u4": {"arousal": 5.0, "valence": 0.25, "how_warm": 100.0},
}


def test_scores_keep_their_scale_and_may_be_missing(folder):
    table = table_of(folder, *ROWS)
    assert labels(table) == WANTED
    assert table.ranges == {"arousal": (1, 5), "valence": (-1, 1), "how_warm": (0, 100)}
    assert table.classes == {}
    assert table.choices == {"range": {"arousal": [1, 5], "valence": [-1, 1], "how_warm": [0, 100]}}
    assert {row.split for row in table.rows} == {"train", "valid", "test"}


def test_json_and_excel_are_read_as_the_csv(folder):
    records = list(csv.DictReader([HEADER, *ROWS]))
    numbers = [
        {k: v if k in ("id", "text", "speaker") else float(v) if v else None for k, v in r.items()} for r in records
    ]
    lines = write(folder, "\n".join(map(json.dumps, numbers)), "t.jsonl")
    choices = parse_choices(None, None, None, None, RANGES)
    assert labels(read_table(lines, choices=choices)) == WANTED
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [HEADER.split(","), *(list(record.values()) for record in numbers)]:
        book.active.append(row)
    book.save(folder / "t.xlsx")
    assert labels(read_table(folder / "t.xlsx", choices=choices)) == WANTED


def test_a_corpus_holds_scores_and_ranges(folder):
    path = write(folder, "\n".join([HEADER, *ROWS]) + "\n")
    result = run(path, "--out", folder / "out", "--range", RANGES, "--json", folder / "p.json", *SETTINGS)
    assert result.exit_code == 0, result.output
    corpus = read_corpus(folder / "out")
    assert {utterance.id: utterance.labels for utterance in corpus.utterances} == WANTED
    assert corpus.ranges == {"arousal": (1, 5), "valence": (-1, 1), "how_warm": (0, 100)}
    shown = {
        title: result.stdout.splitlines() for title in ("arousal, 1 to 5", "how_warm, 0 to 100", "valence, -1 to 1")
    }
    assert all(any(line.startswith(title) for line in lines) for title, lines in shown.items())
    content = json.loads((folder / "p.json").read_text())["tasks"]
    assert {task: figures["kind"] for task, figures in content.items()} == dict.fromkeys(content, "range")
    assert sum(content["arousal"]["labelled"].values()) == 3
    assert content["valence"]["range"] == [-1, 1]


def test_the_dry_run_shows_scores(folder):
    path = write(folder, "\n".join([HEADER, *ROWS]) + "\n")
    result = run(path, "--dry-run", "--range", RANGES, "--json", folder / "p.json")
    header, first, *_ = [line.split() for line in result.stdout.splitlines()[2:]]
    assert header == ["id", "split", "speaker", "arousal", "valence", "how_warm", "text"]
    assert first[3:6] == ["1", "-0.5", "10"]
    assert json.loads((folder / "p.json").read_text())["rows"][0]["labels"] == WANTED["u1"]


def test_labels_beside_scores_may_be_empty(folder):
    table = table_of(folder, "u1,a,happy,1", "u2,b,,2", "u3,c,sad,", header="id,text,label,arousal", ranges="1:5")
    assert labels(table) == {
        "u1": {"emotion": "happy", "arousal": 1.0},
        "u2": {"arousal": 2.0},
        "u3": {"emotion": "sad"},
    }
    assert "row 3: label is empty, and only scores or raters' votes are there" in table.warnings


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("5.5", "arousal is not from 1 to 5"),
        ("0", "arousal is not from 1 to 5"),
        ("-1e300", "arousal is not from 1 to 5"),
        ('"3,2"', "arousal has a decimal comma, expected a point as in 3.2"),
        ("high", "arousal mixes scores and words"),
        ("3 of 5", "arousal mixes scores and words"),
        ("1_0", "arousal mixes scores and words"),
        ("0x3", "arousal mixes scores and words"),
        ("\N{MINUS SIGN}3", "arousal mixes scores and words"),
        ("inf", "arousal is not a finite number"),
        ("-Infinity", "arousal is not a finite number"),
        ("1e400", "arousal is not a finite number"),
        ("+nan", "arousal is not a finite number"),
    ],
)
def test_a_cell_that_is_no_score_is_told(folder, cell, problem):
    rows = ["u1,a b,2", f"u2,b c,{cell}", "u3,c d,4"]
    shown = cell.strip('"')
    told = problems(folder, *rows, header="id,text,arousal", ranges="1:5")
    assert told == [f"  row 3: {problem}: {shown!r}"]
    result = run(folder / "table.csv", "--out", folder / "out", "--range", "1:5")
    assert result.exit_code == 1
    assert told[0] in str(result.exception)


def test_all_problems_of_scores_are_told_at_once(folder):
    told = problems(
        folder,
        'u1,a b,ann,"2,5",good,10',
        "u2,b c,ann,9,bad,101",
        "u3,c d,ann,nan,,",
        "u4,d e,ann,high,fine,-1",
        'u5,e f,ann,"3,5",,',
    )
    assert told == [
        "  rows 2, 6: arousal has a decimal comma, expected a point as in 3.2: '2,5', '3,5'",
        "  row 3: arousal is not from 1 to 5: '9'",
        "  row 5: arousal mixes scores and words: 'high'",
        "  rows 2, 3, 5: valence holds no numbers, expected scores from -1 to 1: 'good', 'bad', 'fine'",
        "  rows 3, 5: score_how warm is not from 0 to 100: '101', '-1'",
        "  row 4: has no label, score or vote",
    ]


def test_a_range_that_is_missing_is_told_with_what_is_there(folder):
    path = write(folder, "\n".join([HEADER, *ROWS]) + "\n")
    result = run(path, "--out", folder / "out")
    assert str(result.exception) == (
        f"{path}: 1 problem\n  the range of arousal, valence, how_warm is not stated: --range LOW:HIGH, or "
        "--range arousal=LOW:HIGH,valence=LOW:HIGH,how_warm=LOW:HIGH (the table has scores from -0.5 to 100)"
    )
    assert result.exception.hint == (
        "state the range of scores: --range 1:5 for all scores, or --range arousal=1:5,valence=-1:1; nothing was "
        "written"
    )
    assert "the range of how_warm is not stated" in problems(folder, *ROWS, ranges="arousal=1:5,valence=-1:1")[0]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("arousal,Arousal", "column 'arousal' appears twice"),
        (
            "arousal,score_arousal",
            "columns 'arousal' and 'score_arousal' are both present, and both are the score 'arousal'",
        ),
        (
            "score_warm,score-warm",
            "columns 'score_warm' and 'score-warm' are both present, and both are the score 'warm'",
        ),
        ("arousal,score_all", "column 'score_all': 'all' cannot be the name of a score, rename the column"),
        ("arousal,score_emotion", "column 'score_emotion': 'emotion' cannot be the name of a score, rename the column"),
        (
            "arousal,score_sentiment",
            "column 'score_sentiment': 'sentiment' cannot be the name of a score, rename the column "
            "(scores of sentiment belong in the column 'score')",
        ),
        (
            "arousal,score_a.b",
            "column 'score_a.b': is not named as a score can be, expected letters, digits and underscores, at most 40",
        ),
    ],
)
def test_columns_that_contradict_each_other_are_refused(folder, header, problem):
    told = problems(folder, "u1,a b,1,2", "u2,b c,2,2", header=f"id,text,{header}", ranges="1:5")
    assert told == [f"  {problem}"]


def test_a_column_that_nearly_has_the_name_of_a_score_is_told(folder):
    table = table_of(folder, "u1,a b,x,1,-", "u2,b c,y,2,-", header="id,text,label,arrousal,notes", ranges=None)
    assert [line for line in table.warnings if "did you mean" in line] == [
        "column 'arrousal' is not used, did you mean 'arousal'?"
    ]


def test_scores_that_are_all_the_same_are_told(folder):
    table = table_of(folder, "u1,a b,3", "u2,b c,3", "u3,c d,3", header="id,text,arousal", ranges="1:5")
    assert "arousal: every score is 3, so there is nothing to learn" in table.warnings


def test_splits_are_drawn_evenly_over_a_range_of_any_size(folder):
    rows = [f"u{n},a {n},{1e9 * (n % 2)},{1 if n % 2 else -1}" for n in range(40)]
    table = table_of(folder, *rows, header="id,text,score_big,valence", ranges="big=0:1e9,valence=-1:1")
    for split in ("train", "valid", "test"):
        own = [row.labels["big"] for row in table.rows if row.split == split]
        assert abs(own.count(0.0) - own.count(1e9)) <= 1


def test_one_table_for_each_split_has_the_same_scores(folder):
    for split in ("train", "dev", "test"):
        write(folder, f"id,text,arousal\n{split},a b,2\n", f"{split}.csv")
    (folder / "wav").rename(folder.parent / f"{folder.name}-wav")
    choices = parse_choices(None, None, None, None, "1:5")
    assert {row.split for row in read_table(folder, choices=choices).rows} == {"train", "valid", "test"}
    write(folder, "id,text,arousal,valence\nt,a b,2,2\n", "test.csv")
    with pytest.raises(DataError, match=r"only test.csv has 'valence'"):
        read_table(folder, choices=choices)


def test_reports_read_a_table_of_scores_without_its_ranges(folder):
    table = read_table(write(folder, "id,audio,arousal,votes\nu1,wav/a.wav,high,few\n"), labels=False)
    assert [(row.id, row.labels, row.ratings) for row in table.rows] == [("u1", {}, None)]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_a_number_is_read_as_it_is_written(value):
    assert number_of(repr(value)) == float(value)


@given(st.text(alphabet="0123456789.,+-eE _\u0663", max_size=12))
def test_what_is_read_as_a_number_is_one(cell):
    found = number_of(cell)
    assert found is None or (float(cell) == found and set(cell) <= set("0123456789.+-eE"))
