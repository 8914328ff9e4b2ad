"""Classes renamed and merged, and scores rescaled: what was asked is told, and a slip is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import run, write

from sertool.core.corpora.names import is_missing, normal
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.label_map import parse_label_map
from sertool.core.prepare.scale import STORED, Scale, parse_scale
from sertool.core.prepare.table import read_table

TEXT = "id,audio,text,speaker,label\nu1,wav/a.wav,a,s1,hap\nu2,wav/b.wav,b,s2,exc\nu3,wav/c.wav,c,s3,ang\n"


def labels(path, given):
    return {row.id: row.labels["emotion"] for row in read_table(path, choices=parse_choices(None, given, None)).rows}


def test_classes_are_merged_and_renamed(folder):
    path = write(folder, TEXT)
    assert labels(path, "hap=happy,exc=happy") == {"u1": "happy", "u2": "happy", "u3": "ang"}
    assert labels(path, "hap=ang, ang=hap") == {"u1": "ang", "u2": "exc", "u3": "hap"}
    told = read_table(path, choices=parse_choices(None, "hap=happy,exc=happy", None)).warnings
    assert "classes renamed by --map-labels: 'hap' as 'happy' (row 2), 'exc' as 'happy' (row 3)" in told


def test_one_label_may_become_two(folder):
    path = write(folder, TEXT.replace("ang", '"happy, sad"'))
    note = "emotion: 'happy, sad' (row 4) may be several labels, but each counts as one class"
    assert any(line.startswith(note) for line in read_table(path).warnings)
    mapped = write(folder, "# two labels in one cell\n\nhappy, sad=hap|sad\n", "map.txt")
    assert labels(path, str(mapped)) == {"u1": ("hap",), "u2": ("exc",), "u3": ("hap", "sad")}
    lists = write(folder, TEXT.replace("hap", "hap|exc"))
    assert labels(lists, "exc=hap") == {"u1": ("hap",), "u2": ("hap",), "u3": ("ang",)}


@pytest.mark.parametrize(
    ("cells", "suspected"),
    [
        (("a, b", "a", "c"), ["a, b"]),
        (("a;b", "c", "d"), ["a;b"]),
        (("a/b", "a", "b"), ["a/b"]),
        (("a + b", "a", "b"), ["a + b"]),
        (("hap/exc", "ang", "sad"), []),
        (("a,", "b", "c"), []),
    ],
)
def test_cells_that_look_like_two_labels_are_told(folder, cells, suspected):
    rows = "".join(f"u{number};wav/a.wav;{json.dumps(cell)}\n" for number, cell in enumerate(cells))
    warnings = read_table(write(folder, f"id;audio;label\n{rows}")).warnings
    found = [name for name in suspected if any(f"{name!r} (row 2) may be several" in line for line in warnings)]
    assert found == suspected
    assert any("may be several labels" in line for line in warnings) == bool(suspected)


@pytest.mark.parametrize(
    ("given", "said", "tried"),
    [
        ("hapy=happy", "there is no class 'hapy', did you mean 'hap'?", "the classes are 'ang', 'exc', 'hap'"),
        ("hap", "there is no such file, and it is no list of old=new", "old=new"),
        ("hap=", "'hap' has no new name", "old=new"),
        ("=happy", "has no new name, or 'happy' no old one", "old=new"),
        ("a=b=c", "'a=b=c' is not old=new", "old=new"),
        ("hap=x,hap=y", "'hap' is to be both 'x' and 'y'", "keep one"),
    ],
)
def test_a_slip_is_refused(folder, given, said, tried):
    with pytest.raises(UsageError) as caught:
        labels(write(folder, TEXT), given)
    assert said in str(caught.value)
    assert tried in caught.value.hint


def test_a_file_may_name_classes_that_are_not_there_but_not_only_such(folder):
    path = write(folder, TEXT)
    for name, content in (("m.json", '{"hap": "happy", "sur": 1}'), ("m.yaml", "hap: happy\nsur: no\n")):
        given = str(write(folder, content, name))
        assert labels(path, given)["u1"] == "happy"
        told = read_table(path, choices=parse_choices(None, given, None)).warnings
        assert f"{given}: names classes that are not there: 'sur'" in told
    with pytest.raises(UsageError, match="there is no class 'sur'"):
        labels(path, str(write(folder, "sur=surprise\n", "m.txt")))
    for content in ("[1]", '{"hap": ["a"]}', '{"hap": "a", "hap": "b"}'):
        with pytest.raises(SertoolError):
            labels(path, str(write(folder, content, "m.json")))


def test_the_file_of_the_names_is_not_written_over(folder):
    given = write(folder, "hap=happy\n", "map.txt")
    result = run(write(folder, TEXT), "--out", folder / "OUT", "--map-labels", given, "--json", given)
    assert result.exit_code != 0
    assert "this command reads it" in str(result.exception)
    assert given.read_text() == "hap=happy\n"


NAMES = st.text(min_size=1, max_size=8).filter(
    lambda name: normal(name) == name and not set(name) & set(",=|") and name.isprintable() and not is_missing(name)
)


@given(st.dictionaries(NAMES, NAMES, min_size=1))
def test_a_list_of_names_is_read_as_it_is_written(names):
    assert parse_label_map(",".join(f"{old}={new}" for old, new in names.items())).names == names


@given(st.text(alphabet="ab=,| \0/", max_size=20))
def test_any_list_is_read_or_refused(text):
    try:
        found = parse_label_map(text)
    except SertoolError:
        return
    assert found.names
    assert all(found.names.values())


def test_scores_are_rescaled(folder):
    path = write(folder, "id,audio,text,speaker,score\nu1,wav/a.wav,a,s,1\nu2,wav/b.wav,b,s,3\nu3,wav/c.wav,c,s,4.5\n")
    table = read_table(path, choices=parse_choices(None, None, "1:5"))
    assert {row.id: row.labels["sentiment"] for row in table.rows} == {"u1": -3.0, "u2": 0.0, "u3": 2.25}
    assert "scores from 1 to 5 are rescaled to -3 to 3" in table.warnings
    assert table.choices == {"rescale": [1.0, 5.0]}
    with pytest.raises(DataError, match=r"rows 2, 3: score is not from 3.5 to 9"):
        read_table(path, choices=parse_choices(None, None, "3.5:9"))
    with pytest.raises(UsageError, match="--rescale: there is no column 'score'"):
        read_table(write(folder, TEXT), choices=parse_choices(None, None, "1:5"))


def test_scores_that_are_never_negative_are_told(folder):
    rows = "id,audio,score\nu1,wav/a.wav,1\nu2,wav/b.wav,{}\n"
    told = "sentiment: no score is below 0 (they are 1 to 3), so all count as not negative"
    assert any(line.startswith(told) for line in read_table(write(folder, rows.format(3))).warnings)
    assert not any("below 0" in line for line in read_table(write(folder, rows.format(-0.5))).warnings)


@pytest.mark.parametrize("text", ["", "1", "5:1", "1:1", "a:b", "1:inf", "nan:2", "1:2:3", "-1e308:1e308"])
def test_scales_that_are_refused(text):
    with pytest.raises(UsageError, match="expected the lowest and the highest score"):
        parse_scale(text)


BOUNDS = st.floats(-1000, 1000, allow_subnormal=False)


@given(low=BOUNDS, width=st.floats(0.01, 1000), part=st.floats(0, 1), other=st.floats(0, 1))
def test_the_ends_and_the_middle_of_a_scale_are_kept(low, width, part, other):
    scale = Scale(low, low + width)
    ends = scale.rescaled(scale.low), scale.rescaled((scale.low + scale.high) / 2), scale.rescaled(scale.high)
    assert ends == pytest.approx((-3, 0, 3), abs=1e-6)
    assert (ends[0], ends[2]) == (-3, 3)
    lower, higher = sorted(min(scale.low + width * share, scale.high) for share in (part, other))
    assert STORED.low <= scale.rescaled(lower) <= scale.rescaled(higher) <= STORED.high


def test_the_middle_of_a_scale_is_never_negative():
    for low, high in ((0.1, 0.7), (1, 5), (0, 1), (1, 7), (0.3, 0.9), (-1, 1), (0, 100)):
        assert str(Scale(low, high).rescaled((low + high) / 2)) == "0.0"
