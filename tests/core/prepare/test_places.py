"""Places in dialogues: the columns order, start and end, MELD's own columns, and IEMOCAP's times."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_iemocap import make_iemocap
from made_meld import make_meld
from recorded_tables import run, write

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.errors import DataError
from sertool.core.prepare.layouts import iemocap, meld
from sertool.core.prepare.layouts.read import read_layout
from sertool.core.prepare.places import clock_of, order_of, repeated
from sertool.core.prepare.table import read_table

TEXTS = """id,text,label,dialogue,order,start,end,speaker,split
u1,Go away!,angry,d1,3,0.5,1,a,train
u2,No.,angry,d1,1.0,0.25,2,b,train
u3,Oh.,happy,d2,-1,7,9,a,valid
u4,I am so glad.,happy,,,,,c,test
"""


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_table(path)
    return str(caught.value)


def places(rows):
    return {row.id: (row.order, row.start, row.end) for row in rows}


EXPECTED = {"u1": (3, 0.5, 1.0), "u2": (1, 0.25, 2.0), "u3": (-1, 7.0, 9.0), "u4": (None, None, None)}


def test_a_table_of_texts_gives_places_to_its_corpus(tmp_path):
    path = write(tmp_path, TEXTS)
    assert places(read_table(path).rows) == EXPECTED
    result = run(path, "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert places(read_corpus(tmp_path / "out").utterances) == EXPECTED


def test_json_tables_give_places_too(tmp_path):
    rows = [
        {"id": "u1", "text": "Hello", "label": "x", "dialogue": "d", "order": 2, "start": 1.5},
        {"id": "u2", "text": "Yes", "label": "y", "dialogue": "d", "order": 1.0, "start": None},
    ]
    path = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    assert places(read_table(path).rows) == {"u1": (2, 1.5, None), "u2": (1, None, None)}


def test_times_that_cut_a_recording_are_its_place(folder):
    text = "id,audio,label,dialogue,start,end\nu1,wav/a.wav,x,d,0.1,0.4\nu2,wav/b.wav,y,d,,\n"
    rows = {row.id: row for row in read_table(write(folder, text)).rows}
    assert (rows["u1"].start, rows["u1"].end) == (0.1, 0.4) == (rows["u1"].segment.start, rows["u1"].segment.end)
    assert (rows["u2"].start, rows["u2"].segment.start) == (None, None)
    assert places(read_table(write(folder, text.replace("dialogue", "room"))).rows)["u1"] == (None, None, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",3,", ",third,", "row 2: order 'third' is not a whole number"),
        (",3,", ",2.5,", "row 2: order '2.5' is not a whole number"),
        (",3,", ",1e3,", "row 2: order '1e3' is not a whole number"),
        (",3,", f",{'9' * 30},", "is not a whole number"),
        (",3,", ",1,", "rows 2, 3: order appears more than once in its dialogue: d1: 1"),
        ("0.5,1,", "1.5,1,", "row 2: end is not after start"),
        ("0.5,1,", "00:01,,", "row 2: start '00:01' is not a number of seconds"),
    ],
)
def test_places_that_cannot_be_are_refused_with_their_rows(tmp_path, old, new, said):
    assert said in refusal(write(tmp_path, TEXTS.replace(old, new, 1)))


def test_turns_may_overlap_run_backwards_and_number_anew_in_another_split(tmp_path):
    text = TEXTS.replace(",d2,-1,", ",d1,3,").replace("0.25,2", "0.1,9")
    table = read_table(write(tmp_path, text))
    assert places(table.rows)["u3"] == (3, 7.0, 9.0)
    said = "dialogues of different splits have the same name (d1): a model with context needs different ones"
    assert said in table.warnings


def test_orders_without_effect_are_told(tmp_path):
    said = "there is no column 'dialogue', so the column 'order' has no effect"
    assert said in read_table(write(tmp_path, TEXTS.replace("dialogue", "room"))).warnings
    warnings = read_table(write(tmp_path, TEXTS.replace(",1.0,", ",,"))).warnings
    assert any(line.startswith("row 3: order is empty, so their dialogues are ordered by start") for line in warnings)
    assert not any("order" in line for line in read_table(write(tmp_path, TEXTS)).warnings)


MELD = """Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime
"Where did you put it?",Ann,anger,0,4,"00:20:57,256","00:20:59,5"
Okay.,Ann,joy,0,2,"00:20:50,000","00:20:49,000"
Okay.,Bob,joy,1,4,x,
"""


def test_tables_of_meld_have_an_order_and_times_of_the_episode(tmp_path):
    rows = read_table(write(tmp_path, MELD)).rows
    expected = {"dia0_utt4": (4, 1257.256, 1259.5), "dia0_utt2": (2, None, None), "dia1_utt4": (4, None, None)}
    assert places(rows) == expected
    other = read_table(write(tmp_path, MELD.replace(",4,", ",a4,"))).rows
    assert places(other)["dia0_utta4"] == (None, 1257.256, 1259.5)


def test_meld_as_it_is_unpacked(tmp_path):
    rows = read_layout(meld.LAYOUT, make_meld(tmp_path / "MELD.Raw", clips=False)).rows
    assert all(row.id.endswith(f"_utt{row.order}") for row in rows)
    assert {(row.start, row.end) for row in rows} == {(1.0, 2.5)}


@pytest.mark.parametrize("transcribed", [True, False])
def test_iemocap_has_the_times_of_its_turns(tmp_path, transcribed):
    release = make_iemocap(tmp_path, sessions="1", seconds=0.05)
    if not transcribed:
        for path in release.glob("Session1/dialog/transcriptions/*.txt"):
            path.unlink()
    rows = read_layout(iemocap.LAYOUT, release, skip_bad=True).rows
    assert all(row.start is not None and row.start < row.end and row.order is None for row in rows)
    assert {row.groups["dialogue"] for row in rows} >= {"Ses01F_impro01", "Ses01M_impro01"}


def test_keys_of_the_pickles_show_the_order_of_meld_alone():
    assert LAYOUTS["meld"].order("dia12_utt3") == 3
    assert LAYOUTS["meld"].order("dia12") is None
    assert [LAYOUTS[name].order("Ses01F_impro01_M003") for name in LAYOUTS] == [None] * len(LAYOUTS)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.sampled_from(["", ".0", ".000"]))
def test_whole_numbers_are_orders(number, fraction):
    assert order_of(f"{number}{fraction}") == number


@given(st.text())
def test_any_text_is_an_order_or_refused(text):
    try:
        found = order_of(text)
    except ValueError as error:
        assert str(error) == f"order {text!r} is not a whole number"  # noqa: PT017
    else:
        assert found == float(text)


@given(st.floats(0, 359_999, allow_nan=False))
def test_clock_times_are_read_to_the_millisecond(seconds):
    whole = round(seconds * 1000)
    minutes, left = divmod(whole, 60_000)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{left // 1000:02d},{left % 1000:03d}"
    assert clock_of(text) == pytest.approx(whole / 1000, abs=1e-6)
    assert clock_of(text[:-4]) == whole // 1000


@given(st.text())
def test_other_texts_are_no_clock_times(text):
    assert clock_of(text) is None or text.count(":") == 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(0, 5)), max_size=20))
def test_repeated_orders_are_found(found):
    ordered = [place for place in found if place[1] is not None]
    assert len(repeated(found)) == len(ordered) - len(set(ordered))
    assert all(found[later] == found[earlier] and earlier < later for later, earlier in repeated(found))
