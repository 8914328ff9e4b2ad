"""The folder of a published corpus is recognised and said to be so; a wrong layout is one clear message."""

import pytest
from fake_layout import made, register
from recorded_tables import SETTINGS, run

from sertool.commands._prepare_options import Layout
from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.layouts.registry import LAYOUTS
from sertool.core.prepare.source import Source, read_source

NOTE = "recognised as Fake One (--layout fake-one); --layout class, for example, reads plain folders"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    register(monkeypatch)


def read(path, layout=None, *, pattern=None, rescale=None, audio_root=None):
    choices = parse_choices(pattern, None, rescale)
    return read_source(Source(path, audio_root, layout, Draw(), choices, "corpus", False, False))


def test_a_recognised_folder_is_said_to_be_one(tmp_path):
    found = read(made(tmp_path))
    assert (found.layout, found.warnings[0]) == ("fake-one", NOTE)
    named = read(tmp_path, "Fake_One")
    assert named.layout == "fake-one"
    assert NOTE not in named.warnings


def test_levels_and_patterns_read_it_otherwise(tmp_path):
    made(tmp_path / "in")
    (tmp_path / "in" / "sad").mkdir()
    (tmp_path / "in" / "u1.wav").rename(tmp_path / "in" / "sad" / "u1.wav")
    assert read(tmp_path / "in", "class").layout == ""
    assert read(tmp_path / "in", pattern="{label:1}{utterance}").layout == ""


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"pattern": "{speaker}_{label}"}, "--pattern"),
        ({"rescale": "1:5"}, "--rescale"),
        ({"audio_root": "wav"}, "--audio-root"),
    ],
)
def test_options_that_mean_nothing_with_a_layout_are_refused(tmp_path, given, option):
    with pytest.raises(UsageError, match=f"^{option}: does not fit --layout fake-one, which knows"):
        read(made(tmp_path), "fake-one", **given)


def test_a_slip_in_the_name_of_a_corpus(tmp_path):
    with pytest.raises(UsageError, match="no published corpus or level is called 'fake-tow', did you mean 'fake-two'"):
        read(made(tmp_path), "fake-tow")
    with pytest.raises(UsageError, match="is called 'clas', did you mean 'class'"):
        read(tmp_path, "clas")


def test_a_folder_of_another_corpus_is_named(tmp_path):
    with pytest.raises(DataError, match="holds Fake One, not Fake Two, which has the file") as caught:
        read(made(tmp_path), "fake-two")
    assert caught.value.hint == "--layout fake-one, or leave out --layout"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no list of Fake One"):
        read(tmp_path / "empty", "fake-one")


def test_a_folder_around_the_corpus_is_said_to_be_one(tmp_path):
    made(tmp_path / "inner")
    with pytest.raises(DataError, match="Fake One lies in a folder of it") as caught:
        read(tmp_path, "fake-one")
    assert caught.value.hint == f"give that folder: {tmp_path / 'inner'}"
    advice = f"to read a published corpus, give its own folder: {tmp_path / 'inner'} (Fake One)"
    assert read(tmp_path).warnings[0] == advice
    for number in range(6):
        (tmp_path / "inner" / f"u{number}.wav").unlink()
    with pytest.raises(DataError, match="no recordings in its subfolders") as caught:
        read(tmp_path)
    assert caught.value.hint == advice


def test_a_layout_is_for_folders(tmp_path):
    for name, hint in [("t.csv", "leave out --layout"), ("Fake.tar.gz", "unpack it, and give the folder")]:
        (tmp_path / name).touch()
        with pytest.raises(UsageError, match="for a folder of recordings") as caught:
            read(tmp_path / name, "fake-one")
        assert caught.value.hint == hint
    with pytest.raises(DataError, match="gone: no such folder"):
        read(tmp_path / "gone", "fake-one")


def test_the_command_says_what_it_recognised(tmp_path):
    result = run(made(tmp_path / "in"), "--out", tmp_path / "out", *SETTINGS, "--workers", "1")
    assert result.exit_code == 0, result.output
    assert f"warning: {NOTE}" in result.stderr


def test_the_help_names_every_corpus():
    told = Layout.__metadata__[0].help
    assert [name for name in LAYOUTS if not name.startswith("fake") and name not in told] == []
