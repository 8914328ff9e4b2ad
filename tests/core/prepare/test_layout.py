"""Levels of folders: the classes are found among splits, speakers, sessions and genders, or the user is asked."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.layout import guess_layout, parse_layout


def folders(text):
    """The folders of recordings from levels such as ``train,test/happy,sad``: each inside each of the level above."""
    paths = [()]
    for level in text.split("/"):
        paths = [(*path, name) for path in paths for name in level.split(",")]
    return paths


@pytest.mark.parametrize(
    ("levels", "layout"),
    [
        ("happy,sad", "class"),
        ("x,y", "class"),
        ("0,1,2", "class"),
        ("01_neutral,02-calm,other", "class"),
        ("train,val,test/happy,sad", "split/class"),
        ("Training,DEV,Eval/x,y", "split/class"),
        ("train-clean-100,dev-clean,test-other/happy,sad", "split/class"),
        ("train,test/0,1,2", "split/class"),
        ("0011,0012/happy,sad", "speaker/class"),
        ("speaker 1,speaker 2/wach,müde", "speaker/class"),
        ("Actor_01,Actor_02/calm,happy", "speaker/class"),
        ("Session1,Session2/ang,hap", "session/class"),
        ("fold1,fold2,fold3/happy,sad", "session/class"),
        ("male,female/happy,sad", "gender/class"),
        ("male_01,female_02/happy,sad", "speaker/class"),
        ("Male,Female/0001,0002/happy,sad", "gender/speaker/class"),
        ("happy,sad/male,female", "class/gender"),
        ("happy,sad/s1,s2", "class/speaker"),
        ("happy,sad/train,test", "class/split"),
        ("x,y/train,test", "class/split"),
        ("train,test/s1,s2/happy,sad", "split/speaker/class"),
        ("s1,s2/happy,sad/train,test", "speaker/class/split"),
        ("data/happy,sad", "-/class"),
        ("corpus/train,test/wav/wütend,traurig", "-/split/-/class"),
        ("happy,sad/take1,take2", "class/-"),
        ("\u200btrain,te\u00adst/happy,sad", "split/class"),
    ],
)
def test_the_layouts_that_names_tell(levels, layout):
    assert "/".join(guess_layout("in", folders(levels))) == layout


@pytest.mark.parametrize(
    ("levels", "hint"),
    [
        ("Ann,Bob/wach,müde", "--layout class/speaker or --layout speaker/class"),
        ("Ann,Bob/happy,sad", "--layout speaker/class"),
        ("0011,0012/1,2", "--layout class/speaker or --layout speaker/class"),
        ("male,female/0011,0012", "--layout gender/class"),
        ("happy,sad,test", "--layout class"),
        ("train,test,noise/happy,sad", "--layout split/class"),
        ("train,test/Ann,Bob/wach,müde", "--layout split/class/speaker or --layout split/speaker/class"),
    ],
)
def test_where_names_do_not_tell_the_user_is_asked(levels, hint):
    with pytest.raises(DataError, match="in: cannot tell which folders are the classes") as caught:
        guess_layout("in", folders(levels))
    assert caught.value.hint.startswith(f"say what each level is: {hint} (")
    for layout in hint.split(" or "):
        assert parse_layout(layout.removeprefix("--layout "))


@pytest.mark.parametrize(
    ("levels", "option"),
    [
        *(("Actor_01,Actor_02", "class"), ("male,female", "class"), ("train,test", "class"), ("wav", "class")),
        ("Session1,Session2/sentences/wav/Ses01F_impro01,Ses02M_script1", "-/-/-/class"),
    ],
)
def test_folders_without_classes_are_refused(levels, option):
    with pytest.raises(DataError, match="in: no level of folders looks like classes") as caught:
        guess_layout("in", folders(levels))
    assert caught.value.hint.endswith(f"--layout {option}")


NAMES = {
    "split": [["train", "test"], ["Training", "dev", "eval"], ["train-clean", "TEST-other"]],
    "speaker": [["0011", "0012"], ["spk1", "spk2", "spk10"], ["Actor_01", "Actor_24"]],
    "session": [["Session1", "Session2"], ["fold1", "fold2", "fold3"]],
    "gender": [["male", "female"], ["F", "M"]],
    "class": [["angry", "happy", "other"], ["01_neutral", "02_calm"], ["fr\u00f6hlich", "w\u00fctend"]],
}


@given(data=st.data(), roles=st.permutations(list(NAMES)), depth=st.integers(1, 5))
def test_levels_with_names_of_the_field_are_found_in_any_order(data, roles, depth):
    roles = roles[:depth] if "class" in roles[:depth] else [*roles[: depth - 1], "class"]
    levels = [",".join(data.draw(st.sampled_from(NAMES[role]))) for role in roles]
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    assert guess_layout("in", folders(unicodedata.normalize(form, "/".join(levels)))) == tuple(roles)


ANY_NAME = st.sampled_from([name for levels in NAMES.values() for level in levels for name in level])


@given(levels=st.lists(st.lists(ANY_NAME, min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
def test_any_folders_are_read_or_refused(levels):
    try:
        layout = "/".join(guess_layout("in", folders("/".join(",".join(names) for names in levels))))
    except DataError as error:
        layout = error.hint.rpartition("--layout ")[2].split()[0]
    assert "class" in parse_layout(layout)


def test_folders_that_only_one_class_has_are_part_of_it():
    paths = [("x",), ("y", "deep"), ("y", "deeper", "still")]
    assert guess_layout("in", paths)[0] == "class"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("split/clas", "--layout split/clas: no level is called 'clas', did you mean 'class'?"),
        ("speaker/split", "--layout speaker/split: no level is the class"),
        ("class/class", "--layout class/class: class is given twice"),
        ("", "--layout : no level is called '', expected class, split, "),
    ],
)
def test_layouts_that_are_none(text, message):
    with pytest.raises(UsageError) as caught:
        parse_layout(text)
    assert str(caught.value).startswith(message)
    assert parse_layout("-/Split/-/class/") == ("-", "split", "-", "class")


def tree(tmp_path, *names):
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "in"


def test_splits_of_folders_are_honoured(tmp_path):
    names = [
        f"{split}/{label}/{n}.wav" for split in ("Train", "dev", "eval") for label in ("happy", "sad") for n in "ab"
    ]
    table = read_folder(tree(tmp_path, *names))
    expected = {"Train": "train", "dev": "valid", "eval": "test"}
    assert {(row.id, row.split, row.labels["emotion"]) for row in table.rows} == {
        (name, expected[name.split("/")[0]], name.split("/")[1]) for name in names
    }
    assert table.warnings[0] == ("folders are read as split/class: split Train as train, dev as valid, eval as test")
    assert not table.drawn


def test_speakers_of_folders_are_used(tmp_path):
    names = [
        f"{speaker}/{label}/{speaker}{label}.wav" for speaker in ("0011", "0012", "0013") for label in ("x", "sad")
    ]
    table = read_folder(tree(tmp_path, *names))
    assert {row.id: row.groups for row in table.rows} == {
        f"{name.split('/')[2].removesuffix('.wav')}": {"speaker": name.split("/")[0]} for name in names
    }
    assert table.drawn == "speaker"


def test_speakers_of_two_genders_are_two(tmp_path):
    names = [f"{gender}/s{n}/{label}/a.wav" for gender in ("m", "f") for n in (1, 2) for label in ("happy", "sad")]
    rows = read_folder(tree(tmp_path, *names)).rows
    assert {(row.groups["gender"], row.groups["speaker"]) for row in rows} == {
        *(("m", "m/s1"), ("m", "m/s2"), ("f", "f/s1"), ("f", "f/s2"))
    }


def test_recordings_outside_the_folders_of_classes_are_ignored_and_told(tmp_path):
    folder = tree(tmp_path, "train/happy/a.wav", "train/sad/b.wav", "train/c.wav", "test/happy/d.wav", "test/notes.txt")
    table = read_folder(folder)
    assert {(row.id, row.split) for row in table.rows if row.id == "d"} == {("d", "test")}
    assert "ignored, no recording in a folder of a class: test/notes.txt, train/c.wav" in table.warnings


def test_folders_that_name_speaker_and_class_together_are_told(tmp_path):
    warnings = read_folder(tree(tmp_path, *(f"{who}_{own}/a.wav" for who in "OY" for own in ("angry", "Sad")))).warnings
    assert warnings[0] == (
        "folders of one emotion count as different classes: O_Sad and Y_Sad, O_angry and Y_angry "
        "(a table can name the speakers apart)"
    )


def test_a_gender_may_be_unknown(tmp_path):
    rows = read_folder(tree(tmp_path, "happy/s1/m/a.wav", "sad/s1/b.wav", "sad/s1/f/c.wav")).rows
    assert {row.id: row.groups for row in rows} == {
        "a": {"speaker": "m/s1", "gender": "m"},
        "b": {"speaker": "s1"},
        "c": {"speaker": "f/s1", "gender": "f"},
    }


def test_the_user_says_what_levels_are(tmp_path):
    folder = tree(tmp_path, *(f"{who}/{label}/{who}{label}.wav" for who in ("Ann", "Bob", "Cem") for label in "xy"))
    with pytest.raises(DataError, match="cannot tell"):
        read_folder(folder)
    rows = read_folder(folder, layout=parse_layout("speaker/class")).rows
    assert {(row.groups["speaker"], row.labels["emotion"]) for row in rows} == {
        (who, label) for who in ("Ann", "Bob", "Cem") for label in "xy"
    }
    assert {row.labels["emotion"] for row in read_folder(folder, layout=("class",)).rows} == {"Ann", "Bob", "Cem"}
    with pytest.raises(DataError, match="its folders name no split"):
        read_folder(folder, layout=parse_layout("split/class"))
    with pytest.raises(
        DataError, match=r"no recordings inside 3 levels of folders \(-/-/class\), which are the classes"
    ):
        read_folder(folder, layout=parse_layout("-/-/class"))


def test_folders_that_look_alike_are_one_class(tmp_path):
    composed = "böse"
    apart = unicodedata.normalize("NFD", composed)
    folder = tree(tmp_path, f"{composed}/a.wav", f"{apart}/b.wav", "froh/c.wav")
    table = read_folder(folder)
    assert {row.id: row.labels["emotion"] for row in table.rows} == {"a": "böse", "b": "böse", "c": "froh"}
    assert table.warnings[0] == "read 1 cell in the normal form of a name: label 'bo\\u0308se' as 'böse' (1 utterance)"
    tree(tmp_path, f"{composed}/c.wav", f"{apart}/c.wav")
    with pytest.raises(DataError, match="look alike, and give one id"):
        read_folder(folder)


def test_a_folder_for_missing_labels_is_no_class(tmp_path):
    with pytest.raises(DataError) as caught:
        read_folder(tree(tmp_path, "happy/a.wav", "sad/b.wav", "nan/c.wav"))
    assert str(caught.value) == f"{tmp_path / 'in'}: nan/c.wav: the name of its class stands for a missing label"


def test_a_recording_without_a_split_is_refused(tmp_path):
    folder = tree(tmp_path, "happy/train/a.wav", "happy/test/b.wav", "happy/c.wav", "sad/train/d.wav")
    with pytest.raises(DataError, match=r"happy/c\.wav: its folders name no split"):
        read_folder(folder)


def test_a_file_named_like_a_missing_value_has_its_path_as_id(tmp_path):
    rows = read_folder(tree(tmp_path, "happy/nan.wav", "sad/b.wav")).rows
    assert {row.id for row in rows} == {"happy/nan.wav", "b"}


def test_a_layout_is_for_folders(tmp_path):
    (tmp_path / "t.csv").write_text("id,audio,label\n")
    arguments = ["prepare", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--layout", "split/class"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert f"error: --layout: for a folder of recordings, and {tmp_path / 't.csv'} is none\n" in result.output
