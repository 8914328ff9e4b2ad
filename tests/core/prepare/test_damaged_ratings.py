"""Tables of scores and raters with random damage are read or refused with a message; nothing else happens."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_tables import run, write

from sertool.core.errors import SertoolError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.table import read_table

SCORES = """id,text,speaker,label,arousal,score_warm,arousal_rater_1,arousal_rater_b
u1,well then,ann,happy,1.5,0,1,2
u2,no way,bob,sad,,100,3,
u3,come on,cid,,5,,,4
u4,go away,dan,happy|sad,2,50,,
"""
VOTES = """id,text,split,votes,raters,score
u1,well then,train,angry:3|neutral:2,5,-1.5
u2,no way,train,neutral:1,1,
u3,come on,valid,angry:2|neutral:2,4,3
u4,go away,test,sad:2,,0
"""
RATERS = """id;text;label;Rater 1;rater_ann;rater3
u1;well then;angry;angry;neutral;
u2;no way;neutral;;neutral;neutral|angry
u3;come on;;angry;neutral;-
"""
TABLES = st.sampled_from([SCORES, VOTES, RATERS])
PIECES = st.sampled_from(
    [
        *([",", "|", ":", ";", "+", "-", ".", "3,2", "nan", "inf", "1e400", "-1", "0", "angry:", ":9:9:9", "private"]),
        *(["votes", "raters", "rater_1", "_rater_", "arousal", "score", "score_", "label"]),
        *("\n", '"', "\0", " ", "\u200b", "٣", "9" * 40),
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES | st.text(max_size=3)), min_size=1, max_size=6)
OPTIONS = st.sampled_from([None, "1:5", "0:100", "arousal=1:5,warm=0:100", "score=-3:3,1:5"])
LABELS = st.sampled_from([None, "angry=mad", "happy=sad,sad=happy", "neutral=a|b"])


def damaged(text, edits):
    for place, length, piece in edits:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + length :]
    return text


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TABLES, edits=EDITS, ranges=OPTIONS, labels=LABELS)
def test_a_damaged_table_is_read_or_refused(folder, text, edits, ranges, labels):
    path = folder / "damaged.csv"
    path.write_bytes(damaged(text, edits).encode(errors="surrogatepass"))
    try:
        table = read_table(path, choices=parse_choices(None, labels, None, None, ranges))
    except SertoolError as error:
        str(error).encode()
        return
    for row in table.rows:
        for task, label in row.labels.items():
            low, high = table.ranges.get(task, (-3, 3))
            assert not isinstance(label, float) or low <= label <= high
        assert row.labels or row.ratings or row.split == "private"
        chosen = [said for said in (row.ratings or {}).get("emotion", {}).values() if isinstance(said, str)]
        assert not table.classes or set(chosen) <= set(table.classes["emotion"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TABLES, edits=EDITS)
def test_the_command_shows_one_message(folder, text, edits):
    path = folder / "damaged.csv"
    path.write_bytes(damaged(text, edits).encode(errors="surrogatepass"))
    result = run(path, "--dry-run", "--range", "1:5")
    assert result.exit_code in (0, 1, 2), result.exception
    assert result.exception is None or isinstance(result.exception, (SertoolError, SystemExit)), result.exception


@pytest.mark.parametrize(("text", "ranges"), [(SCORES, "arousal=1:5,warm=0:100"), (VOTES, None), (RATERS, None)])
def test_the_undamaged_tables_are_read(folder, text, ranges):
    table = read_table(write(folder, text), choices=parse_choices(None, None, None, None, ranges))
    assert any(row.ratings for row in table.rows)
