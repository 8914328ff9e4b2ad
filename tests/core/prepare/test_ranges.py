"""The option --range: what it reads, what it refuses, and which scores it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import run, write

from sertool.core.errors import SertoolError, UsageError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.ranges import Ranges, parse_ranges
from sertool.core.prepare.scale import Scale
from sertool.core.prepare.table import read_table

NO_RANGE = "is not the lowest and the highest score"


def test_one_range_for_all_or_one_for_each():
    assert parse_ranges("1:5").of("arousal") == Scale(1, 5)
    found = parse_ranges("Arousal=1:7, score_How warm=-1:1,score=0:100")
    assert found.named == {"arousal": Scale(1, 7), "how_warm": Scale(-1, 1), "sentiment": Scale(0, 100)}
    assert found.of("valence") is None
    both = parse_ranges("1:5,valence=-1:1")
    assert (both.of("arousal"), both.of("valence")) == (Scale(1, 5), Scale(-1, 1))
    assert both.to_json() == {"all": [1, 5], "valence": [-1, 1]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f"'' {NO_RANGE}"),
        ("5:1", f"'5:1' {NO_RANGE}"),
        ("1:1", f"'1:1' {NO_RANGE}"),
        ("1-5", f"'1-5' {NO_RANGE}"),
        ("1:inf", f"'1:inf' {NO_RANGE}"),
        ("nan:2", f"'nan:2' {NO_RANGE}"),
        ("1,5:4,5", f"'1' {NO_RANGE}"),
        ("=1:5", f"'=1:5' {NO_RANGE}"),
        ("arousal=", f"'arousal=' {NO_RANGE}"),
        ("arousal=1:5,", f"'' {NO_RANGE}"),
        ("arousal:1:5", f"'arousal:1:5' {NO_RANGE}"),
        ("-1e10:1", "'-1e10:1' goes beyond 1e+09"),
        ("1:5,1:7", "two ranges for all scores"),
        ("arousal=1:5,Arousal=1:7", "two ranges for arousal"),
        ("score=1:5,sentiment=1:5", "two ranges for sentiment"),
    ],
)
def test_ranges_that_are_refused(text, problem):
    with pytest.raises(UsageError) as caught:
        parse_ranges(text)
    assert str(caught.value) == f"--range {text}: {problem}"


ENDS = st.tuples(st.integers(-100, 100), st.integers(1, 100)).map(lambda pair: (pair[0], sum(pair)))
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("label", "emotion", "score", "all", "sentiment")
)


@given(st.dictionaries(NAMES, ENDS, min_size=1), st.none() | ENDS)
def test_a_list_of_ranges_is_read_as_it_is_written(named, others):
    parts = [f"{name}={low}:{high}" for name, (low, high) in named.items()]
    found = parse_ranges(",".join(parts + ([] if others is None else [f"{others[0]}:{others[1]}"])))
    assert found == Ranges({name: Scale(*ends) for name, ends in named.items()}, others and Scale(*others))


@given(st.text(alphabet="ar=1:5,-. e\0", max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_ranges(text)
    except SertoolError:
        return
    for scale in [*found.named.values(), *([found.others] if found.others else [])]:
        assert -1e9 <= scale.low < scale.high <= 1e9


def test_both_options_for_one_score_are_refused():
    for text in ("1:5", "score=1:5", "sentiment=1:5,arousal=1:5"):
        with pytest.raises(UsageError, match="are both about the column 'score'"):
            parse_choices(None, None, "1:5", None, text)
    assert parse_choices(None, None, "1:7", None, "arousal=1:5").scale == Scale(1, 7)


def test_a_range_that_is_about_nothing_is_refused(folder):
    scores = write(folder, "id,text,arousal,label\nu1,a b,2,x\nu2,b c,3,y\n", "scores.csv")
    labels = write(folder, "id,text,label\nu1,a b,x\nu2,b c,y\n", "labels.csv")
    result = run(scores, "--out", folder / "out", "--range", "arousl=1:5")
    assert str(result.exception) == "--range: there is no score 'arousl', did you mean 'arousal'?"
    assert result.exception.hint == "the scores are arousal"
    result = run(labels, "--out", folder / "out", "--range", "1:5")
    assert str(result.exception) == "--range: there is no column of scores"
    result = run(labels, "--out", folder / "out", "--range", "x=1:5")
    assert str(result.exception) == "--range: there is no score 'x'"
    assert result.exception.hint == "the table has no columns of scores"
    assert not (folder / "out").exists()


def test_a_score_of_sentiment_keeps_its_scale_with_a_range(folder):
    path = write(folder, "id,text,score\nu1,a b,1\nu2,b c,3\nu3,c d,4.5\n")
    kept = read_table(path, choices=parse_choices(None, None, None, None, "1:5"))
    assert [row.labels["sentiment"] for row in sorted(kept.rows, key=lambda row: row.id)] == [1.0, 3.0, 4.5]
    assert kept.ranges == {"sentiment": (1.0, 5.0)}
    assert kept.choices == {"range": {"all": [1.0, 5.0]}}
    assert not any("below 0" in line for line in kept.warnings)
    usual = write(folder, "id,text,score\nu1,a b,1\nu2,b c,3\nu3,c d,2.5\n")
    stated = read_table(usual, choices=parse_choices(None, None, None, None, "score=-3:3"))
    assert stated.ranges == {}  # the usual scale of sentiment, which tasks of classes know
    assert not any("below 0" in line for line in stated.warnings)
    assert any("--range LOW:HIGH keeps it" in line for line in read_table(usual).warnings)
    assert read_table(usual).ranges == {}


def test_a_folder_whose_names_hold_scores(folder):
    for place, score in enumerate((1, 3, 5)):
        (folder / "wav" / f"{'abc'[place]}.wav").rename(folder / f"s{place}_{score}.wav")
    options = ("--pattern", "{speaker}_{score}.wav", "--out", folder / "out")
    assert "score is not from -3 to 3" in str(run(folder, *options).exception)
    result = run(folder, *options, "--range", "1:5")
    assert result.exit_code == 0, result.output
    assert "sentiment, 1 to 5" in result.stdout
    rescaled = run(folder, *options, "--rescale", "1:5", "--force")
    assert "negative" in rescaled.stdout
    told = run(folder, *options, "--range", "arousal=1:5", "--force")
    assert str(told.exception) == "--range: there is no score 'arousal'"


def test_a_published_corpus_knows_its_ranges(folder):
    result = run(folder, "--layout", "emodb", "--range", "1:5", "--out", folder / "out")
    assert str(result.exception) == "--range: does not fit --layout emodb, which knows where all of EMO-DB lies"
