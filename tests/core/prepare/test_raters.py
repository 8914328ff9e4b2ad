"""Columns of raters: the majority of their classes, the mean of their scores, and columns that name a rater twice."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import SETTINGS, run, write

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.ratings import shares_of
from sertool.core.errors import DataError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.label_columns import label_column
from sertool.core.prepare.raters import majority, mean_score
from sertool.core.prepare.table import read_table

CLASSES = "id,text,Rater 1,rater-ann,rater3"
ROWS = ["u1,a b,happy,happy,sad", "u2,b c,sad,happy,", "u3,c d,,,sad", "u4,d e,happy|sad,happy,"]


def table_of(folder, *rows, header=CLASSES, ranges=None, labels=None, name="table.csv"):
    choices = parse_choices(None, labels, None, None, ranges)
    return read_table(write(folder, "\n".join([header, *rows]) + "\n", name), choices=choices)


def problems(folder, *rows, **options):
    with pytest.raises(DataError) as caught:
        table_of(folder, *rows, **options)
    return [line for line in str(caught.value).splitlines()[1:] if not line.startswith("  note:")]


def of(table, task="emotion"):
    return {row.id: (row.labels.get(task), (row.ratings or {}).get(task)) for row in table.rows}


def test_the_majority_of_the_raters_is_the_label(folder):
    table = table_of(folder, *ROWS)
    assert of(table) == {
        "u1": ("happy", {"1": "happy", "ann": "happy", "3": "sad"}),
        "u2": (None, {"1": "sad", "ann": "happy"}),
        "u3": ("sad", {"3": "sad"}),
        "u4": ("happy", {"1": ("happy", "sad"), "ann": "happy"}),
    }
    assert table.classes == {"emotion": ("happy", "sad")}
    assert any(line.startswith("the raters tie on 1 of 4 utterances (row 3): it has") for line in table.warnings)


def test_a_corpus_holds_what_each_rater_said(folder):
    path = write(folder, "\n".join([CLASSES, *ROWS]) + "\n")
    result = run(path, "--out", folder / "out", *SETTINGS)
    assert result.exit_code == 0, result.output
    corpus = read_corpus(folder / "out")
    found = {utterance.id: (utterance.labels, utterance.ratings) for utterance in corpus.utterances}
    assert found["u4"] == ({"emotion": "happy"}, {"emotion": {"1": ("happy", "sad"), "ann": "happy"}})
    assert found["u2"][0] == {}
    assert corpus.classes == {"emotion": ("happy", "sad")}


def test_a_column_of_labels_stands_beside_raters(folder):
    header = "id,text,label,rater_1,rater_2"
    table = table_of(folder, "u1,a b,sad,happy,happy", "u2,b c,happy,,", "u3,c d,,sad,sad", header=header)
    assert {id_: label for id_, (label, _) in of(table).items()} == {"u1": "sad", "u2": "happy", "u3": None}
    assert table.classes == {}
    told = problems(folder, "u1,a b,sad,sadd,", "u2,b c,happy,happpy,happy", header=header)
    assert told == ["  row 3: raters chose 'happpy', which no label has, did you mean 'happy'?"]


def test_names_of_classes_are_made_plain_with_those_of_labels(folder):
    header = "id,text,label,rater_1,rater_2"
    table = table_of(folder, "u1,a b,1,1.0,2.0", "u2,b c,2,2.0,-", "u3,c d,2,NaN,\u200b2", header=header)
    assert of(table) == {"u1": ("1", {"1": "1", "2": "2"}), "u2": ("2", {"1": "2"}), "u3": ("2", {"2": "2"})}
    signs = table_of(folder, "u1,a b,+,-", "u2,b c,-,-", header="id,text,rater_1,rater_2")
    assert of(signs)["u2"] == ("-", {"1": "-", "2": "-"})


def test_classes_of_raters_are_renamed(folder):
    table = table_of(folder, "u1,a b,hap,exc,sad", "u2,b c,sad,fru,fru", labels="hap=happy,exc=happy,fru=angry")
    assert {id_: label for id_, (label, _) in of(table).items()} == {"u1": "happy", "u2": "angry"}
    assert any("'fru' as 'angry' (row 3)" in line for line in table.warnings)


def test_scores_of_raters_have_their_mean_as_the_target(folder):
    header = "id,text,arousal_rater_1,Arousal rater 2,score_warm_rater_a,warm_rater_b"
    rows = ["u1,a b,1,2,3,4", "u2,b c,5,,,4", "u3,c d,,4,5,"]
    table = table_of(folder, *rows, header=header, ranges="1:5")
    assert of(table, "arousal") == {
        "u1": (1.5, {"1": 1.0, "2": 2.0}),
        "u2": (5.0, {"1": 5.0}),
        "u3": (4.0, {"2": 4.0}),
    }
    assert of(table, "warm")["u1"] == (3.5, {"a": 3.0, "b": 4.0})
    assert table.ranges == {"arousal": (1, 5), "warm": (1, 5)}


def test_a_column_of_scores_stands_beside_raters(folder):
    header = "id,text,arousal,arousal_rater_1,arousal_rater_2"
    table = table_of(folder, "u1,a b,2,4,5", "u2,b c,,4,5", "u3,c d,3,,", header=header, ranges="1:5")
    assert of(table, "arousal") == {
        "u1": (2.0, {"1": 4.0, "2": 5.0}),
        "u2": (None, {"1": 4.0, "2": 5.0}),
        "u3": (3.0, None),
    }
    assert "row 3: arousal is empty beside the raters' scores, and stays missing" in table.warnings


def test_scores_of_sentiment_are_rescaled_with_those_of_raters(folder):
    path = write(folder, "id,text,score_rater_1,score_rater_2\nu1,a b,1,3\nu2,b c,5,\n")
    table = read_table(path, choices=parse_choices(None, None, "1:5"))
    assert of(table, "sentiment") == {"u1": (-1.5, {"1": -3.0, "2": 0.0}), "u2": (3.0, {"1": 3.0})}
    with pytest.raises(DataError, match="score_rater_1 is not from -3 to 3"):
        read_table(path)


def test_raters_of_a_score_that_is_not_there_are_told_and_not_used(folder):
    header = "id,text,label,first_rater_opinion,rater_id,rater_1_comment,rater"
    table = table_of(folder, "u1,a b,x,1,7,fine,ann", "u2,b c,y,2,8,,bob", header=header)
    assert all(row.ratings is None for row in table.rows)
    assert [line for line in table.warnings if "not used" in line] == [
        "column 'first_rater_opinion' is not used: there is no score that it belongs to"
    ]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("rater_1,Rater_1", "column 'rater_1' appears twice"),
        ("rater_1,rater 1", "rater '1' is named twice: columns 'rater_1' and 'rater 1'"),
        ("rater_1,Rater-1", "rater '1' is named twice: columns 'rater_1' and 'rater-1'"),
        ("rater_1,rater1", "rater '1' is named twice: columns 'rater_1' and 'rater1'"),
        ("rater_ann,emotion_rater_Ann", "rater 'ann' is named twice: columns 'rater_ann' and 'emotion_rater_ann'"),
        (
            "score_rater_1,sentiment_rater_1",
            "rater '1' is named twice: columns 'score_rater_1' and 'sentiment_rater_1'",
        ),
        (
            "votes,rater_1",
            "columns 'votes' and 'rater_1' are both present: the raters' classes stand in one column 'votes', or in a "
            "column for each rater",
        ),
    ],
)
def test_raters_who_are_named_twice_are_refused(folder, header, problem):
    path = write(folder, f"id,text,{header}\nu1,a b,1,2\nu2,b c,2,2\n")
    result = run(path, "--out", folder / "out")
    assert str(result.exception).splitlines()[1] == f"  {problem}"
    assert str(result.exception).startswith(f"{path}: 1 problem\n")


def test_scores_of_raters_beside_classes_of_sentiment_are_refused(folder):
    told = problems(folder, "u1,a b,good,1", "u2,b c,bad,2", header="id,text,sentiment,score_rater_1")
    assert told == ["  column 'sentiment' holds classes, and 'score_rater_1' a rater's scores of the same task"]


def test_words_among_scores_of_raters_are_told_by_column(folder):
    header = "id,text,arousal_rater_1,arousal_rater_2,arousal_rater_3"
    told = problems(folder, "u1,a b,1,high,7", 'u2,b c,low,calm,"2,5"', header=header, ranges="1:5")
    assert told == [
        "  row 3: arousal_rater_1 mixes scores and words: 'low'",
        "  rows 2, 3: arousal_rater_2 holds no numbers, expected scores from 1 to 5: 'high', 'calm'",
        "  row 2: arousal_rater_3 is not from 1 to 5: '7'",
        "  row 3: arousal_rater_3 has a decimal comma, expected a point as in 3.2: '2,5'",
    ]


def test_a_row_without_any_rater_is_a_problem_unless_it_is_private(folder):
    header = "id,text,split,rater_1,rater_2"
    rows = ["u1,a b,train,x,y", "u2,b c,train,,-", "u3,c d,private,,"]
    assert problems(folder, *rows, header=header) == ["  row 3: has no label, score or vote"]
    table = table_of(folder, rows[0], rows[2], header=header)
    assert {row.id: row.ratings for row in table.rows}["u3"] is None


def test_each_split_may_have_raters_of_its_own(folder):
    write(folder, "id,text,rater_1,rater_2\nt,a b,x,x\n", "train.csv")
    write(folder, "id,text,rater_3\nv,b c,y\n", "valid.csv")
    write(folder, "id,text,rater_2,rater_9\ne,c d,y,y\n", "test.csv")
    (folder / "wav").rename(folder.parent / f"{folder.name}-wav")
    found = {row.id: row.ratings["emotion"] for row in read_table(folder).rows}
    assert found == {"t": {"1": "x", "2": "x"}, "v": {"3": "y"}, "e": {"2": "y", "9": "y"}}


def test_utterances_without_a_label_are_dealt_to_splits(folder):
    rows = [f"u{n},a {n},{'x' if n % 3 else 'y'},{'x' if n % 2 else 'y'}" for n in range(60)]
    table = table_of(folder, *rows, header="id,text,rater_1,rater_2")
    assert Counter(row.split for row in table.rows) == {"train": 42, "valid": 9, "test": 9}
    assert {row.split for row in table.rows if not row.labels} == {"train", "valid", "test"}
    tied = table_of(folder, *(f"u{n},a {n},x,y" for n in range(10)), header="id,text,rater_1,rater_2")
    assert not any(row.labels for row in tied.rows)
    assert len({row.split for row in tied.rows}) == 3


def test_a_corpus_of_ties_alone_trains_nothing(folder):
    path = write(folder, "id,text,votes\n" + "".join(f"u{n},a {n},x:1|y:1\n" for n in range(10)))
    result = run(path, "--out", folder / "out", *SETTINGS)
    assert result.exit_code == 0, result.output
    assert "there are no labels, so there is nothing to train on" in result.stdout
    assert "the raters tie on 10 of 10 utterances" in result.stderr


def test_the_dry_run_shows_what_raters_said(folder):
    header = "id,text,rater_1,rater_2,arousal_rater_1,arousal_rater_2"
    path = write(folder, f"{header}\nu1,a b,sad,sad,3,2.5\nu2,b c,x|sad,,4,\n")
    result = run(path, "--dry-run", "--range", "1:5", "--json", folder / "p.json")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()[2:5]
    assert lines[0].split("  ")[-3:] == ["arousal raters", "emotion raters", "text"]
    assert lines[1].split()[-4:] == ["2.5|3", "sad:2", "a", "b"]
    assert "sad & x:1" in lines[2]
    rows = json.loads((folder / "p.json").read_text())["rows"]
    assert rows[0]["ratings"] == {"arousal": {"1": 3.0, "2": 2.5}, "emotion": {"1": "sad", "2": "sad"}}
    assert rows[1]["ratings"]["emotion"] == {"1": ["sad", "x"]}


def test_json_rows_may_have_raters_of_their_own(folder):
    records = [{"text": "a b", "rater_1": "x", "rater_2": None}, {"text": "b c", "rater_3": 1, "arousal": 2}]
    path = write(folder, json.dumps(records), "t.json")
    table = read_table(path, choices=parse_choices(None, None, None, None, "1:5"))
    assert sorted((row.number, row.ratings) for row in table.rows) == [
        (1, {"emotion": {"1": "x"}}),
        (2, {"emotion": {"3": "1"}}),
    ]
    listed = write(folder, '[{"text": "a", "rater_1": ["x", "y"], "votes_x": []}]', "u.json")
    with pytest.raises(DataError, match="rater_1 is not a text or a number"):
        read_table(listed)


NAMES = st.sampled_from(["angry", "sad", "happy", "calm"])
SAID = st.dictionaries(
    st.text(alphabet="abc123", min_size=1, max_size=3),
    NAMES | st.lists(NAMES, min_size=1, max_size=4, unique=True).map(tuple),
    min_size=1,
    max_size=8,
)


@given(SAID)
def test_the_majority_is_the_class_with_the_greatest_share(said):
    """The shares that soft targets are made of agree, up to rounding."""
    classes = ("angry", "calm", "happy", "sad")
    shares = shares_of(said, classes)
    order = sorted(shares)
    if order[-1] - order[-2] > 1e-9:
        assert majority(said) == classes[int(shares.argmax())]
    else:
        assert majority(said) is None


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_a_mean_lies_among_its_scores(scores):
    assert min(scores) <= mean_score(scores) <= max(scores)
    assert mean_score(scores) == pytest.approx(sum(scores) / len(scores), abs=1e-3)


@given(st.text(max_size=30) | st.from_regex(r"(score[ _-])?[a-z]{0,5}[ _-]?rater[ _-]?[a-z0-9]{0,3}", fullmatch=True))
def test_any_name_of_a_column_is_read_or_not(name):
    found = label_column(name.lower())
    assert found is None or (found.task and found.rater != "")
