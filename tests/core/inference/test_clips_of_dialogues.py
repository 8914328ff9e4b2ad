"""Tables of dialogues for ``predict``: their columns, and the order of their clips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import write

from sertool.core.inference.clips import Clip, _in_order, collect

HEADER = "id,text,speaker,dialogue,order,start,end\n"


def read(folder, text, header=HEADER):
    return collect([], None, write(folder, header + text))


def orders(inputs):
    return {clip.name: (clip.dialogue, clip.order) for clip in inputs.clips}


def test_columns_dialogue_and_order_are_read_and_speakers_kept(tmp_path):
    inputs = read(tmp_path, "u1,Hi.,Guest #1,d1,7,,\nu2,No.,Bo,d1,3.0,,\nu3,Oh.,,,,,\n")
    assert orders(inputs) == {"u1": ("d1", 7), "u2": ("d1", 3), "u3": (None, None)}
    assert [clip.speaker for clip in inputs.clips] == ["Guest #1", "Bo", None]
    assert (inputs.notes, inputs.refused) == ([], [])


def test_start_orders_where_there_is_no_order(tmp_path):
    rows = "u1,Hi.,,d1,{},9,10\nu2,No.,,d1,,2,9.5\nu3,Oh.,,d2,,1,\nu4,Ah.,,d1,,2,3\n"
    inputs = read(tmp_path, rows.format(""))
    assert orders(inputs) == {"u1": ("d1", 2), "u2": ("d1", 0), "u3": ("d2", 0), "u4": ("d1", 1)}
    assert inputs.notes == []
    inputs = read(tmp_path, rows.format("5"))
    assert orders(inputs)["u1"] == ("d1", 2)
    assert "rows 3, 5: order is empty, so their dialogues are ordered by start" in inputs.notes[0]


def test_without_order_and_start_the_rows_stand_in_order(tmp_path):
    inputs = read(tmp_path, "u1,Hi.,,d1,,9,10\nu2,No.,,d1,,,\n")
    assert orders(inputs) == {"u1": ("d1", None), "u2": ("d1", None)}


def test_start_still_cuts_a_recording(tmp_path):
    inputs = read(tmp_path, "u1,wav/a.wav,d1,0.2,0.4\nu2,wav/a.wav,d1,0,0.2\n", "id,audio,dialogue,start,end\n")
    assert orders(inputs) == {"u1": ("d1", 1), "u2": ("d1", 0)}
    assert [(clip.segment.start, clip.segment.end) for clip in inputs.clips] == [(0.2, 0.4), (0.0, 0.2)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("u2,No.,,d1,7,,", "row 3: order 7 of dialogue 'd1' is that of row 2 already"),
        ("u2,No.,,d1,x,,", "row 3: order 'x' is not a whole number"),
        ("u2,No.,,d1,2.5,,", "row 3: order '2.5' is not a whole number"),
        ("u2,No.,,d1,2,5,4", "row 3: end is not after start"),
    ],
)
def test_rows_without_a_place_are_refused(tmp_path, row, said):
    inputs = read(tmp_path, f"u1,Hi.,,d1,7,,\n{row}\nu3,Oh.,,d2,7,,\n")
    assert [one.reason.partition(": ")[2] for one in inputs.refused] == [said]
    assert [clip.name for clip in inputs.clips] == ["u1", "u3"]


@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from("ab"),
            st.none() | st.integers(-3, 3),
            st.none() | st.floats(0, 9, allow_nan=False),
        ),
        max_size=12,
    )
)
def test_a_dialogue_has_orders_for_all_clips_or_none(found):
    clips = [
        Clip(str(place), text="x", row=place, dialogue=dialogue, order=order, start=start)
        for place, (dialogue, order, start) in enumerate(found)
    ]
    made, notes = _in_order(clips)
    assert [clip.name for clip in made] == [clip.name for clip in clips]
    for name in "ab":
        own = [(old, new) for old, new in zip(clips, made, strict=True) if new.dialogue == name]
        if all(old.order is not None for old, _ in own):
            assert all(old == new for old, new in own)
        elif all(old.start is not None for old, _ in own):
            starts = [old.start for old, _ in sorted(own, key=lambda pair: pair[1].order)]
            assert starts == sorted(starts)
        else:
            assert all(new.order is None for _, new in own)
    assert len(notes) <= 1
